//! Tombstones: which times of which keys of a TSM file are deleted.
//!
//! The first format is a line of text for each key. The others have a number in
//! front and then records of a key and the first and last time that is deleted:
//! the second as they are, the third in gzip, the fourth in several gzips, one
//! after the other.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};

use flate2::bufread::GzDecoder;

use crate::error::Result;
use crate::tsm::bytes::{length, signed};
use crate::tsm::index::Index;
use crate::tsm::key;
use crate::tsm::source::Source;

const SECOND: [u8; 4] = [0, 0, 0x15, 2];
const THIRD: [u8; 4] = [0, 0, 0x15, 3];
const FOURTH: [u8; 4] = [0, 0, 0x15, 4];
/// Bytes of a key, at most.
const LONGEST: usize = u16::MAX as usize;

/// The deleted ranges of time of each key, by its number: ascending, with gaps between them, both ends included.
#[derive(Debug, Default)]
pub(crate) struct Deleted(HashMap<usize, Vec<(i64, i64)>>);

impl Deleted {
    /// Reads the tombstones of the file that has this index.
    pub(crate) fn read(source: &Source, index: &Index) -> Result<Self> {
        let bytes = source.read_whole()?;
        let mut deleted = Self::default();
        match bytes.split_first_chunk() {
            Some((&SECOND, rest)) => deleted.records(rest, index).map_err(|fault| source.damage(4, fault))?,
            Some((&(THIRD | FOURTH), mut rest)) => {
                if rest.is_empty() {
                    return Err(source.damage(4, "it ends after its header"));
                }
                while !rest.is_empty() {
                    let at = (bytes.len() - rest.len()) as u64;
                    let mut unpacked = BufReader::new(GzDecoder::new(rest));
                    deleted.records(&mut unpacked, index).map_err(|fault| source.damage(at, fault))?;
                    rest = unpacked.into_inner().into_inner();
                }
            }
            _ => deleted.lines(&bytes, index).map_err(|(at, fault)| source.damage(at as u64, fault))?,
        }
        deleted.0.values_mut().for_each(join);
        Ok(deleted)
    }

    /// Adds a range, if the file has the key.
    fn add(&mut self, index: &Index, key: &[u8], range: (i64, i64)) {
        if let Some(key) = index.find(key) {
            let ranges = self.0.entry(key).or_default();
            // A delete that is repeated for ever adds the same range each time.
            if ranges.last() != Some(&range) {
                ranges.push(range);
            }
        }
    }

    fn lines(&mut self, bytes: &[u8], index: &Index) -> std::result::Result<(), (usize, &'static str)> {
        let mut at = 0;
        for line in bytes.split(|byte| *byte == b'\n') {
            let key = line.strip_suffix(b"\r").unwrap_or(line);
            if !key.is_empty() && key::split(key).is_none() {
                return Err((at, "it has no known header, and a line of it is not the key of a field"));
            }
            self.add(index, key, (i64::MIN, i64::MAX));
            at += line.len() + 1;
        }
        Ok(())
    }

    /// Adds records to the end of what is read.
    fn records(&mut self, mut records: impl BufRead, index: &Index) -> std::result::Result<(), String> {
        let cut = |error: std::io::Error| format!("its records can't be read: {error}");
        let mut record = Vec::new();
        while !records.fill_buf().map_err(cut)?.is_empty() {
            let mut head = [0; 4];
            records.read_exact(&mut head).map_err(cut)?;
            let size = length(&head).map_or(usize::MAX, |(size, _)| size);
            if size > LONGEST {
                return Err(format!("a key has at most {LONGEST} bytes, and one of its keys has {size}"));
            }
            record.resize(size + 16, 0);
            records.read_exact(&mut record).map_err(cut)?;
            let (key, times) = record.split_at(size);
            let range = signed(times).and_then(|(first, rest)| Some((first, signed(rest)?.0)));
            self.add(index, key, range.unwrap_or_else(|| unreachable!("16 bytes are two times")));
        }
        Ok(())
    }

    /// The ranges of a key that reach into a range.
    pub(crate) fn of(&self, key: usize, first: i64, last: i64) -> &[(i64, i64)] {
        let Some(ranges) = self.0.get(&key) else { return &[] };
        let start = ranges.partition_point(|range| range.1 < first);
        let end = ranges.partition_point(|range| range.0 <= last);
        &ranges[start..end.max(start)]
    }

    /// Whether all times from `first` to `last` are deleted of a key.
    pub(crate) fn covers(&self, key: usize, first: i64, last: i64) -> bool {
        matches!(self.of(key, first, last), [(start, end)] if *start <= first && *end >= last)
    }
}

/// Sorts ranges, and makes one of those that overlap or touch. One that ends before it begins holds no time.
fn join(ranges: &mut Vec<(i64, i64)>) {
    ranges.retain(|(first, last)| first <= last);
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let touches = next.0 <= last.1.saturating_add(1);
        if touches {
            last.1 = last.1.max(next.1);
        }
        touches
    });
}
