//! The row groups of a wide frame: which tags are its first columns, and which series share rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, LargeStringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::Field;

use crate::column::dictionary;
use crate::error::{Error, ErrorKind, Result};
use crate::pieces::{Pieces, differs, series_name};

/// Which tags distinguish series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Levels {
    /// The tags whose values differ between the series found.
    Differing,
    /// These tags. An empty list requires that there is one series.
    Named(Vec<String>),
}

/// The row groups of a wide frame: series that agree in all levels share one.
pub(crate) struct Keys<'a> {
    /// Names of the levels.
    pub(crate) names: Vec<&'a str>,
    /// Per level, its index into the found tags; `None` for a named tag that no series has.
    pub(crate) levels: Vec<Option<usize>>,
    /// Per key, the values of its levels, sorted, null first; and its series.
    pub(crate) list: Vec<(Vec<Option<&'a str>>, Vec<usize>)>,
    /// Per series, the number of its key.
    pub(crate) of: Vec<Option<usize>>,
}

impl<'a> Keys<'a> {
    /// Makes the keys of the leading series.
    ///
    /// Each other series joins the key it agrees with if levels are named: then series that agree
    /// in them are one meter. Without a key, it has no part in the frame.
    pub(crate) fn new(found: &Pieces<'a>, spec: &'a Levels) -> Result<Self> {
        let levels = level_tags(found, spec)?;
        let key_of = |tags: &[Option<&'a str>]| -> Vec<Option<&'a str>> {
            levels.iter().map(|level| level.and_then(|index| tags[index])).collect()
        };
        let mut keys: BTreeMap<Vec<Option<&str>>, Vec<usize>> = BTreeMap::new();
        let (leading, others) = found.series.split_at(found.leading);
        for (id, tags) in leading.iter().enumerate() {
            keys.entry(key_of(tags)).or_default().push(id);
        }
        if matches!(spec, Levels::Named(names) if !names.is_empty()) {
            for (id, tags) in others.iter().enumerate() {
                keys.entry(key_of(tags)).and_modify(|series| series.push(found.leading + id));
            }
        }
        let mut of = vec![None; found.series.len()];
        for (key, series) in keys.values().enumerate() {
            for &id in series {
                of[id] = Some(key);
            }
        }
        let names = match spec {
            Levels::Named(names) => names.iter().map(String::as_str).collect(),
            Levels::Differing => levels.iter().flatten().map(|&tag| found.tags[tag]).collect(),
        };
        Ok(Self { names, levels, list: keys.into_iter().collect(), of })
    }

    /// The columns of the levels; each key's values stand as often as it has rows.
    pub(crate) fn columns(&self, rows: &[usize]) -> Vec<(Field, ArrayRef)> {
        let level = |(level, name): (usize, &&str)| {
            let values: Vec<Option<&str>> = self.list.iter().map(|(key, _)| key[level]).collect();
            tag_column(name, &values, rows)
        };
        self.names.iter().enumerate().map(level).collect()
    }
}

/// Indices into the found tags that are levels; `None` for a named tag that no series has.
fn level_tags(found: &Pieces<'_>, levels: &Levels) -> Result<Vec<Option<usize>>> {
    let differing: Vec<usize> = (0..found.tags.len()).filter(|&tag| differs(found, tag, 0..found.leading)).collect();
    match levels {
        Levels::Differing => Ok(differing.into_iter().map(Some).collect()),
        Levels::Named(names) if names.is_empty() && !differing.is_empty() => {
            let tags: Vec<&str> = differing.iter().map(|&tag| found.tags[tag]).collect();
            Err(ErrorKind::Ambiguous(format!(
                "expected one series, found {}, which differ in {}. Name these tags in `by`",
                found.leading,
                tags.join(", ")
            ))
            .into())
        }
        Levels::Named(names) => Ok(names.iter().map(|name| found.tags.iter().position(|tag| tag == name)).collect()),
    }
}

/// Two values of a field at one time, in the row group of these series.
pub(crate) fn ambiguous(found: &Pieces<'_>, series: &[usize], field: &str, time: i64) -> Error {
    let tags: Vec<&str> = (0..found.tags.len())
        .filter(|&tag| differs(found, tag, series.iter().copied()))
        .map(|tag| found.tags[tag])
        .collect();
    let why = if tags.is_empty() {
        format!("series {} has two values", series.first().map(|id| series_name(found, *id)).unwrap_or_default())
    } else {
        format!("{} series have a value, and differ in {}. Name these tags in `by`", series.len(), tags.join(", "))
    };
    ErrorKind::Ambiguous(format!("field {field:?} at {}: {why}", crate::timestamp::write(time))).into()
}

/// A dictionary column: `values[i]` repeated `rows[i]` times, its words sorted.
pub(crate) fn tag_column(name: &str, values: &[Option<&str>], rows: &[usize]) -> (Field, ArrayRef) {
    let words: Vec<&str> = values.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let total = rows.iter().sum();
    let mut codes = Vec::with_capacity(total);
    let mut valid = Vec::new();
    let has_nulls = values.contains(&None);
    for (value, rows) in values.iter().zip(rows) {
        let code = value.and_then(|value| words.binary_search(&value).ok());
        codes.resize(codes.len() + rows, code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0));
        if has_nulls {
            valid.resize(valid.len() + rows, code.is_some());
        }
    }
    let nulls = (!valid.is_empty()).then(|| NullBuffer::from(valid));
    let column = dictionary(codes, nulls, Arc::new(LargeStringArray::from_iter_values(words)));
    (Field::new(name, column.data_type().clone(), true), column)
}
