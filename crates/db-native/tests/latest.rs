//! The newest values of a pivot's frame against a naive twin.

use std::collections::BTreeMap;

use crate::common::cases;
use crate::common::plain::{Value, columns};
use crate::common::reads::{Table, Tags, answer};
use arrow_array::RecordBatch;
use db_native::{EmptyText, Levels, Pivot, latest, pivot};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const FIELDS: [(&str, &str); 3] = [("power", "double"), ("state", "string"), ("total", "unsignedLong")];

fn value(datatype: &str) -> BoxedStrategy<Value> {
    match datatype {
        "string" => select(vec!["", "on", "off"]).prop_map(Value::text).boxed(),
        "double" => (-5.0..5.0).prop_map(Value::double).boxed(),
        _ => prop_oneof![0..5_u64, Just(u64::MAX)].prop_map(Value::UnsignedLong).boxed(),
    }
}

fn table(tags: Tags, (field, datatype): (&'static str, &'static str)) -> impl Strategy<Value = Table> {
    (btree_set(0..8_i64, 1..4), vec(value(datatype), 4)).prop_map(move |(times, values)| Table {
        tags: tags.clone(),
        field: Some(field),
        datatype: Some(datatype),
        rows: times.into_iter().map(Some).zip(values).collect(),
    })
}

fn tables() -> impl Strategy<Value = Vec<Table>> {
    let series = ["m1", "m2", ""].map(|meter| Tags::from([("meter", meter), ("site", "a")]));
    let other = Tags::from([("site", "b")]);
    let all: Vec<_> =
        series.into_iter().chain([other]).flat_map(|tags| FIELDS.map(|field| (tags.clone(), field))).collect();
    subsequence(all, 0..9)
        .prop_flat_map(|chosen| chosen.into_iter().map(|(tags, field)| table(tags, field)).collect::<Vec<_>>())
}

fn spec(levels: Levels) -> Pivot {
    Pivot {
        fields: Some(["state", "power", "total", "absent"].map(str::to_owned).to_vec()),
        renamed: Vec::new(),
        levels,
        tag_columns: false,
        empty_text: EmptyText::Empty,
        kinds: Vec::new(),
        tz: "UTC".to_owned(),
        axis: Vec::new(),
        zeros: Vec::new(),
        spreads: Vec::new(),
    }
}

/// Of each group of rows the last value of each column that is no null; of levels and time the last.
fn twin(frame: &RecordBatch, levels: usize) -> Vec<(String, Vec<Value>)> {
    let columns = columns(frame);
    let mut groups: BTreeMap<Vec<&Value>, Vec<usize>> = BTreeMap::new();
    for row in 0..frame.num_rows() {
        let key = columns[..levels].iter().map(|(_, held)| &held[row]).collect();
        groups.entry(key).or_default().push(row);
    }
    let newest = |held: &[Value], rows: &[usize]| {
        rows.iter().rev().map(|row| held[*row].clone()).find(|value| *value != Value::Null).unwrap_or(Value::Null)
    };
    let of = |held: &[Value]| groups.values().map(|rows| newest(held, rows)).collect();
    columns.iter().map(|(name, held)| (name.clone(), of(held))).collect()
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn the_newest_are_what_the_twin_finds(tables in tables(), named in any::<bool>()) {
        let levels = if named { Levels::Named(vec!["site".into(), "meter".into()]) } else { Levels::Differing };
        let wide = pivot(vec![answer(&tables)], &spec(levels)).unwrap();
        let got = latest(&wide.batch, wide.levels).unwrap();
        prop_assert_eq!(twin(&wide.batch, wide.levels), columns(&got));
        prop_assert_eq!(wide.batch.schema().fields().len(), got.num_columns());
        for (before, after) in wide.batch.columns().iter().zip(got.columns()) {
            prop_assert_eq!(before.data_type(), after.data_type());
        }
    }
}

#[test]
fn the_newest_by_hand() {
    let table = |meter, field, datatype, rows: &[(i64, Value)]| Table {
        tags: Tags::from([("meter", meter)]),
        field: Some(field),
        datatype: Some(datatype),
        rows: rows.iter().map(|(time, value)| (Some(*time), value.clone())).collect(),
    };
    let tables = [
        table("m1", "power", "double", &[(10, Value::double(1.0)), (20, Value::double(2.0))]),
        table("m1", "state", "string", &[(5, Value::text("on"))]),
        table("m2", "state", "string", &[(30, Value::text(""))]),
    ];
    let wide = pivot(vec![answer(&tables)], &spec(Levels::Differing)).unwrap();
    let got = columns(&latest(&wide.batch, wide.levels).unwrap());
    let expected = [
        ("meter", ["m1", "m2"].map(Value::text)),
        ("time", [20, 30].map(Value::Time)),
        ("state", ["on", ""].map(Value::text)),
        ("power", [Value::double(2.0), Value::Null]),
        ("total", [Value::Null, Value::Null]),
        ("absent", [Value::Null, Value::Null]),
    ];
    assert_eq!(expected.map(|(name, held)| (name.to_owned(), held.to_vec())).to_vec(), got);
}

#[test]
fn no_rows_stay_no_rows() {
    let wide = pivot(vec![answer(&[])], &spec(Levels::Named(vec!["meter".into()]))).unwrap();
    let got = latest(&wide.batch, 1).unwrap();
    assert_eq!((0, 6), (got.num_rows(), got.num_columns()));
}
