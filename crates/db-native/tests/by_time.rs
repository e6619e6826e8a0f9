//! Rows in order of time against their naive twin, which sorts rows of plain values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int64Array, LargeStringArray, RecordBatch, TimestampNanosecondArray,
};
use db_native::by_time;
use proptest::prelude::*;

type Row = (Option<String>, i64, Option<i64>, Option<String>);

fn frame(rows: &[Row]) -> RecordBatch {
    let tags: DictionaryArray<Int32Type> = rows.iter().map(|row| row.0.as_deref()).collect();
    let times: TimestampNanosecondArray = rows.iter().map(|row| Some(row.1)).collect();
    let numbers: Int64Array = rows.iter().map(|row| row.2).collect();
    let texts: LargeStringArray = rows.iter().map(|row| row.3.as_deref()).collect();
    let columns: [(&str, ArrayRef); 4] =
        [("tag", Arc::new(tags)), ("time", Arc::new(times)), ("number", Arc::new(numbers)), ("text", Arc::new(texts))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn rows(frame: &RecordBatch) -> Vec<Row> {
    let tags = frame.column_by_name("tag").unwrap().as_dictionary::<Int32Type>();
    let words = tags.values().as_string::<i32>();
    let times = frame.column_by_name("time").unwrap().as_primitive::<TimestampNanosecondType>();
    let numbers = frame.column_by_name("number").unwrap().as_primitive::<Int64Type>();
    let texts = frame.column_by_name("text").unwrap().as_string::<i64>();
    let row = |row| {
        (
            tags.key(row).map(|word| words.value(word).to_owned()),
            times.value(row),
            numbers.is_valid(row).then(|| numbers.value(row)),
            texts.is_valid(row).then(|| texts.value(row).to_owned()),
        )
    };
    (0..frame.num_rows()).map(row).collect()
}

proptest! {
    #[test]
    fn equal_the_twin(given in prop::collection::vec(
        (prop::option::of("[ab]{0,2}"), -9_i64..9, prop::option::of(any::<i64>()), prop::option::of("[a-z]{0,3}")), 0..60)
    ) {
        let mut expected = given.clone();
        expected.sort_by_key(|row| row.1);
        let sorted = by_time(&frame(&given), 1).unwrap();
        prop_assert_eq!(expected, rows(&sorted));
        prop_assert_eq!("time tag number text", sorted.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(" "));
    }
}

#[test]
fn a_column_that_has_no_times_is_an_error() {
    for levels in [0, 2, 4] {
        let error = by_time(&frame(&[]), levels).unwrap_err();
        assert!(error.to_string().contains(&format!("column {levels} has no times")), "{error}");
    }
}
