//! Long to wide: tables of `_time`, `_value`, `_field` and tags to one row per series and time.
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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch, TimestampNanosecondArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};

use crate::column::dictionary;
use crate::decoder::{Answer, Group, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::unify::{Stretch, cast, extend, gather, type_name, unify};
use crate::union::batch;

/// Which tags tell series apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Levels {
    /// The tags whose values differ between the series found.
    Differing,
    /// These tags. None at all insists on one series.
    Named(Vec<String>),
}

/// What an empty string value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyText {
    /// Null: the server wrote an absent value.
    Null,
    /// The empty string: points as stored always have a value.
    Empty,
}

/// What the wide frame is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pivot {
    /// These fields in this order; `None` is every field found, by name.
    pub fields: Option<Vec<String>>,
    /// The leading columns.
    pub levels: Levels,
    /// Append the tags that are no level as columns, by name.
    pub tag_columns: bool,
    /// How empty cells of string fields read.
    pub empty_text: EmptyText,
    /// Types that fields have elsewhere: a field without data takes its, and one of another type unifies with it.
    pub kinds: Vec<(String, DataType)>,
    /// IANA name of the zone the time column is typed with; its values are UTC all the same.
    pub tz: String,
}

/// A wide frame.
#[derive(Clone, Debug)]
pub struct Wide {
    /// The levels, then `time`, then the fields, then tag columns.
    pub batch: RecordBatch,
    /// How many of the columns are levels.
    pub levels: usize,
}

/// One field of one series in one table.
struct Piece<'a> {
    series: usize,
    field: &'a str,
    times: Times<'a>,
    values: ArrayRef,
}

/// Times of a piece.
#[derive(Clone, Copy)]
enum Times<'a> {
    /// As the table gives them.
    Read(&'a [i64]),
    /// An aggregate over the whole range has none: the newest of its series.
    Newest,
}

/// The pieces of an answer and the tags of their series.
#[derive(Default)]
struct Pieces<'a> {
    list: Vec<Piece<'a>>,
    tags: Vec<&'a str>,
    /// Per series, the value of each of `tags`.
    series: Vec<Vec<Option<&'a str>>>,
    /// Per series, the newest time in its tables without values.
    newest: HashMap<usize, i64>,
}

