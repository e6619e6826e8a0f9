//! Answers and Arrow columns as plain Rust values, to be compared.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    DurationNanosecondType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use db_native::{Answer, ColumnSchema, Datatype, Form, Schema};

/// A cell. Doubles are bits, so that `NaN` equals `NaN` and `0.0` is not `-0.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Null,
    Text(String),
    Long(i64),
    UnsignedLong(u64),
    Double(u64),
    Boolean(bool),
    Time(i64),
    Duration(i64),
    Binary(Vec<u8>),
}

impl Value {
    pub(crate) fn double(value: f64) -> Self {
        Self::Double(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
    }

    pub(crate) fn text(value: &str) -> Self {
        Self::Text(value.to_owned())
    }

    /// An integer as a double, if its decimal digits stay the same; another value as it is.
    #[expect(clippy::cast_precision_loss, reason = "the loss is what is looked for")]
    pub(crate) fn widened(&self) -> Option<Self> {
        let (digits, double) = match self {
            Self::Long(value) => (value.to_string(), *value as f64),
            Self::UnsignedLong(value) => (value.to_string(), *value as f64),
            other => return Some(other.clone()),
        };
        (digits == format!("{double:.0}")).then(|| Self::double(double))
    }
}

/// A table: one group key, so one value in each constant column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) schema: Schema,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    /// Distinct schemas, in order of first appearance, those without rows included.
    pub(crate) schemas: Vec<Schema>,
    /// In order of arrival.
    pub(crate) tables: Vec<Table>,
}

impl Plain {
    /// All rows in order of arrival, each with its schema; tables forgotten.
    pub(crate) fn rows(&self) -> Vec<(&Schema, &[Value])> {
        let tables = self.tables.iter();
        tables.flat_map(|table| table.rows.iter().map(|row| (&table.schema, row.as_slice()))).collect()
    }
}

impl From<&Answer> for Plain {
    /// Reads an answer of a query, and checks what its fields' documentation promises.
    fn from(answer: &Answer) -> Self {
        let long = answer.groups.iter().filter(|group| group.form == Form::Long).map(|group| group.schema.as_ref());
        assert_eq!(long.clone().count(), long.collect::<HashSet<_>>().len(), "one group per schema");
        Self::of_groups(answer)
    }
}

impl Plain {
    /// Reads an answer whose groups may be of one schema, as those of shards, and checks what is documented.
    pub(crate) fn of_groups(answer: &Answer) -> Self {
        let schemas: Vec<Schema> = answer.groups.iter().map(|group| group.schema.as_ref().clone()).collect();
        let mut columns = Vec::new();
        for (index, group) in answer.groups.iter().enumerate() {
            let tables = answer.tables.iter().filter(|table| table.group == index).count();
            assert_eq!(group.schema.columns.len(), group.columns.len());
            for (column, array) in group.schema.columns.iter().zip(&group.columns) {
                assert_eq!(&arrow_type(column), array.data_type(), "column {:?}", column.name);
                let length = if column.constant { tables } else { group.rows };
                assert_eq!(length, array.len(), "column {:?}", column.name);
            }
            columns.push(group.columns.iter().map(|array| values(array.as_ref())).collect::<Vec<_>>());
        }
        let mut next = vec![0; answer.groups.len()];
        let mut ordinals = vec![0; answer.groups.len()];
        let mut tables = Vec::new();
        for table in &answer.tables {
            assert!(table.rows > 0, "a table has at least one row");
            assert_eq!(next[table.group], table.start, "tables of a group follow one another");
            next[table.group] += table.rows;
            assert_eq!(ordinals[table.group], table.ordinal, "tables are numbered within their group");
            ordinals[table.group] += 1;
            let schema = &schemas[table.group].columns;
            let at = |constant: bool, row: usize| if constant { table.ordinal } else { row };
            let row_of = |row: usize| {
                let cells = schema.iter().zip(&columns[table.group]);
                cells.map(|(column, values)| values[at(column.constant, row)].clone()).collect()
            };
            let rows: Vec<Vec<Value>> = (table.start..table.start + table.rows).map(row_of).collect();
            tables.push(Table { schema: schemas[table.group].clone(), rows });
        }
        for (group, rows) in answer.groups.iter().zip(next) {
            assert_eq!(group.rows, rows, "every row belongs to a table");
        }
        Self { schemas, tables }
    }
}

/// The Arrow type that a column of this schema has.
pub(crate) fn arrow_type(column: &ColumnSchema) -> DataType {
    match column.datatype {
        Datatype::String if column.constant => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8))
        }
        Datatype::String => DataType::LargeUtf8,
        Datatype::Long => DataType::Int64,
        Datatype::UnsignedLong => DataType::UInt64,
        Datatype::Double => DataType::Float64,
        Datatype::Boolean => DataType::Boolean,
        Datatype::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        Datatype::Duration => DataType::Duration(TimeUnit::Nanosecond),
        Datatype::Binary => DataType::LargeBinary,
    }
}

/// The values of a column of any type this crate makes.
pub(crate) fn values(array: &dyn Array) -> Vec<Value> {
    let value = |row: usize| match array.data_type() {
        DataType::LargeUtf8 => Value::text(array.as_string::<i64>().value(row)),
        DataType::Dictionary(..) => {
            let array = array.as_dictionary::<Int32Type>();
            let word = usize::try_from(array.keys().value(row)).unwrap();
            Value::text(array.values().as_string::<i64>().value(word))
        }
        DataType::Int64 => Value::Long(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => Value::UnsignedLong(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float64 => Value::double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Timestamp(..) => Value::Time(array.as_primitive::<TimestampNanosecondType>().value(row)),
        DataType::Duration(_) => Value::Duration(array.as_primitive::<DurationNanosecondType>().value(row)),
        DataType::LargeBinary => Value::Binary(array.as_binary::<i64>().value(row).to_vec()),
        other => panic!("{other} is no type of this crate"),
    };
    let is_null = |row| *array.data_type() == DataType::Null || array.is_null(row);
    (0..array.len()).map(|row| if is_null(row) { Value::Null } else { value(row) }).collect()
}

/// Names and values of a frame's columns.
pub(crate) fn columns(frame: &RecordBatch) -> Vec<(String, Vec<Value>)> {
    let schema = frame.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    names.zip(frame.columns().iter().map(|column| values(column.as_ref()))).collect()
}
