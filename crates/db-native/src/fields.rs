//! Finds the common type of all pieces of a field, and casts their values to it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, LargeStringArray, new_null_array};
use arrow_schema::DataType;

use crate::error::{ErrorKind, Result};
use crate::pieces::{Piece, Pieces, series_name};
use crate::unify::{cast, type_name, unify};

/// What an empty string value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyText {
    /// Null: the server wrote an absent value.
    Null,
    /// The empty string: points as stored always have a value.
    Empty,
}

/// A field's unified type and its pieces' values cast to it.
pub(crate) struct FieldColumn {
    pub(crate) kind: DataType,
    /// Values of the field's pieces.
    pub(crate) arrays: Vec<ArrayRef>,
    /// Index into `arrays`, by piece of all answers.
    pub(crate) source: HashMap<usize, usize>,
}

/// One column per field; `kinds` are types that fields have elsewhere.
pub(crate) fn columns(
    found: &Pieces<'_>,
    fields: &[&str],
    kinds: &[(String, DataType)],
    empty_text: EmptyText,
) -> Result<Vec<FieldColumn>> {
    let mut columns: Vec<FieldColumn> = Vec::with_capacity(fields.len());
    let mut by_field: HashMap<&str, Vec<(usize, &Piece<'_>)>> = HashMap::new();
    for (index, piece) in found.list.iter().enumerate() {
        by_field.entry(piece.field).or_default().push((index, piece));
    }
    for field in fields {
        let pieces = by_field.get(field).map(Vec::as_slice).unwrap_or_default();
        let elsewhere = kinds.iter().find(|(name, _)| name == field).map(|(_, kind)| kind);
        // A piece without a value does not decide on the type, unless no piece has a value.
        let is_empty = |piece: &Piece<'_>| piece.has_gaps && piece.values.null_count() == piece.values.len();
        let typed = pieces.iter().filter(|(_, piece)| !is_empty(piece));
        let Some((_, first)) = typed.clone().next().or(pieces.first()) else {
            let kind = elsewhere.unwrap_or(&DataType::Float64).clone();
            columns.push(FieldColumn { kind, arrays: Vec::new(), source: HashMap::new() });
            continue;
        };
        let conflict = |other: &Piece<'_>, why: &str| ErrorKind::Conflict {
            column: (*field).to_owned(),
            detail: format!(
                "{} in series {} and {} in series {} have no common type{why}",
                type_name(first.values.data_type()),
                series_name(found, first.series),
                type_name(other.values.data_type()),
                series_name(found, other.series),
            ),
        };
        let mut kind = first.values.data_type().clone();
        for (_, piece) in typed.clone() {
            kind = unify(&kind, piece.values.data_type()).ok_or_else(|| conflict(piece, ""))?;
        }
        kind = match elsewhere {
            Some(elsewhere) if is_empty(first) => elsewhere.clone(),
            elsewhere => elsewhere.and_then(|elsewhere| unify(&kind, elsewhere)).unwrap_or(kind),
        };
        let other = typed.clone().find(|(_, piece)| piece.values.data_type() != first.values.data_type());
        let mut arrays = Vec::with_capacity(pieces.len());
        let mut source = HashMap::with_capacity(pieces.len());
        for (index, piece) in pieces {
            let array = if is_empty(piece) && *piece.values.data_type() != kind {
                Ok(new_null_array(&kind, piece.values.len()))
            } else {
                cast(&piece.values, &kind)
            };
            let array = array.map_err(|why| conflict(other.map_or(piece, |(_, other)| other), &format!(": {why}")))?;
            source.insert(*index, arrays.len());
            let is_text = empty_text == EmptyText::Empty && !piece.has_gaps;
            arrays.push(if is_text { without_null_text(array) } else { array });
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