/// Pivots the tables of one read; `answers` are its slices.
///
/// Columns of type float64, int64, uint64, bool, timestamp and string keep
/// their type; a field absent from the answer is a float64 column of nulls.
///
/// Fails with [`ErrorKind::Ambiguous`] where two values meet in one cell, and
/// with [`ErrorKind::Conflict`] where a field's types do not unify.
pub fn pivot<A: AsRef<Answer>>(answers: &[A], spec: &Pivot) -> Result<Wide> {
    let found = collect(answers, spec.fields.as_deref())?;
    let levels = level_tags(&found, &spec.levels)?;
    let fields: Vec<&str> = match &spec.fields {
        Some(fields) => fields.iter().map(String::as_str).collect(),
        None => found.list.iter().map(|piece| piece.field).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    // Series that agree in all levels form one row group; a BTreeMap sorts them, null first.
    let mut keys: BTreeMap<Vec<Option<&str>>, Vec<usize>> = BTreeMap::new();
    for (id, tags) in found.series.iter().enumerate() {
        let key = levels.iter().map(|level| level.and_then(|index| tags[index])).collect();
        keys.entry(key).or_default().push(id);
    }
    let mut key_of = vec![0; found.series.len()];
    for (key, series) in keys.values().enumerate() {
        for &id in series {
            key_of[id] = key;
        }
    }
    let names = level_names(&levels, &found, &spec.levels);

    let columns = columns(&found, &fields, spec)?;
    let mut newest: Vec<Option<i64>> = vec![None; keys.len()];
    for (series, time) in &found.newest {
        newest[key_of[*series]] = newest[key_of[*series]].max(Some(*time));
    }
    let mut pieces: Vec<Vec<Vec<usize>>> = vec![vec![Vec::new(); fields.len()]; keys.len()];
    for (index, piece) in found.list.iter().enumerate() {
        let key = key_of[piece.series];
        for (field, _) in fields.iter().enumerate().filter(|(_, field)| **field == piece.field) {
            if matches!(piece.times, Times::Newest) && newest[key].is_none() {
                return Err(Error::syntax("a table lacks the column \"_time\", and its series a table of times"));
            }
            pieces[key][field].push(index);
        }
    }

    let mut axis: Vec<i64> = Vec::new();
    let mut stretches: Vec<Vec<Stretch>> = vec![Vec::new(); fields.len()];
    let mut key_rows = Vec::with_capacity(keys.len());
    for (key, by_field) in pieces.iter().enumerate() {
        let before = axis.len();
        let mut tracks = Vec::with_capacity(fields.len());
        for (field, indices) in by_field.iter().enumerate() {
            let label = [newest[key].unwrap_or_default()];
            let track = Track::join(&found, &columns[field], indices, &label)
                .map_err(|time| ambiguous(&found, keys.values().nth(key), fields[field], time))?;
            tracks.push(track);
        }
        merge(&tracks, &mut axis, &mut stretches);
        key_rows.push(axis.len() - before);
    }

    let mut out_fields = Vec::new();
    let mut out_columns = Vec::new();
    for (level, name) in names.iter().enumerate() {
        let values: Vec<Option<&str>> = keys.keys().map(|key| key[level]).collect();
        let column = tag_column(&values, &key_rows);
        out_fields.push(Field::new(*name, column.data_type().clone(), true));
        out_columns.push(column);
    }
    let rows = axis.len();
    let time: ArrayRef = Arc::new(TimestampNanosecondArray::from(axis).with_timezone(spec.tz.as_str()));
    out_fields.push(Field::new("time", time.data_type().clone(), false));
    out_columns.push(time);
    for ((name, column), stretches) in fields.iter().zip(&columns).zip(&stretches) {
        out_fields.push(Field::new(*name, column.kind.clone(), true));
        out_columns.push(gather(name, &column.kind, &column.arrays, stretches)?);
    }
    if spec.tag_columns {
        for (tag, name) in found.tags.iter().enumerate().filter(|(tag, _)| !levels.contains(&Some(*tag))) {
            if let Some(series) = keys.values().find(|series| differs(&found, tag, series.iter().copied())) {
                let why = format!("{} series meet in one row, which differ in tag {name}", series.len());
                return Err(ErrorKind::Ambiguous(why).into());
            }
            let values: Vec<Option<&str>> = keys.values().map(|series| found.series[series[0]][tag]).collect();
            let column = tag_column(&values, &key_rows);
            out_fields.push(Field::new(*name, column.data_type().clone(), true));
            out_columns.push(column);
        }
    }
    Ok(Wide { batch: batch(out_fields, out_columns, rows), levels: names.len() })
}

/// Finds the pieces of all answers and numbers their series.
///
/// A read of one field may leave out the column `_field`, whose every cell would name it.
fn collect<'a, A: AsRef<Answer>>(answers: &'a [A], fields: Option<&'a [String]>) -> Result<Pieces<'a>> {
    let only = match fields {
        Some([field]) => field.as_str(),
        _ => "",
    };
    let answers = || answers.iter().map(AsRef::as_ref);
    let mut found = Pieces::default();
    let with_rows = answers().flat_map(|answer| &answer.groups).filter(|group| group.rows > 0);
    let names: BTreeSet<&str> = with_rows.flat_map(tags_of).collect();
    found.tags = names.into_iter().collect();
    let mut ids: HashMap<Vec<Option<&str>>, usize> = HashMap::new();
    for answer in answers() {
        let layouts = answer.groups.iter().map(|group| Layout::of(group, &found.tags)).collect::<Result<Vec<_>>>()?;
        for table in &answer.tables {
            let layout = &layouts[table.group];
            let tags: Vec<Option<&str>> =
                layout.tags.iter().map(|column| column.and_then(|c| text(c, table.ordinal))).collect();
            let next = ids.len();
            let series = *ids.entry(tags.clone()).or_insert_with(|| {
                found.series.push(tags);
                next
            });
            let times = layout.times(table)?;
            match (layout.values(table), times) {
                (Some(values), times) => found.list.push(Piece {
                    series,
                    field: layout.field.map_or(Some(only), |column| text(column, table.ordinal)).unwrap_or_default(),
                    times: times.map_or(Times::Newest, Times::Read),
                    values,
                }),
                (None, Some(times)) => {
                    let last = times.iter().copied().max().unwrap_or(i64::MIN);
                    let newest = found.newest.entry(series).or_insert(last);
                    *newest = last.max(*newest);
                }
                (None, None) => {}
            }
        }
    }
    Ok(found)
}

/// Where a group keeps what a pivot needs.
struct Layout<'a> {
    time: Option<&'a ArrayRef>,
    value: Option<&'a ArrayRef>,
    field: Option<&'a ArrayRef>,
    /// One per tag of the whole answer.
    tags: Vec<Option<&'a ArrayRef>>,
}

