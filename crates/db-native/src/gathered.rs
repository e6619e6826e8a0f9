//! Writes single points as lines, and collects them in a body.
//!
//! Names are checked and escaped once and then looked up. A point is made in separate memory, and
//! added to the body when it is complete. So a point that can't be written changes nothing.

use std::collections::HashMap;

use crate::cells::LONGEST_TEXT;
use crate::error::{Error, Result};
use crate::line_protocol::{LONGEST_KEY, TIMES};
use crate::lines;
use crate::spelling::{Role, check_tag_key, quote};

/// Names that are kept of each kind; measurements and keys are few, unless something is wrong with them.
const MOST_NAMES: usize = 4096;

/// A value that a point may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A float; NaN is no value.
    Float(f64),
    /// An integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A boolean.
    Boolean(bool),
    /// A text.
    Text(&'a str),
}

/// Points as lines, and the point that is being put together.
#[derive(Debug)]
pub struct Gathered {
    measurement: Option<String>,
    /// Tags that all points carry.
    constant: Vec<(String, String)>,
    measurements: Names,
    tag_keys: Names,
    field_keys: Names,
    body: Vec<u8>,
    rows: usize,
    head: Vec<u8>,
    /// `,key=value` of each tag, one after another.
    tags: Vec<u8>,
    spans: Vec<Span>,
    /// `,key=value` of each field, one after another.
    fields: Vec<u8>,
    longest_field_key: usize,
}

/// Where a tag stands: `,key=` from `start` to `value`, its value up to `end`.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    value: usize,
    end: usize,
}

impl Gathered {
    /// Starts without points; fails where the measurement or a tag can't be written.
    pub fn new(measurement: Option<&str>, tags: &[(String, String)]) -> Result<Self> {
        let mut gathered = Self {
            measurement: measurement.map(str::to_owned),
            constant: tags.to_vec(),
            measurements: Names::new(Role::Measurement),
            tag_keys: Names::new(Role::TagKey),
            field_keys: Names::new(Role::FieldKey),
            body: Vec::new(),
            rows: 0,
            head: Vec::new(),
            tags: Vec::new(),
            spans: Vec::new(),
            fields: Vec::new(),
            longest_field_key: 0,
        };
        gathered.constant.sort();
        if let Some(name) = measurement {
            gathered.measurements.append(name, &mut Vec::new()).map_err(|error| error.about("measurement"))?;
        }
        gathered.constant_tags().map_err(|error| error.about("tags"))?;
        Ok(gathered)
    }

    /// Number of points in the body.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes in the body.
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Takes all lines out, with their number.
    pub fn take(&mut self) -> (Vec<u8>, usize) {
        (std::mem::take(&mut self.body), std::mem::take(&mut self.rows))
    }

    /// Begins a point, of the common measurement if it has none of its own.
    pub fn begin(&mut self, measurement: Option<&str>) -> Result<()> {
        let Some(name) = measurement.or(self.measurement.as_deref()) else {
            let reason = "it has no measurement; name one in the point, or for all points";
            return Err(Error::input(None, None, reason));
        };
        self.head.clear();
        self.measurements.append(name, &mut self.head)?;
        self.fields.clear();
        self.longest_field_key = 0;
        self.constant_tags()
    }

    fn constant_tags(&mut self) -> Result<()> {
        self.tags.clear();
        self.spans.clear();
        for (key, value) in std::mem::take(&mut self.constant) {
            let added = self.tag(&key, Value::Text(&value));
            self.constant.push((key, value));
            added?;
        }
        Ok(())
    }

    /// Adds a tag; an empty text or NaN is none.
    pub fn tag(&mut self, key: &str, value: Value<'_>) -> Result<()> {
        let start = self.tags.len();
        self.tags.push(b',');
        self.tag_keys.append(key, &mut self.tags)?;
        self.tags.push(b'=');
        let mut span = Span { start, value: self.tags.len(), end: start };
        match value {
            Value::Text(text) => {
                Role::TagValue.write(text, &mut self.tags).map_err(|error| named("tag", key, error))?;
            }
            Value::Float(float) if float.is_nan() => {}
            Value::Float(_) => {
                return Err(fault("tag", key, "a tag is a text, an integer or a boolean, not a float"));
            }
            Value::Integer(integer) => extend(&mut self.tags, itoa::Buffer::new().format(integer)),
            Value::Unsigned(integer) => extend(&mut self.tags, itoa::Buffer::new().format(integer)),
            Value::Boolean(boolean) => extend(&mut self.tags, word(boolean)),
        }
        span.end = self.tags.len();
        if self.spans.iter().any(|other| self.key(other) == self.key(&span)) {
            return Err(fault("tag", key, "all points have this tag already; leave out one of the two"));
        }
        if span.value == span.end {
            self.tags.truncate(start);
        } else {
            self.spans.push(span);
        }
        Ok(())
    }

    /// `,key=` of a tag.
    fn key(&self, span: &Span) -> &[u8] {
        &self.tags[span.start..span.value]
    }

