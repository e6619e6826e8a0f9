//! The naive pivot: a map from series and time to each field's value.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::{DataType, TimeUnit};
use db_native::{Answer, EmptyText, ErrorKind, Levels, Pivot, Wide};

use super::plain::{Value, columns};
use super::reads::{Table, answer};

/// What a pivot fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Ambiguous,
    Conflict,
    Syntax,
}

/// Columns with their types, and how many are levels.
pub(crate) type Frame = (Vec<(String, DataType, Vec<Value>)>, usize);

pub(crate) fn frame(wide: &Wide) -> Frame {
    let types = wide.batch.columns().iter().map(|column| column.data_type().clone());
    let columns = columns(&wide.batch).into_iter().zip(types);
    (columns.map(|((name, values), kind)| (name, kind, values)).collect(), wide.levels)
}

pub(crate) fn pivot(slices: &[Vec<Table>], spec: &Pivot) -> Result<Frame, Failure> {
    let answers: Vec<Answer> = slices.iter().map(|tables| answer(tables)).collect();
    db_native::pivot(answers, spec).map(|wide| frame(&wide)).map_err(|error| match error.kind {
        ErrorKind::Ambiguous(_) => Failure::Ambiguous,
        ErrorKind::Conflict { .. } => Failure::Conflict,
        ErrorKind::Syntax(_) => Failure::Syntax,
        other => panic!("{other:?}"),
    })
}

pub(crate) fn words() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8))
}

/// The levels' values and the time of a row.
type Row<'a> = (Vec<Option<&'a str>>, i64);

/// The naive pivot.
pub(crate) fn twin(slices: &[Vec<Table>], spec: &Pivot) -> Result<Frame, Failure> {
    let tables: Vec<&Table> = slices.iter().flatten().filter(|table| !table.rows.is_empty()).collect();
    let names: BTreeSet<&str> = tables.iter().flat_map(|table| table.tags.keys().copied()).collect();
    let tag = |table: &Table, name: &str| table.tags.get(name).copied().filter(|value| !value.is_empty());
    let differs =
        |tables: &[&Table], name: &str| tables.iter().map(|table| tag(table, name)).collect::<BTreeSet<_>>().len() > 1;
    let differing: Vec<&str> = names.iter().copied().filter(|name| differs(&tables, name)).collect();
    let levels: Vec<&str> = match &spec.levels {
        Levels::Differing => differing,
        Levels::Named(asked) if asked.is_empty() && !differing.is_empty() => return Err(Failure::Ambiguous),
        Levels::Named(asked) => asked.iter().map(String::as_str).collect(),
    };
    let found: BTreeSet<&str> =
        tables.iter().filter(|table| table.datatype.is_some()).filter_map(|t| t.field).collect();
    let fields: Vec<&str> = match &spec.fields {
        Some(fields) => fields.iter().map(String::as_str).collect(),
        None => found.into_iter().collect(),
    };
    let mut kinds = Vec::new();
    for field in &fields {
        let of_field = tables.iter().filter(|table| table.field == Some(field));
        kinds.push(unified(of_field.filter_map(|table| Some((table.datatype?, table.rows.as_slice()))))?);
    }

    let key_of = |table: &Table| -> Vec<Option<&str>> { levels.iter().map(|name| tag(table, name)).collect() };
    let mut newest: BTreeMap<Vec<Option<&str>>, i64> = BTreeMap::new();
    for table in tables.iter().filter(|table| table.datatype.is_none()) {
        let time = table.rows.iter().filter_map(|row| row.0).max().unwrap();
        let newest = newest.entry(key_of(table)).or_insert(time);
        *newest = time.max(*newest);
    }
    let mut cells = Vec::new();
    for table in tables.iter().filter(|table| table.datatype.is_some()) {
        let Some(index) = fields.iter().position(|field| table.field == Some(field)) else { continue };
        for (time, value) in &table.rows {
            let key = key_of(table);
            let time = time.or(newest.get(&key).copied()).ok_or(Failure::Syntax)?;
            cells.push(((key, time), fields[index], shown(value, kinds[index], spec.empty_text)));
        }
    }
    let mut rows: BTreeMap<Row<'_>, BTreeMap<&str, Value>> = BTreeMap::new();
    for (row, field, value) in cells {
        if rows.entry(row).or_default().insert(field, value).is_some() {
            return Err(Failure::Ambiguous);
        }
    }

    let texts = |value: Option<&str>| value.map_or(Value::Null, Value::text);
    let mut out = Vec::new();
    for (level, name) in levels.iter().enumerate() {
        out.push(((*name).to_owned(), words(), rows.keys().map(|(key, _)| texts(key[level])).collect()));
    }
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some(spec.tz.as_str().into()));
    out.push(("time".to_owned(), time, rows.keys().map(|(_, time)| Value::Time(*time)).collect()));
    for (field, kind) in fields.iter().zip(&kinds) {
        let cells = rows.values().map(|row| row.get(field).cloned().unwrap_or(Value::Null));
        out.push(((*field).to_owned(), arrow_type(kind), cells.collect()));
    }
    let is_there = |name: &str| tables.iter().any(|table| tag(table, name).is_some());
    for name in names.iter().filter(|name| spec.tag_columns && !levels.contains(name) && is_there(name)) {
        let of_key = |key: &[Option<&str>]| -> Vec<&Table> {
            tables.iter().copied().filter(|table| key_of(table) == key).collect()
        };
        if tables.iter().any(|table| differs(&of_key(&key_of(table)), name)) {
            return Err(Failure::Ambiguous);
        }
        let cells = rows.keys().map(|(key, _)| texts(tag(of_key(key)[0], name)));
        out.push(((*name).to_owned(), words(), cells.collect()));
    }
    Ok((out, levels.len()))
}

/// The datatype all parts become; integers become doubles beside other numbers, where all are exact.
fn unified<'a>(
    parts: impl Iterator<Item = (&'static str, &'a [(Option<i64>, Value)])>,
) -> Result<&'static str, Failure> {
    let parts: Vec<_> = parts.collect();
    let datatypes: BTreeSet<&str> = parts.iter().map(|part| part.0).collect();
    match datatypes.into_iter().collect::<Vec<_>>().as_slice() {
        [] => Ok("double"),
        [only] => Ok(parts.iter().find(|part| part.0 == *only).unwrap().0),
        several if several.iter().any(|one| !["double", "long", "unsignedLong"].contains(one)) => {
            Err(Failure::Conflict)
        }
        _ => {
            let mut values = parts.iter().flat_map(|part| part.1).map(|row| &row.1);
            let exact = values.all(|value| value.widened().is_some());
            if exact { Ok("double") } else { Err(Failure::Conflict) }
        }
    }
}

fn shown(value: &Value, datatype: &str, empty_text: EmptyText) -> Value {
    match value {
        Value::Null if datatype == "string" && empty_text == EmptyText::Empty => Value::text(""),
        value if datatype == "double" => value.widened().unwrap(),
        value => value.clone(),
    }
}

fn arrow_type(datatype: &str) -> DataType {
    match datatype {
        "string" => DataType::LargeUtf8,
        "long" => DataType::Int64,
        "unsignedLong" => DataType::UInt64,
        "boolean" => DataType::Boolean,
        _ => DataType::Float64,
    }
}
