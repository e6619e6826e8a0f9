//! Line protocol: read back by an independent parser, texts by hand, and every refusal.

use std::sync::Arc;

use crate::common::cases;
use crate::common::drafts::{Draft, Fields, PRECISIONS, encode, frame, times};
use crate::common::lines::FieldValue;
use crate::common::strings;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Int8Type};
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float16Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, NullArray, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array, new_null_array,
};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use db_native::{Duplicates, Layout, Precision, Result};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn layout<'a>(tag_columns: &'a [String], tags: &'a [(String, String)]) -> Layout<'a> {
    Layout {
        measurement: "m",
        tag_columns,
        time_column: "time",
        tags,
        precision: Precision::Nanosecond,
        duplicates: Duplicates::Error,
    }
}

/// A text of what has a meaning in line protocol, and what has not.
fn text() -> impl Strategy<Value = String> {
    let parts = vec!["\\", ",", "=", " ", "\"", "a", "é", "🔌", "#", "\t", "\0", "\r", "\n", "i", "'", "1"];
    vec(select(parts), 0..5).prop_map(|parts| parts.concat())
}

fn fields(rows: usize) -> BoxedStrategy<Fields> {
    fn of<T, A>(
        values: impl Strategy<Value = T> + 'static,
        rows: usize,
        field: fn(T) -> FieldValue,
    ) -> BoxedStrategy<Fields>
    where
        T: Clone + std::fmt::Debug + 'static,
        A: arrow_array::Array + From<Vec<Option<T>>> + 'static,
    {
        let values = vec(option::weighted(0.9, values), rows);
        let fields = move |values: Vec<Option<T>>| {
            let array = Arc::new(A::from(values.clone()));
            Fields(values.into_iter().map(|value| value.map(field)).collect(), array)
        };
        values.prop_map(fields).boxed()
    }
    prop_oneof![
        of::<_, Int8Array>(any::<i8>(), rows, |v| FieldValue::Integer(v.into())),
        of::<_, Int16Array>(any::<i16>(), rows, |v| FieldValue::Integer(v.into())),
        of::<_, Int32Array>(any::<i32>(), rows, |v| FieldValue::Integer(v.into())),
        of::<_, Int64Array>(any::<i64>(), rows, FieldValue::Integer),
        of::<_, UInt8Array>(any::<u8>(), rows, |v| FieldValue::Unsigned(v.into())),
        of::<_, UInt16Array>(any::<u16>(), rows, |v| FieldValue::Unsigned(v.into())),
        of::<_, UInt32Array>(any::<u32>(), rows, |v| FieldValue::Unsigned(v.into())),
        of::<_, UInt64Array>(any::<u64>(), rows, FieldValue::Unsigned),
        of::<_, Float32Array>(-1e9_f32..1e9, rows, |v| FieldValue::Float(v.into())),
        of::<_, Float64Array>(any::<f64>().prop_filter("finite", |v| v.is_finite()), rows, FieldValue::Float),
        of::<_, BooleanArray>(any::<bool>(), rows, FieldValue::Boolean),
        Just(Fields(vec![None; rows], Arc::new(NullArray::new(rows)))),
        (vec(option::weighted(0.9, text()), rows), select(strings::Layout::ALL.to_vec())).prop_map(
            |(values, layout)| {
                let array = strings::strings(&values, layout);
                Fields(values.into_iter().map(|value| value.map(FieldValue::Text)).collect(), array)
            }
        ),
    ]
    .boxed()
}

