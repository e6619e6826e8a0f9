//! Answers of InfluxQL as the server sends them, from plain series.

use super::msgpack::Wire;

/// The tags of a series, some of them without a value, in any order.
pub(crate) type Tags<'a> = &'a [(&'a str, &'a str)];

/// A row: its time and its other cells.
pub(crate) fn row(time: i64, cells: &[Wire]) -> Wire {
    Wire::Array([&[Wire::Integer(time.into())], cells].concat())
}

/// A series, or a part of one that is not the last.
pub(crate) fn series(tags: Tags<'_>, columns: &[&str], rows: &[Wire], is_partial: bool) -> Wire {
    let mut pairs = vec![(Wire::text("name"), Wire::text("m"))];
    if !tags.is_empty() {
        let tags = tags.iter().map(|(name, value)| (Wire::text(name), Wire::text(value)));
        pairs.push((Wire::text("tags"), Wire::Map(tags.collect())));
    }
    pairs.push((Wire::text("columns"), Wire::Array(columns.iter().map(|name| Wire::text(name)).collect())));
    pairs.push((Wire::text("values"), Wire::Array(rows.to_vec())));
    if is_partial {
        pairs.push((Wire::text("partial"), Wire::Boolean(true)));
    }
    Wire::Map(pairs)
}

/// A message of one result.
pub(crate) fn message(statement: u8, series: Vec<Wire>, is_partial: bool) -> Vec<u8> {
    let mut pairs = vec![
        (Wire::text("statement_id"), Wire::Integer(statement.into())),
        (Wire::text("series"), Wire::Array(series)),
    ];
    if is_partial {
        pairs.push((Wire::text("partial"), Wire::Boolean(true)));
    }
    let mut bytes = Vec::new();
    Wire::map([("results", Wire::Array(vec![Wire::Map(pairs)]))]).write(&mut bytes);
    bytes
}

/// Tags, columns and rows of a series.
pub(crate) type Given<'a, 'b> = (Vec<(&'a str, &'a str)>, Vec<&'b str>, Vec<Wire>);

/// A statement's answer: a message for every so many rows of each series.
pub(crate) fn answer(statement: u8, all: &[Given<'_, '_>], chunk: usize) -> Vec<u8> {
    let mut parts = Vec::new();
    for (tags, columns, rows) in all.iter().filter(|(.., rows)| !rows.is_empty()) {
        let count = rows.len().div_ceil(chunk);
        let part = |(number, rows): (usize, &[Wire])| series(tags, columns, rows, number + 1 < count);
        parts.extend(rows.chunks(chunk).enumerate().map(part));
    }
    let count = parts.len();
    if count == 0 {
        return message(statement, Vec::new(), false);
    }
    let part = |(number, part)| message(statement, vec![part], number + 1 < count);
    parts.into_iter().enumerate().flat_map(part).collect()
}
