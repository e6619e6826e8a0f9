//! The pivot against its naive twin: a map from series and time to each field's value.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::common::cases;
use crate::common::plain::{Value, columns};
use crate::common::reads::{Table, Tags, answer};
use crate::common::wide::{frame, pivot, twin};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use db_native::{Answer, EmptyText, ErrorKind, Levels, Pivot, Renamed};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const FIELDS: [&str; 3] = ["power", "state", "total"];

fn tags() -> impl Strategy<Value = Tags> {
    let pairs = vec![("meter", "m1"), ("site", "a"), ("site", "b"), ("unit", "kWh"), ("unit", ""), ("zone", "")];
    prop_oneof![
        3 => select(vec!["m1", "m2", "m3"]).prop_map(|meter| Tags::from([("meter", meter), ("site", "a")])),
        2 => subsequence(pairs, 0..4).prop_map(|pairs| pairs.into_iter().collect()),
    ]
}

fn value(datatype: &'static str) -> BoxedStrategy<Value> {
    let value = match datatype {
        "string" => select(vec!["on", "off", "größe"]).prop_map(Value::text).boxed(),
        "boolean" => any::<bool>().prop_map(Value::Boolean).boxed(),
        "long" => prop_oneof![9 => -5..5_i64, 1 => Just((1 << 53) + 1)].prop_map(Value::Long).boxed(),
        "unsignedLong" => prop_oneof![9 => 0..5_u64, 1 => Just(u64::MAX)].prop_map(Value::UnsignedLong).boxed(),
        _ => (-5.0..5.0).prop_map(Value::double).boxed(),
    };
    prop_oneof![8 => value, 1 => Just(Value::Null)].boxed()
}

