//! The naive twin of the decoder of InfluxQL's answers: the whole answer as a tree, walked from left to right.

use std::collections::BTreeMap;

use db_native::{Answer, Datatype, EndMark, Error, ErrorKind, Form, SeriesDecoder};

use super::msgpack::{Wire, read};
use super::plain::{Plain, Value};

/// What went wrong, without the prose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Syntax,
    Server(String),
    /// A value is not of its field's type.
    Conflict(String),
    Missing,
    Incomplete,
    Other,
    /// The answer is cut off within a message, where the twin has not looked for faults.
    Any,
}

impl From<&Error> for What {
    fn from(error: &Error) -> Self {
        match error.kind.clone() {
            ErrorKind::Syntax(_) => Self::Syntax,
            ErrorKind::Server { message, .. } => Self::Server(message),
            ErrorKind::Conflict { column, .. } => Self::Conflict(column),
            ErrorKind::Missing(_) => Self::Missing,
            ErrorKind::Incomplete => Self::Incomplete,
            _ => Self::Other,
        }
    }
}

/// A series' rows: its name, its tags, and the names and values of the cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) name: Value,
    pub(crate) tags: BTreeMap<String, Value>,
    pub(crate) rows: Vec<Vec<(String, Value)>>,
}

/// What an answer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Those without rows are left out.
    pub(crate) series: Vec<Series>,
    pub(crate) messages: Vec<String>,
}

/// Names and types of the fields, if they are declared.
pub(crate) type Declared<'a> = Option<&'a [(String, Datatype)]>;

/// Decodes a whole answer.
pub(crate) fn decode(mut bytes: &[u8], declared: Declared<'_>, end: EndMark) -> Result<Found, What> {
    let mut twin = Twin { declared, ..Twin::default() };
    while let Some((message, rest)) = read(bytes) {
        twin.message(&message)?;
        bytes = rest;
    }
    if !bytes.is_empty() {
        return Err(What::Any);
    }
    if end == EndMark::Required && (twin.statement.is_none() || twin.partial || twin.open.is_some()) {
        return Err(What::Incomplete);
    }
    twin.found.series.retain(|series| !series.rows.is_empty());
    Ok(twin.found)
}

/// Name, tags and columns of a series.
type Head = (Option<String>, BTreeMap<String, String>, Vec<String>);

#[derive(Default)]
struct Twin<'a> {
    declared: Declared<'a>,
    statement: Option<i128>,
    partial: bool,
    /// The head of a series that is not whole.
    open: Option<Head>,
    found: Found,
}

fn text(value: &Wire) -> Result<String, What> {
    match value {
        Wire::Text(text) => String::from_utf8(text.clone()).map_err(|_| What::Syntax),
        _ => Err(What::Syntax),
    }
}

fn boolean(value: &Wire) -> Result<bool, What> {
    if let Wire::Boolean(value) = value { Ok(*value) } else { Err(What::Syntax) }
}

fn list(value: &Wire) -> Result<&[Wire], What> {
    if let Wire::Array(values) = value { Ok(values) } else { Err(What::Syntax) }
}

/// The key and value of each pair of a map, whose keys have to come in this order, each at most once.
fn pairs<'a>(
    value: &'a Wire,
    order: &'static [&'static str],
) -> Result<impl Iterator<Item = Result<(&'static str, &'a Wire), What>>, What> {
    let Wire::Map(pairs) = value else { return Err(What::Syntax) };
    let mut rest = order;
    Ok(pairs.iter().map(move |(key, value)| {
        let key = text(key)?;
        let place = rest.iter().position(|known| *known == key).ok_or(What::Syntax)?;
        let key = rest[place];
        rest = &rest[place + 1..];
        // An error is told at once, whatever follows it.
        if key == "error" { Err(What::Server(text(value)?)) } else { Ok((key, value)) }
    }))
}

