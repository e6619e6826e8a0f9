//! Turns tables of `_time`, `_value`, `_field` and tags into one row for each series and time.
//!
//! The idea, in short:
//!
//! ```text
//! each table is a piece: one field of one series, its times and values
//! for each series, in order of its tags:
//!     axis = union of its pieces' times, sorted
//!     for each field: the values at the axis' times, null where it has none
//! ```
//!
//! Nothing is hashed or compared by row where the pieces of a series share
//! their times, as they do when a device reports all its fields at once: the
//! axis is then the first piece's times, and values are copied whole.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Int64Array, PrimitiveArray, RecordBatch, TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field};

use crate::decoder::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::{EmptyText, columns};
use crate::keys::{Keys, Levels, ambiguous, tag_column};
use crate::pieces::{Pieces, Renamed, Times, collect, differs};
use crate::sparse;
use crate::tracks::{Track, merge};
use crate::unify::{Stretch, gather};
use crate::union::batch;

/// The columns and rows that the wide frame must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pivot {
    /// These fields in this order; `None` is every field found, by name.
    pub fields: Option<Vec<String>>,
    /// Fields that go by other names in `fields`, by the results that they are in.
    pub renamed: Vec<Renamed>,
    /// The leading columns.
    pub levels: Levels,
    /// Whether to append the tags that are not levels, as columns in order of their names.
    pub tag_columns: bool,
    /// How empty cells of string fields read.
    pub empty_text: EmptyText,
    /// Types that fields have elsewhere. A field without data has this type; another type is unified with it.
    pub kinds: Vec<(String, DataType)>,
    /// IANA name of the zone the time column is typed with; its values are UTC all the same.
    pub tz: String,
    /// Times, ascending, at which every row group has a row, whether there is a value or not.
    pub axis: Vec<i64>,
    /// Columns whose absent integers are 0, as counts are.
    pub zeros: Vec<String>,
    /// Columns of greatest values, each with the column of least values that is subtracted from it and removed.
    pub spreads: Vec<(String, String)>,
}

/// A wide frame.
#[derive(Clone, Debug)]
pub struct Wide {
    /// The levels, then `time`, then the fields, then tag columns.
    pub batch: RecordBatch,
    /// How many of the columns are levels.
    pub levels: usize,
}

/// Pivots the tables of one read; `answers` are its slices, which are dropped as soon as their times are read.
///
/// A caller that keeps them keeps the times of every field in memory; the frame has them once.
///
/// Columns of type float64, int64, uint64, bool, timestamp and string keep
/// their type; a field absent from the answer is a float64 column of nulls.
///
/// Fails with [`ErrorKind::Ambiguous`] where a cell would have two values, with [`ErrorKind::Conflict`]
/// where a field's types have no common type, and with [`ErrorKind::Sparse`] where the frame would be large
/// and nearly empty, or with [`ErrorKind::Input`] if the axis makes it so.
pub fn pivot<A: AsRef<Answer>>(answers: Vec<A>, spec: &Pivot) -> Result<Wide> {
    let found = collect(&[answers.as_slice()], spec.fields.as_deref(), &spec.renamed)?;
    let keys = Keys::new(&found, &spec.levels)?;
    let fields: Vec<&str> = match &spec.fields {
        Some(fields) => fields.iter().map(String::as_str).collect(),
        None => found.list.iter().map(|piece| piece.field).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    let columns = columns(&found, &fields, &spec.kinds, spec.empty_text)?;
    let mut newest: Vec<Option<i64>> = vec![None; keys.list.len()];
    for (series, time) in &found.newest {
        if let Some(key) = keys.of[*series] {
            newest[key] = newest[key].max(Some(*time));
        }
    }
    let mut places: HashMap<&str, Vec<usize>> = HashMap::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        places.entry(field).or_default().push(place);
    }
    // For each key, the numbers of the fields and their pieces; a list for each field of each key would be too large.
    let mut pieces: Vec<Vec<(usize, usize)>> = vec![Vec::new(); keys.list.len()];
    let mut longest = vec![spec.axis.len().max(1); keys.list.len()];
    let mut held = 0;
    for (index, piece) in found.list.iter().enumerate() {
        let Some(key) = keys.of[piece.series] else { continue };
        for field in places.get(piece.field).into_iter().flatten() {
            if matches!(piece.times, Times::Newest) && newest[key].is_none() {
                return Err(Error::syntax("a table lacks the column \"_time\", and its series a table of times"));
            }
            pieces[key].push((*field, index));
            longest[key] = longest[key].max(piece.values.len());
            held += piece.values.len() * (keys.names.len() + 2);
        }
    }
    let width = keys.names.len() + 1 + fields.len();
    let check = if spec.axis.is_empty() { sparse::check } else { sparse::check_windows };
    check(longest.iter().sum(), width, held)?;

    let mut axis: Vec<i64> = Vec::new();
    // One more than fields, for the times that are there in any case.
    let mut stretches: Vec<Vec<Stretch>> = vec![Vec::new(); fields.len() + 1];
    let mut key_rows = Vec::with_capacity(keys.list.len());
    for (key, by_field) in pieces.iter_mut().enumerate() {
        let before = axis.len();
        let label = [newest[key].unwrap_or_default()];
        by_field.sort_by_key(|piece| piece.0);
        let mut rest = by_field.as_slice();
        let mut tracks = Vec::with_capacity(fields.len());
        for field in 0..fields.len() {
            let of_field = rest.partition_point(|piece| piece.0 == field);
            let indices: Vec<usize> = rest[..of_field].iter().map(|piece| piece.1).collect();
            rest = &rest[of_field..];
            let track = Track::join(&found, &columns[field], &indices, &label)
                .map_err(|time| ambiguous(&found, &keys.list[key].1, fields[field], time))?;
            tracks.push(track);
        }
        if !spec.axis.is_empty() {
            tracks.push(Track { times: vec![spec.axis.as_slice().into()], runs: Vec::new() });
        }
        merge(&tracks, &mut axis, &mut stretches);
        key_rows.push(axis.len() - before);
    }

    let rows = axis.len();
    check(rows, width, held)?;
    let mut out = keys.columns(&key_rows);
    let levels = out.len();
    let time: ArrayRef = Arc::new(TimestampNanosecondArray::from(axis).with_timezone(spec.tz.as_str()));
    out.push((Field::new("time", time.data_type().clone(), false), time));
    let tags = if spec.tag_columns { tag_columns(&found, &keys, &key_rows)? } else { Vec::new() };
    let fields: Vec<String> = fields.into_iter().map(str::to_owned).collect();
    // From here on the values are enough.
    drop((found, keys, places));
    drop(answers);
    for ((name, mut column), mut stretches) in fields.into_iter().zip(columns).zip(stretches) {
        if column.kind == DataType::Int64 && spec.zeros.contains(&name) {
            fill_with_zeros(&mut column.arrays, &mut stretches);
        }
        let joined = gather(&name, &column.kind, &column.arrays, &stretches)?;
        out.push((Field::new(name, column.kind, true), joined));
    }
    subtract(&mut out, &spec.spreads)?;
    out.extend(tags);
    let (fields, columns) = out.into_iter().unzip();
    Ok(Wide { batch: batch(fields, columns, rows), levels })
}

