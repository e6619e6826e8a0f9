//! Rows that overwrite each other: held against a map that is filled row by row, and texts by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::common::cases;
use crate::common::drafts::{encode, frame, times};
use crate::common::strings;
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int8Array, Int64Array, NullArray, StringArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use db_native::{Duplicates, ErrorKind, Layout, Points, Precision};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn layout(tag_columns: &[String], duplicates: Duplicates) -> Layout<'_> {
    let precision = Precision::Nanosecond;
    Layout { measurement: "m", tag_columns, time_column: "time", tags: &[], precision, duplicates }
}

/// A column, and what each row has as a tag or as a value of a field, so that equal texts are equal values.
#[derive(Clone, Debug)]
struct Cells(ArrayRef, Vec<Option<String>>);

fn cells<T: Clone + std::fmt::Debug + 'static>(
    values: Vec<T>,
    rows: usize,
    column: fn(Vec<Option<T>>) -> ArrayRef,
    text: fn(&T) -> Option<String>,
) -> BoxedStrategy<Cells> {
    let made = move |values: Vec<Option<T>>| {
        let texts = values.iter().map(|value| value.as_ref().and_then(text)).collect();
        Cells(column(values), texts)
    };
    vec(option::weighted(0.8, select(values)), rows).prop_map(made).boxed()
}

fn texts(rows: usize) -> BoxedStrategy<Cells> {
    let made = |(values, layout): (Vec<Option<String>>, _)| Cells(strings::strings(&values, layout), values);
    let value = select(vec!["", "a", "b"]).prop_map(str::to_owned);
    (vec(option::weighted(0.8, value), rows), select(strings::Layout::ALL.to_vec())).prop_map(made).boxed()
}

/// A dictionary that holds a word twice.
fn repeated_words(rows: usize) -> BoxedStrategy<Cells> {
    cells(
        vec![0_i8, 1, 2, 3],
        rows,
        |keys| {
            let words = Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("a"), None]));
            Arc::new(DictionaryArray::<Int8Type>::new(Int8Array::from(keys), words))
        },
        |key| ["a", "b", "a"].get(usize::from(key.unsigned_abs())).map(|&word| word.to_owned()),
    )
}

fn numbers(rows: usize) -> impl Strategy<Value = Cells> {
    prop_oneof![
        cells(vec![0_i64, 1], rows, |values| Arc::new(Int64Array::from(values)), |value| Some(value.to_string())),
        cells(vec![0_u64, 1], rows, |values| Arc::new(UInt64Array::from(values)), |value| Some(value.to_string())),
        cells(vec![true, false], rows, |values| Arc::new(BooleanArray::from(values)), |value| Some(value.to_string())),
    ]
}

fn tag(rows: usize) -> impl Strategy<Value = Cells> {
    let nothing = Cells(Arc::new(NullArray::new(rows)), vec![None; rows]);
    prop_oneof![4 => texts(rows), 1 => repeated_words(rows), 2 => numbers(rows), 1 => Just(nothing)].prop_map(
        |Cells(array, texts)| {
            Cells(array, texts.into_iter().map(|text| text.filter(|text| !text.is_empty())).collect())
        },
    )
}

fn field(rows: usize) -> impl Strategy<Value = Cells> {
    let floats = cells(
        vec![f64::NAN, 0.0, -0.0, 0.5],
        rows,
        |values| Arc::new(Float64Array::from(values)),
        |value| (!value.is_nan()).then(|| (value + 0.0).to_string()),
    );
    prop_oneof![2 => texts(rows), 1 => repeated_words(rows), 2 => numbers(rows), 2 => floats]
}

#[derive(Clone, Debug)]
struct Draft {
    times: Vec<Option<i64>>,
    tags: Vec<Cells>,
    fields: Vec<Cells>,
}

fn draft() -> impl Strategy<Value = Draft> {
    (0..12_usize).prop_flat_map(|rows| {
        let times = vec(option::weighted(0.95, 0..4_i64), rows);
        (times, vec(tag(rows), 0..3), vec(field(rows), 1..3)).prop_map(|(mut times, tags, fields)| {
            // Half of the frames have rows in order of time.
            if times.first() < times.last() {
                times.sort_unstable();
            }
            Draft { times, tags, fields }
        })
    })
}

impl Draft {
    /// Rows of which the server would not keep a value, and the row that each loses it to, by field.
    fn lost(&self) -> BTreeMap<usize, BTreeSet<(usize, usize)>> {
        let mut kept = BTreeMap::new();
        let key = |row: usize, field: usize| {
            let tags: Vec<_> = self.tags.iter().map(|tag| tag.1[row].clone()).collect();
            self.times[row].map(|time| (tags, time, field))
        };
        let values = || {
            (0..self.times.len()).flat_map(|row| {
                self.fields
                    .iter()
                    .map(move |field| &field.1[row])
                    .enumerate()
                    .map(move |(field, value)| (row, field, value))
            })
        };
        for (row, field, value) in values() {
            if let (Some(key), Some(value)) = (key(row, field), value) {
                kept.insert(key, (row, value));
            }
        }
        let mut lost: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (row, field, value) in values() {
            if let (Some(key), Some(value)) = (key(row, field), value) {
                let (by, stays) = kept[&key];
                if stays != value {
                    lost.entry(row).or_default().insert((field, by));
                }
            }
        }
        lost
    }

