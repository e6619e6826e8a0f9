//! A shard: its TSM files, where each overrides those before it, and then its WAL.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};
use crate::tsm::index::{Entry, Index};
use crate::tsm::source::Source;
use crate::tsm::tombstone::Deleted;
use crate::tsm::values::Kind;
use crate::tsm::wal::{self, Unfiled};

/// A TSM file and its index.
#[derive(Debug)]
pub(crate) struct TsmFile {
    pub(crate) source: Source,
    pub(crate) index: Index,
    pub(crate) deleted: Deleted,
}

/// The files of one shard.
#[derive(Debug)]
pub(crate) struct Shard {
    /// A point of a later file replaces that of an earlier one.
    pub(crate) files: Vec<TsmFile>,
    /// Points that are in no file yet. They replace those of files.
    pub(crate) unfiled: Unfiled,
}

/// Where the points of a key are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder<'a> {
    File(&'a TsmFile),
    Unfiled(&'a Unfiled),
}

impl Shard {
    pub(crate) fn open(sources: Vec<Source>) -> Result<Self> {
        let mut files = Vec::new();
        let mut tombstones = HashMap::new();
        let mut segments = Vec::new();
        for source in sources {
            match source.name.rsplit_once('.') {
                Some((_, "tsm")) => files.push(source),
                Some((_, "wal")) => segments.push(source),
                Some((stem, "tombstone")) => _ = tombstones.insert(stem.to_owned(), source),
                _ => {
                    let why = "is no file of a shard: expected a name that ends in .tsm, .tombstone or .wal";
                    return Err(Error::input(None, None, format!("{:?} {why}", source.name)).about("shards"));
                }
            }
        }
        // As the server does: the names are numbers of equal width.
        files.sort_by(|one, other| one.name.cmp(&other.name));
        segments.sort_by(|one, other| one.name.cmp(&other.name));
        let files = files.into_iter().map(|source| {
            let index = Index::read(&source)?;
            let tombstone = source.name.rsplit_once('.').and_then(|(stem, _)| tombstones.get(stem));
            let deleted = tombstone.map(|tombstone| Deleted::read(tombstone, &index)).transpose()?.unwrap_or_default();
            Ok(TsmFile { source, index, deleted })
        });
        Ok(Self { files: files.collect::<Result<_>>()?, unfiled: wal::replay(&segments)? })
    }

    /// The first time of its points, as the indexes tell.
    pub(crate) fn first(&self) -> i64 {
        let unfiled = self.unfiled.keys.iter().filter_map(|(_, points)| points.times.first());
        self.files.iter().map(|file| file.index.range.0).chain(unfiled.copied()).min().unwrap_or(i64::MAX)
    }

    /// The files and the WAL; each overrides those before it.
    pub(crate) fn holders(&self) -> impl Iterator<Item = Holder<'_>> {
        self.files.iter().map(Holder::File).chain([Holder::Unfiled(&self.unfiled)])
    }
}

impl TsmFile {
    /// The blocks of a key with points from `first` to `last`, as far as the index and the tombstones tell.
    pub(crate) fn entries(&self, key: usize, first: i64, last: i64) -> impl Iterator<Item = Entry> {
        let entries = self.index.entries(key).filter(move |entry| entry.first <= last && entry.last >= first);
        entries.filter(move |entry| !self.deleted.covers(key, entry.first, entry.last))
    }
}

impl<'a> Holder<'a> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::File(file) => file.index.len(),
            Self::Unfiled(unfiled) => unfiled.keys.len(),
        }
    }

    pub(crate) fn key(self, key: usize) -> &'a [u8] {
        match self {
            Self::File(file) => file.index.key(key),
            Self::Unfiled(unfiled) => &unfiled.keys[key].0,
        }
    }

    /// A name or value in a key.
    pub(crate) fn text(self, key: usize, part: &[u8]) -> Result<String> {
        String::from_utf8(part.to_vec()).map_err(|_| {
            let why = format!("{:?} in a key is not UTF-8", String::from_utf8_lossy(part));
            match self {
                Self::File(file) => file.source.damage(file.index.place(key), format!("in the index, {why}")),
                Self::Unfiled(unfiled) => {
                    ErrorKind::Damage { file: unfiled.label.clone(), offset: 0, reason: why }.into()
                }
            }
        })
    }

    pub(crate) fn kind(self, key: usize) -> Kind {
        match self {
            Self::File(file) => file.index.kind(key),
            Self::Unfiled(unfiled) => unfiled.keys[key].1.kind(),
        }
    }

    /// Whether any key may have points from `first` to `last`.
    pub(crate) fn reaches(self, first: i64, last: i64) -> bool {
        match self {
            Self::File(file) => file.index.range.0 <= last && file.index.range.1 >= first,
            Self::Unfiled(unfiled) => !unfiled.keys.is_empty(),
        }
    }

    /// How many points a key has from `first` to `last`, at most, if blocks are of the usual size.
    pub(crate) fn count(self, key: usize, first: i64, last: i64) -> usize {
        match self {
            Self::File(file) => file.entries(key, first, last).count() * 1000,
            Self::Unfiled(unfiled) => {
                let times = &unfiled.keys[key].1.times;
                times.partition_point(|time| *time <= last) - times.partition_point(|time| *time < first)
            }
        }
    }

    /// The first and last time of a key's points, if any are left.
    pub(crate) fn range(self, key: usize) -> Option<(i64, i64)> {
        match self {
            Self::File(file) => {
                let entries = file.entries(key, i64::MIN, i64::MAX);
                entries
                    .map(|entry| (entry.first, entry.last))
                    .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
            }
            Self::Unfiled(unfiled) => Some((*unfiled.keys[key].1.times.first()?, *unfiled.keys[key].1.times.last()?)),
        }
    }

    /// The keys of a measurement. Those of others may lie between those without tags and those with tags.
    pub(crate) fn keys_of(self, measurement: &[u8]) -> impl Iterator<Item = usize> + use<> {
        // After a backslash, a comma is a part of a longer name.
        let is_cut = |behind: &[u8]| behind == b"," && measurement.ends_with(b"\\");
        let ranges = [b"#!~#".as_slice(), b","].map(|behind| -> Range<usize> {
            if is_cut(behind) {
                return 0..0;
            }
            let prefix = [measurement, behind].concat();
            let start = self.partition_point(|key| key < prefix.as_slice());
            start..self.partition_point(|key| key < prefix.as_slice() || key.starts_with(&prefix))
        });
        ranges.into_iter().flatten()
    }

    fn partition_point(self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if before(self.key(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