/// A table whose times, a few of few, may meet those of other tables and in no order.
fn table(datatypes: [&'static str; 3]) -> impl Strategy<Value = Table> {
    let usual = (0..3_usize).prop_map(move |field| (FIELDS[field], datatypes[field]));
    let other = (select(FIELDS.to_vec()), select(vec!["double", "long", "unsignedLong", "boolean", "string"]));
    let kind = prop_oneof![12 => usual, 1 => other];
    (tags(), kind).prop_flat_map(|(tags, (field, datatype))| {
        let sorted = subsequence((0..6_i64).collect::<Vec<_>>(), 1..5);
        let times = prop_oneof![4 => sorted.clone(), 1 => sorted.prop_shuffle(), 1 => vec(0..6_i64, 1..3)];
        (times, vec(value(datatype), 5)).prop_map(move |(times, values)| {
            let rows = times.into_iter().map(|time| Some(time * 1_000_000_007)).zip(values).collect();
            Table { tags: tags.clone(), field: Some(field), datatype: Some(datatype), rows }
        })
    })
}

/// The slices of a read; mostly, a field of a series stands once in all of them.
fn slices() -> impl Strategy<Value = Vec<Vec<Table>>> {
    let datatypes = select(vec![["double", "string", "long"], ["long", "boolean", "unsignedLong"]]);
    let slices = datatypes.prop_flat_map(|datatypes| vec(vec(table(datatypes), 1..6), 1..4));
    (slices, prop::bool::weighted(0.8)).prop_map(|(mut slices, once)| {
        let mut seen = BTreeSet::new();
        for (number, slice) in slices.iter_mut().enumerate() {
            slice.retain(|table| !once || seen.insert((table.tags.clone(), table.field)));
            for (time, _) in slice.iter_mut().flat_map(|table| &mut table.rows) {
                *time = time.map(|time| time + if once { 0 } else { i64::try_from(number).unwrap() * 10_000_000_000 });
            }
        }
        slices
    })
}

fn levels() -> impl Strategy<Value = Levels> {
    let named = subsequence(vec!["meter", "nowhere", "site", "unit", "zone"], 0..4).prop_shuffle();
    let named = named.prop_map(|names| Levels::Named(names.into_iter().map(str::to_owned).collect()));
    prop_oneof![2 => Just(Levels::Differing), 1 => named]
}

fn spec() -> impl Strategy<Value = Pivot> {
    let fields = subsequence(vec!["absent", "power", "state", "total", "total"], 1..=5).prop_shuffle();
    let fields = prop::option::of(fields.prop_map(|names| names.into_iter().map(str::to_owned).collect()));
    let empty_text = select(vec![EmptyText::Null, EmptyText::Empty]);
    let tz = select(vec!["UTC", "Europe/Lisbon"]);
    (fields, levels(), any::<bool>(), empty_text, tz).prop_map(|(fields, levels, tag_columns, empty_text, tz)| Pivot {
        fields,
        levels,
        tag_columns,
        empty_text,
        kinds: Vec::new(),
        tz: tz.to_owned(),
        axis: Vec::new(),
        zeros: Vec::new(),
        spreads: Vec::new(),
        renamed: Vec::new(),
    })
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn a_pivot_is_what_the_twin_makes(slices in slices(), spec in spec()) {
        prop_assert_eq!(twin(&slices, &spec), pivot(&slices, &spec));
    }

    #[test]
    fn aggregates_stand_at_the_newest_time_of_their_series(
        slices in vec(vec(table(["double", "string", "long"]), 0..5), 1..3),
        with_times in vec(any::<prop::sample::Index>(), 0..8),
        spec in spec(),
    ) {
        let mut slices = slices;
        let all: Vec<Table> = slices.iter().flatten().cloned().collect();
        for table in slices.iter_mut().flatten() {
            table.rows.truncate(1);
            table.rows[0].0 = None;
        }
        // What was a table of values lends its times and its series, with a field or without.
        for (number, index) in with_times.iter().enumerate().filter(|_| !all.is_empty()) {
            let mut table = Table { datatype: None, ..index.get(&all).clone() };
            table.field = table.field.filter(|_| number % 2 == 0);
            slices[0].push(table);
        }
        prop_assert_eq!(twin(&slices, &spec), pivot(&slices, &spec));
    }

    #[test]
    fn words_of_levels_and_tags_are_sorted_and_used(slices in slices()) {
        let answers: Vec<Answer> = slices.iter().map(|tables| answer(tables)).collect();
        if let Ok(wide) = db_native::pivot(answers, &all_of_it()) {
            for column in wide.batch.columns() {
                let Some(column) = column.as_dictionary_opt::<Int32Type>() else { continue };
                let words: Vec<_> = column.values().as_string::<i64>().iter().flatten().collect();
                prop_assert!(words.is_sorted_by(|one, other| one < other), "{:?}", words);
            }
        }
    }
}

fn all_of_it() -> Pivot {
    Pivot {
        fields: None,
        levels: Levels::Differing,
        tag_columns: true,
        empty_text: EmptyText::Null,
        kinds: Vec::new(),
        tz: "UTC".to_owned(),
        axis: Vec::new(),
        zeros: Vec::new(),
        spreads: Vec::new(),
        renamed: Vec::new(),
    }
}

fn doubles(meter: &'static str, field: &'static str, rows: &[(i64, f64)]) -> Table {
    let rows = rows.iter().map(|(time, value)| (Some(*time), Value::double(*value))).collect();
    Table { tags: Tags::from([("meter", meter)]), field: Some(field), datatype: Some("double"), rows }
}

fn message(tables: &[Table], spec: &Pivot) -> String {
    db_native::pivot(vec![answer(tables)], spec).unwrap_err().to_string()
}

#[test]
fn a_wide_frame_by_hand() {
    let tables = [
        doubles("m2", "power", &[(10, 1.0), (20, 2.0)]),
        doubles("m1", "power", &[(10, 3.0)]),
        doubles("m1", "volt", &[(10, 4.0), (15, 5.0)]),
    ];
    let wide = db_native::pivot(vec![answer(&tables[..1]), answer(&tables[1..])], &all_of_it()).unwrap();
    let double = |value: Option<f64>| value.map_or(Value::Null, Value::double);
    let expected = [
        ("meter", ["m1", "m1", "m2", "m2"].map(Value::text)),
        ("time", [10, 15, 10, 20].map(Value::Time)),
        ("power", [Some(3.0), None, Some(1.0), Some(2.0)].map(double)),
        ("volt", [Some(4.0), Some(5.0), None, None].map(double)),
    ];
    assert_eq!(expected.map(|(name, values)| (name.to_owned(), values.to_vec())).to_vec(), columns(&wide.batch));
    assert_eq!(1, wide.levels);
}

#[test]
fn a_read_of_one_field_need_not_name_it() {
    let named = [doubles("m2", "power", &[(10, 1.0)]), doubles("m1", "power", &[(10, 3.0), (20, 4.0)])];
    let bare = named.clone().map(|table| Table { field: None, ..table });
    let one = Pivot { fields: Some(vec!["power".to_owned()]), ..all_of_it() };
    let of = |tables, spec| frame(&db_native::pivot(vec![answer(tables)], spec).unwrap());
    assert_eq!(of(&named, &one), of(&bare, &one));
    let two = Pivot { fields: Some(vec!["power".to_owned(), "volt".to_owned()]), ..all_of_it() };
    assert_eq!(0, db_native::pivot(vec![answer(&bare)], &two).unwrap().batch.num_rows());
}

#[test]
fn every_series_has_a_row_at_each_time_of_the_axis() {
    let counts = |meter, rows: &[(i64, i64)]| Table {
        datatype: Some("long"),
        rows: rows.iter().map(|(time, value)| (Some(*time), Value::Long(*value))).collect(),
        ..doubles(meter, "n", &[])
    };
    let tables = [counts("m1", &[(10, 1)]), counts("m2", &[(20, 2), (25, 3)]), doubles("m2", "x", &[(20, 0.5)])];
    let spec = Pivot { axis: vec![10, 20, 30], ..all_of_it() };
    let of = |spec: &Pivot, name| {
        let wide = db_native::pivot(vec![answer(&tables)], spec).unwrap();
        columns(&wide.batch).into_iter().find(|column| column.0 == name).unwrap().1
    };
    assert_eq!([10, 20, 30, 10, 20, 25, 30].map(Value::Time).to_vec(), of(&spec, "time"));
    let long = |value: Option<i64>| value.map_or(Value::Null, Value::Long);
    let known = [Some(1), None, None, None, Some(2), Some(3), None];
    assert_eq!(known.map(long).to_vec(), of(&spec, "n"));
    let zeros = Pivot { zeros: vec!["n".to_owned(), "x".to_owned()], ..spec };
    assert_eq!(known.map(|value| long(value.or(Some(0)))).to_vec(), of(&zeros, "n"));
    assert_eq!(6, of(&zeros, "x").into_iter().filter(|value| *value == Value::Null).count());
}

#[test]
fn windows_without_a_value_are_no_more_than_a_frame_may_have() {
    let meter = |number: i32| -> &'static str { format!("m{number}").leak() };
    let tables: Vec<Table> = (0..700).map(|number| doubles(meter(number), "power", &[(10, 1.0)])).collect();
    let spec = |axis: i64| Pivot { axis: (0..axis).collect(), ..all_of_it() };
    let rows = |axis| db_native::pivot(vec![answer(&tables)], &spec(axis)).map(|wide| wide.batch.num_rows());
    assert_eq!(Ok(7_700), rows(11));
    let refused = rows(100_000).unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::Input { .. }), "{refused:?}");
    assert!(refused.to_string().starts_with("the windows of all series are 70000000 rows of 3 columns"), "{refused}");
}

