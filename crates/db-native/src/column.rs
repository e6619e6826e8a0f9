//! One growing, typed column, and the dictionaries that constant strings share.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{
    DurationNanosecondType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, DictionaryArray, LargeBinaryArray, LargeStringArray,
    PrimitiveArray,
};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};

use crate::annotated::{ColumnSchema, Datatype};
use crate::nulls::Nulls;
use crate::number;
use crate::scan;
use crate::timestamp::TimeReader;
use crate::varying::Varying;

/// The time zone in which every timestamp column is typed.
pub(crate) const UTC: &str = "UTC";

/// The distinct texts of all columns of one name, numbered by first appearance.
#[derive(Debug, Default)]
pub(crate) struct Words {
    codes: HashMap<Box<str>, i32>,
    texts: Varying,
}

impl Words {
    /// The number of a word; `None` if it is not UTF-8. Often it is `last`, the number of the word before.
    pub(crate) fn code(&mut self, word: &[u8], last: Option<i32>) -> Option<i32> {
        if let Some(last) = last
            && self.texts.get(usize::try_from(last).ok()?) == Some(word)
        {
            return Some(last);
        }
        let text = std::str::from_utf8(word).ok()?;
        if let Some(code) = self.codes.get(text) {
            return Some(*code);
        }
        let code = i32::try_from(self.texts.len()).expect("2^31 words would not fit in memory");
        self.texts.push(word);
        self.codes.insert(text.into(), code);
        Some(code)
    }

    pub(crate) fn finish(self) -> ArrayRef {
        let (offsets, bytes) = self.texts.finish();
        Arc::new(LargeStringArray::new(offsets, bytes, None))
    }
}

#[derive(Debug)]
enum Values {
    Long(Vec<i64>),
    UnsignedLong(Vec<u64>),
    Double(Vec<f64>),
    Boolean(BooleanBufferBuilder),
    Time(Vec<i64>, TimeReader),
    Duration(Vec<i64>),
    Text(Varying),
    Binary(Varying),
    /// Codes into the [`Words`] of this slot.
    Word(Vec<i32>, usize),
}

/// A column under construction.
#[derive(Debug)]
pub(crate) struct Column {
    values: Values,
    nulls: Nulls,
}

impl Column {
    /// An empty column; `slot` picks its words if it is a dictionary.
    pub(crate) fn new(schema: &ColumnSchema, slot: usize) -> Self {
        let values = match schema.datatype {
            Datatype::String if schema.is_dictionary() => Values::Word(Vec::new(), slot),
            Datatype::String => Values::Text(Varying::default()),
            Datatype::Long => Values::Long(Vec::new()),
            Datatype::UnsignedLong => Values::UnsignedLong(Vec::new()),
            Datatype::Double => Values::Double(Vec::new()),
            Datatype::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            Datatype::Time => Values::Time(Vec::new(), TimeReader::default()),
            Datatype::Duration => Values::Duration(Vec::new()),
            Datatype::Binary => Values::Binary(Varying::default()),
        };
        Self { values, nulls: Nulls::default() }
    }

    /// Appends a cell's value; `false`, and nothing appended, if the text is not of this type.
    #[inline]
    pub(crate) fn push(&mut self, cell: &[u8], words: &mut [Words]) -> bool {
        /// Appends what was read, if it was.
        macro_rules! push {
            ($values:expr, $read:expr) => {
                match $read {
                    Some(value) => $values.push(value),
                    None => return false,
                }
            };
        }
        match &mut self.values {
            Values::Long(values) => push!(values, number::long(cell)),
            Values::UnsignedLong(values) => push!(values, number::unsigned_long(cell)),
            Values::Double(values) => push!(values, number::double(cell)),
            Values::Time(values, reader) => push!(values, reader.time(cell)),
            Values::Duration(values) => push!(values, number::duration(cell)),
            Values::Boolean(values) => match number::boolean(cell) {
                Some(value) => values.append(value),
                None => return false,
            },
            Values::Text(values) => match std::str::from_utf8(cell) {
                Ok(text) => values.push(text.as_bytes()),
                Err(_) => return false,
            },
            Values::Binary(values) => match number::base64(cell) {
                Some(bytes) => values.push(&bytes),
                None => return false,
            },
            Values::Word(codes, slot) => push!(codes, words[*slot].code(cell, codes.last().copied())),
        }
        true
    }