fn draft() -> impl Strategy<Value = Draft> {
    (0..6_usize, 0..4_usize).prop_flat_map(|(rows, precision)| {
        let name = || prop_oneof![5 => "[a-z]{1,6}", 1 => text()];
        let value = prop_oneof![9 => "[a-z]{0,4}", 1 => text()];
        let limit = i64::MAX / PRECISIONS[precision].1;
        (
            name(),
            btree_map(name(), value.clone(), 0..3),
            btree_map(name(), vec(option::weighted(0.8, value), rows), 0..3),
            btree_map(name(), fields(rows), 1..4),
            vec(1 - limit..limit, rows),
            select(strings::Layout::ALL.to_vec()),
        )
            .prop_map(move |(measurement, constant, tags, fields, times, strings)| {
                let times = times.into_iter().map(|time| time * PRECISIONS[precision].1).collect();
                Draft { measurement, constant, tags, strings, fields, times, precision }
            })
    })
}

proptest! {
    #![proptest_config(cases(3000))]

    /// What can be carried arrives as it was, in bodies of any size; what can't is refused.
    #[test]
    fn points_arrive_as_they_were_or_are_refused(draft in draft(), limit in select(vec![0, 1, 100, 1 << 20])) {
        prop_assume!(draft.names_are_distinct());
        draft.check(limit);
    }
}

/// The body of a frame whose column `time` holds 1 ns, 2 ns, … and whose columns `t…` are tags.
fn body(measurement: &str, tags: &[(&str, &str)], columns: Vec<(&str, ArrayRef)>) -> Result<String> {
    let rows = columns[0].1.len();
    let tag_columns: Vec<String> =
        columns.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name.starts_with('t')).collect();
    let tags: Vec<_> = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut all = vec![("time", times((1..).take(rows).collect()))];
    all.extend(columns);
    let layout = Layout { measurement, ..layout(&tag_columns, &tags) };
    encode(&frame(all), &layout, usize::MAX).map(|bodies| bodies.concat())
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

fn one() -> ArrayRef {
    Arc::new(Int64Array::from(vec![1]))
}

