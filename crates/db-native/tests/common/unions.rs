//! The naive union: all rows, one after the other, and each column's one type.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use arrow_schema::DataType;

use super::plain::{Plain, Value, arrow_type, columns};

/// Columns with their types.
pub(crate) type Frame = Vec<(String, DataType, Vec<Value>)>;

pub(crate) fn frame(batch: &RecordBatch) -> Frame {
    let types = batch.columns().iter().map(|column| column.data_type().clone());
    columns(batch).into_iter().zip(types).map(|((name, values), kind)| (name, kind, values)).collect()
}

/// The naive union: the columns, or the first column that carries types that do not unify.
pub(crate) fn twin(plain: &Plain) -> Result<Frame, String> {
    distinct(plain)?;
    let mut names: Vec<&String> = Vec::new();
    for column in plain.schemas.iter().flat_map(|schema| &schema.columns) {
        if !names.contains(&&column.name) {
            names.push(&column.name);
        }
    }
    names.into_iter().map(|name| twin_column(plain, name)).collect()
}

fn twin_column(plain: &Plain, name: &String) -> Result<(String, DataType, Vec<Value>), String> {
    let column = |schema: &db_native::Schema| schema.columns.iter().position(|column| column.name == *name);
    let values: Vec<Value> =
        plain.rows().iter().map(|(schema, row)| column(schema).map_or(Value::Null, |at| row[at].clone())).collect();
    let types = |schemas: &mut dyn Iterator<Item = &db_native::Schema>| -> Vec<DataType> {
        schemas.filter_map(|schema| Some(arrow_type(&schema.columns[column(schema)?]))).collect()
    };
    let mut kinds = types(&mut plain.tables.iter().map(|table| &table.schema));
    if kinds.is_empty() {
        kinds = types(&mut plain.schemas.iter());
        kinds.truncate(1);
    }
    let all = |wanted: &dyn Fn(&DataType) -> bool| kinds.iter().all(wanted);
    if all(&|kind| *kind == kinds[0]) {
        return Ok((name.clone(), kinds[0].clone(), values));
    }
    if all(&|kind| matches!(kind, DataType::LargeUtf8 | DataType::Dictionary(..))) {
        return Ok((name.clone(), DataType::LargeUtf8, values));
    }
    let numbers = all(&|kind| matches!(kind, DataType::Int64 | DataType::UInt64 | DataType::Float64));
    let doubles: Option<Vec<Value>> = values.iter().map(Value::widened).collect();
    doubles.filter(|_| numbers).map(|doubles| (name.clone(), DataType::Float64, doubles)).ok_or_else(|| name.clone())
}

/// The naive split: the rows of each schema, or the first column that stands twice in one.
pub(crate) fn twin_of_split(plain: &Plain) -> Result<Vec<Frame>, String> {
    distinct(plain)?;
    let of_schema = |schema: &db_native::Schema| {
        let rows: Vec<_> = plain.rows().into_iter().filter(|row| row.0 == schema).map(|row| row.1).collect();
        let values = |index: usize| rows.iter().map(|row| row[index].clone()).collect();
        let columns = schema.columns.iter().enumerate();
        columns.map(|(index, column)| (column.name.clone(), arrow_type(column), values(index))).collect()
    };
    Ok(plain.schemas.iter().map(of_schema).collect())
}

fn distinct(plain: &Plain) -> Result<(), String> {
    for schema in &plain.schemas {
        let mut names = BTreeSet::new();
        if let Some(column) = schema.columns.iter().find(|column| !names.insert(&column.name)) {
            return Err(column.name.clone());
        }
    }
    Ok(())
}
