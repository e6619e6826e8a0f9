//! The WAL: what was written and deleted since the newest TSM file.
//!
//! A segment is a list of entries: one byte for what it is, four for its length,
//! and its data, packed by snappy. They are replayed in order. A delete concerns
//! the entries before it. Tombstones say what it deletes of files.
//!
//! The last entry of the last segment may be cut off, if the power failed while it
//! was written, or be zeros, if the file had already grown. The server drops it, and
//! so does this module. Entries have no checksum, so a changed byte within a value
//! is not detected.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::tsm::block::Fault;
use crate::tsm::bytes::{byte, length, short, signed, word};
use crate::tsm::key;
use crate::tsm::snappy;
use crate::tsm::source::Source;
use crate::tsm::values::{Kind, Points, Values};

/// The kind of an entry.
const WRITE: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;

/// The points that are in no file yet.
#[derive(Debug, Default)]
pub(crate) struct Unfiled {
    /// The name of the last segment, for messages.
    pub(crate) label: String,
    /// By key, ascending; their times ascend.
    pub(crate) keys: Vec<(Box<[u8]>, Points)>,
}

/// Replays segments, in order.
pub(crate) fn replay(segments: &[Source]) -> Result<Unfiled> {
    let mut replay = Replay::default();
    for (number, source) in segments.iter().enumerate() {
        let bytes = source.read_whole()?;
        let is_last = number + 1 == segments.len();
        let is_over = |rest: &[u8]| if is_last { rest.iter().all(|byte| *byte == 0) } else { rest.is_empty() };
        let mut rest = bytes.as_slice();
        while !is_over(rest) {
            let at = (bytes.len() - rest.len()) as u64;
            let parts = byte(rest).and_then(|(kind, rest)| Some((kind, length(rest)?)));
            let parts = parts.and_then(|(kind, (length, rest))| Some((kind, rest.split_at_checked(length)?)));
            let Some((kind, (packed, behind))) = parts else {
                if is_last {
                    break;
                }
                return Err(source.damage(at, "its last entry is cut off, and it is not the last segment"));
            };
            let data = snappy::unpack(packed).ok_or("its data can't be decompressed");
            let replayed = data.and_then(|data| replay.entry(kind, &data));
            replayed.map_err(|fault| source.damage(at, format!("in an entry, {fault}")))?;
            rest = behind;
        }
    }
    let sorted = replay.0.into_iter().filter(|(_, points)| points.len() > 0);
    let label = segments.last().map(|source| source.label.clone()).unwrap_or_default();
    Ok(Unfiled { label, keys: sorted.map(|(key, points)| (key, points.sorted())).collect() })
}

#[derive(Default)]
struct Replay(BTreeMap<Box<[u8]>, Points>);

impl Replay {
    fn entry(&mut self, kind: u8, data: &[u8]) -> std::result::Result<(), Fault> {
        match kind {
            WRITE => {
                let mut rest = data;
                while !rest.is_empty() {
                    rest = self.write(rest)?;
                }
            }
            DELETE => data.split(|byte| *byte == b'\n').for_each(|key| self.delete(key, i64::MIN, i64::MAX)),
            DELETE_RANGE => {
                let range = signed(data).and_then(|(first, rest)| Some((first, signed(rest)?)));
                let (first, (last, mut rest)) = range.ok_or("there is no range of time")?;
                while !rest.is_empty() {
                    let key = length(rest).and_then(|(length, rest)| rest.split_at_checked(length));
                    let (key, behind) = key.ok_or("a key is cut off")?;
                    self.delete(key, first, last);
                    rest = behind;
                }
            }
            _ => return Err("it is of an unknown kind"),
        }
        Ok(())
    }

    /// Appends the points of the key that the data starts with; returns what follows them.
    fn write<'a>(&mut self, data: &'a [u8]) -> std::result::Result<&'a [u8], Fault> {
        let cut = "the points of a key are cut off";
        let (kind, rest) = byte(data).ok_or(cut)?;
        let kind = match kind {
            1 => Kind::Float,
            2 => Kind::Integer,
            3 => Kind::Boolean,
            4 => Kind::Text,
            5 => Kind::Unsigned,
            _ => return Err("the values of a key are of an unknown type"),
        };
        let (key, rest) = short(rest).and_then(|(length, rest)| rest.split_at_checked(length)).ok_or(cut)?;
        if key::split(key).is_none() {
            return Err("a key names no field");
        }
        let (count, mut rest) = length(rest).filter(|(count, _)| *count > 0).ok_or(cut)?;
        if !self.0.contains_key(key) {
            self.0.insert(key.into(), Points::new(kind));
        }
        let points = self.0.get_mut(key).ok_or(cut)?;
        if points.kind() != kind {
            return Err("a key has values of two types");
        }
        for _ in 0..count {
            let (time, behind) = signed(rest).ok_or(cut)?;
            rest = points.values.push(behind).ok_or("a value is cut off, or not of its type")?;
            points.times.push(time);
        }
        Ok(rest)
    }

    fn delete(&mut self, key: &[u8], first: i64, last: i64) {
        let Some(points) = self.0.get_mut(key) else { return };
        if points.times.iter().any(|time| (first..=last).contains(time)) {
            *points = points.rows((0..points.len()).filter(|row| !(first..=last).contains(&points.times[*row])));
        }
        if points.len() == 0 {
            // Its next values may be of another type.
            self.0.remove(key);
        }
    }
}

impl Values {
    /// Appends the value that the data starts with; returns what follows it.
    fn push<'a>(&mut self, data: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Float(values) => word(data).map(|(word, rest)| (values.push(f64::from_bits(word)), rest).1),
            Self::Integer(values) => signed(data).map(|(value, rest)| (values.push(value), rest).1),
            Self::Unsigned(values) => word(data).map(|(value, rest)| (values.push(value), rest).1),
            Self::Boolean(values) => {
                let (value, rest) = byte(data).filter(|(value, _)| *value <= 1)?;
                values.push(value == 1);
                Some(rest)
            }
            Self::Text(values) => {
                let (text, rest) = length(data).and_then(|(length, rest)| rest.split_at_checked(length))?;
                std::str::from_utf8(text).ok()?;
                values.push(text);
                Some(rest)
            }
        }
    }
}
