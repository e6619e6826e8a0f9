//! A read's answers, rendered from plain points: what a pivot and a union are fed in their tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use db_native::{Answer, Decoder, EndMark};

use super::plain::Value;

/// A series' tags by name; a tag with an empty text has a column in its tables, and no value.
pub(crate) type Tags = BTreeMap<&'static str, &'static str>;

/// A table of a read: one field of one series.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) tags: Tags,
    pub(crate) field: Option<&'static str>,
    /// The datatype of `_value`; `None` is a table of times alone.
    pub(crate) datatype: Option<&'static str>,
    /// Times, unless the table is an aggregate, and values.
    pub(crate) rows: Vec<(Option<i64>, Value)>,
}

/// The answer that holds these tables.
pub(crate) fn answer(tables: &[Table]) -> Answer {
    let mut decoder = Decoder::new();
    decoder.feed(text(tables).as_bytes()).unwrap();
    decoder.finish(EndMark::Required).unwrap()
}

fn text(tables: &[Table]) -> String {
    let mut text = String::new();
    for (number, table) in tables.iter().enumerate() {
        let has_time = table.rows.iter().any(|(time, _)| time.is_some());
        let mut columns = vec![("string", false, "result"), ("long", false, "table")];
        columns.extend(has_time.then_some(("dateTime:RFC3339", false, "_time")));
        columns.extend(table.datatype.map(|datatype| (datatype, false, "_value")));
        columns.extend(table.field.map(|_| ("string", true, "_field")));
        columns.extend(table.tags.keys().map(|tag| ("string", true, *tag)));
        let line = |cells: Vec<String>| cells.join(",") + "\r\n";
        text += &("#datatype,".to_owned() + &line(columns.iter().map(|column| column.0.to_owned()).collect()));
        text += &("#group,".to_owned() + &line(columns.iter().map(|column| column.1.to_string()).collect()));
        text += &(",".to_owned() + &line(columns.iter().map(|column| column.2.to_owned()).collect()));
        for (time, value) in &table.rows {
            write!(text, ",_result,{number}").unwrap();
            if let Some(time) = time {
                write!(text, ",{}", jiff::Timestamp::from_nanosecond(i128::from(*time)).unwrap()).unwrap();
            }
            if table.datatype.is_some() {
                write!(text, ",{}", cell(value)).unwrap();
            }
            for value in table.field.iter().chain(table.tags.values()) {
                write!(text, ",{value}").unwrap();
            }
            text += "\r\n";
        }
        text += "\r\n";
    }
    if tables.is_empty() { "\r\n".to_owned() } else { text }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::Long(value) => value.to_string(),
        Value::UnsignedLong(value) => value.to_string(),
        Value::Double(bits) => f64::from_bits(*bits).to_string(),
        Value::Boolean(value) => value.to_string(),
        other => panic!("no test reads {other:?}"),
    }
}