    /// Adds a field; NaN is none.
    pub fn field(&mut self, key: &str, value: Value<'_>) -> Result<()> {
        let start = self.fields.len();
        self.fields.push(b',');
        self.field_keys.append(key, &mut self.fields)?;
        self.fields.push(b'=');
        let length = self.fields.len() - start;
        if self.spans.iter().any(|span| self.key(span) == &self.fields[start..]) {
            return Err(fault("field", key, "a tag has this name too, and no read can tell the two apart; rename one"));
        }
        match value {
            Value::Float(float) if float.is_nan() => {
                self.fields.truncate(start);
                return Ok(());
            }
            Value::Float(float) if float.is_infinite() => {
                return Err(fault(
                    "field",
                    key,
                    &format!("{float} can't be stored; InfluxDB stores only finite floats"),
                ));
            }
            Value::Float(float) => extend(&mut self.fields, zmij::Buffer::new().format_finite(float)),
            Value::Integer(integer) => {
                extend(&mut self.fields, itoa::Buffer::new().format(integer));
                self.fields.push(b'i');
            }
            Value::Unsigned(integer) => {
                extend(&mut self.fields, itoa::Buffer::new().format(integer));
                self.fields.push(b'u');
            }
            Value::Boolean(boolean) => extend(&mut self.fields, word(boolean)),
            Value::Text(text) if text.len() > LONGEST_TEXT => {
                let length = text.len();
                let why = format!("a text of {length} bytes can't be stored; InfluxDB stores at most {LONGEST_TEXT}");
                return Err(fault("field", key, &why));
            }
            Value::Text(text) => {
                self.fields.push(b'"');
                quote(text, &mut self.fields);
                self.fields.push(b'"');
            }
        }
        self.longest_field_key = self.longest_field_key.max(length - 2);
        Ok(())
    }

    /// Adds the point to the body.
    pub fn end(&mut self, time: i64) -> Result<()> {
        if self.fields.is_empty() {
            return Err(Error::input(None, None, "no field has a value; a point needs at least one"));
        }
        let length = self.head.len() + self.tags.len() + self.longest_field_key;
        if length > LONGEST_KEY {
            let why =
                format!("measurement, tags and a field key have {length} bytes; InfluxDB stores at most {LONGEST_KEY}");
            return Err(Error::input(None, None, why));
        }
        if !TIMES.contains(&time) {
            let why = format!("its time, {time} ns, lies outside InfluxDB's times, 1677-09-21 to 2262-04-11");
            return Err(Error::input(None, None, why));
        }
        self.body.extend_from_slice(&self.head);
        // Sorted tags save the server the sorting.
        if !self.spans.is_sorted_by(|one, other| self.key(one) <= self.key(other)) {
            let tags = &self.tags;
            self.spans.sort_by(|one, other| tags[one.start..one.value].cmp(&tags[other.start..other.value]));
        }
        for span in &self.spans {
            self.body.extend_from_slice(&self.tags[span.start..span.end]);
        }
        self.body.push(b' ');
        self.body.extend_from_slice(&self.fields[1..]);
        self.body.push(b' ');
        extend(&mut self.body, itoa::Buffer::new().format(time));
        self.body.push(b'\n');
        self.rows += 1;
        Ok(())
    }

    /// Adds lines of text; one without a time gets `now`. Empty lines and comments are left out.
    ///
    /// All lines are added or none. A line is only checked for where it ends, and for having fields. The server
    /// checks the rest.
    pub fn text(&mut self, text: &str, now: i64) -> Result<()> {
        let before = self.body.len();
        match lines::append(text, now, &mut self.body) {
            Ok(rows) => {
                self.rows += rows;
                Ok(())
            }
            Err(error) => {
                self.body.truncate(before);
                Err(error)
            }
        }
    }

    /// Adds lines that were checked before.
    pub fn lines(&mut self, body: &[u8], rows: usize) {
        self.body.extend_from_slice(body);
        self.rows += rows;
    }
}

/// Names as they are written.
#[derive(Debug)]
struct Names {
    role: Role,
    known: HashMap<String, Box<[u8]>>,
}

impl Names {
    fn new(role: Role) -> Self {
        Self { role, known: HashMap::new() }
    }

    /// Appends a name, escaped.
    #[inline]
    fn append(&mut self, name: &str, into: &mut Vec<u8>) -> Result<()> {
        if let Some(written) = self.known.get(name) {
            into.extend_from_slice(written);
            return Ok(());
        }
        match self.role {
            Role::TagKey => check_tag_key(name).map_err(|error| named("tag", name, error))?,
            Role::FieldKey if name == "time" => {
                let reason = "InfluxDB refuses a field of this name; rename it, or make it the time";
                return Err(fault("field", name, reason));
            }
            _ => {}
        }
        let mut written = Vec::new();
        self.role.write(name, &mut written)?;
        if self.known.len() == MOST_NAMES {
            self.known.clear();
        }
        into.extend_from_slice(&written);
        self.known.insert(name.to_owned(), written.into());
        Ok(())
    }
}

fn extend(into: &mut Vec<u8>, text: &str) {
    into.extend_from_slice(text.as_bytes());
}

fn word(boolean: bool) -> &'static str {
    if boolean { "true" } else { "false" }
}

fn fault(role: &str, key: &str, reason: &str) -> Error {
    Error::input(None, None, format!("{role} {key:?}: {reason}"))
}

fn named(role: &str, key: &str, error: Error) -> Error {
    match error.kind {
        crate::ErrorKind::Input { reason, .. } => fault(role, key, &reason),
        _ => error,
    }
}