impl<'a> Layout<'a> {
    fn of(group: &'a Group, tags: &[&str]) -> Result<Self> {
        // `result` and `table` come first; a tag may have either name.
        let find = |name: &str| {
            let mut columns = group.schema.columns.iter().zip(&group.columns).skip(2);
            columns.find(|(column, _)| column.name == name)
        };
        let by_row = |name: &str| match find(name) {
            Some((column, _)) if column.constant => {
                Err(Error::syntax(format!("column {name:?} is part of the group key, and can't be pivoted")))
            }
            found => Ok(found.map(|(_, array)| array)),
        };
        let by_table = |name: &str| find(name).map(|(_, array)| array);
        Ok(Self {
            time: by_row("_time")?,
            value: by_row("_value")?,
            field: by_table("_field"),
            tags: tags.iter().map(|tag| by_table(tag)).collect(),
        })
    }

    fn times(&self, table: &Table) -> Result<Option<&'a [i64]>> {
        let Some(array) = self.time else { return Ok(None) };
        let array = array
            .as_primitive_opt::<TimestampNanosecondType>()
            .filter(|array| array.null_count() == 0)
            .ok_or_else(|| Error::syntax("column \"_time\" has to hold a time in every row"))?;
        Ok(Some(&array.values()[table.start..table.start + table.rows]))
    }

    fn values(&self, table: &Table) -> Option<ArrayRef> {
        self.value.map(|array| array.slice(table.start, table.rows))
    }
}

/// The tag columns of a group: the strings of its key that are not InfluxDB's own.
fn tags_of(group: &Group) -> impl Iterator<Item = &str> {
    let columns = group.schema.columns.iter().skip(2).filter(|column| column.is_dictionary());
    columns.map(|column| column.name.as_str()).filter(|name| !matches!(*name, "_field" | "_measurement"))
}

fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    let array = column.as_dictionary_opt::<Int32Type>()?;
    let word = array.key(row)?;
    Some(array.values().as_string::<i64>().value(word))
}

/// Indices into the found tags that are levels; `None` for a named tag that no series has.
fn level_tags(found: &Pieces<'_>, levels: &Levels) -> Result<Vec<Option<usize>>> {
    let differing: Vec<usize> =
        (0..found.tags.len()).filter(|&tag| differs(found, tag, 0..found.series.len())).collect();
    match levels {
        Levels::Differing => Ok(differing.into_iter().map(Some).collect()),
        Levels::Named(names) if names.is_empty() && !differing.is_empty() => {
            let tags: Vec<&str> = differing.iter().map(|&tag| found.tags[tag]).collect();
            Err(ErrorKind::Ambiguous(format!(
                "one series was asked for and {} were found; they differ in {}",
                found.series.len(),
                tags.join(", ")
            ))
            .into())
        }
        Levels::Named(names) => Ok(names.iter().map(|name| found.tags.iter().position(|tag| tag == name)).collect()),
    }
}

