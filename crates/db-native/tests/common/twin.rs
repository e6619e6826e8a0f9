//! The naive decoder: one record, one cell, one value after the other, on csv-core, jiff and std.
//!
//! It holds the whole text, copies every cell and knows no shortcut.

use std::collections::HashMap;

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};
use db_native::{ColumnSchema, Datatype, EndMark, Error, ErrorKind, Position, Schema};

use super::plain::{Plain, Table, Value};

/// What went wrong, without the prose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Syntax,
    Value { column: String, datatype: &'static str, text: String },
    Incomplete,
    Server { message: String, reference: String },
    Other,
}

/// What went wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: What,
    pub(crate) at: Position,
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        let what = match error.kind.clone() {
            ErrorKind::Syntax(_) => What::Syntax,
            ErrorKind::Value { column, datatype, text } => What::Value { column, datatype, text },
            ErrorKind::Incomplete => What::Incomplete,
            ErrorKind::Server { message, reference } => What::Server { message, reference },
            _ => What::Other,
        };
        Self { what, at: error.position.expect("an error in reading has a position") }
    }
}

type Texts = Vec<Vec<u8>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    /// As it stands in the text, quotes included.
    raw: Vec<u8>,
    text: Vec<u8>,
}

/// Decodes a whole text.
pub(crate) fn decode(text: &[u8], end: EndMark) -> Result<Plain, Fault> {
    let mut text = text.to_vec();
    if end == EndMark::Optional && records(&text).1 < text.len() {
        text.push(b'\n');
    }
    let (records, rest, stray) = records(&text);
    let mut twin = Twin::default();
    for (offset, record) in records {
        twin.record(record).map_err(|what| Fault { what, at: twin.position(offset) })?;
    }
    if stray {
        return Err(Fault { what: What::Syntax, at: twin.position(rest) });
    }
    let whole = rest == text.len() && (end == EndMark::Optional || twin.after_blank);
    if !whole || twin.expect == Expect::ErrorRow || !twin.annotations.is_empty() {
        return Err(Fault { what: What::Incomplete, at: twin.position(rest) });
    }
    Ok(twin.plain)
}

/// Where in a cell a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Plain,
    Quoted,
    /// Behind a quote that closes the cell, or is the first of two.
    Closed,
    /// Behind a closed cell's carriage return.
    Returned,
}

impl Place {
    /// The place behind `byte`; `None` for what may not follow a closing quote.
    fn behind(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Quoted, b'"') => Some(Self::Closed),
            (Self::Quoted, _) | (Self::Start | Self::Closed, b'"') => Some(Self::Quoted),
            (Self::Returned, b'\n') | (Self::Start | Self::Plain | Self::Closed, b',' | b'\n') => Some(Self::Start),
            (Self::Closed, b'\r') => Some(Self::Returned),
            (Self::Start | Self::Plain, _) => Some(Self::Plain),
            (Self::Closed | Self::Returned, _) => None,
        }
    }
}

/// The records with their offsets, the offset of the rest, and whether that has text behind a closing quote;
/// else it lacks its line end.
fn records(text: &[u8]) -> (Vec<(usize, &[u8])>, usize, bool) {
    let (mut records, mut start, mut place) = (Vec::new(), 0, Place::Start);
    for (at, byte) in text.iter().enumerate() {
        let Some(next) = place.behind(*byte) else { return (records, start, true) };
        if *byte == b'\n' && next == Place::Start {
            records.push((start, &text[start..at]));
            start = at + 1;
        }
        place = next;
    }
    (records, start, false)
}

/// The cells of a record without its line end.
fn cells(record: &[u8]) -> Vec<Cell> {
    let mut reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
    let (mut text, mut ends) = (vec![0; record.len() + 2], vec![0; record.len() + 2]);
    // Behind an empty cell, which is left out again: csv-core passes over a byte order mark at the start.
    let line = [b",", record, b"\n"].concat();
    let (result, _, _, count) = reader.read_record(&line, &mut text, &mut ends);
    assert_eq!(ReadRecordResult::Record, result);
    let texts = ends[..count].windows(2).map(|ends| feeds(&text[ends[0]..ends[1]]));
    let mut place = Place::Start;
    let raws = record.split(|byte| {
        place = place.behind(*byte).unwrap();
        *byte == b',' && place == Place::Start
    });
    raws.zip(texts).map(|(raw, text)| Cell { raw: raw.to_vec(), text }).collect()
}

/// The cell with each CRLF as LF: the server's CSV writer turns every LF of a value into CRLF.
fn feeds(cell: &[u8]) -> Vec<u8> {
    let is_carriage = |at: usize| cell[at] == b'\r' && cell.get(at + 1) == Some(&b'\n');
    (0..cell.len()).filter(|at| !is_carriage(*at)).map(|at| cell[at]).collect()
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    Header,
    Rows,
    ErrorRow,
}