#[test]
fn nothing_found_keeps_the_shape() {
    let spec =
        Pivot { fields: Some(vec!["a".to_owned()]), levels: Levels::Named(vec!["meter".to_owned()]), ..all_of_it() };
    for answers in [vec![], vec![answer(&[])], vec![answer(&[]), answer(&[])]] {
        let wide = db_native::pivot(answers, &spec).unwrap();
        let names: Vec<String> = columns(&wide.batch).into_iter().map(|(name, _)| name).collect();
        assert_eq!(vec!["meter", "time", "a"], names);
        assert_eq!((0, 1), (wide.batch.num_rows(), wide.levels));
    }
}

#[test]
fn two_values_in_one_cell_are_told_with_what_tells_them_apart() {
    let two = [doubles("m1", "power", &[(10, 1.0)]), doubles("m2", "power", &[(10, 2.0)])];
    let site = Pivot { levels: Levels::Named(vec!["site".to_owned()]), ..all_of_it() };
    assert_eq!(
        "field \"power\" at 1970-01-01T00:00:00.00000001Z: 2 series have a value, and differ in meter. Name these tags in `by`",
        message(&two, &site)
    );
    let one = Pivot { levels: Levels::Named(Vec::new()), ..all_of_it() };
    assert_eq!("expected one series, found 2, which differ in meter. Name these tags in `by`", message(&two, &one));
    let twice = [doubles("m1", "power", &[(10, 1.0), (10, 1.0)])];
    assert_eq!(
        "field \"power\" at 1970-01-01T00:00:00.00000001Z: series {meter=m1} has two values",
        message(&twice, &all_of_it())
    );
}

