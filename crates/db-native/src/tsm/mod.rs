//! The points in the files of shards: TSM, as `InfluxDB` 1.x and 2.x store them.
//!
//! A shard has TSM files, tombstones and the segments of a WAL. A later file overrides
//! an earlier one. A tombstone says what is deleted of the file of the same name. The
//! WAL is newer than every file. `InfluxDB`'s own `tsdb/engine/tsm1/DESIGN.md` describes
//! them. [`Shards`] keeps their indexes; [`Shards::select`] finds series in them;
//! [`Shards::read`] decodes the blocks of a run of these, and no others.
//!
//! `block` decides what a block may have, `read` which point overrides another one,
//! and `index` and `block` find damage.

mod answer;
mod block;
mod blocks;
mod bytes;
mod floats;
mod index;
mod integers;
mod key;
mod read;
mod select;
mod shard;
mod simple8b;
mod snappy;
mod source;
mod times;
mod tombstone;
mod values;
mod wal;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use key::{IN_MEASUREMENT, IN_TAG};
pub use read::Chunk;
pub use select::{Query, Selection};
use shard::{Holder, Shard};
pub use source::{ReadAt, Source};
pub use values::Kind;

/// Shards whose indexes have been read.
#[derive(Debug)]
pub struct Shards {
    shards: Vec<Shard>,
}

impl Shards {
    /// Reads the indexes of shards, each given by its files.
    pub fn open(shards: Vec<Vec<Source>>) -> Result<Self> {
        let mut shards: Vec<Shard> = shards.into_iter().map(Shard::open).collect::<Result<_>>()?;
        // So that the points of a series come in order of time.
        shards.sort_by_key(Shard::first);
        Ok(Self { shards })
    }

    fn holders(&self) -> impl Iterator<Item = Holder<'_>> {
        self.shards.iter().flat_map(Shard::holders)
    }

    /// The keys of a measurement that have points left, as series and field, with where they are.
    fn keys(&self, measurement: &str) -> impl Iterator<Item = (Holder<'_>, usize, &[u8], &[u8])> {
        let measurement = key::escape_measurement(measurement);
        let keys = self.holders().flat_map(move |holder| holder.keys_of(&measurement).map(move |key| (holder, key)));
        keys.filter(|(holder, key)| holder.range(*key).is_some()).filter_map(|(holder, key)| {
            let (series, field) = key::split(holder.key(key))?;
            Some((holder, key, series, field))
        })
    }

    /// The names of the measurements, ascending.
    pub fn measurements(&self) -> Result<Vec<String>> {
        let mut found: BTreeSet<String> = BTreeSet::new();
        for holder in self.holders() {
            let mut last: &[u8] = &[];
            for key in (0..holder.len()).filter(|key| holder.range(*key).is_some()) {
                let Some((series, _)) = key::split(holder.key(key)) else { continue };
                let (measurement, _) = key::measurement(series);
                if measurement != last {
                    found.insert(holder.text(key, &key::unescape(measurement, IN_MEASUREMENT))?);
                    last = measurement;
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The fields of a measurement by name, and of each its types, from a first time to a last as the indexes tell.
    pub fn fields(&self, measurement: &str, (first, last): (i64, i64)) -> Result<Vec<(String, Vec<Kind>)>> {
        let mut found: BTreeMap<String, BTreeSet<Kind>> = BTreeMap::new();
        for (holder, key, _, field) in self.keys(measurement) {
            if holder.count(key, first, last) == 0 {
                continue;
            }
            found.entry(holder.text(key, field)?).or_default().insert(holder.kind(key));
        }
        Ok(found.into_iter().map(|(name, kinds)| (name, kinds.into_iter().collect())).collect())
    }

    /// The names of a measurement's tags, ascending.
    pub fn tag_keys(&self, measurement: &str) -> Result<Vec<String>> {
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut last: &[u8] = &[];
        for (holder, key, series, _) in self.keys(measurement) {
            if series == last {
                continue;
            }
            for (name, _) in key::tags(key::measurement(series).1) {
                found.insert(holder.text(key, &key::unescape(name, IN_TAG))?);
            }
            last = series;
        }
        Ok(found.into_iter().collect())
    }

    /// The first and last time of a measurement's points, as the indexes tell.
    pub fn range(&self, measurement: &str) -> Option<(i64, i64)> {
        let ranges = self.keys(measurement).filter_map(|(holder, key, ..)| holder.range(key));
        ranges.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }
}
