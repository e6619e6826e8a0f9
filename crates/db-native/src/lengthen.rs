//! Turns wide groups, with a column for each field, into long ones, with a table for each field.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, LargeStringArray};

use crate::annotated::{ColumnSchema, Datatype, Schema};
use crate::column::dictionary;
use crate::decoder::{Answer, Form, Group, Table};
use crate::error::{Error, Result};
use crate::unify::{Stretch, gather};

/// Returns the answer with these fields of its wide groups as tables of `_time`, `_value` and `_field`.
///
/// Rows without a value of the field are left out. Columns without such rows keep their memory. If the type of a
/// series changes, its rows are in two tables. Two aggregates of one window are then ambiguous in a pivot.
///
/// Fails with [`ErrorKind::Input`](crate::ErrorKind::Input) where a tag has one of those names.
pub(crate) fn lengthen(answer: &Answer, is_wanted: impl Fn(&str) -> bool) -> Result<Answer> {
    let mut out = Answer::default();
    let mut tables_of: Vec<Vec<&Table>> = vec![Vec::new(); answer.groups.len()];
    for table in &answer.tables {
        tables_of[table.group].push(table);
    }
    for (group, tables) in answer.groups.iter().zip(&tables_of) {
        if group.form == Form::Long {
            out.tables.extend(tables.iter().map(|table| Table { group: out.groups.len(), ..**table }));
            out.groups.push(group.clone());
            continue;
        }
        let columns = group.schema.columns.iter().zip(&group.columns);
        let (constant, by_row): (Vec<_>, Vec<_>) = columns.partition(|(column, _)| column.constant);
        let Some(((_, times), fields)) = by_row.split_first().filter(|((time, _), _)| time.datatype == Datatype::Time)
        else {
            return Err(Error::syntax("a series lacks the column \"time\""));
        };
        // `_measurement` comes first.
        let tags = &constant[1..];
        if let Some((tag, _)) = tags.iter().find(|(tag, _)| is_own(&tag.name)) {
            let why = "is a tag with a name that InfluxDB uses itself, so its points can't be aggregated";
            return Err(Error::input(None, Some(&tag.name), why));
        }
        for (field, values) in fields.iter().filter(|(field, _)| is_wanted(&field.name)) {
            let Kept { tables, stretches, rows } = Kept::of(tables, values, out.groups.len());
            if rows == 0 {
                continue;
            }
            let all =
                |array: &ArrayRef| gather(&field.name, array.data_type(), std::slice::from_ref(array), &stretches);
            let name: ArrayRef = Arc::new(LargeStringArray::from_iter_values([&field.name]));
            let own = |name: &str, datatype, constant| ColumnSchema {
                name: name.to_owned(),
                datatype,
                group: constant,
                constant,
            };
            let mut schema = vec![
                own("result", Datatype::String, true),
                own("_measurement", Datatype::String, true),
                own("_time", Datatype::Time, false),
                own("_value", field.datatype, false),
                own("_field", Datatype::String, true),
            ];
            let of_tables = |array: &ArrayRef| {
                let stretches: Vec<Stretch> =
                    tables.iter().map(|(ordinal, _)| Stretch::Rows { source: 0, start: *ordinal, rows: 1 }).collect();
                gather(&field.name, array.data_type(), std::slice::from_ref(array), &stretches)
            };
            let measurement = of_tables(constant[0].1)?;
            let mut columns = vec![
                Arc::clone(&measurement),
                measurement,
                all(times)?,
                all(values)?,
                dictionary(vec![0; tables.len()], None, name),
            ];
            for (tag, array) in tags {
                schema.push((*tag).clone());
                columns.push(of_tables(array)?);
            }
            out.tables.extend(tables.iter().map(|(_, table)| *table));
            let first_table = group.first_table;
            let schema = Arc::new(Schema { columns: schema });
            out.groups.push(Group { form: Form::Long, schema, columns, rows, first_table });
        }
    }
    Ok(out)
}

/// Whether a column of a long table has this name for itself.
fn is_own(name: &str) -> bool {
    matches!(name, "_time" | "_value" | "_field" | "_measurement")
}

/// The rows of a column that have a value.
struct Kept {
    /// The tables with such rows: the number that each had, and what it is now.
    tables: Vec<(usize, Table)>,
    stretches: Vec<Stretch>,
    rows: usize,
}

impl Kept {
    fn of(tables: &[&Table], values: &ArrayRef, group: usize) -> Self {
        let mut kept = Self { tables: Vec::new(), stretches: Vec::new(), rows: 0 };
        for table in tables {
            let before = kept.rows;
            let runs = match values.nulls() {
                None => vec![(table.start, table.start + table.rows)],
                Some(nulls) => {
                    let nulls = nulls.slice(table.start, table.rows);
                    nulls.valid_slices().map(|(start, end)| (table.start + start, table.start + end)).collect()
                }
            };
            for (start, end) in runs {
                crate::unify::extend(&mut kept.stretches, Stretch::Rows { source: 0, start, rows: end - start });
                kept.rows += end - start;
            }
            if kept.rows > before {
                let ordinal = kept.tables.len();
                kept.tables.push((table.ordinal, Table { group, ordinal, start: before, rows: kept.rows - before }));
            }
        }
        kept
    }
}
