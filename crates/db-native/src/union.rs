//! An answer's tables as one frame, or as one frame per schema.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::decoder::{Answer, Group};
use crate::error::{ErrorKind, Result};
use crate::unify::{Stretch, cast, extend, gather, type_name, unify};

/// One frame: columns in order of first appearance, rows in order of arrival, absent cells null.
///
/// Fails with [`ErrorKind::Conflict`] where a column carries types that do not unify.
pub fn union(answer: &Answer) -> Result<RecordBatch> {
    let with_rows: Vec<usize> = (0..answer.groups.len()).filter(|&g| answer.groups[g].rows() > 0).collect();
    let mut stretches = Vec::new();
    for table in &answer.tables {
        extend(&mut stretches, Stretch::Rows { source: table.group, start: table.start, rows: table.rows });
    }
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
        let (kind, sources) = unified(answer, &with_rows, name)?;
        let parts = stretches.iter().map(|stretch| match *stretch {
            Stretch::Rows { source, start, rows } => match sources.iter().position(|(group, _)| *group == source) {
                Some(source) => Stretch::Rows { source, start, rows },
                None => Stretch::Nulls(rows),
            },
            nulls @ Stretch::Nulls(_) => nulls,
        });
        let arrays: Vec<ArrayRef> = sources.iter().map(|(_, array)| Arc::clone(array)).collect();
        columns.push(gather(name, &kind, &arrays, &parts.collect::<Vec<_>>())?);
        fields.push(Field::new(name, kind, true));
    }
    let rows = answer.tables.iter().map(|table| table.rows).sum();
    Ok(batch(fields, columns, rows))
}

/// One frame per schema, in order of first appearance.
pub fn split(answer: &Answer) -> Result<Vec<RecordBatch>> {
    answer
        .groups
        .iter()
        .map(|group| {
            check_names(group)?;
            let fields = group.schema.columns.iter().zip(&group.columns);
            let fields = fields.map(|(column, array)| Field::new(&column.name, array.data_type().clone(), true));
            Ok(batch(fields.collect(), group.columns.clone(), group.rows()))
        })
        .collect()
}

/// The type of a column over all groups with rows, and its arrays cast to it, by group.
fn unified(answer: &Answer, with_rows: &[usize], name: &str) -> Result<(DataType, Vec<(usize, ArrayRef)>)> {
    let column = |group: &Group| {
        let index = group.schema.columns.iter().position(|column| column.name == name)?;
        Some(Arc::clone(&group.columns[index]))
    };
    let sources: Vec<(usize, ArrayRef)> =
        with_rows.iter().filter_map(|&g| Some((g, column(&answer.groups[g])?))).collect();
    let Some((first, array)) = sources.first() else {
        let kind = answer.groups.iter().find_map(column).map_or(DataType::Null, |array| array.data_type().clone());
        return Ok((kind, Vec::new()));
    };
    let mut kind = array.data_type().clone();
    let conflict = |group: usize, array: &ArrayRef, why: &str| ErrorKind::Conflict {
        column: name.to_owned(),
        detail: format!(
            "{} in table {} and {} in table {} do not unify{why}",
            type_name(sources[0].1.data_type()),
            answer.groups[*first].first_table,
            type_name(array.data_type()),
            answer.groups[group].first_table,
        ),
    };
    for (group, array) in &sources {
        kind = unify(&kind, array.data_type()).ok_or_else(|| conflict(*group, array, ""))?;
    }
    let other = sources.iter().find(|(_, array)| array.data_type() != sources[0].1.data_type());
    let mut casted = Vec::with_capacity(sources.len());
    for (group, array) in &sources {
        let array = cast(array, &kind).map_err(|why| {
            let (group, array) = other.map_or((*group, array), |(group, array)| (*group, array));
            conflict(group, array, &format!(": {why}"))
        })?;
        casted.push((*group, array));
    }
    Ok((kind, casted))
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