#[test]
fn lines_by_hand() {
    let cases: Vec<(&str, Result<String>)> = vec![
        ("m v=1i 1\n", body("m", &[], vec![("v", one())])),
        ("m,k=w v=1i 1\n", body("m", &[("k", "w")], vec![("v", one())])),
        ("m,a=1,k=w,ta=x v=1i 1\n", body("m", &[("k", "w"), ("a", "1")], vec![("ta", texts(&["x"])), ("v", one())])),
        ("a\\,\\ b=c\"d v=1i 1\n", body("a, b=c\"d", &[], vec![("v", one())])),
        ("m,a\\,\\ \\=\"=\\,\\ \\=\" v=1i 1\n", body("m", &[("a, =\"", ", =\"")], vec![("v", one())])),
        ("m a\\,\\ \\=\"=1i 1\n", body("m", &[], vec![("a, =\"", one())])),
        ("m,k=a\\\\,b v=1i 1\n", body("m", &[("k", "a\\,b")], vec![("v", one())])),
        ("m,k\\\\,=a\\b v=1i 1\n", body("m", &[("k\\,", "a\\b")], vec![("v", one())])),
        ("m s=\"a,b =\\\"c\\\\\" 1\n", body("m", &[], vec![("s", texts(&["a,b =\"c\\"]))])),
        ("m s=\"a\nb\" 1\nm s=\"\" 2\n", body("m", &[], vec![("s", texts(&["a\nb", ""]))])),
        ("größe,ort=Zürich v=1i 1\n", body("größe", &[("ort", "Zürich")], vec![("v", one())])),
        (
            "m v=-9223372036854775808i 1\nm v=9007199254740993i 2\n",
            body("m", &[], vec![("v", Arc::new(Int64Array::from(vec![i64::MIN, (1 << 53) + 1])))]),
        ),
        ("m v=18446744073709551615u 1\n", body("m", &[], vec![("v", Arc::new(UInt64Array::from(vec![u64::MAX])))])),
        ("m v=true 1\nm v=false 2\n", body("m", &[], vec![("v", Arc::new(BooleanArray::from(vec![true, false])))])),
        (
            "m v=1.0 1\nm v=-0.0 2\nm v=0.1 3\nm v=1e+300 4\nm v=5e-324 5\n",
            body("m", &[], vec![("v", Arc::new(Float64Array::from(vec![1.0, -0.0, 0.1, 1e300, 5e-324])))]),
        ),
        (
            "m w=1i 1\nm v=2.0 2\nm w=3i 3\n",
            body(
                "m",
                &[],
                vec![
                    ("v", Arc::new(Float64Array::from(vec![None, Some(2.0), Some(f64::NAN)]))),
                    ("w", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
                ],
            ),
        ),
        (
            "m,ta=x v=1i 1\nm v=1i 2\nm v=1i 3\n",
            body(
                "m",
                &[],
                vec![
                    ("ta", Arc::new(StringArray::from(vec![Some("x"), None, Some("")]))),
                    ("v", Arc::new(Int64Array::from(vec![1, 1, 1]))),
                ],
            ),
        ),
        (
            "m,ta=-1,tb=true,tc=x v=1i 1\n",
            body(
                "m",
                &[],
                vec![
                    ("tc", Arc::new(DictionaryArray::<Int8Type>::from_iter(["x"]))),
                    ("tb", Arc::new(BooleanArray::from(vec![true]))),
                    ("ta", Arc::new(Int8Array::from(vec![-1]))),
                    ("v", one()),
                ],
            ),
        ),
        ("m,k=v v=1i 1\n", body("m", &[("empty", ""), ("k", "v")], vec![("v", one())])),
    ];
    for (expected, found) in cases {
        assert_eq!(Ok(expected), found.as_deref());
    }
}

#[test]
fn times_are_written_in_the_unit_asked_for() {
    let seconds = 1_700_000_000_i64;
    let units: [(ArrayRef, i64); 4] = [
        (Arc::new(TimestampSecondArray::from(vec![seconds, -1])), 1_000_000_000),
        (Arc::new(TimestampMillisecondArray::from(vec![seconds * 1_000, -1_000])), 1_000_000_000),
        (Arc::new(TimestampMicrosecondArray::from(vec![seconds * 1_000_000, -1_000_000])), 1_000_000_000),
        (times(vec![seconds * 1_000_000_000, -1_000_000_000]), 1_000_000_000),
    ];
    for (column, nanos) in units {
        for (precision, tick) in PRECISIONS {
            let frame = frame(vec![("time", Arc::clone(&column)), ("v", Arc::new(Int64Array::from(vec![1, 2])))]);
            let bodies = encode(&frame, &Layout { precision, ..layout(&[], &[]) }, usize::MAX).unwrap();
            let expected = format!("m v=1i {}\nm v=2i {}\n", seconds * nanos / tick, -nanos / tick);
            assert_eq!(vec![expected], bodies);
        }
    }
}

#[test]
fn what_can_not_be_carried_is_refused_with_its_reason() {
    let v = || vec![("v", one())];
    let carry = "it can't be written and read back";
    let lost = format!("holds a backslash before a space, a comma, an equals sign or a quote; {carry}");
    let cases = [
        (format!("the measurement \"\" is empty; {carry}"), body("", &[], v())),
        (format!("the measurement \"m\\\\\" ends in a backslash; {carry}"), body("m\\", &[], v())),
        (format!("the measurement \"a\\nb\" holds a line feed; {carry}"), body("a\nb", &[], v())),
        (format!("the measurement \"\\tm\" starts with a tab or NUL; {carry}"), body("\tm", &[], v())),
        (format!("the measurement \"\\0\" starts with a tab or NUL; {carry}"), body("\0", &[], v())),
        (format!("the measurement \"a\\\\,b\" {lost}"), body("a\\,b", &[], v())),
        (
            "the measurement \"#m\" starts with '#', as a comment does; it can't be written and read back".to_owned(),
            body("#m", &[], v()),
        ),
        (format!("the tag key \"\" is empty; {carry}"), body("m", &[("", "x")], v())),
        (format!("the tag key \"k\\\\\" ends in a backslash; {carry}"), body("m", &[("k\\", "x")], v())),
        (format!("the tag key \"a\\nb\" holds a line feed; {carry}"), body("m", &[("a\nb", "x")], v())),
        (format!("the tag key \"a\\rb\" holds a carriage return; {carry}"), body("m", &[("a\rb", "x")], v())),
        (format!("the tag key \"a\\\\ b\" {lost}"), body("m", &[("a\\ b", "x")], v())),
        (format!("the tag value \"x\\\\\" ends in a backslash; {carry}"), body("m", &[("k", "x\\")], v())),
        (format!("the tag value \"a\\nb\" holds a line feed; {carry}"), body("m", &[("k", "a\nb")], v())),
        (format!("the field key \"\" is empty; {carry}"), body("m", &[], vec![("", one())])),
        (format!("the field key \"f\\\\\" ends in a backslash; {carry}"), body("m", &[], vec![("f\\", one())])),
        (format!("the field key \"a\\nb\" holds a line feed; {carry}"), body("m", &[], vec![("a\nb", one())])),
        (format!("the field key \"\\tf\" starts with a tab or NUL; {carry}"), body("m", &[], vec![("\tf", one())])),
        (format!("the field key \"a\\\\\\\"b\" {lost}"), body("m", &[], vec![("a\\\"b", one())])),
        (
            format!("column \"ta\", row 1: the tag value \"x\\\\\" ends in a backslash; {carry}"),
            body("m", &[], vec![("ta", texts(&["x", "x\\"])), ("v", Arc::new(Int64Array::from(vec![1, 2])))]),
        ),
        (
            "column \"k\": this tag is given twice, as a constant one or as a column; give it once".to_owned(),
            body("m", &[("k", "a"), ("k", "b")], v()),
        ),
        (
            "column \"ta\": this tag is given twice, as a constant one or as a column; give it once".to_owned(),
            body("m", &[("ta", "a")], vec![("ta", texts(&["x"])), ("v", one())]),
        ),
        (
            "column \"v\": two columns have this name, counting the levels of the index; rename one".to_owned(),
            body("m", &[], vec![("v", one()), ("v", one())]),
        ),
        (
            "row 1: no field has a value; a point needs at least one".to_owned(),
            body("m", &[], vec![("v", Arc::new(Float64Array::from(vec![1.0, f64::NAN])))]),
        ),
        (
            "column \"v\", row 1: inf can't be stored; InfluxDB stores only finite floats".to_owned(),
            body("m", &[], vec![("v", Arc::new(Float64Array::from(vec![1.0, f64::INFINITY])))]),
        ),
        (
            "column \"v\", row 0: -inf can't be stored; InfluxDB stores only finite floats".to_owned(),
            body("m", &[], vec![("v", Arc::new(Float32Array::from(vec![f32::NEG_INFINITY])))]),
        ),
        (
            "column \"ta\": a tag is a string, an integer or a boolean, not a float".to_owned(),
            body("m", &[], vec![("ta", Arc::new(Float64Array::from(vec![1.0]))), ("v", one())]),
        ),
    ];
    for (expected, found) in cases {
        assert_eq!(Err(expected), found.map_err(|error| error.to_string()));
    }
}

#[test]
fn what_is_longer_than_influxdb_keeps_is_refused() {
    let v = || ("v", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef);
    let texts = |length: usize| texts(&["x", &"x".repeat(length)]);
    assert!(body("m", &[], vec![("v", texts(1 << 20))]).is_ok());
    assert_eq!(
        Err("column \"v\", row 1: a text of 1048577 bytes can't be stored; InfluxDB stores at most 1048576".to_owned()),
        body("m", &[], vec![("v", texts((1 << 20) + 1))]).map_err(|error| error.to_string())
    );
    let tagged = |column| body("m", &[("k", "x")], vec![("t", column), v()]).map_err(|error| error.to_string());
    let spare = 65_531 - "m,k=x,t=v".len();
    let message = |length: usize| {
        format!("row 1: measurement, tags and a field key have {length} bytes; InfluxDB stores at most 65531")
    };
    let too_long = Err(message(65_532));
    for layout in strings::Layout::ALL {
        let texts = |length: usize| strings::strings(&[Some("x".to_owned()), Some("x".repeat(length))], layout);
        assert!(tagged(texts(spare)).is_ok());
        assert_eq!(too_long, tagged(texts(spare + 1)));
    }
    // Each escape is a byte more.
    // A field counts where it has a value.
    let field = "f".repeat(100);
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    let columns = vec![("t", texts(spare)), ("v", v().1), (field.as_str(), text)];
    assert!(body("m", &[("k", "x")], columns).is_ok());
    let escaped = tagged(Arc::new(StringArray::from(vec!["x".to_owned(), ",".repeat(40_000)])));
    assert_eq!(Err(message("m,k=x,t=v".len() + 80_000)), escaped);
}

#[test]
fn names_that_are_influxdbs_own_are_refused() {
    for name in ["time", "_field", "_measurement", "_time", "_value", "_start", "_stop"] {
        let expected =
            format!("column {name:?}: InfluxDB uses this name itself, so no tag can have it; rename the tag");
        let constant = [(name.to_owned(), "x".to_owned())];
        let column = [name.to_owned()];
        for (columns, tags) in [(&[][..], &constant[..]), (&column, &[])] {
            let frame = frame(vec![("at", times(vec![1])), (name, texts(&["x"])), ("v", one())]);
            let found = encode(&frame, &Layout { time_column: "at", ..layout(columns, tags) }, 0);
            assert_eq!(Err(expected.clone()), found.map_err(|error| error.to_string()));
        }
    }
    let columns = vec![("at", times(vec![1])), ("time", one())];
    let found = encode(&frame(columns), &Layout { time_column: "at", ..layout(&[], &[]) }, 0);
    let expected = "column \"time\": InfluxDB refuses a field of this name; rename it, or make it the time column";
    assert_eq!(expected, found.unwrap_err().to_string());
}

#[test]
fn the_time_column_is_no_tag() {
    let frame = frame(vec![("time", times(vec![1])), ("v", one())]);
    let error = encode(&frame, &layout(&["time".to_owned()], &[]), 0).unwrap_err();
    assert_eq!("column \"time\": the time column can't be a tag; leave it out of tag_columns", error.to_string());
}

#[test]
fn a_layout_names_columns_that_are_there() {
    let frame = frame(vec![("time", times(vec![1])), ("v", one())]);
    let nowhere = ["nowhere".to_owned()];
    for layout in [layout(&nowhere, &[]), Layout { time_column: "nowhere", ..layout(&[], &[]) }] {
        let expected = "column \"nowhere\": there is no such column; the columns are time, v";
        assert_eq!(expected, encode(&frame, &layout, 0).unwrap_err().to_string());
    }
}

#[test]
fn times_that_can_not_be_written_are_refused() {
    let case = |time: ArrayRef, precision| {
        let v: ArrayRef = Arc::new(Int64Array::from(vec![1; time.len()]));
        let layout = Layout { precision, ..layout(&[], &[]) };
        encode(&frame(vec![("time", time), ("v", v)]), &layout, 0).unwrap_err().to_string()
    };
    let missing = Arc::new(TimestampNanosecondArray::from(vec![Some(1), None]));
    assert_eq!("column \"time\", row 1: a point needs a time", case(missing, Precision::Nanosecond));
    assert_eq!(
        "column \"time\", row 1: 1500 ns is not a whole number of the precision's 1000 ns",
        case(times(vec![1000, 1500]), Precision::Microsecond)
    );
    assert_eq!(
        "column \"time\", row 0: the time lies outside 1677-09-21 to 2262-04-11",
        case(Arc::new(TimestampSecondArray::from(vec![10_000_000_000])), Precision::Second)
    );
    // The ends of the 64 bits are InfluxDB's own.
    for time in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
        assert_eq!(
            format!("column \"time\", row 1: {time} ns lies outside InfluxDB's times, 1677-09-21 to 2262-04-11"),
            case(times(vec![i64::MIN + 2, time, i64::MAX - 2]), Precision::Nanosecond)
        );
    }
    assert_eq!(
        "column \"time\": the time column must hold timestamps, not Int64; convert it to timestamps first",
        case(one(), Precision::Nanosecond)
    );
}