fn level_names<'a>(levels: &[Option<usize>], found: &Pieces<'a>, spec: &'a Levels) -> Vec<&'a str> {
    match spec {
        Levels::Named(names) => names.iter().map(String::as_str).collect(),
        Levels::Differing => levels.iter().flatten().map(|&tag| found.tags[tag]).collect(),
    }
}

fn differs(found: &Pieces<'_>, tag: usize, series: impl IntoIterator<Item = usize>) -> bool {
    let mut values = series.into_iter().map(|id| found.series[id][tag]);
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// A field's unified type and its pieces' values cast to it.
struct FieldColumn {
    kind: DataType,
    /// Values of the field's pieces.
    arrays: Vec<ArrayRef>,
    /// Index into `arrays`, by piece of the whole answer.
    source: HashMap<usize, usize>,
}

fn columns(found: &Pieces<'_>, fields: &[&str], spec: &Pivot) -> Result<Vec<FieldColumn>> {
    let mut columns: Vec<FieldColumn> = Vec::with_capacity(fields.len());
    for field in fields {
        let pieces: Vec<(usize, &Piece<'_>)> =
            found.list.iter().enumerate().filter(|(_, piece)| piece.field == *field).collect();
        let elsewhere = spec.kinds.iter().find(|(name, _)| name == field).map(|(_, kind)| kind);
        let Some((_, first)) = pieces.first() else {
            let kind = elsewhere.unwrap_or(&DataType::Float64).clone();
            columns.push(FieldColumn { kind, arrays: Vec::new(), source: HashMap::new() });
            continue;
        };
        let conflict = |other: &Piece<'_>, why: &str| ErrorKind::Conflict {
            column: (*field).to_owned(),
            detail: format!(
                "{} in series {} and {} in series {} do not unify{why}",
                type_name(first.values.data_type()),
                series_name(found, first.series),
                type_name(other.values.data_type()),
                series_name(found, other.series),
            ),
        };
        let mut kind = first.values.data_type().clone();
        for (_, piece) in &pieces {
            kind = unify(&kind, piece.values.data_type()).ok_or_else(|| conflict(piece, ""))?;
        }
        kind = elsewhere.and_then(|elsewhere| unify(&kind, elsewhere)).unwrap_or(kind);
        let other = pieces.iter().find(|(_, piece)| piece.values.data_type() != first.values.data_type());
        let mut arrays = Vec::with_capacity(pieces.len());
        let mut source = HashMap::with_capacity(pieces.len());
        for (index, piece) in &pieces {
            let array = cast(&piece.values, &kind)
                .map_err(|why| conflict(other.map_or(piece, |(_, other)| other), &format!(": {why}")))?;
            source.insert(*index, arrays.len());
            arrays.push(if spec.empty_text == EmptyText::Empty { without_null_text(array) } else { array });
        }
        columns.push(FieldColumn { kind, arrays, source });
    }
    Ok(columns)
}

/// A string column whose nulls read as empty strings; other columns as they are.
fn without_null_text(array: ArrayRef) -> ArrayRef {
    match array.as_string_opt::<i64>() {
        Some(texts) if texts.null_count() > 0 => {
            let (offsets, bytes, _) = texts.clone().into_parts();
            Arc::new(LargeStringArray::new(offsets, bytes, None))
        }
        _ => array,
    }
}

fn series_name(found: &Pieces<'_>, series: usize) -> String {
    let tags = found.tags.iter().zip(&found.series[series]);
    let tags: Vec<String> = tags.filter_map(|(name, value)| Some(format!("{name}={}", (*value)?))).collect();
    format!("{{{}}}", tags.join(","))
}

/// One field's values of one row group, in order of time.
struct Track<'a> {
    times: std::borrow::Cow<'a, [i64]>,
    runs: Vec<Stretch>,
}

