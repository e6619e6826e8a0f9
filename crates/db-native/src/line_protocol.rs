//! Arrow columns to InfluxDB line protocol.
//!
//! [`Points::new`] settles everything that holds for all rows: names, escaped
//! once, and typed columns. [`Points::check`] finds the first row that can't be
//! sent, so nothing is sent if there is one. [`Points::write`] then writes rows
//! into bodies. Syntax: InfluxDB 2 documentation, "Line protocol"; what the
//! server does beyond it was tried on InfluxDB 2.9.1 and is noted below.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch, UInt64Array};
use arrow_schema::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::texts::Texts;

/// Unit of the written timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Nanoseconds.
    Nanosecond,
    /// Microseconds.
    Microsecond,
    /// Milliseconds.
    Millisecond,
    /// Seconds.
    Second,
}

impl Precision {
    const fn nanos(self) -> i64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
        }
    }
}

/// Which column is what.
#[derive(Clone, Debug)]
pub struct Layout<'a> {
    /// The measurement of all points.
    pub measurement: &'a str,
    /// Columns written as tags; all others but the time are fields.
    pub tag_columns: &'a [String],
    /// The column of timestamps.
    pub time_column: &'a str,
    /// Tags that all points carry, as key and value.
    pub tags: &'a [(String, String)],
    /// Unit of the timestamps.
    pub precision: Precision,
}

/// A frame ready to be written as points.
#[derive(Debug)]
pub struct Points {
    /// Measurement and constant tags, escaped.
    head: Vec<u8>,
    tags: Vec<Named>,
    fields: Vec<Named>,
    time: String,
    times: Vec<Option<i64>>,
    per_tick: i64,
}

/// A column with its name, and its key as it is written: `,key=` for tags, `key=` for fields.
#[derive(Debug)]
struct Named {
    name: String,
    key: Vec<u8>,
    cells: Cells,
}

#[derive(Debug)]
enum Cells {
    Long(Int64Array),
    UnsignedLong(UInt64Array),
    Double(Float64Array),
    Boolean(BooleanArray),
    Text(Texts),
    /// A column of nulls.
    Nothing,
}

impl Points {
    /// Reads the layout; fails where a name or a column's type can't be written.
    pub fn new(frame: &RecordBatch, layout: &Layout<'_>) -> Result<Self> {
        let mut head = Vec::new();
        escape(layout.measurement, "measurement", &mut head, b", ")?;
        if layout.measurement.starts_with('#') {
            return Err(Error::input(
                None,
                None,
                "a measurement can't start with '#': the server takes it for a comment",
            ));
        }
        let mut tags = layout.tags.to_vec();
        tags.sort();
        for (index, (key, value)) in tags.iter().enumerate() {
            tag_key(key)?;
            if layout.tag_columns.contains(key) || index > 0 && tags[index - 1].0 == *key {
                return Err(Error::input(None, Some(key), "this tag is given twice"));
            }
            let before = head.len();
            head.push(b',');
            escape(key, "tag key", &mut head, b",= ")?;
            head.push(b'=');
            escape(value, "tag value", &mut head, b",= ")?;
            if value.is_empty() {
                head.truncate(before);
            }
        }
        let schema = frame.schema_ref();
        for wanted in layout.tag_columns.iter().map(String::as_str).chain([layout.time_column]) {
            if schema.column_with_name(wanted).is_none() {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                return Err(Error::input(
                    None,
                    Some(wanted),
                    format!("there is no such column; there are {}", names.join(", ")),
                ));
            }
        }
        let mut points = Self {
            head,
            tags: Vec::new(),
            fields: Vec::new(),
            time: layout.time_column.to_owned(),
            times: Vec::new(),
            per_tick: layout.precision.nanos(),
        };
        for (index, column) in frame.columns().iter().enumerate() {
            let name = schema.field(index).name().as_str();
            if schema.fields()[..index].iter().any(|earlier| earlier.name() == name) {
                return Err(Error::input(None, Some(name), "this column stands twice"));
            }
            let mut key = Vec::new();
            if name == layout.time_column {
                points.times = times(name, column.as_ref())?;
            } else if layout.tag_columns.iter().any(|tag| tag == name) {
                tag_key(name)?;
                key.push(b',');
                escape(name, "tag key", &mut key, b",= ")?;
                key.push(b'=');
                let cells = Cells::of(name, column.as_ref())?;
                if matches!(cells, Cells::Double(_)) {
                    return Err(Error::input(
                        None,
                        Some(name),
                        "a tag is a string, an integer or a boolean, not a float",
                    ));
                }
                points.tags.push(Named { name: name.to_owned(), key, cells });
            } else {
                if name == "time" {
                    return Err(Error::input(None, Some(name), "the server refuses a field of this name; rename it"));
                }
                escape(name, "field key", &mut key, b",= ")?;
                key.push(b'=');
                points.fields.push(Named { name: name.to_owned(), key, cells: Cells::of(name, column.as_ref())? });
            }
        }
        // Sorted tags save the server the sorting.
        points.tags.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(points)
    }