#[test]
fn a_type_that_can_not_be_stored_is_refused_with_what_to_convert_it_to() {
    let kinds = [
        (DataType::Date64, "dates", "text"),
        (DataType::Timestamp(TimeUnit::Second, None), "timestamps other than the point's own", "text or integers"),
        (DataType::Time32(TimeUnit::Second), "times of day", "text or integers"),
        (DataType::Duration(TimeUnit::Second), "durations", "a number of seconds"),
        (DataType::Interval(IntervalUnit::DayTime), "durations", "a number of seconds"),
        (DataType::Decimal128(5, 2), "decimals", "floats, integers or text"),
        (DataType::BinaryView, "bytes", "text"),
        (DataType::FixedSizeBinary(2), "bytes or objects", "text"),
        (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64)), "encoded values", "a plain column"),
        (DataType::new_list(DataType::Int64, true), "nested values", "text, such as JSON, or to columns of their own,"),
    ];
    for (kind, what, instead) in kinds {
        let expected = format!("column \"v\": {what} ({kind}) can't be stored; convert them to {instead} first");
        let found = body("m", &[], vec![("v", new_null_array(&kind, 1))]);
        assert_eq!(Err(expected), found.map_err(|error| error.to_string()));
    }
}

#[test]
fn halves_are_written_as_floats() {
    let half = <Float16Type as ArrowPrimitiveType>::Native::from_f32;
    let halves: ArrayRef = Arc::new(Float16Array::from(vec![half(0.5), half(-65504.0)]));
    assert_eq!(Ok("m v=0.5 1\nm v=-65504.0 2\n".to_owned()), body("m", &[], vec![("v", halves)]));
}