impl Twin<'_> {
    fn message(&mut self, message: &Wire) -> Result<(), What> {
        if !matches!(message, Wire::Map(pairs) if pairs.len() == 1) {
            return Err(What::Syntax);
        }
        pairs(message, &["results", "error"])?.try_for_each(|pair| {
            let (_, results) = pair?;
            list(results)?.iter().try_for_each(|result| self.result(result))
        })
    }

    fn result(&mut self, result: &Wire) -> Result<(), What> {
        let (mut has_statement, mut has_series) = (false, false);
        for pair in pairs(result, &["statement_id", "messages", "series", "partial", "error"])? {
            let (key, value) = pair?;
            has_statement |= key == "statement_id";
            has_series |= key == "series";
            match key {
                _ if !has_statement => return Err(What::Syntax),
                "statement_id" => self.statement(value)?,
                "messages" => list(value)?.iter().try_for_each(|message| {
                    let found = pairs(message, &["level", "text"])?.map(|pair| text(pair?.1));
                    let found = found.collect::<Result<Vec<_>, _>>()?;
                    self.found.messages.push(found.join(": "));
                    if found.len() == 2 { Ok(()) } else { Err(What::Syntax) }
                })?,
                "series" => list(value)?.iter().try_for_each(|series| self.series(series))?,
                _ => self.partial = boolean(value)?,
            }
        }
        if has_series { Ok(()) } else { Err(What::Syntax) }
    }

    fn statement(&mut self, value: &Wire) -> Result<(), What> {
        let Wire::Integer(number) = value else { return Err(What::Syntax) };
        if *number < 0 || self.statement.is_some_and(|last| *number < last) {
            return Err(What::Syntax);
        }
        if self.statement.is_some_and(|last| *number > last) && (self.partial || self.open.is_some()) {
            return Err(What::Missing);
        }
        self.statement = Some(*number);
        self.partial = false;
        Ok(())
    }

    fn series(&mut self, series: &Wire) -> Result<(), What> {
        let (mut head, mut has_columns, mut has_values, mut is_partial) = (Head::default(), false, false, false);
        for pair in pairs(series, &["name", "tags", "columns", "values", "partial"])? {
            let (key, value) = pair?;
            match key {
                "name" => head.0 = Some(text(value)?),
                "tags" => {
                    let Wire::Map(pairs) = value else { return Err(What::Syntax) };
                    for (key, value) in pairs {
                        if head.1.insert(text(key)?, text(value)?).is_some() {
                            return Err(What::Syntax);
                        }
                    }
                }
                "columns" => {
                    head.2 = list(value)?.iter().map(text).collect::<Result<Vec<_>, _>>()?;
                    has_columns = true;
                    self.begin(&head)?;
                }
                "values" if has_columns => {
                    has_values = true;
                    list(value)?.iter().try_for_each(|row| self.row(row, &head.2))?;
                }
                "values" => return Err(What::Syntax),
                _ => is_partial = boolean(value)?,
            }
        }
        if !has_values {
            return Err(What::Syntax);
        }
        self.open = is_partial.then_some(head);
        Ok(())
    }

    fn begin(&mut self, head: &Head) -> Result<(), What> {
        let (name, tags, columns) = head;
        if columns.is_empty() || self.declared.is_some_and(|declared| declared.len() + 1 != columns.len()) {
            return Err(What::Syntax);
        }
        if let Some(open) = self.open.take() {
            return if open == *head { Ok(()) } else { Err(What::Missing) };
        }
        let text = |text: &String| if text.is_empty() { Value::Null } else { Value::text(text) };
        self.found.series.push(Series {
            name: name.as_ref().map_or(Value::Null, |name| Value::text(name)),
            tags: tags.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
            rows: Vec::new(),
        });
        Ok(())
    }

    fn row(&mut self, row: &Wire, columns: &[String]) -> Result<(), What> {
        let cells = list(row)?;
        if cells.len() != columns.len() {
            return Err(What::Syntax);
        }
        let mut found = Vec::new();
        for (place, (cell, column)) in cells.iter().zip(columns).enumerate() {
            let (name, kind) = match self.declared {
                Some(_) if place == 0 => ("time", Some(Datatype::Time)),
                Some(declared) => (declared[place - 1].0.as_str(), Some(declared[place - 1].1)),
                None if place == 0 && column == "time" => ("time", Some(Datatype::Time)),
                None => (column.as_str(), None),
            };
            found.push((name.to_owned(), value(cell, kind, name)?));
        }
        self.found.series.last_mut().expect("a series has begun").rows.push(found);
        Ok(())
    }
}

fn value(cell: &Wire, kind: Option<Datatype>, name: &str) -> Result<Value, What> {
    let conflict = || What::Conflict(name.to_owned());
    Ok(match (cell, kind) {
        (Wire::Integer(value), Some(Datatype::Time)) => Value::Time(i64::try_from(*value).map_err(|_| What::Syntax)?),
        (Wire::Array(_) | Wire::Map(_) | Wire::Other, _) | (_, Some(Datatype::Time)) => return Err(What::Syntax),
        (Wire::Text(bytes), _) if std::str::from_utf8(bytes).is_err() => return Err(What::Syntax),
        (Wire::Nil, _) => Value::Null,
        (Wire::Boolean(value), None | Some(Datatype::Boolean)) => Value::Boolean(*value),
        (Wire::Double(value), None | Some(Datatype::Double)) => Value::double(*value),
        (Wire::Text(_), None | Some(Datatype::String)) => Value::Text(text(cell)?),
        (Wire::Integer(value), Some(Datatype::Long)) => Value::Long(i64::try_from(*value).map_err(|_| conflict())?),
        (Wire::Integer(value), Some(Datatype::UnsignedLong)) => {
            Value::UnsignedLong(u64::try_from(*value).map_err(|_| conflict())?)
        }
        (Wire::Integer(value), None) => whole(*value),
        _ => return Err(conflict()),
    })
}

