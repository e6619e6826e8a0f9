//! Points that were read as an answer: the long form that a query's answer has.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{ArrayRef, BooleanArray, Int64Array, LargeStringArray, PrimitiveArray};
use arrow_buffer::NullBuffer;

use crate::annotated::{ColumnSchema, Datatype, Schema};
use crate::column::{UTC, dictionary};
use crate::decoder::{Answer, Form, Group, Table};
use crate::tsm::read::Chunk;
use crate::tsm::select::Selection;
use crate::tsm::values::{Kind, Points, Values};

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
    /// Puts chunks together: a group per chunk and type, and a table per series, field and shard.
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
        // Per chunk and type, the codes of each column of words.
        let mut codes: Vec<[Vec<Vec<Option<i32>>>; 5]> = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
            let mut of_chunk: [Vec<Vec<Option<i32>>>; 5] = Kind::ALL.map(|_| vec![Vec::new(); words.len()]);
            for table in &chunk.tables {
                let columns = &mut of_chunk[table.kind as usize];
                columns[0].push(Some(result));
                columns[1].push(Some(words[1].code(&self.fields[table.field as usize])));
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
        let mut begun = 0;
        for (chunk, codes) in chunks.into_iter().zip(codes) {
            let mut numbers: [Vec<i64>; 5] = Default::default();
            let mut places = [0; 5];
            let mut rows = [0; 5];
            let mut next = answer.groups.len();
            for (place, points) in places.iter_mut().zip(&chunk.points) {
                *place = next;
                next += usize::from(points.len() > 0);
            }
            let first = begun;
            for table in &chunk.tables {
                let kind = table.kind as usize;
                let ordinal = numbers[kind].len();
                numbers[kind].push(i64::try_from(begun).unwrap_or(i64::MAX));
                answer.tables.push(Table { group: places[kind], ordinal, start: rows[kind], rows: table.rows });
                rows[kind] += table.rows;
                begun += 1;
            }
            for ((points, codes), numbers) in chunk.points.into_iter().zip(codes).zip(numbers) {
                if points.len() == 0 {
                    continue;
                }
                let first_table = numbers.first().and_then(|number| usize::try_from(*number).ok()).unwrap_or(first);
                let names = tags.iter().map(|tag| self.tags[*tag].as_str());
                answer.groups.push(group(points, names, codes, &words, numbers, first_table));
            }
        }
        answer
    }
}

fn group<'a>(
    points: Points,
    tags: impl Iterator<Item = &'a str>,
    codes: Vec<Vec<Option<i32>>>,
    words: &[ArrayRef],
    numbers: Vec<i64>,
    first_table: usize,
) -> Group {
    let column =
        |name: &str, datatype, group, constant| ColumnSchema { name: name.to_owned(), datatype, group, constant };
    let mut columns = vec![
        column("result", Datatype::String, false, true),
        column("table", Datatype::Long, false, true),
        column("_time", Datatype::Time, false, false),
        column("_value", points.kind().datatype(), false, false),
        column("_field", Datatype::String, true, true),
    ];
    columns.extend(tags.map(|tag| column(tag, Datatype::String, true, true)));
    let mut texts = codes.into_iter().zip(words).map(|(codes, words)| {
        let nulls = codes.contains(&None).then(|| codes.iter().map(Option::is_some).collect::<NullBuffer>());
        dictionary(codes.into_iter().map(Option::unwrap_or_default).collect(), nulls, Arc::clone(words))
    });
    let rows = points.len();
    let Points { mut times, values } = points;
    times.shrink_to_fit();
    let times = PrimitiveArray::<TimestampNanosecondType>::new(times.into(), None).with_timezone(UTC);
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    arrays.extend(texts.next());
    arrays.push(Arc::new(Int64Array::from(numbers)));
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