#[test]
fn a_tag_that_differs_within_a_row_is_no_column() {
    let tables = [doubles("m1", "power", &[(10, 1.0)]), doubles("m2", "volt", &[(10, 2.0)])];
    let spec = Pivot { levels: Levels::Named(vec!["site".to_owned()]), ..all_of_it() };
    assert_eq!("2 series have values in one row, and differ in tag meter. Name it in `by`", message(&tables, &spec));
    assert!(db_native::pivot(vec![answer(&tables)], &Pivot { tag_columns: false, ..spec }).is_ok());
}

#[test]
fn types_that_do_not_unify_are_told_with_both_series() {
    let mut integers = doubles("m2", "power", &[(10, 0.0)]);
    integers.datatype = Some("long");
    integers.rows = vec![(Some(10), Value::Long((1 << 53) + 1))];
    let mut texts = integers.clone();
    texts.datatype = Some("string");
    texts.rows = vec![(Some(10), Value::text("on"))];
    let double = doubles("m1", "power", &[(10, 1.0)]);
    assert_eq!(
        "column \"power\": double in series {meter=m1} and long in series {meter=m2} have no common type: \
         a double can't hold 9007199254740993 exactly",
        message(&[double.clone(), integers], &all_of_it())
    );
    assert_eq!(
        "column \"power\": double in series {meter=m1} and string in series {meter=m2} have no common type",
        message(&[double, texts], &all_of_it())
    );
}

#[test]
fn an_aggregate_without_a_newest_time_is_an_error() {
    let mut table = doubles("m1", "power", &[(10, 1.0)]);
    table.rows[0].0 = None;
    assert!(message(&[table], &all_of_it()).contains("_time"));
}

#[test]
fn a_table_that_can_not_be_pivoted_is_an_error() {
    let message = |rows: &str, groups: &str| {
        let datatypes = "#datatype,string,long,dateTime:RFC3339,double";
        let text = format!("{datatypes}\n#group,false,false,{groups}\n,result,table,_time,_value\n{rows}\n");
        let mut decoder = db_native::Decoder::new();
        decoder.feed(text.as_bytes()).unwrap();
        let answer = decoder.finish(db_native::EndMark::Required).unwrap();
        db_native::pivot(vec![answer], &all_of_it()).unwrap_err().to_string()
    };
    assert_eq!("column \"_time\" must have a time in every row", message(",,0,,1\n", "false,false"));
    let row = ",,0,2024-01-01T00:00:00Z,1\n";
    assert_eq!("column \"_time\" is part of the group key, and can't be pivoted", message(row, "true,false"));
    assert_eq!("column \"_value\" is part of the group key, and can't be pivoted", message(row, "false,true"));
}