#[test]
fn a_field_and_a_constant_tag_of_one_name_are_refused() {
    let expected =
        "column \"v\": a field and a constant tag have this name, and no read can tell the two apart; rename one";
    let found = body("m", &[("v", "x")], vec![("v", one())]);
    assert_eq!(Err(expected.to_owned()), found.map_err(|error| error.to_string()));
}

#[test]
fn a_null_hides_whatever_stands_behind_it() {
    let hidden = Float64Array::new(vec![f64::INFINITY, 1.0].into(), Some(vec![false, true].into()));
    let w = Arc::new(Int64Array::from(vec![1, 2]));
    assert_eq!(Ok("m w=1i 1\nm v=1.0,w=2i 2\n".to_owned()), body("m", &[], vec![("v", Arc::new(hidden)), ("w", w)]));
}

#[test]
fn a_body_ends_once_it_has_the_bytes_asked_for() {
    let frame = frame(vec![("time", times(vec![1, 2, 3])), ("v", Arc::new(Int64Array::from(vec![1, 2, 3])))]);
    let bodies = |limit| encode(&frame, &layout(&[], &[]), limit).unwrap();
    let line = "m v=1i 1\n".len();
    assert_eq!(vec!["m v=1i 1\n", "m v=2i 2\n", "m v=3i 3\n"], bodies(line));
    assert_eq!(vec!["m v=1i 1\nm v=2i 2\n", "m v=3i 3\n"], bodies(line + 1));
}

#[test]
fn no_rows_are_no_bodies() {
    let frame = frame(vec![("time", times(vec![])), ("v", Arc::new(Int64Array::from(Vec::<i64>::new())))]);
    assert_eq!(Ok(Vec::new()), encode(&frame, &layout(&[], &[]), 100));
}
