//! Typed columns that grow by msgpack values.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{ArrayRef, BooleanArray, LargeStringArray, PrimitiveArray, new_null_array};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::DataType;

use super::msgpack::{Scalar, integer, number_length};
use crate::annotated::Datatype;
use crate::column::{UTC, primitive};
use crate::nulls::Nulls;
use crate::varying::Varying;

#[derive(Debug)]
enum Values {
    Time(Vec<i64>),
    Long(Vec<i64>),
    UnsignedLong(Vec<u64>),
    Double(Vec<f64>),
    Boolean(BooleanBufferBuilder),
    Text(Varying),
    /// So many nulls, and no value yet.
    Unknown(usize),
}

/// A column under construction.
#[derive(Debug)]
pub(crate) struct Column {
    values: Values,
    nulls: Nulls,
}

impl Column {
    /// An empty column of the times, or of a field; its type may not be known yet.
    pub(crate) fn new(datatype: Option<Datatype>) -> Self {
        let values = match datatype {
            None => Values::Unknown(0),
            Some(Datatype::Long) => Values::Long(Vec::new()),
            Some(Datatype::UnsignedLong) => Values::UnsignedLong(Vec::new()),
            Some(Datatype::Double) => Values::Double(Vec::new()),
            Some(Datatype::Boolean) => Values::Boolean(BooleanBufferBuilder::new(0)),
            Some(Datatype::Time) => Values::Time(Vec::new()),
            Some(Datatype::String | Datatype::Duration | Datatype::Binary) => Values::Text(Varying::default()),
        };
        Self { values, nulls: Nulls::default() }
    }

    /// A column of so many nulls.
    pub(crate) fn nulls(datatype: Datatype, rows: usize) -> Self {
        let mut column = Self::new(Some(datatype));
        (0..rows).for_each(|_| column.push_null());
        column
    }

    /// Returns the column its type, where it has none.
    pub(crate) fn become_of(&mut self, datatype: Datatype) {
        if let Values::Unknown(rows) = self.values {
            *self = Self::nulls(datatype, rows);
        }
    }

    /// Appends the value that `bytes` start with, if it is all here and of this type; returns what follows it.
    ///
    /// Where it is not, nothing is appended, and the row is for [`Cursor`](super::msgpack::Cursor) to judge.
    #[inline]
    pub(crate) fn read<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match (&mut self.values, bytes) {
            (Values::Double(values), [0xcb, rest @ ..]) => {
                let (number, rest) = rest.split_first_chunk()?;
                values.push(f64::from_be_bytes(*number));
                Some(rest)
            }
            (Values::Time(values) | Values::Long(values), [0xd3, rest @ ..]) => {
                let (number, rest) = rest.split_first_chunk()?;
                values.push(i64::from_be_bytes(*number));
                Some(rest)
            }
            (Values::Time(_), [0xc0, ..]) => None,
            (_, [0xc0, rest @ ..]) => {
                self.push_null();
                Some(rest)
            }
            _ => self.read_any(bytes),
        }
    }

    /// [`read`](Self::read) for what is less frequent.
    fn read_any<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (first, rest) = bytes.split_first()?;
        match &mut self.values {
            Values::Time(values) | Values::Long(values) => {
                let (number, rest) = rest.split_at_checked(number_length(*first)?)?;
                values.push(i64::try_from(integer(*first, number)).ok()?);
                Some(rest)
            }
            Values::UnsignedLong(values) => {
                let (number, rest) = rest.split_at_checked(number_length(*first)?)?;
                values.push(u64::try_from(integer(*first, number)).ok()?);
                Some(rest)
            }
            Values::Boolean(values) => {
                let value = match first {
                    0xc2 => false,
                    0xc3 => true,
                    _ => return None,
                };
                values.append(value);
                Some(rest)
            }
            Values::Text(values) => {
                let (length, rest) = match first {
                    0xa0..=0xbf => (usize::from(first & 0x1f), rest),
                    0xd9 => rest.split_first_chunk().map(|([length], rest)| (usize::from(*length), rest))?,
                    0xda => {
                        let (length, rest) = rest.split_first_chunk()?;
                        (usize::from(u16::from_be_bytes(*length)), rest)
                    }
                    _ => return None,
                };
                let (text, rest) = rest.split_at_checked(length)?;
                std::str::from_utf8(text).ok()?;
                values.push(text);
                Some(rest)
            }
            Values::Double(_) | Values::Unknown(_) => None,
        }
    }

    /// Appends a value; `false`, and nothing appended, if it is not of this type.
    pub(crate) fn push(&mut self, value: Scalar<'_>) -> bool {
        match (&mut self.values, value) {
            (Values::Time(_), Scalar::Nil) => return false,
            (_, Scalar::Nil) => self.push_null(),
            (Values::Time(values) | Values::Long(values), Scalar::Integer(value)) => match i64::try_from(value) {
                Ok(value) => values.push(value),
                Err(_) => return false,
            },
            (Values::UnsignedLong(values), Scalar::Integer(value)) => match u64::try_from(value) {
                Ok(value) => values.push(value),
                Err(_) => return false,
            },
            (Values::Double(values), Scalar::Double(value)) => values.push(value),
            (Values::Boolean(values), Scalar::Boolean(value)) => values.append(value),
            (Values::Text(values), Scalar::Text(text)) => values.push(text.as_bytes()),
            _ => return false,
        }
        true
    }

    fn push_null(&mut self) {
        self.nulls.mark(self.len());
        match &mut self.values {
            Values::Time(values) | Values::Long(values) => values.push(0),
            Values::UnsignedLong(values) => values.push(0),
            Values::Double(values) => values.push(0.0),
            Values::Boolean(values) => values.append(false),
            Values::Text(values) => values.push(b""),
            Values::Unknown(rows) => *rows += 1,
        }
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Time(values) | Values::Long(values) => values.len(),
            Values::UnsignedLong(values) => values.len(),
            Values::Double(values) => values.len(),
            Values::Boolean(values) => values.len(),
            Values::Text(values) => values.len(),
            Values::Unknown(rows) => *rows,
        }
    }

    /// Forgets the values from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Time(values) | Values::Long(values) => values.truncate(rows),
            Values::UnsignedLong(values) => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows),
            Values::Text(values) => values.truncate(rows),
            Values::Unknown(known) => *known = rows.min(*known),
        }
        self.nulls.truncate(rows);
    }

    /// The column as an Arrow array.
    pub(crate) fn finish(self) -> ArrayRef {
        let rows = self.len();
        let nulls = self.nulls.finish(rows);
        match self.values {
            Values::Long(values) => primitive::<Int64Type>(values, nulls),
            Values::UnsignedLong(values) => primitive::<UInt64Type>(values, nulls),
            Values::Double(values) => primitive::<Float64Type>(values, nulls),
            Values::Time(values) => {
                Arc::new(PrimitiveArray::<TimestampNanosecondType>::new(values.into(), nulls).with_timezone(UTC))
            }
            Values::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Text(values) => {
                let (offsets, bytes) = values.finish();
                Arc::new(LargeStringArray::new(offsets, bytes, nulls))
            }
            Values::Unknown(rows) => new_null_array(&DataType::Float64, rows),
        }
    }
}