#[derive(Default)]
struct Twin {
    annotations: HashMap<&'static str, Texts>,
    schema: Schema,
    defaults: Texts,
    expect: Expect,
    after_blank: bool,
    /// The constant cells of the last row as they stand, if it belongs to the current block.
    constants: Option<Texts>,
    plain: Plain,
}

impl Twin {
    fn position(&self, offset: usize) -> Position {
        let row = self.plain.tables.last().map_or(0, |table| table.rows.len());
        Position { offset, table: self.plain.tables.len().saturating_sub(1), row }
    }

    fn record(&mut self, record: &[u8]) -> Result<(), What> {
        let record = record.strip_suffix(b"\r").unwrap_or(record);
        self.after_blank = record.is_empty();
        if self.after_blank {
            if !self.annotations.is_empty() || self.expect == Expect::ErrorRow {
                return Err(What::Syntax);
            }
            self.expect = Expect::Header;
            return Ok(());
        }
        let cells = cells(record);
        let texts: Texts = cells.iter().map(|cell| cell.text.clone()).collect();
        if record[0] == b'#' {
            self.expect = Expect::Header;
            return self.annotation(texts);
        }
        match self.expect {
            Expect::Header => self.header(&texts),
            Expect::Rows => self.row(&cells),
            Expect::ErrorRow => {
                let text = |index: usize| texts.get(index).map_or(String::new(), |text| lossy(text));
                Err(What::Server { message: text(1), reference: text(2) })
            }
        }
    }

    fn annotation(&mut self, cells: Texts) -> Result<(), What> {
        let name = match cells[0].as_slice() {
            b"#datatype" => "#datatype",
            b"#group" => "#group",
            b"#default" => "#default",
            _ => return Ok(()),
        };
        if self.annotations.insert(name, cells).is_some() { Err(What::Syntax) } else { Ok(()) }
    }

    fn header(&mut self, header: &[Vec<u8>]) -> Result<(), What> {
        let annotations = std::mem::take(&mut self.annotations);
        if matches!(header, [first, error] if first.is_empty() && error == b"error")
            || matches!(header, [first, error, reference, ..]
                if first.is_empty() && error == b"error" && reference == b"reference")
        {
            self.expect = Expect::ErrorRow;
            return Ok(());
        }
        let datatypes = annotations.get("#datatype").ok_or(What::Syntax)?;
        let falses = vec![b"false".to_vec(); header.len()];
        let groups = annotations.get("#group").unwrap_or(&falses);
        let empties = vec![Vec::new(); header.len()];
        let defaults = annotations.get("#default").unwrap_or(&empties);
        let same_width = [datatypes, groups, defaults].iter().all(|row| row.len() == header.len());
        if !same_width || !header[0].is_empty() || header.len() < 2 {
            return Err(What::Syntax);
        }
        let mut columns = Vec::new();
        for index in 1..header.len() {
            let name = String::from_utf8(header[index].clone()).map_err(|_| What::Syntax)?;
            let datatype = datatype(&datatypes[index]).ok_or(What::Syntax)?;
            let group = match groups[index].as_slice() {
                b"true" => true,
                b"false" => false,
                _ => return Err(What::Syntax),
            };
            let constant = group || index == 1 && name == "result" || index == 2 && name == "table";
            columns.push(ColumnSchema { name, datatype, group, constant });
        }
        // What stands for every empty cell is short, or kept once.
        let kept_once = |column: &ColumnSchema| column.constant && column.datatype == Datatype::String;
        if columns.iter().zip(&defaults[1..]).any(|(column, default)| default.len() > 512 && !kept_once(column)) {
            return Err(What::Syntax);
        }
        self.schema = Schema { columns };
        self.defaults = defaults[1..].to_vec();
        if !self.plain.schemas.contains(&self.schema) {
            self.plain.schemas.push(self.schema.clone());
        }
        self.expect = Expect::Rows;
        self.constants = None;
        Ok(())
    }

    fn row(&mut self, cells: &[Cell]) -> Result<(), What> {
        let columns = &self.schema.columns;
        if cells.len() != columns.len() + 1 || !cells[0].text.is_empty() {
            return Err(What::Syntax);
        }
        let cells = &cells[1..];
        let constants = cells.iter().zip(columns).filter(|(_, column)| column.constant);
        let constants: Texts = constants.map(|(cell, _)| cell.raw.clone()).collect();
        if self.constants.as_ref() != Some(&constants) {
            self.plain.tables.push(Table { schema: self.schema.clone(), rows: Vec::new() });
        }
        self.constants = Some(constants);
        let mut values = Vec::new();
        for ((cell, column), default) in cells.iter().zip(columns).zip(&self.defaults) {
            if column.datatype == Datatype::String && cell.raw == b"\"\"" {
                values.push(Value::text(""));
                continue;
            }
            let text = if cell.text.is_empty() { default } else { &cell.text };
            values.push(value(column.datatype, text).ok_or_else(|| What::Value {
                column: column.name.clone(),
                datatype: column.datatype.name(),
                text: excerpt(&lossy(text)),
            })?);
        }
        self.plain.tables.last_mut().expect("pushed above").rows.push(values);
        Ok(())
    }
}