impl<'a> Track<'a> {
    /// Joins pieces; a time that two of them carry is the error.
    fn join(
        found: &'a Pieces<'_>,
        column: &FieldColumn,
        pieces: &[usize],
        newest: &[i64],
    ) -> std::result::Result<Self, i64> {
        let times_of = |piece: usize| match found.list[piece].times {
            Times::Read(times) => times,
            Times::Newest => newest,
        };
        let ascends = |times: &[i64]| times.windows(2).all(|pair| pair[0] < pair[1]);
        if let [piece] = *pieces
            && let Times::Read(times) = found.list[piece].times
            && ascends(times)
        {
            let runs = vec![Stretch::Rows { source: column.source[&piece], start: 0, rows: times.len() }];
            return Ok(Self { times: times.into(), runs });
        }
        let mut rows: Vec<(i64, usize, usize)> = Vec::new();
        for &piece in pieces {
            let source = column.source[&piece];
            rows.extend(times_of(piece).iter().enumerate().map(|(row, time)| (*time, source, row)));
        }
        rows.sort_by_key(|row| row.0);
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(pair[0].0);
        }
        let mut runs = Vec::new();
        for (_, source, start) in &rows {
            extend(&mut runs, Stretch::Rows { source: *source, start: *start, rows: 1 });
        }
        Ok(Self { times: rows.iter().map(|row| row.0).collect(), runs })
    }
}

/// Appends one row group: the union of the tracks' times, and each track's stretches along it.
fn merge(tracks: &[Track<'_>], axis: &mut Vec<i64>, stretches: &mut [Vec<Stretch>]) {
    let filled: Vec<&Track<'_>> = tracks.iter().filter(|track| !track.times.is_empty()).collect();
    let Some(first) = filled.first() else { return };
    let begin = axis.len();
    axis.extend_from_slice(&first.times);
    if filled.iter().any(|track| track.times != first.times) {
        for track in &filled[1..] {
            axis.extend_from_slice(&track.times);
        }
        let mut union = axis.split_off(begin);
        // The tracks' times are runs in order, which the stable sort merges.
        #[expect(clippy::stable_sort_primitive, reason = "it finds the runs")]
        union.sort();
        union.dedup();
        axis.append(&mut union);
    }
    let union = &axis[begin..];
    for (track, stretches) in tracks.iter().zip(stretches) {
        if track.times.len() == union.len() {
            track.runs.iter().for_each(|run| extend(stretches, *run));
            continue;
        }
        let mut rows = track.runs.iter().flat_map(|run| match *run {
            Stretch::Rows { source, start, rows } => (start..start + rows).map(move |start| (source, start)),
            Stretch::Repeat { .. } | Stretch::Nulls(_) => unreachable!("a track has rows only"),
        });
        let mut times = track.times.iter().peekable();
        for time in union {
            let next = if times.next_if_eq(&time).is_some() { rows.next() } else { None };
            extend(
                stretches,
                next.map_or(Stretch::Nulls(1), |(source, start)| Stretch::Rows { source, start, rows: 1 }),
            );
        }
    }
}

fn ambiguous(found: &Pieces<'_>, series: Option<&Vec<usize>>, field: &str, time: i64) -> Error {
    let series = series.map(Vec::as_slice).unwrap_or_default();
    let tags: Vec<&str> = (0..found.tags.len())
        .filter(|&tag| differs(found, tag, series.iter().copied()))
        .map(|tag| found.tags[tag])
        .collect();
    let why = if tags.is_empty() {
        format!("series {} carries two values", series.first().map(|id| series_name(found, *id)).unwrap_or_default())
    } else {
        format!("{} series meet, which differ in {}", series.len(), tags.join(", "))
    };
    ErrorKind::Ambiguous(format!("field {field:?} at {}: {why}", crate::timestamp::write(time))).into()
}

/// A dictionary column: `values[i]` repeated `rows[i]` times, its words sorted.
fn tag_column(values: &[Option<&str>], rows: &[usize]) -> ArrayRef {
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
    dictionary(codes, nulls, Arc::new(LargeStringArray::from_iter_values(words)))
}