    /// Appends the double or time that `text` starts with, if it has the usual spelling; returns what follows its comma.
    #[inline]
    pub(crate) fn read<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        match &mut self.values {
            Values::Double(values) => {
                let (value, [b',', rest @ ..]) = number::read_double(text)? else {
                    return None;
                };
                values.push(value);
                Some(rest)
            }
            Values::Time(values, reader) => {
                let (value, [b',', rest @ ..]) = reader.read(text)? else {
                    return None;
                };
                values.push(value);
                Some(rest)
            }
            _ => None,
        }
    }

    /// Appends the cell that `text` starts with, or its default; returns what follows it.
    ///
    /// `None`, and half a value may be left to [`truncate`](Self::truncate), if the cell does not end
    /// in `text`, is in quotes and no string, or is not of this type.
    #[inline(never)]
    pub(crate) fn read_any<'a>(&mut self, text: &'a [u8], default: &[u8]) -> Option<&'a [u8]> {
        let first = *text.first()?;
        if first == b',' {
            return self.push_default(default, &mut []).then_some(text);
        }
        let read = match &mut self.values {
            Values::Double(values) => number::read_long_double(text).map(|(value, rest)| (values.push(value), rest)),
            Values::Time(values, reader) => reader.read(text).map(|(value, rest)| (values.push(value), rest)),
            Values::Long(values) => number::read_long(text).map(|(value, rest)| (values.push(value), rest)),
            Values::UnsignedLong(values) => {
                number::read_unsigned_long(text).map(|(value, rest)| (values.push(value), rest))
            }
            Values::Text(values) if first == b'"' => return values.read_quoted(&text[1..]),
            Values::Text(values) => {
                let rest = values.read(text)?;
                return (rest.len() < text.len() || self.push_default(default, &mut [])).then_some(rest);
            }
            _ => None,
        };
        if let Some(((), rest)) = read {
            return Some(rest);
        }
        if first == b'"' {
            return None;
        }
        let (cell, rest) = text.split_at(scan::plain(text, 0, scan::delimiter(text, 0)?).end);
        let pushed = if cell.is_empty() { self.push_default(default, &mut []) } else { self.push(cell, &mut []) };
        pushed.then_some(rest)
    }

    /// Appends what an empty cell stands for: the default, or a null if that is empty too.
    #[inline]
    pub(crate) fn push_default(&mut self, default: &[u8], words: &mut [Words]) -> bool {
        if !default.is_empty() {
            return self.push(default, words);
        }
        self.push_null();
        true
    }

    /// Appends a null.
    fn push_null(&mut self) {
        self.nulls.mark(self.len());
        match &mut self.values {
            Values::Long(values) | Values::Time(values, _) | Values::Duration(values) => values.push(0),
            Values::UnsignedLong(values) => values.push(0),
            Values::Double(values) => values.push(0.0),
            Values::Boolean(values) => values.append(false),
            Values::Text(values) | Values::Binary(values) => values.push(b""),
            Values::Word(codes, _) => codes.push(0),
        }
    }

    #[inline]
    fn len(&self) -> usize {
        match &self.values {
            Values::Long(values) | Values::Time(values, _) | Values::Duration(values) => values.len(),
            Values::UnsignedLong(values) => values.len(),
            Values::Double(values) => values.len(),
            Values::Boolean(values) => values.len(),
            Values::Text(values) | Values::Binary(values) => values.len(),
            Values::Word(codes, _) => codes.len(),
        }
    }

    /// Forgets the values from `rows` on, and what [`read`](Self::read) left of one.
    pub(crate) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Long(values) | Values::Time(values, _) | Values::Duration(values) => values.truncate(rows),
            Values::UnsignedLong(values) => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows),
            Values::Text(values) | Values::Binary(values) => values.truncate(rows),
            Values::Word(codes, _) => codes.truncate(rows),
        }
        self.nulls.truncate(rows);
    }

    /// The column as an Arrow array; `words` are the finished dictionaries by slot.
    pub(crate) fn finish(self, words: &[ArrayRef]) -> ArrayRef {
        let rows = self.len();
        let nulls = self.nulls.finish(rows);
        match self.values {
            Values::Long(values) => primitive::<Int64Type>(values, nulls),
            Values::UnsignedLong(values) => primitive::<UInt64Type>(values, nulls),
            Values::Double(values) => primitive::<Float64Type>(values, nulls),
            Values::Duration(values) => primitive::<DurationNanosecondType>(values, nulls),
            Values::Time(values, _) => {
                Arc::new(PrimitiveArray::<TimestampNanosecondType>::new(values.into(), nulls).with_timezone(UTC))
            }
            Values::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Text(values) => {
                let (offsets, bytes) = values.finish();
                Arc::new(LargeStringArray::new(offsets, bytes, nulls))
            }
            Values::Binary(values) => {
                let (offsets, bytes) = values.finish();
                Arc::new(LargeBinaryArray::new(offsets, bytes, nulls))
            }
            Values::Word(codes, slot) => dictionary(codes, nulls, Arc::clone(&words[slot])),
        }
    }
}

/// An array of numbers, which takes over the memory of its values.
pub(crate) fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

/// A dictionary array; codes of null rows may be anything within the words, or 0.
pub(crate) fn dictionary(codes: Vec<i32>, nulls: Option<NullBuffer>, words: ArrayRef) -> ArrayRef {
    debug_assert!(words.null_count() == 0);
    Arc::new(DictionaryArray::new(PrimitiveArray::<Int32Type>::new(codes.into(), nulls), words))
}
