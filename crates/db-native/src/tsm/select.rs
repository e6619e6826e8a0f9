//! Which series a read is about, in order of their tags, and where their points are.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use crate::error::{Error, Result};
use crate::tsm::Shards;
use crate::tsm::key::{self, IN_TAG};
use crate::tsm::shard::Holder;

/// A query: the points that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The measurement's name.
    pub measurement: String,
    /// These fields; `None` is all of them.
    pub fields: Option<Vec<String>>,
    /// Tags, and the values of each that match. An empty value matches series without the tag.
    pub tags: Vec<(String, Vec<String>)>,
    /// The first time.
    pub start: i64,
    /// The first time after the range.
    pub stop: i64,
}

/// The points of one key in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) series: u32,
    pub(crate) shard: u32,
    pub(crate) field: u32,
    /// Number of the file within the shard; a higher number overrides a lower one. The WAL comes after the last file.
    pub(crate) holder: u32,
    pub(crate) key: u32,
}

/// The series that match.
#[derive(Debug)]
pub struct Selection {
    /// First and last time that are asked for.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Names of the fields.
    pub(crate) fields: Vec<String>,
    /// Names of the tags that any of the series has, ascending.
    pub(crate) tags: Vec<String>,
    /// Per series its values of the tags, ascending, none first.
    pub(crate) series: Vec<Vec<Option<String>>>,
    /// By series, shard, field, and file.
    pub(crate) parts: Vec<Part>,
    /// About how many values each series has, at most.
    weights: Vec<usize>,
}

impl Selection {
    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether no series matches.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The parts of a run of the series.
    pub(crate) fn parts_of(&self, series: Range<usize>) -> &[Part] {
        let start = self.parts.partition_point(|part| (part.series as usize) < series.start);
        let end = self.parts.partition_point(|part| (part.series as usize) < series.end);
        &self.parts[start..end.max(start)]
    }

    /// Names of the tags that differ between the series, ascending.
    pub fn differing(&self) -> Vec<String> {
        let differs = |tag: &usize| self.series.windows(2).any(|pair| pair[0][*tag] != pair[1][*tag]);
        (0..self.tags.len()).filter(differs).map(|tag| self.tags[tag].clone()).collect()
    }

    /// Divides series into at most so many runs, each with about as many values.
    pub fn divide(&self, series: Range<usize>, runs: usize) -> Vec<Range<usize>> {
        let series = series.start.min(self.len())..series.end.min(self.len());
        let total: usize = self.weights[series.clone()].iter().sum();
        let share = total.div_ceil(runs.max(1)).max(1);
        let mut divided = Vec::new();
        let (mut start, mut sum) = (series.start, 0);
        for one in series.clone() {
            sum += self.weights[one];
            if sum >= share {
                divided.push(start..one + 1);
                (start, sum) = (one + 1, 0);
            }
        }
        if start < series.end {
            divided.push(start..series.end);
        }
        divided
    }
}

/// Series that match, while they are found: by their keys, and of each its tags or `None` if it does not match.
#[derive(Default)]
struct Found<'a> {
    numbers: HashMap<&'a [u8], Option<u32>>,
    tags: Vec<Vec<(String, String)>>,
}

impl<'a> Found<'a> {
    fn number(&mut self, holder: Holder<'a>, key: usize, series: &'a [u8], query: &Query) -> Result<Option<u32>> {
        if let Some(known) = self.numbers.get(series) {
            return Ok(*known);
        }
        let mut tags = Vec::new();
        for (name, value) in key::tags(key::measurement(series).1) {
            let text = |part: &[u8]| holder.text(key, &key::unescape(part, IN_TAG));
            tags.push((text(name)?, text(value)?));
        }
        tags.retain(|(_, value)| !value.is_empty());
        let value = |name: &str| tags.iter().find(|(tag, _)| tag == name).map_or("", |(_, value)| value.as_str());
        let matches = query.tags.iter().all(|(name, values)| values.iter().any(|wanted| wanted == value(name)));
        let number = if matches {
            let number =
                u32::try_from(self.tags.len()).map_err(|_| Error::input(None, None, "there are too many series"))?;
            self.tags.push(tags);
            Some(number)
        } else {
            None
        };
        self.numbers.insert(series, number);
        Ok(number)
    }
}

