//! Files of shards, made of plain points, and what a read of them is to give.
#![allow(clippy::cast_possible_truncation, reason = "what is cast is small")]

use std::collections::BTreeMap;
use std::io::Write as _;

use db_native::{Answer, Query, Result, Selection, Shards, Source};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::plain::{Plain, Value};
use super::tsm::{self, Format};

/// Points of one key.
pub(crate) type Points = Vec<(i64, Value)>;
/// Points by tags and field.
pub(crate) type Stored = BTreeMap<(Vec<(String, String)>, String), BTreeMap<i64, Value>>;

/// Blocks by key, each with the first and last of its times.
pub(crate) type Blocks = BTreeMap<Vec<u8>, Vec<(i64, i64, Vec<u8>)>>;

/// A file of a shard, whose bytes are in memory.
pub(crate) fn source(name: &str, bytes: Vec<u8>) -> Source {
    Source {
        name: name.to_owned(),
        label: format!("folder/{name}"),
        length: bytes.len() as u64,
        bytes: Box::new(bytes),
    }
}

/// A TSM file of these blocks.
pub(crate) fn tsm_file(keys: &Blocks) -> Vec<u8> {
    let mut file = vec![0x16, 0xD1, 0x16, 0xD1, 1];
    let mut index = Vec::new();
    for (key, blocks) in keys {
        index.extend((key.len() as u16).to_be_bytes());
        index.extend(key);
        // Behind the checksum.
        index.push(blocks[0].2[4]);
        index.extend((blocks.len() as u16).to_be_bytes());
        for (first, last, block) in blocks {
            index.extend(first.to_be_bytes());
            index.extend(last.to_be_bytes());
            index.extend((file.len() as u64).to_be_bytes());
            index.extend((block.len() as u32).to_be_bytes());
            file.extend(block);
        }
    }
    let start = file.len() as u64;
    file.extend(index);
    file.extend(start.to_be_bytes());
    file
}

/// A block in the formats that the server would choose, or nearly, with its first and last time.
pub(crate) fn block(points: &[(i64, Value)]) -> (i64, i64, Vec<u8>) {
    let formats = [Format::Run, Format::Packed, Format::Raw];
    let pairs = formats.iter().flat_map(|times| formats.iter().map(|integers| (*times, *integers)));
    let mut blocks = pairs.filter_map(|(times, integers)| tsm::block(points, times, integers));
    (points[0].0, points[points.len() - 1].0, blocks.next().unwrap())
}

/// The deletes of one TSM file: keys, and the first and last time.
pub(crate) type Deletes = Vec<(Vec<u8>, i64, i64)>;

/// A tombstone of a version, from 1 to 4; the first one can't tell times.
pub(crate) fn tombstone(version: u8, deletes: &Deletes) -> Vec<u8> {
    let record = |(key, first, last): &(Vec<u8>, i64, i64)| {
        let mut record = (key.len() as u32).to_be_bytes().to_vec();
        record.extend(key);
        record.extend(first.to_be_bytes());
        record.extend(last.to_be_bytes());
        record
    };
    let zipped = |deletes: &[(Vec<u8>, i64, i64)]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for delete in deletes {
            encoder.write_all(&record(delete)).unwrap();
        }
        encoder.finish().unwrap()
    };
    let mut bytes = if version == 1 { Vec::new() } else { vec![0, 0, 0x15, version] };
    match version {
        1 => deletes.iter().for_each(|(key, ..)| bytes.extend([key, b"\n".as_slice()].concat())),
        2 => deletes.iter().for_each(|delete| bytes.extend(record(delete))),
        3 => bytes.extend(zipped(deletes)),
        _ => deletes.chunks(2).for_each(|deletes| bytes.extend(zipped(deletes))),
    }
    bytes
}

/// What a WAL's entry does.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Write(Vec<(Vec<u8>, Points)>),
    Delete(Vec<Vec<u8>>),
    DeleteRange(Vec<Vec<u8>>, i64, i64),
}

/// A segment of a WAL.
pub(crate) fn segment(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let (kind, data) = match entry {
            Entry::Write(keys) => (1, keys.iter().flat_map(|(key, points)| written(key, points)).collect()),
            Entry::Delete(keys) => (2, keys.join(&b'\n')),
            Entry::DeleteRange(keys, first, last) => {
                let mut data = [first.to_be_bytes(), last.to_be_bytes()].concat();
                for key in keys {
                    data.extend((key.len() as u32).to_be_bytes());
                    data.extend(key);
                }
                (3, data)
            }
        };
        let packed = snap::raw::Encoder::new().compress_vec(&data).unwrap();
        bytes.push(kind);
        bytes.extend((packed.len() as u32).to_be_bytes());
        bytes.extend(packed);
    }
    bytes
}

fn written(key: &[u8], points: &Points) -> Vec<u8> {
    let kind = match points[0].1 {
        Value::Double(_) => 1,
        Value::Long(_) => 2,
        Value::Boolean(_) => 3,
        Value::Text(_) => 4,
        _ => 5,
    };
    let mut bytes = vec![kind];
    bytes.extend((key.len() as u16).to_be_bytes());
    bytes.extend(key);
    bytes.extend((points.len() as u32).to_be_bytes());
    for (time, value) in points {
        bytes.extend(time.to_be_bytes());
        match value {
            Value::Double(value) | Value::UnsignedLong(value) => bytes.extend(value.to_be_bytes()),
            Value::Long(value) => bytes.extend(value.to_be_bytes()),
            Value::Boolean(value) => bytes.push(u8::from(*value)),
            Value::Text(text) => {
                bytes.extend((text.len() as u32).to_be_bytes());
                bytes.extend(text.bytes());
            }
            other => panic!("{other:?} is not stored"),
        }
    }
    bytes
}

/// A query of all that a measurement has.
pub(crate) fn all_of(measurement: &str) -> Query {
    Query { measurement: measurement.to_owned(), fields: None, tags: Vec::new(), start: i64::MIN, stop: i64::MAX }
}

/// Reads all series that match, in so many parts.
pub(crate) fn read(shards: &Shards, query: &Query, parts: usize) -> Result<(Selection, Answer)> {
    let selection = shards.select(query)?;
    let runs = selection.divide(0..selection.len(), parts);
    let chunks = runs.into_iter().map(|series| shards.read(&selection, series)).collect::<Result<_>>()?;
    let answer = selection.answer(chunks);
    Ok((selection, answer))
}

/// The points of an answer; a time that a series and field have twice is a fault.
pub(crate) fn stored(answer: &Answer) -> Stored {
    let mut stored = Stored::new();
    for table in Plain::of_groups(answer).tables {
        let names: Vec<&str> = table.schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(["result", "table", "_time", "_value", "_field"], names[..5]);
        let mut last = i64::MIN;
        for row in &table.rows {
            let (Value::Time(time), Value::Text(field)) = (&row[2], &row[4]) else { panic!("{row:?}") };
            let tags = names[5..].iter().zip(&row[5..]).filter_map(|(name, value)| match value {
                Value::Text(value) => Some(((*name).to_owned(), value.clone())),
                _ => None,
            });
            assert!(last <= *time, "times ascend");
            last = *time;
            let before = stored.entry((tags.collect(), field.clone())).or_default().insert(*time, row[3].clone());
            assert_eq!(None, before, "at {time}");
        }
    }
    stored
}