/// An integer, in whichever column it is.
fn whole(value: i128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::UnsignedLong(u64::try_from(value).unwrap()), Value::Long)
}

/// Decodes an answer in pieces that end at these places; what is known at any time has to agree.
pub(crate) fn decode_fast(
    bytes: &[u8],
    cuts: &[usize],
    declared: Declared<'_>,
    end: EndMark,
) -> Result<(Answer, Vec<String>), Error> {
    let mut decoder = match declared {
        Some(fields) => SeriesDecoder::declared(fields.to_vec())?,
        None => SeriesDecoder::inferred(),
    };
    let mut start = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        decoder.feed(&bytes[start..cut])?;
        start = cut;
    }
    let answer = decoder.finish(end)?;
    Ok((answer, decoder.messages().to_vec()))
}

/// What a decoded answer holds, and the promises of its groups.
pub(crate) fn found(answer: &Answer, messages: Vec<String>, declared: Declared<'_>) -> Found {
    if declared.is_none() {
        check_columns_without_values(answer);
    }
    found_of_batch(answer, messages, declared)
}

/// A column without values has a type that a column of its name has elsewhere, or holds doubles.
fn check_columns_without_values(answer: &Answer) {
    let mut kinds: BTreeMap<&str, Vec<Datatype>> = BTreeMap::new();
    let by_row = || {
        let groups = answer.groups.iter();
        groups.flat_map(|group| group.schema.columns.iter().zip(&group.columns).filter(|(column, _)| !column.constant))
    };
    for (column, array) in by_row() {
        if arrow_array::Array::null_count(array) < array.len() {
            kinds.entry(&column.name).or_default().push(column.datatype);
        }
    }
    for (column, array) in by_row() {
        if arrow_array::Array::null_count(array) == array.len() && column.datatype != Datatype::Time {
            let expected = kinds.get(column.name.as_str()).map_or(&[Datatype::Double][..], Vec::as_slice);
            assert!(expected.contains(&column.datatype), "{:?} of {:?}", column.datatype, column.name);
        }
    }
}

/// What a batch holds, whose columns without values may have types of those before.
pub(crate) fn found_of_batch(answer: &Answer, messages: Vec<String>, declared: Declared<'_>) -> Found {
    assert!(answer.groups.iter().all(|group| group.form == Form::Wide));
    let plain = Plain::from(answer);
    let mut series: Vec<Series> = Vec::new();
    for table in plain.tables {
        let columns = &table.schema.columns;
        let first = &table.rows[0];
        assert_eq!(("_measurement", true), (columns[0].name.as_str(), columns[0].constant));
        let constant = columns.iter().zip(first).skip(1).filter(|(column, _)| column.constant);
        let cells = |row: Vec<Value>| {
            let cells = columns.iter().zip(row).filter(|(column, _)| !column.constant);
            cells.map(|(column, value)| (column.name.clone(), one_kind(value, declared))).collect()
        };
        series.push(Series {
            name: first[0].clone(),
            tags: constant.map(|(column, value)| (column.name.clone(), value.clone())).collect(),
            rows: table.rows.clone().into_iter().map(cells).collect(),
        });
    }
    Found { series, messages }
}

/// Without declared types, an integer's column may be one without a sign.
fn one_kind(value: Value, declared: Declared<'_>) -> Value {
    match value {
        Value::UnsignedLong(value) if declared.is_none() => whole(value.into()),
        value => value,
    }
}

/// A row and its series' name and tags.
pub(crate) type Row = (Value, BTreeMap<String, Value>, Vec<(String, Value)>);

/// The rows one by one, each with its series; where types are not declared, a change of type begins a table.
pub(crate) fn rows(found: &Found) -> Vec<Row> {
    let row = |series: &Series, row: &Vec<_>| (series.name.clone(), series.tags.clone(), row.clone());
    found.series.iter().flat_map(|series| series.rows.iter().map(move |cells| row(series, cells))).collect()
}

/// Compares both decoders, for pieces that end at these places.
pub(crate) fn check(bytes: &[u8], cuts: &[usize], declared: Declared<'_>, end: EndMark) -> Option<Answer> {
    let fast = decode_fast(bytes, cuts, declared, end);
    match (decode(bytes, declared, end), fast) {
        (Ok(expected), Ok((answer, messages))) => {
            let found = found(&answer, messages, declared);
            if declared.is_some() {
                assert_eq!(expected, found);
            } else {
                assert_eq!((rows(&expected), expected.messages), (rows(&found), found.messages));
            }
            Some(answer)
        }
        (Err(What::Any), Err(_)) => None,
        (Err(expected), Err(error)) => {
            assert_eq!(expected, What::from(&error), "{error}");
            assert!(error.position.is_some(), "{error}");
            None
        }
        (expected, fast) => panic!("expected {expected:?}, got {:?}", fast.map(|(answer, _)| Plain::from(&answer))),
    }
}