impl Shards {
    /// About how many rows a run of series has from a first time to a last, if the fields of a series have its times.
    ///
    /// Blocks are taken to have 1,000 points, so there are fewer as a rule.
    pub fn rows(&self, selection: &Selection, series: Range<usize>, (first, last): (i64, i64)) -> usize {
        let count = |part: &Part| {
            let holder = self.shards[part.shard as usize].holders().nth(part.holder as usize);
            holder.map_or(0, |holder| holder.count(part.key as usize, first, last))
        };
        let of_field = |parts: &[Part]| parts.iter().map(count).sum();
        let of_series = |parts: &[Part]| -> usize {
            parts.chunk_by(|one, other| one.field == other.field).map(of_field).max().unwrap_or(0)
        };
        let parts = selection.parts_of(series);
        parts.chunk_by(|one, other| (one.series, one.shard) == (other.series, other.shard)).map(of_series).sum()
    }

    /// Finds the series that match and have points in the range, as far as the indexes tell.
    pub fn select(&self, query: &Query) -> Result<Selection> {
        let measurement = key::escape_measurement(&query.measurement);
        let (first, last) = (query.start, query.stop.saturating_sub(1));
        let mut found = Found::default();
        let mut fields: HashMap<&[u8], u32> = HashMap::new();
        let mut names = Vec::new();
        let wanted: Option<BTreeSet<&[u8]>> =
            query.fields.as_ref().map(|fields| fields.iter().map(String::as_bytes).collect());
        let mut parts = Vec::new();
        let mut weights: Vec<usize> = Vec::new();
        let of =
            |number: usize| u32::try_from(number).map_err(|_| Error::input(None, None, "there are too many files"));
        // A range without any time matches nothing.
        let shards = if query.start < query.stop { self.shards.as_slice() } else { &[] };
        for (shard, files) in shards.iter().enumerate() {
            for (number, holder) in files.holders().enumerate().filter(|(_, holder)| holder.reaches(first, last)) {
                for key in holder.keys_of(&measurement) {
                    let count = holder.count(key, first, last);
                    let Some((series, field)) = key::split(holder.key(key)) else { continue };
                    if count == 0 || wanted.as_ref().is_some_and(|wanted| !wanted.contains(field)) {
                        continue;
                    }
                    let Some(series) = found.number(holder, key, series, query)? else { continue };
                    let field = if let Some(known) = fields.get(field) {
                        *known
                    } else {
                        let number = of(names.len())?;
                        names.push(holder.text(key, field)?);
                        fields.insert(field, number);
                        number
                    };
                    weights.resize(found.tags.len(), 0);
                    weights[series as usize] += count;
                    parts.push(Part { series, shard: of(shard)?, field, holder: of(number)?, key: of(key)? });
                }
            }
        }
        let tags: BTreeSet<&String> = found.tags.iter().flatten().map(|(name, _)| name).collect();
        let tags: Vec<String> = tags.into_iter().cloned().collect();
        let row = |own: &Vec<(String, String)>| -> Vec<Option<String>> {
            tags.iter().map(|tag| own.iter().find(|(name, _)| name == tag).map(|(_, value)| value.clone())).collect()
        };
        let mut series: Vec<(Vec<Option<String>>, usize)> = found.tags.iter().map(row).zip(0..).collect();
        series.sort();
        let mut places = vec![0; series.len()];
        for (place, (_, number)) in series.iter().enumerate() {
            places[*number] = of(place)?;
        }
        for part in &mut parts {
            part.series = places[part.series as usize];
        }
        parts.sort_unstable();
        let weights = series.iter().map(|(_, number)| weights[*number]).collect();
        let series = series.into_iter().map(|(tags, _)| tags).collect();
        Ok(Selection { first, last, fields: names, tags, series, parts, weights })
    }
}
