//! The answers of a read by field and series: the pieces that a pivot joins.
//!
//! A table of one field of one series is a piece. A table of a wide group has a piece for each of its
//! fields, which share its times. Series are numbered by their tags over all answers. So the answers of several
//! queries about the same series can be joined.

use std::collections::{BTreeSet, HashMap};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef};

use crate::annotated::Datatype;
use crate::decoder::{Answer, Form, Group, Table};
use crate::error::{Error, Result};
use crate::sparse;

/// One field of one series in one table.
pub(crate) struct Piece<'a> {
    /// Number of the set of answers that it came with.
    pub(crate) set: usize,
    pub(crate) series: usize,
    pub(crate) field: &'a str,
    pub(crate) times: Times<'a>,
    pub(crate) values: ArrayRef,
    /// A null means that there is no value: the row is there for other fields.
    pub(crate) has_gaps: bool,
}

/// A column of its own for a field in one of a query's results, as where several aggregates of it are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Name of the result, as the query yields it.
    pub result: String,
    /// Name of the field.
    pub field: String,
    /// Name of the column.
    pub column: String,
}

/// Times of a piece.
#[derive(Clone, Copy)]
pub(crate) enum Times<'a> {
    /// As the table gives them.
    Read(&'a [i64]),
    /// The newest time of the series, for an aggregate over the whole range, which has no time of its own.
    Newest,
}

/// The pieces of all answers and the tags of their series.
#[derive(Default)]
pub(crate) struct Pieces<'a> {
    pub(crate) list: Vec<Piece<'a>>,
    pub(crate) tags: Vec<&'a str>,
    /// Per series, the value of each of `tags`.
    pub(crate) series: Vec<Vec<Option<&'a str>>>,
    /// How many of the series, the first ones, are those of the first set.
    pub(crate) leading: usize,
    /// Per series, the newest time in its tables without values.
    pub(crate) newest: HashMap<usize, i64>,
}