/// The tags that are no level, by name, without those that no series has.
fn tag_columns(found: &Pieces<'_>, keys: &Keys<'_>, key_rows: &[usize]) -> Result<Vec<(Field, ArrayRef)>> {
    // InfluxQL also names the tags of series that have no points in the range.
    let is_there = |tag: usize| found.series.iter().any(|tags| tags[tag].is_some());
    let others = found.tags.iter().enumerate();
    others
        .filter(|(tag, _)| !keys.levels.contains(&Some(*tag)) && is_there(*tag))
        .map(|(tag, name)| {
            let mut series = keys.list.iter().map(|(_, series)| series);
            if let Some(series) = series.find(|series| differs(found, tag, series.iter().copied())) {
                let why = format!(
                    "{} series have values in one row, and differ in tag {name}. Name it in `by`",
                    series.len()
                );
                return Err(ErrorKind::Ambiguous(why).into());
            }
            let values: Vec<Option<&str>> = keys.list.iter().map(|(_, series)| found.series[series[0]][tag]).collect();
            Ok(tag_column(name, &values, key_rows))
        })
        .collect()
}

/// Subtracts the least values from the greatest, and removes the columns of least values.
fn subtract(columns: &mut Vec<(Field, ArrayRef)>, spreads: &[(String, String)]) -> Result<()> {
    for (greatest, least) in spreads {
        // From the end, since a tag or the time may have the name of a field.
        let place = |name: &str| columns.iter().rposition(|(field, _)| field.name() == name);
        let (Some(high), Some(low)) = (place(greatest), place(least)) else { continue };
        let difference = difference(greatest, &columns[high].1, &columns[low].1)?;
        columns[high].1 = difference;
        columns.remove(low);
    }
    Ok(())
}

fn difference(name: &str, high: &ArrayRef, low: &ArrayRef) -> Result<ArrayRef> {
    fn of<P: ArrowPrimitiveType>(
        high: &ArrayRef,
        low: &ArrayRef,
        less: fn(P::Native, P::Native) -> Option<P::Native>,
    ) -> Option<ArrayRef> {
        let pairs = high.as_primitive_opt::<P>()?.iter().zip(low.as_primitive_opt::<P>()?);
        let differences = pairs.map(|pair| match pair {
            (Some(high), Some(low)) => less(high, low).map(Some),
            _ => Some(None),
        });
        Some(Arc::new(differences.collect::<Option<PrimitiveArray<P>>>()?))
    }
    let found = match high.data_type() {
        DataType::Float64 => of::<Float64Type>(high, low, |high, low| Some(high - low)),
        DataType::Int64 => of::<Int64Type>(high, low, i64::checked_sub),
        _ => of::<UInt64Type>(high, low, u64::checked_sub),
    };
    let why = "the spread of a window does not fit in 64 bits";
    found.ok_or_else(|| Error::input(None, Some(name), why).about("spreads"))
}

/// Turns stretches of nulls into ones of zeros.
fn fill_with_zeros(arrays: &mut Vec<ArrayRef>, stretches: &mut [Stretch]) {
    let source = arrays.len();
    arrays.push(Arc::new(Int64Array::from(vec![0])));
    for stretch in stretches {
        if let Stretch::Nulls(count) = *stretch {
            *stretch = Stretch::Repeat { source, row: 0, count };
        }
    }
}