    fn found(&self, duplicates: Duplicates) -> Vec<(usize, usize, usize)> {
        let names = |letter: char, cells: &[Cells]| -> Vec<String> {
            (0..cells.len()).map(|n| format!("{letter}{n}")).collect()
        };
        let (tags, fields) = (names('t', &self.tags), names('f', &self.fields));
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("time", Arc::new(TimestampNanosecondArray::from(self.times.clone())))];
        for (name, cells) in tags.iter().zip(&self.tags).chain(fields.iter().zip(&self.fields)) {
            columns.push((name, Arc::clone(&cells.0)));
        }
        let points = Points::new(&frame(columns), &layout(&tags, duplicates)).unwrap();
        let mut found = Vec::new();
        points.inspect(&mut |error| match error.kind {
            ErrorKind::Input { row: Some(row), column: Some(column), reason, .. }
                if reason.contains("has the same tags") =>
            {
                let by = reason["row ".len()..].split(' ').next().unwrap().parse().unwrap();
                found.push((row, fields.iter().position(|name| *name == column).unwrap(), by));
            }
            ErrorKind::Input { reason, .. } => {
                assert!(
                    ["a point needs a time", "no field has a value; a point needs at least one"]
                        .contains(&reason.as_str())
                );
            }
            other => panic!("{other}"),
        });
        found
    }
}

proptest! {
    #![proptest_config(cases(3000))]

    /// Each row is told of whose value the server would replace by another, once, with its first such field.
    #[test]
    fn rows_that_lose_a_value_are_those_of_a_map_filled_row_by_row(draft in draft()) {
        let expected: Vec<_> =
            draft.lost().into_iter().map(|(row, fields)| (row, *fields.first().unwrap())).collect();
        let found = draft.found(Duplicates::Error);
        assert_eq!(expected, found.iter().map(|&(row, field, by)| (row, (field, by))).collect::<Vec<_>>());
        assert!(draft.found(Duplicates::Last).is_empty());
    }
}

fn one_series(columns: Vec<(&str, ArrayRef)>, at: Vec<i64>) -> Result<String, String> {
    let all = std::iter::once(("time", times(at))).chain(columns).collect();
    let bodies = encode(&frame(all), &layout(&[], Duplicates::Error), usize::MAX);
    bodies.map(|bodies| bodies.concat()).map_err(|error| error.to_string())
}

fn integers(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn words(words: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(words))
}

#[test]
fn the_rows_and_the_texts_that_tell_them_apart_are_named() {
    let v = || ("v", integers(vec![Some(1), Some(2), Some(3)]));
    let told = |tags: &str| {
        Err(format!(
            "column \"v\", row 0: row 2 has the same tags and time, 1970-01-01T00:00:00.000000007Z, and another \
             value, and InfluxDB keeps only the last. {tags} to tag_columns; to keep the last value, set duplicates \
             to \"last\""
        ))
    };
    let at = || vec![7, 5, 7];
    assert_eq!(
        told("If they are of different series, add the column that tells these apart"),
        one_series(vec![v(), ("same", words(&["x", "y", "x"]))], at())
    );
    assert_eq!(
        told("If \"meter\" tells series apart, add it"),
        one_series(vec![v(), ("same", words(&["x", "y", "x"])), ("meter", words(&["a", "b", "c"]))], at())
    );
    assert_eq!(
        told("If \"meter\", \"room\" or \"unit\" tells series apart, add it"),
        one_series(
            vec![
                v(),
                ("meter", words(&["a", "b", "c"])),
                ("room", words(&["1", "2", "3"])),
                ("unit", words(&["W", "W", "kW"]))
            ],
            at()
        )
    );
}

#[test]
fn rows_that_the_server_merges_are_written() {
    let (v, w) = (integers(vec![Some(1), None]), integers(vec![None, Some(2)]));
    assert_eq!(Ok("m v=1i 7\nm w=2i 7\n".to_owned()), one_series(vec![("v", v), ("w", w)], vec![7, 7]));
    let same = integers(vec![Some(1), Some(1)]);
    assert_eq!(Ok("m v=1i 7\nm v=1i 7\n".to_owned()), one_series(vec![("v", same)], vec![7, 7]));
    let zeros: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0]));
    assert_eq!(Ok("m v=0.0 7\nm v=-0.0 7\n".to_owned()), one_series(vec![("v", zeros)], vec![7, 7]));
}

#[test]
fn times_of_any_unit_are_compared_as_instants() {
    let milliseconds: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![2, 1, 2]));
    let columns = vec![("time", milliseconds), ("v", integers(vec![Some(1), Some(2), Some(3)]))];
    let layout = Layout { precision: Precision::Millisecond, ..layout(&[], Duplicates::Error) };
    let error = encode(&frame(columns), &layout, usize::MAX).unwrap_err();
    assert!(error.to_string().contains("row 0: row 2 has the same tags and time, 1970-01-01T00:00:00.002Z"), "{error}");
}