    /// Number of points.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// Finds the first row that can't be written; nothing is written before all rows pass.
    pub fn check(&self) -> Result<()> {
        let mut has_field = vec![false; self.rows()];
        for column in &self.fields {
            for (row, has_field) in has_field.iter_mut().enumerate() {
                *has_field |=
                    column.cells.check_field(row).map_err(|why| Error::input(Some(row), Some(&column.name), why))?;
            }
        }
        if let Some(row) = has_field.iter().position(|has| !has) {
            return Err(Error::input(Some(row), None, "no field has a value; a point needs at least one"));
        }
        let mut scratch = Vec::new();
        for column in &self.tags {
            if let Cells::Text(texts) = &column.cells {
                for row in 0..self.rows() {
                    scratch.clear();
                    if let Some(text) = texts.get(row) {
                        escape(text, "tag value", &mut scratch, b",= ").map_err(|error| match error.kind {
                            crate::ErrorKind::Input { reason, .. } => {
                                Error::input(Some(row), Some(&column.name), reason)
                            }
                            _ => error,
                        })?;
                    }
                }
            }
        }
        for (row, time) in self.times.iter().enumerate() {
            let why = match time {
                None => "a point needs a time".to_owned(),
                Some(time) if time % self.per_tick != 0 => {
                    format!("{time} ns is not a whole number of the precision's {} ns", self.per_tick)
                }
                Some(_) => continue,
            };
            return Err(Error::input(Some(row), Some(&self.time), why));
        }
        Ok(())
    }

    /// Appends the rows from `row` on as lines until `body` has `limit` bytes; gives the next row.
    ///
    /// At least one row is written. Rows must have passed [`check`](Self::check).
    pub fn write(&self, mut row: usize, limit: usize, body: &mut Vec<u8>) -> usize {
        while row < self.rows() {
            body.extend_from_slice(&self.head);
            for tag in &self.tags {
                tag.write_tag(row, body);
            }
            let mut separator = b' ';
            for field in &self.fields {
                if field.write_field(row, separator, body) {
                    separator = b',';
                }
            }
            body.push(b' ');
            let ticks = self.times[row].unwrap_or_default() / self.per_tick;
            body.extend_from_slice(itoa::Buffer::new().format(ticks).as_bytes());
            body.push(b'\n');
            row += 1;
            if body.len() >= limit {
                break;
            }
        }
        row
    }
}

impl Named {
    fn write_tag(&self, row: usize, body: &mut Vec<u8>) {
        let before = body.len();
        body.extend_from_slice(&self.key);
        let written = match &self.cells {
            // An empty tag is an absent one.
            Cells::Text(texts) => match texts.get(row) {
                Some(text) if !text.is_empty() => escape(text, "tag value", body, b",= ").is_ok(),
                _ => false,
            },
            cells => cells.write_value(row, "", "", body),
        };
        if !written {
            body.truncate(before);
        }
    }

    fn write_field(&self, row: usize, separator: u8, body: &mut Vec<u8>) -> bool {
        let before = body.len();
        body.push(separator);
        body.extend_from_slice(&self.key);
        let written = match &self.cells {
            Cells::Text(texts) => texts.get(row).is_some_and(|text| {
                body.push(b'"');
                quote(text, body);
                body.push(b'"');
                true
            }),
            cells => cells.write_value(row, "i", "u", body),
        };
        if !written {
            body.truncate(before);
        }
        written
    }
}

impl Cells {
    fn of(name: &str, column: &dyn Array) -> Result<Self> {
        fn widen<T: ArrowPrimitiveType, U: ArrowPrimitiveType>(column: &dyn Array) -> PrimitiveArray<U>
        where
            U::Native: From<T::Native>,
        {
            column.as_primitive::<T>().unary(U::Native::from)
        }
        Ok(match column.data_type() {
            DataType::Int8 => Self::Long(widen::<Int8Type, Int64Type>(column)),
            DataType::Int16 => Self::Long(widen::<Int16Type, Int64Type>(column)),
            DataType::Int32 => Self::Long(widen::<Int32Type, Int64Type>(column)),
            DataType::Int64 => Self::Long(column.as_primitive().clone()),
            DataType::UInt8 => Self::UnsignedLong(widen::<UInt8Type, UInt64Type>(column)),
            DataType::UInt16 => Self::UnsignedLong(widen::<UInt16Type, UInt64Type>(column)),
            DataType::UInt32 => Self::UnsignedLong(widen::<UInt32Type, UInt64Type>(column)),
            DataType::UInt64 => Self::UnsignedLong(column.as_primitive().clone()),
            DataType::Float32 => Self::Double(widen::<Float32Type, Float64Type>(column)),
            DataType::Float64 => Self::Double(column.as_primitive().clone()),
            DataType::Boolean => Self::Boolean(column.as_boolean().clone()),
            DataType::Null => Self::Nothing,
            other => Self::Text(Texts::of(column).ok_or_else(|| {
                let reason = format!("{other} can't be written; a column holds integers, floats, booleans or strings");
                Error::input(None, Some(name), reason)
            })?),
        })
    }

