//! Joins the tables of an answer into one frame, or into one frame for each schema.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::decoder::{Answer, Group, Table};
use crate::error::{ErrorKind, Result};
use crate::sparse;
use crate::unify::{Stretch, cast, extend, gather, type_name, unify};

/// One frame: columns in order of first appearance, rows in order of arrival, absent cells null.
///
/// Fails with [`ErrorKind::Conflict`] where a column has values whose types have no common type, and with
/// [`ErrorKind::Sparse`] where the frame would be large and nearly empty.
pub fn union(answer: &Answer) -> Result<RecordBatch> {
    let mut names: Vec<&str> = Vec::new();
    let mut places: HashMap<&str, Vec<Place>> = HashMap::new();
    for (number, group) in answer.groups.iter().enumerate() {
        check_names(group)?;
        for (column, schema) in group.schema.columns.iter().enumerate() {
            let places = places.entry(&schema.name).or_insert_with(|| {
                names.push(&schema.name);
                Vec::new()
            });
            places.push(Place { group: number, column });
        }
    }
    let rows = answer.tables.iter().map(|table| table.rows).sum();
    sparse::check(rows, names.len(), answer.groups.iter().map(|group| group.rows * group.columns.len()).sum())?;
    let mut fields = Vec::with_capacity(names.len());
    let mut columns = Vec::with_capacity(names.len());
    let mut part_of = vec![None; answer.groups.len()];
    for name in names {
        let (kind, parts) = unified(answer, &places[name], name)?;
        for (source, part) in parts.iter().enumerate() {
            part_of[part.group] = Some((source, part.constant));
        }
        let mut stretches = Vec::new();
        for table in &answer.tables {
            let stretch = match part_of[table.group] {
                Some((source, constant)) => stretch(table, source, constant),
                None => Stretch::Nulls(table.rows),
            };
            extend(&mut stretches, stretch);
        }
        for part in &parts {
            part_of[part.group] = None;
        }
        let arrays: Vec<ArrayRef> = parts.into_iter().map(|part| part.array).collect();
        columns.push(gather(name, &kind, &arrays, &stretches)?);
        fields.push(Field::new(name, kind, true));
    }
    Ok(batch(fields, columns, rows))
}

/// One frame per schema, in order of first appearance.
pub fn split(answer: &Answer) -> Result<Vec<RecordBatch>> {
    let mut tables: Vec<Vec<&Table>> = vec![Vec::new(); answer.groups.len()];
    for table in &answer.tables {
        tables[table.group].push(table);
    }
    let mut frames = Vec::with_capacity(answer.groups.len());
    for (group, tables) in answer.groups.iter().zip(&tables) {
        check_names(group)?;
        let mut fields = Vec::with_capacity(group.columns.len());
        let mut columns = Vec::with_capacity(group.columns.len());
        for (column, array) in group.schema.columns.iter().zip(&group.columns) {
            let kind = array.data_type();
            fields.push(Field::new(&column.name, kind.clone(), true));
            columns.push(if column.constant {
                let stretches: Vec<Stretch> = tables.iter().map(|table| stretch(table, 0, true)).collect();
                gather(&column.name, kind, std::slice::from_ref(array), &stretches)?
            } else {
                Arc::clone(array)
            });
        }
        frames.push(batch(fields, columns, group.rows));
    }
    Ok(frames)
}

/// A table's part of a column.
fn stretch(table: &Table, source: usize, constant: bool) -> Stretch {
    if constant {
        Stretch::Repeat { source, row: table.ordinal, count: table.rows }
    } else {
        Stretch::Rows { source, start: table.start, rows: table.rows }
    }
}

/// The position of a column: its group, and its number there.
#[derive(Clone, Copy)]
struct Place {
    group: usize,
    column: usize,
}

/// A column of one group.
struct Part {
    group: usize,
    constant: bool,
    array: ArrayRef,
}

/// The type of a column over all groups with rows, and its parts cast to it.
fn unified(answer: &Answer, places: &[Place], name: &str) -> Result<(DataType, Vec<Part>)> {
    let part = |place: &Place| {
        let Group { schema, columns, .. } = &answer.groups[place.group];
        let constant = schema.columns[place.column].constant;
        Part { group: place.group, constant, array: Arc::clone(&columns[place.column]) }
    };
    let with_rows = places.iter().filter(|place| answer.groups[place.group].rows > 0);
    let mut parts: Vec<Part> = with_rows.map(part).collect();
    let Some(first) = parts.first() else {
        // Only tables without rows have this column.
        let kind = places.first().map(|place| part(place).array.data_type().clone());
        return Ok((kind.unwrap_or(DataType::Null), Vec::new()));
    };
    let conflict = |other: &Part, why: &str| ErrorKind::Conflict {
        column: name.to_owned(),
        detail: format!(
            "{} in table {} and {} in table {} have no common type{why}",
            type_name(first.array.data_type()),
            answer.groups[first.group].first_table,
            type_name(other.array.data_type()),
            answer.groups[other.group].first_table,
        ),
    };
    let mut kind = first.array.data_type().clone();
    for other in &parts {
        kind = unify(&kind, other.array.data_type()).ok_or_else(|| conflict(other, ""))?;
    }
    let other = parts.iter().find(|part| part.array.data_type() != first.array.data_type());
    let mut arrays = Vec::with_capacity(parts.len());
    for part in &parts {
        let array = cast(&part.array, &kind);
        arrays.push(array.map_err(|why| conflict(other.unwrap_or(part), &format!(": {why}")))?);
    }
    for (part, array) in parts.iter_mut().zip(arrays) {
        part.array = array;
    }
    Ok((kind, parts))
}

fn check_names(group: &Group) -> Result<()> {
    let mut names = HashSet::with_capacity(group.schema.columns.len());
    for column in &group.schema.columns {
        if !names.insert(column.name.as_str()) {
            return Err(ErrorKind::Conflict {
                column: column.name.clone(),
                detail: format!("occurs twice in table {}; rename one of them in the query", group.first_table),
            }
            .into());
        }
    }
    Ok(())
}

/// Record batches of one schema as one; columns keep their memory if there is only one batch.
///
/// Fails with [`ErrorKind::Input`] where the dictionaries of a column hold more words than its keys can number.
pub fn concat(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    if let [only] = batches {
        return Ok(only.clone());
    }
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let sources: Vec<ArrayRef> = batches.iter().map(|batch| Arc::clone(batch.column(index))).collect();
        let all = |(source, array): (usize, &ArrayRef)| Stretch::Rows { source, start: 0, rows: array.len() };
        let stretches: Vec<Stretch> = sources.iter().enumerate().map(all).collect();
        columns.push(gather(field.name(), field.data_type(), &sources, &stretches)?);
    }
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Ok(batch(fields.collect(), columns, rows))
}

/// Makes a record batch of columns that are known to fit together.
pub(crate) fn batch(fields: Vec<Field>, columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .unwrap_or_else(|_| unreachable!("columns of {rows} rows, typed by their own arrays"))
}
