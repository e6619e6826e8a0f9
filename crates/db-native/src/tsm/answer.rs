//! Makes an answer of points from shards, in the long form that the answer of a query has.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{ArrayRef, BooleanArray, Int64Array, LargeStringArray, PrimitiveArray};
use arrow_buffer::NullBuffer;

use crate::annotated::{ColumnSchema, Datatype, Schema};
use crate::column::{UTC, dictionary};
use crate::decoder::{Answer, Form, Group, Table};
use crate::tsm::read::{Chunk, Lane};
use crate::tsm::select::Selection;
use crate::tsm::values::{Points, Values};

/// Texts that one column repeats, in all groups.
#[derive(Default)]
struct Words<'a> {
    codes: HashMap<&'a str, i32>,
    texts: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn code(&mut self, text: &'a str) -> i32 {
        *self.codes.entry(text).or_insert_with(|| {
            self.texts.push(text);
            i32::try_from(self.texts.len() - 1).expect("2^31 words would not fit in memory")
        })
    }
}

impl Selection {
    /// Puts chunks together: a group per chunk, field and type, and a table per series there.
    ///
    /// The points of a series in several shards are one table if no other points are between them.
    pub fn answer(&self, chunks: Vec<Chunk>) -> Answer {
        let mut tags = Vec::with_capacity(self.tags.len());
        for tag in 0..self.tags.len() {
            let tables = chunks.iter().flat_map(|chunk| &chunk.tables);
            // One that no series of the chunks has would be a column without values.
            if tables.into_iter().any(|table| self.series[table.series as usize][tag].is_some()) {
                tags.push(tag);
            }
        }
        let mut words: Vec<Words<'_>> = Vec::new();
        words.resize_with(tags.len() + 2, Words::default);
        let result = words[0].code("_result");
        // Per chunk and lane, the codes of each column of words.
        let mut codes: Vec<Vec<Vec<Vec<Option<i32>>>>> = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
            let mut of_chunk = vec![vec![Vec::new(); words.len()]; chunk.lanes.len()];
            for table in &chunk.tables {
                let columns = &mut of_chunk[table.lane];
                columns[0].push(Some(result));
                columns[1].push(Some(words[1].code(&self.fields[chunk.lanes[table.lane].field as usize])));
                for (column, tag) in tags.iter().enumerate() {
                    let value = self.series[table.series as usize][*tag].as_deref();
                    columns[column + 2].push(value.map(|value| words[column + 2].code(value)));
                }
            }
            codes.push(of_chunk);
        }
        let words: Vec<ArrayRef> = words
            .into_iter()
            .map(|words| Arc::new(LargeStringArray::from_iter_values(words.texts)) as ArrayRef)
            .collect();
        let mut answer = Answer::default();
        for (Chunk { lanes, tables, .. }, codes) in chunks.into_iter().zip(codes) {
            // Per lane the number of its group, of rows that tables have so far, and the numbers of its tables.
            let mut groups = Vec::with_capacity(lanes.len());
            let mut next = answer.groups.len();
            for lane in &lanes {
                groups.push((next, 0, Vec::new()));
                next += usize::from(lane.points.len() > 0);
            }
            for table in &tables {
                let (group, rows, numbers) = &mut groups[table.lane];
                let number = answer.tables.len();
                answer.tables.push(Table { group: *group, ordinal: numbers.len(), start: *rows, rows: table.rows });
                *rows += table.rows;
                numbers.push(number);
            }
            let mut leading: Option<Times> = None;
            for ((Lane { points, follows, .. }, codes), (.., numbers)) in lanes.into_iter().zip(codes).zip(groups) {
                let rows = points.len();
                let Points { times, values } = points;
                let times = match &leading {
                    Some(leading) if follows => leading.slice(0, rows),
                    _ => own_times(times),
                };
                leading.get_or_insert_with(|| times.clone());
                if rows > 0 {
                    let names = tags.iter().map(|tag| self.tags[*tag].as_str());
                    answer.groups.push(group(times, values, names, codes, &words, &numbers));
                }
            }
        }
        answer
    }
}

type Times = PrimitiveArray<TimestampNanosecondType>;

fn own_times(mut times: Vec<i64>) -> Times {
    times.shrink_to_fit();
    Times::new(times.into(), None).with_timezone(UTC)
}

fn group<'a>(
    times: Times,
    values: Values,
    tags: impl Iterator<Item = &'a str>,
    codes: Vec<Vec<Option<i32>>>,
    words: &[ArrayRef],
    numbers: &[usize],
) -> Group {
    let column =
        |name: &str, datatype, group, constant| ColumnSchema { name: name.to_owned(), datatype, group, constant };
    let mut columns = vec![
        column("result", Datatype::String, false, true),
        column("table", Datatype::Long, false, true),
        column("_time", Datatype::Time, false, false),
        column("_value", values.kind().datatype(), false, false),
        column("_field", Datatype::String, true, true),
    ];
    columns.extend(tags.map(|tag| column(tag, Datatype::String, true, true)));
    let mut texts = codes.into_iter().zip(words).map(|(codes, words)| {
        let nulls = codes.contains(&None).then(|| codes.iter().map(Option::is_some).collect::<NullBuffer>());
        dictionary(codes.into_iter().map(Option::unwrap_or_default).collect(), nulls, Arc::clone(words))
    });
    let rows = times.len();
    let first_table = numbers.first().copied().unwrap_or_default();
    let numbers = numbers.iter().map(|number| i64::try_from(*number).unwrap_or(i64::MAX));
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    arrays.extend(texts.next());
    arrays.push(Arc::new(Int64Array::from_iter_values(numbers)));
    arrays.push(Arc::new(times));
    arrays.push(array(values));
    arrays.extend(texts);
    Group { form: Form::Long, schema: Arc::new(Schema { columns }), columns: arrays, rows, first_table }
}

fn array(values: Values) -> ArrayRef {
    fn primitive<T: arrow_array::ArrowPrimitiveType>(mut values: Vec<T::Native>) -> ArrayRef {
        values.shrink_to_fit();
        Arc::new(PrimitiveArray::<T>::new(values.into(), None))
    }
    match values {
        Values::Float(values) => primitive::<Float64Type>(values),
        Values::Integer(values) => primitive::<Int64Type>(values),
        Values::Unsigned(values) => primitive::<UInt64Type>(values),
        Values::Boolean(values) => Arc::new(BooleanArray::from(values)),
        Values::Text(values) => {
            let (offsets, bytes) = values.finish();
            Arc::new(LargeStringArray::new(offsets, bytes, None))
        }
    }
}
