//! Answers of InfluxQL in msgpack through the decoder, against its naive twin and by hand.

mod common;

use common::msgpack::Wire;
use common::plain::Value;
use common::{plain, series};
use db_native::{Datatype, EmptyText, EndMark, Levels, Pivot, pivot};

fn fields(kinds: &[(&str, Datatype)]) -> Vec<(String, Datatype)> {
    kinds.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect()
}

fn row(time: i64, cells: &[Wire]) -> Wire {
    Wire::Array([&[Wire::Integer(time.into())], cells].concat())
}

fn one_series(tags: &[(&str, &str)], columns: &[&str], rows: Vec<Wire>, partial: bool) -> Wire {
    let mut pairs = vec![(Wire::text("name"), Wire::text("m"))];
    if !tags.is_empty() {
        let tags = tags.iter().map(|(name, value)| (Wire::text(name), Wire::text(value)));
        pairs.push((Wire::text("tags"), Wire::Map(tags.collect())));
    }
    pairs.push((Wire::text("columns"), Wire::Array(columns.iter().map(|name| Wire::text(name)).collect())));
    pairs.push((Wire::text("values"), Wire::Array(rows)));
    if partial {
        pairs.push((Wire::text("partial"), Wire::Boolean(true)));
    }
    Wire::Map(pairs)
}

fn message(series: Vec<Wire>, partial: bool) -> Vec<u8> {
    let mut pairs = vec![(Wire::text("statement_id"), Wire::Integer(0)), (Wire::text("series"), Wire::Array(series))];
    if partial {
        pairs.push((Wire::text("partial"), Wire::Boolean(true)));
    }
    let mut bytes = Vec::new();
    Wire::map([("results", Wire::Array(vec![Wire::Map(pairs)]))]).write(&mut bytes);
    bytes
}

const COLUMNS: [&str; 3] = ["time", "a", "b"];

/// Two series of two fields in three messages; the first one in two parts.
fn answer() -> Vec<u8> {
    let double = Wire::Double;
    [
        message(
            vec![one_series(
                &[("site", "x"), ("meter", "1")],
                &COLUMNS,
                vec![row(10, &[double(1.5), Wire::Nil]), row(20, &[Wire::Nil, Wire::text("on")])],
                true,
            )],
            true,
        ),
        message(
            vec![one_series(
                &[("meter", "1"), ("site", "x")],
                &COLUMNS,
                vec![row(30, &[double(2.5), Wire::text("")])],
                false,
            )],
            true,
        ),
        message(
            vec![one_series(
                &[("meter", "2"), ("site", "")],
                &COLUMNS,
                vec![row(10, &[double(-1.0), Wire::text("off")])],
                false,
            )],
            false,
        ),
    ]
    .concat()
}

fn wide() -> Pivot {
    Pivot {
        fields: None,
        levels: Levels::Differing,
        tag_columns: false,
        empty_text: EmptyText::Empty,
        kinds: Vec::new(),
        tz: "UTC".to_owned(),
        axis: Vec::new(),
        zeros: Vec::new(),
        spreads: Vec::new(),
        renamed: Vec::new(),
    }
}

#[test]
fn a_series_in_parts_is_one_table_and_an_empty_tag_is_none() {
    let declared = fields(&[("power", Datatype::Double), ("state", Datatype::String)]);
    for declared in [Some(declared.as_slice()), None] {
        let answer = series::check(&answer(), &[], declared, EndMark::Required).unwrap();
        assert_eq!(2, answer.tables.len());
        let (a, b) = if declared.is_some() { ("power", "state") } else { ("a", "b") };
        let text = Value::text;
        let frame = pivot(vec![answer], &wide()).unwrap();
        let expected = [
            ("meter".to_owned(), ["1", "1", "1", "2"].map(text).to_vec()),
            ("site".to_owned(), vec![text("x"), text("x"), text("x"), Value::Null]),
            ("time".to_owned(), [10, 20, 30, 10].map(Value::Time).to_vec()),
            (a.to_owned(), vec![Value::double(1.5), Value::Null, Value::double(2.5), Value::double(-1.0)]),
            (b.to_owned(), vec![Value::Null, text("on"), text(""), text("off")]),
        ];
        assert_eq!((2, expected.to_vec()), (frame.levels, plain::columns(&frame.batch)));
    }
}

#[test]
fn every_split_gives_the_same() {
    let answer = answer();
    let declared = fields(&[("power", Datatype::Double), ("state", Datatype::String)]);
    for declared in [Some(declared.as_slice()), None] {
        for cut in 0..=answer.len() {
            series::check(&answer, &[cut], declared, EndMark::Required);
        }
        series::check(&answer, &(0..answer.len()).collect::<Vec<_>>(), declared, EndMark::Required);
    }
}

#[test]
fn every_truncation_is_incomplete() {
    let answer = answer();
    for length in 0..answer.len() {
        let cut = series::decode_fast(&answer[..length], &[], None, EndMark::Required);
        assert_eq!(series::What::Incomplete, series::What::from(&cut.unwrap_err()), "cut at {length}");
    }
}

#[test]
fn every_byte_changed_is_what_the_twin_makes_of_it() {
    let answer = answer();
    let declared = fields(&[("power", Datatype::Double), ("state", Datatype::String)]);
    for at in 0..answer.len() {
        for byte in 0..=255 {
            let mut changed = answer.clone();
            changed[at] = byte;
            series::check(&changed, &[at], Some(&declared), EndMark::Required);
            series::check(&changed, &[at], None, EndMark::Optional);
        }
    }
}
