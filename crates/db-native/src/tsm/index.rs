//! The index of a TSM file: the type and the blocks of each key.
//!
//! It is kept in the form of the file, with the position of each key. It has no
//! checksum, so everything else is checked: keys must ascend, and blocks must follow
//! one another from the header to the index without a gap. Only the names within
//! keys and the times of blocks can't be checked here. When a block is read, its
//! times must lie within those of the index.

use crate::error::Result;
use crate::tsm::bytes::{byte, length, short, signed, word};
use crate::tsm::source::Source;
use crate::tsm::values::Kind;

/// What a file starts with, and the version of its format.
const HEADER: [u8; 5] = [0x16, 0xD1, 0x16, 0xD1, 1];
/// Bytes of the position of the index, at the end of the file.
const FOOTER: usize = 8;
/// Bytes of a block's entry.
const ENTRY: usize = 28;

/// Where a block lies, and the first and last time in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) offset: u64,
    pub(crate) size: usize,
}

/// The record of a key in an index.
struct Record<'a> {
    key: &'a [u8],
    kind: u8,
    entries: &'a [[u8; ENTRY]],
}

/// The keys of a file.
#[derive(Debug)]
pub(crate) struct Index {
    bytes: Vec<u8>,
    /// Where it begins in the file.
    start: u64,
    /// Where in it each key begins.
    keys: Vec<u32>,
    /// The first and last time of all keys.
    pub(crate) range: (i64, i64),
}

impl Index {
    pub(crate) fn read(source: &Source) -> Result<Self> {
        let mut buffer = Vec::new();
        let least = HEADER.len() + FOOTER;
        if source.length < least as u64 {
            return Err(
                source.damage(0, format!("a TSM file has at least {least} bytes, and this one has {}", source.length))
            );
        }
        source.read(0, HEADER.len(), &mut buffer)?;
        if buffer[..HEADER.len()] != HEADER {
            return Err(source.damage(0, "it does not start as a TSM file of version 1 does"));
        }
        let footer = source.length - FOOTER as u64;
        source.read(footer, FOOTER, &mut buffer)?;
        let (start, _) = word(&buffer).unwrap_or_default();
        let size = footer.checked_sub(start).filter(|_| start >= HEADER.len() as u64);
        // Places are kept in 32 bits, as the server keeps them in 31.
        let size = size.and_then(|size| u32::try_from(size).ok()).and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or_else(|| source.damage(footer, format!("its index can't begin at byte {start}")))?;
        source.read(start, size, &mut buffer)?;
        buffer.truncate(size);
        Self::of(buffer, start, source)
    }

    fn of(bytes: Vec<u8>, start: u64, source: &Source) -> Result<Self> {
        let mut keys = Vec::new();
        let mut range = (i64::MAX, i64::MIN);
        let mut end = HEADER.len() as u64;
        let mut rest = bytes.as_slice();
        let mut last: &[u8] = &[];
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let place = start + at as u64;
            let damage = |reason: &str| source.damage(place, format!("in the index, {reason}"));
            let (Record { key, kind, entries }, behind) =
                Self::parse(rest).ok_or_else(|| damage("a key is cut off"))?;
            if keys.last().is_some() && key <= last {
                return Err(damage("a key does not follow the one before it"));
            }
            if Kind::of_block(kind).is_none() {
                return Err(damage("a key has values of an unknown type"));
            }
            if crate::tsm::key::split(key).is_none() {
                return Err(damage("a key names no field"));
            }
            if entries.is_empty() {
                return Err(damage("a key has no block"));
            }
            for entry in entries {
                let entry = Self::entry(entry);
                if entry.offset != end {
                    return Err(damage("a block does not begin where the one before it ends"));
                }
                if entry.first > entry.last {
                    return Err(damage("a block ends before it begins"));
                }
                end = entry
                    .offset
                    .checked_add(entry.size as u64)
                    .filter(|end| *end <= start)
                    .ok_or_else(|| damage("a block reaches into the index"))?;
                range = (range.0.min(entry.first), range.1.max(entry.last));
            }
            keys.push(u32::try_from(at).map_err(|_| damage("a key begins after the first 4 GiB"))?);
            last = key;
            rest = behind;
        }
        if end != start {
            return Err(source.damage(end, "its blocks end before its index begins"));
        }
        Ok(Self { bytes, start, keys, range })
    }

    /// The record that the bytes start with, and what follows it.
    fn parse(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
        let (size, rest) = short(bytes)?;
        let (key, rest) = rest.split_at_checked(size)?;
        let (kind, rest) = byte(rest)?;
        let (count, rest) = short(rest)?;
        let (entries, rest) = rest.split_at_checked(count * ENTRY)?;
        Some((Record { key, kind, entries: entries.as_chunks().0 }, rest))
    }

    fn entry(bytes: &[u8; ENTRY]) -> Entry {
        let read = || {
            let (first, rest) = signed(bytes)?;
            let (last, rest) = signed(rest)?;
            let (offset, rest) = word(rest)?;
            let (size, _) = length(rest)?;
            Some(Entry { first, last, offset, size })
        };
        read().unwrap_or_else(|| unreachable!("an entry has {ENTRY} bytes"))
    }

    fn record(&self, key: usize) -> Record<'_> {
        let parsed = Self::parse(&self.bytes[self.keys[key] as usize..]);
        parsed.unwrap_or_else(|| unreachable!("the keys were parsed before")).0
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The byte of the file where a key's record begins.
    pub(crate) fn place(&self, key: usize) -> u64 {
        self.start + u64::from(self.keys[key])
    }

    pub(crate) fn key(&self, key: usize) -> &[u8] {
        self.record(key).key
    }

    pub(crate) fn kind(&self, key: usize) -> Kind {
        Kind::of_block(self.record(key).kind).unwrap_or_else(|| unreachable!("the types were checked before"))
    }

    /// The number of a key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        self.keys
            .binary_search_by(|at| {
                Self::parse(&self.bytes[*at as usize..]).map_or(&[][..], |(record, _)| record.key).cmp(key)
            })
            .ok()
    }

    /// The blocks of a key, in the file's order.
    pub(crate) fn entries(&self, key: usize) -> impl ExactSizeIterator<Item = Entry> {
        self.record(key).entries.iter().map(Self::entry)
    }
}
