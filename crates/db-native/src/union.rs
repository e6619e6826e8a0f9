//! An answer's tables as one frame, or as one frame per schema.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::decoder::{Answer, Group, Table};
use crate::error::{ErrorKind, Result};
use crate::unify::{Stretch, cast, extend, gather, type_name, unify};

/// One frame: columns in order of first appearance, rows in order of arrival, absent cells null.
///
/// Fails with [`ErrorKind::Conflict`] where a column carries types that do not unify.
pub fn union(answer: &Answer) -> Result<RecordBatch> {
    let with_rows: Vec<usize> = (0..answer.groups.len()).filter(|&g| answer.groups[g].rows > 0).collect();
    let mut names: Vec<&str> = Vec::new();
    for group in &answer.groups {
        check_names(group)?;
        for column in &group.schema.columns {
            if !names.contains(&column.name.as_str()) {
                names.push(&column.name);
            }
        }
    }
    let mut fields = Vec::with_capacity(names.len());
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let (kind, parts) = unified(answer, &with_rows, name)?;
        let mut part_of = vec![None; answer.groups.len()];
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
        let arrays: Vec<ArrayRef> = parts.into_iter().map(|part| part.array).collect();
        columns.push(gather(name, &kind, &arrays, &stretches)?);
        fields.push(Field::new(name, kind, true));
    }
    let rows = answer.tables.iter().map(|table| table.rows).sum();
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

/// A column of one group.
struct Part {
    group: usize,
    constant: bool,
    array: ArrayRef,
}

/// The type of a column over all groups with rows, and its parts cast to it.
fn unified(answer: &Answer, with_rows: &[usize], name: &str) -> Result<(DataType, Vec<Part>)> {
    let part = |group: usize| {
        let Group { schema, columns, .. } = &answer.groups[group];
        let index = schema.columns.iter().position(|column| column.name == name)?;
        Some(Part { group, constant: schema.columns[index].constant, array: Arc::clone(&columns[index]) })
    };
    let mut parts: Vec<Part> = with_rows.iter().filter_map(|&group| part(group)).collect();
    let Some(first) = parts.first() else {
        // Only tables without rows have this column.
        let kind = (0..answer.groups.len()).find_map(part).map(|part| part.array.data_type().clone());
        return Ok((kind.unwrap_or(DataType::Null), Vec::new()));
    };
    let conflict = |other: &Part, why: &str| ErrorKind::Conflict {
        column: name.to_owned(),
        detail: format!(
            "{} in table {} and {} in table {} do not unify{why}",
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
    let columns = &group.schema.columns;
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].iter().any(|earlier| earlier.name == column.name) {
            return Err(ErrorKind::Conflict {
                column: column.name.clone(),
                detail: format!("stands twice in table {}; rename one of them in the query", group.first_table),
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

/// A record batch; its columns agree by construction.
pub(crate) fn batch(fields: Vec<Field>, columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .unwrap_or_else(|_| unreachable!("columns of {rows} rows, typed by their own arrays"))
}