/// Result, field, and seconds with their values.
type Windows<'a> = (&'a str, &'a str, &'a [(i64, &'a str)]);

/// The answer of a query with several results.
fn results(datatype: &str, tables: &[Windows<'_>]) -> Answer {
    let mut text = String::new();
    for (number, (result, field, rows)) in tables.iter().enumerate() {
        write!(text, "#datatype,string,long,dateTime:RFC3339,{datatype},string\r\n").unwrap();
        text += "#group,false,false,false,false,true\r\n,result,table,_time,_value,_field\r\n";
        for (second, value) in *rows {
            write!(text, ",{result},{number},1970-01-01T00:00:{second:02}Z,{value},{field}\r\n").unwrap();
        }
        text += "\r\n";
    }
    let mut decoder = db_native::Decoder::new();
    decoder.feed(text.as_bytes()).unwrap();
    decoder.finish(db_native::EndMark::Required).unwrap()
}

fn renamed(names: &[(&str, &str, &str)]) -> Vec<Renamed> {
    let owned = |name: &str| name.to_owned();
    let one = |&(result, field, column): &(&str, &str, &str)| Renamed {
        result: owned(result),
        field: owned(field),
        column: owned(column),
    };
    names.iter().map(one).collect()
}

#[test]
fn a_field_has_a_column_for_each_result() {
    let answer = results(
        "double",
        &[("max", "power", &[(1, "8"), (2, "9")]), ("min", "power", &[(1, "3")]), ("max", "volt", &[(2, "5")])],
    );
    let names = [("min", "power", "power_min"), ("max", "power", "power_max"), ("max", "volt", "volt")];
    let spec = Pivot {
        fields: Some(["power_max", "power_min", "volt"].map(str::to_owned).to_vec()),
        renamed: renamed(&names),
        ..all_of_it()
    };
    let wide = db_native::pivot(vec![answer], &spec).unwrap();
    let double = |value: Option<f64>| value.map_or(Value::Null, Value::double);
    let expected = [
        ("time", [1, 2].map(|second| Value::Time(second * 1_000_000_000))),
        ("power_max", [Some(8.0), Some(9.0)].map(double)),
        ("power_min", [Some(3.0), None].map(double)),
        ("volt", [None, Some(5.0)].map(double)),
    ];
    let expected = expected.map(|(name, values)| (name.to_owned(), values.to_vec()));
    assert_eq!(expected.to_vec(), columns(&wide.batch));
}

#[test]
fn a_spread_is_the_greatest_value_less_the_least() {
    let of = |datatype: &str, high: &[(i64, &str)], low: &[(i64, &str)]| {
        let answer = results(datatype, &[("high", "v", high), ("low", "v", low)]);
        let spec = Pivot {
            fields: Some(vec!["v".to_owned(), "least".to_owned()]),
            renamed: renamed(&[("high", "v", "v"), ("low", "v", "least")]),
            spreads: vec![("v".to_owned(), "least".to_owned())],
            ..all_of_it()
        };
        db_native::pivot(vec![answer], &spec).map(|wide| columns(&wide.batch).split_off(1))
    };
    let spread = |values: &[Value]| vec![("v".to_owned(), values.to_vec())];
    let two = |one, other| [(1, one), (2, other)];
    assert_eq!(Ok(spread(&[Value::double(2.5), Value::double(0.0)])), of("double", &two("2", "1"), &two("-0.5", "1")));
    assert_eq!(
        Ok(spread(&[Value::Long(i64::MAX), Value::Long(2)])),
        of("long", &two("9223372036854775807", "1"), &two("0", "-1"))
    );
    assert_eq!(
        Ok(spread(&[Value::UnsignedLong(u64::MAX), Value::UnsignedLong(0)])),
        of("unsignedLong", &two("18446744073709551615", "1"), &two("0", "1"))
    );
    let refused = of("long", &two("9223372036854775807", "1"), &two("-1", "0")).unwrap_err();
    assert!(matches!(&refused.kind, ErrorKind::Input { column: Some(name), .. } if name == "v"), "{refused:?}");
}