fn lossy(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}

fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short == text { short } else { format!("{short}…") }
}

fn datatype(name: &[u8]) -> Option<Datatype> {
    let names: [(&[u8], Datatype); 9] = [
        (b"string", Datatype::String),
        (b"long", Datatype::Long),
        (b"unsignedLong", Datatype::UnsignedLong),
        (b"double", Datatype::Double),
        (b"boolean", Datatype::Boolean),
        (b"dateTime:RFC3339", Datatype::Time),
        (b"dateTime:RFC3339Nano", Datatype::Time),
        (b"duration", Datatype::Duration),
        (b"base64Binary", Datatype::Binary),
    ];
    names.iter().find(|(spelled, _)| *spelled == name).map(|(_, datatype)| *datatype)
}

fn value(datatype: Datatype, cell: &[u8]) -> Option<Value> {
    if cell.is_empty() {
        return Some(Value::Null);
    }
    let text = std::str::from_utf8(cell).ok()?;
    Some(match datatype {
        Datatype::String => Value::text(text),
        Datatype::Long => Value::Long(text.parse().ok()?),
        Datatype::UnsignedLong => Value::UnsignedLong(text.parse().ok()?),
        Datatype::Double => Value::double(text.parse().ok()?),
        // As Go's `strconv.ParseBool`.
        Datatype::Boolean if ["1", "t", "T", "true", "True", "TRUE"].contains(&text) => Value::Boolean(true),
        Datatype::Boolean if ["0", "f", "F", "false", "False", "FALSE"].contains(&text) => Value::Boolean(false),
        Datatype::Boolean => return None,
        Datatype::Time => {
            let time: jiff::Timestamp = text.parse().ok().filter(|_| has_form_of_rfc3339(text))?;
            Value::Time(i64::try_from(time.as_nanosecond()).ok()?)
        }
        Datatype::Duration => Value::Duration(text.parse().ok().or_else(|| duration(text))?),
        Datatype::Binary => Value::Binary(base64(text)?),
    })
}

/// Whether a time is spelled as by RFC 3339 and no leap second, which InfluxDB has none of: jiff also takes these, a
/// time without minutes, a comma, and `+05` for `+05:00`.
fn has_form_of_rfc3339(text: &str) -> bool {
    let form = text.to_ascii_uppercase().replace(|c: char| c.is_ascii_digit(), "0");
    let clock = ["0000-00-00T00:00:00", "0000-00-00 00:00:00"].into_iter().find_map(|start| form.strip_prefix(start));
    let zone = clock.map(|rest| rest.strip_prefix('.').map_or(rest, |decimals| decimals.trim_start_matches('0')));
    text.get(17..19) != Some("60") && zone.is_some_and(|zone| ["Z", "+00:00", "-00:00"].contains(&zone))
}

/// Flux's and Go's `1h30m0.5s`: numbers of at most nine decimals and their units, which may stand in any order and twice.
///
/// jiff's own reader takes blanks, other names of units and each unit once.
fn duration(text: &str) -> Option<i64> {
    const BILLION: i128 = 1_000_000_000;
    let seconds = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60), ("w", 7 * 24 * 60 * 60)];
    let mut units = vec![("ns", 1), ("us", 1_000), ("µs", 1_000), ("μs", 1_000), ("ms", 1_000_000)];
    units.extend(seconds.map(|(name, seconds)| (name, seconds * BILLION)));
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    let mut total = (!rest.is_empty()).then_some(0_i128)?;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let end = rest[unit..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |length| unit + length);
        let (_, nanos) = units.iter().find(|(name, _)| *name == &rest[unit..end])?;
        let (count, decimals) = rest[..unit].split_once('.').unwrap_or((&rest[..unit], ""));
        if count.is_empty() || decimals.len() > 9 {
            return None;
        }
        let billionths = format!("{count}{decimals:0<9}").parse::<i128>().ok()?.checked_mul(*nanos)?;
        if billionths % BILLION != 0 {
            return None;
        }
        total = total.checked_add(billionths / BILLION)?;
        rest = &rest[end..];
    }
    i64::try_from(if text.starts_with('-') { -total } else { total }).ok()
}

/// Base64 bit by bit.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for digit in digits.chars() {
        let value = ALPHABET.find(digit)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let (bytes, rest) = bits.as_chunks::<8>();
    let byte = |bits: &[usize; 8]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::try_from(*bit).unwrap());
    rest.iter().all(|bit| *bit == 0).then(|| bytes.iter().map(byte).collect())
}