    /// Whether the row has a value to write as a field; the reason if it can't be written.
    fn check_field(&self, row: usize) -> std::result::Result<bool, String> {
        Ok(match self {
            Self::Long(values) => values.is_valid(row),
            Self::UnsignedLong(values) => values.is_valid(row),
            Self::Boolean(values) => values.is_valid(row),
            Self::Text(texts) => texts.get(row).is_some(),
            Self::Nothing => false,
            Self::Double(values) => match values.is_valid(row).then(|| values.value(row)) {
                Some(value) if value.is_infinite() => {
                    return Err(format!("{value} can't be stored; InfluxDB keeps finite floats"));
                }
                Some(value) => !value.is_nan(),
                None => false,
            },
        })
    }

    /// Writes a value that is not text; `false` if there is none.
    #[inline]
    fn write_value(&self, row: usize, long: &str, unsigned_long: &str, body: &mut Vec<u8>) -> bool {
        match self {
            Self::Long(values) if values.is_valid(row) => {
                body.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes());
                body.extend_from_slice(long.as_bytes());
            }
            Self::UnsignedLong(values) if values.is_valid(row) => {
                body.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes());
                body.extend_from_slice(unsigned_long.as_bytes());
            }
            Self::Double(values) if values.is_valid(row) && values.value(row).is_finite() => {
                body.extend_from_slice(zmij::Buffer::new().format_finite(values.value(row)).as_bytes());
            }
            Self::Boolean(values) if values.is_valid(row) => {
                body.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
            }
            _ => return false,
        }
        true
    }
}

/// Nanoseconds since the epoch; a timestamp without a zone is UTC.
fn times(name: &str, column: &dyn Array) -> Result<Vec<Option<i64>>> {
    fn scaled<T: ArrowPrimitiveType<Native = i64>>(
        name: &str,
        column: &dyn Array,
        nanos: i64,
    ) -> Result<Vec<Option<i64>>> {
        let rows = column.as_primitive::<T>().iter().enumerate();
        rows.map(|(row, time)| match time.map(|time| time.checked_mul(nanos)) {
            Some(None) => Err(Error::input(Some(row), Some(name), "the time lies outside 1677-09-21 to 2262-04-11")),
            Some(time) => Ok(time),
            None => Ok(None),
        })
        .collect()
    }
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => scaled::<TimestampNanosecondType>(name, column, 1),
        DataType::Timestamp(TimeUnit::Microsecond, _) => scaled::<TimestampMicrosecondType>(name, column, 1_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => scaled::<TimestampMillisecondType>(name, column, 1_000_000),
        DataType::Timestamp(TimeUnit::Second, _) => scaled::<TimestampSecondType>(name, column, 1_000_000_000),
        other => Err(Error::input(None, Some(name), format!("the time column holds timestamps, not {other}"))),
    }
}

fn tag_key(key: &str) -> Result<()> {
    // The first three are refused by the server; the others are stored, and break every later Flux query.
    if matches!(key, "time" | "_field" | "_measurement" | "_time" | "_value" | "_start" | "_stop") {
        return Err(Error::input(None, Some(key), "this name is InfluxDB's own and can't be a tag's; rename it"));
    }
    Ok(())
}

/// Appends a name or tag value with a backslash before each of `special`.
///
/// Line protocol has no way to write a line feed here, nor a backslash at the
/// end (it would escape what follows); elsewhere a backslash stands for itself.
/// But in a measurement or field key the server loses one before a character
/// that it escapes: the point is refused, or stored where no query finds it,
/// or under another name. There it also skips leading tabs and NULs. In a tag
/// key, one before a space makes it take a quote in a tag for that of a string
/// and read over the line's end.
fn escape(text: &str, what: &str, into: &mut Vec<u8>, special: &[u8]) -> Result<()> {
    let is_name = matches!(what, "measurement" | "field key");
    let is_lost = |pair: &[u8]| match pair {
        [b'\\', b' '] => what != "tag value",
        [b'\\', b',' | b'=' | b'"'] => is_name,
        _ => false,
    };
    let fault = match text.as_bytes() {
        [] if what != "tag value" => Some("is empty"),
        [.., b'\\'] => Some("ends in a backslash"),
        [b'\t' | 0, ..] if is_name => Some("starts with a tab or NUL"),
        bytes if memchr::memchr(b'\n', bytes).is_some() => Some("holds a line feed"),
        bytes if bytes.windows(2).any(is_lost) => {
            Some("holds a backslash before a space, a comma, an equals sign or a quote")
        }
        _ => None,
    };
    if let Some(fault) = fault {
        return Err(Error::input(None, None, format!("the {what} {text:?} {fault}, which line protocol can't carry")));
    }
    for &byte in text.as_bytes() {
        if special.contains(&byte) {
            into.push(b'\\');
        }
        into.push(byte);
    }
    Ok(())
}

/// Appends a string value with its quotes and backslashes escaped.
fn quote(text: &str, into: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(hit) = memchr::memchr2(b'"', b'\\', rest) {
        into.extend_from_slice(&rest[..hit]);
        into.extend_from_slice(&[b'\\', rest[hit]]);
        rest = &rest[hit + 1..];
    }
    into.extend_from_slice(rest);
}