/// Finds the pieces of all sets of answers, the first set's first, and numbers their series.
///
/// A set is one query's answers. A read of one field may leave out the column `_field`, whose every cell would name it.
/// The fields of `renamed` go by the names of their columns.
pub(crate) fn collect<'a, A: AsRef<Answer>>(
    sets: &[&'a [A]],
    fields: Option<&'a [String]>,
    renamed: &'a [Renamed],
) -> Result<Pieces<'a>> {
    let columns: HashMap<(&str, &str), &str> =
        renamed.iter().map(|one| ((one.result.as_str(), one.field.as_str()), one.column.as_str())).collect();
    let only = match fields {
        Some([field]) => field.as_str(),
        _ => "",
    };
    let answers = || sets.iter().enumerate().flat_map(|(set, answers)| answers.iter().map(move |a| (set, a.as_ref())));
    let mut found = Pieces::default();
    let with_rows = answers().flat_map(|(_, answer)| &answer.groups).filter(|group| group.rows > 0);
    let names: BTreeSet<&str> = with_rows.flat_map(tags_of).collect();
    found.tags = names.into_iter().collect();
    let held = answers().flat_map(|(_, answer)| &answer.groups).map(|group| group.rows * group.columns.len()).sum();
    let places = answers().map(|(_, answer)| answer.groups.len() + answer.tables.len()).sum();
    sparse::check(places, found.tags.len(), held)?;
    let mut ids: HashMap<Vec<Option<&str>>, usize> = HashMap::new();
    for (set, answer) in answers() {
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
            if set == 0 {
                found.leading = found.series.len();
            }
            let times = layout.times(table)?;
            if let Some(wide) = &layout.wide {
                let times = times.ok_or_else(|| Error::syntax("a series lacks the column \"time\""))?;
                for (field, column) in wide {
                    let values = column.slice(table.start, table.rows);
                    // If all fields are wanted, a field without a value is not one of them.
                    if fields.is_some() || values.null_count() < values.len() {
                        found.list.push(Piece {
                            set,
                            series,
                            field,
                            times: Times::Read(times),
                            values,
                            has_gaps: true,
                        });
                    }
                }
                continue;
            }
            match (layout.values(table), times) {
                (Some(values), times) => {
                    let field =
                        layout.field.map_or(Some(only), |column| text(column, table.ordinal)).unwrap_or_default();
                    let column = layout.result.and_then(|array| columns.get(&(text(array, table.ordinal)?, field)));
                    found.list.push(Piece {
                        set,
                        series,
                        field: column.copied().unwrap_or(field),
                        times: times.map_or(Times::Newest, Times::Read),
                        values,
                        has_gaps: false,
                    });
                }
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

/// The positions of the columns of a group that a pivot needs.
struct Layout<'a> {
    result: Option<&'a ArrayRef>,
    time: Option<&'a ArrayRef>,
    value: Option<&'a ArrayRef>,
    field: Option<&'a ArrayRef>,
    /// One per tag of the whole answer.
    tags: Vec<Option<&'a ArrayRef>>,
    /// Names and columns of the fields, of a group that has one for each.
    wide: Option<Vec<(&'a str, &'a ArrayRef)>>,
}

impl<'a> Layout<'a> {
    fn of(group: &'a Group, tags: &[&str]) -> Result<Self> {
        if group.form == Form::Wide {
            return Ok(Self::of_wide(group, tags));
        }
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
        let mut arrays: HashMap<&str, &'a ArrayRef> = HashMap::new();
        for (column, array) in group.schema.columns.iter().zip(&group.columns).skip(2) {
            arrays.entry(&column.name).or_insert(array);
        }
        Ok(Self {
            result: group.columns.first(),
            time: by_row("_time")?,
            value: by_row("_value")?,
            field: arrays.get("_field").copied(),
            tags: tags.iter().map(|tag| arrays.get(tag).copied()).collect(),
            wide: None,
        })
    }

    fn of_wide(group: &'a Group, tags: &[&str]) -> Self {
        let columns = group.schema.columns.iter().zip(&group.columns);
        let (constant, mut by_row): (Vec<_>, Vec<_>) = columns.partition(|(column, _)| column.constant);
        // `_measurement` comes first; a tag may have that name too.
        let arrays: HashMap<&str, &ArrayRef> =
            constant.into_iter().skip(1).map(|(column, array)| (column.name.as_str(), array)).collect();
        let is_time = by_row.first().is_some_and(|(column, _)| column.datatype == Datatype::Time);
        let time = if is_time { Some(by_row.remove(0).1) } else { None };
        Self {
            result: None,
            time,
            value: None,
            field: None,
            tags: tags.iter().map(|tag| arrays.get(tag).copied()).collect(),
            wide: Some(by_row.into_iter().map(|(column, array)| (column.name.as_str(), array)).collect()),
        }
    }

    fn times(&self, table: &Table) -> Result<Option<&'a [i64]>> {
        let Some(array) = self.time else { return Ok(None) };
        let array = array
            .as_primitive_opt::<TimestampNanosecondType>()
            .filter(|array| array.null_count() == 0)
            .ok_or_else(|| Error::syntax("column \"_time\" must have a time in every row"))?;
        Ok(Some(&array.values()[table.start..table.start + table.rows]))
    }

    fn values(&self, table: &Table) -> Option<ArrayRef> {
        self.value.map(|array| array.slice(table.start, table.rows))
    }
}

/// The tag columns of a group: the strings of its key that are not InfluxDB's own.
fn tags_of(group: &Group) -> impl Iterator<Item = &str> {
    let first = if group.form == Form::Wide { 1 } else { 2 };
    let columns = group.schema.columns.iter().skip(first).filter(|column| column.is_dictionary());
    let is_own = |name: &str| group.form == Form::Long && matches!(name, "_field" | "_measurement");
    columns.map(|column| column.name.as_str()).filter(move |name| !is_own(name))
}

fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    let array = column.as_dictionary_opt::<Int32Type>()?;
    let word = array.key(row)?;
    Some(array.values().as_string::<i64>().value(word))
}

/// Whether the tag has more than one value among these series.
pub(crate) fn differs(found: &Pieces<'_>, tag: usize, series: impl IntoIterator<Item = usize>) -> bool {
    let mut values = series.into_iter().map(|id| found.series[id][tag]);
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// A series for a message: its tags in braces.
pub(crate) fn series_name(found: &Pieces<'_>, series: usize) -> String {
    let tags = found.tags.iter().zip(&found.series[series]);
    let tags: Vec<String> = tags.filter_map(|(name, value)| Some(format!("{name}={}", (*value)?))).collect();
    format!("{{{}}}", tags.join(","))
}
