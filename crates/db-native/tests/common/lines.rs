//! A small parser of line protocol, by the rules of InfluxDB 2.9.1's own (Go, `models/points.go`).
//!
//! Its oddities are kept, as they decide what can be written: a name's byte is
//! escaped if the byte before it is a backslash; a field's bytes are skipped
//! in pairs after a backslash; a line's end is looked for with a third rule.

/// A field's value, numbers as text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldValue {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    Text(String),
}

/// A point as the server stores it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) measurement: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) fields: Vec<(String, FieldValue)>,
    pub(crate) time: i64,
}

/// The points of a body; comments and empty lines have none.
pub(crate) fn parse(body: &str) -> Result<Vec<Point>, String> {
    let mut points = Vec::new();
    let mut rest = body.as_bytes();
    while !rest.is_empty() {
        let end = line_end(rest);
        let line = skip_blanks(&rest[..end]);
        if !line.is_empty() && line[0] != b'#' {
            let fault = |why| format!("{why}: {:?}", String::from_utf8_lossy(line));
            points.push(point(line).map_err(fault)?);
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(points)
}

/// Go's `scanLine`.
fn line_end(text: &[u8]) -> usize {
    let (mut in_fields, mut quoted, mut equals, mut commas) = (false, false, 0, 0);
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' && at + 2 < text.len() {
            at += 2;
            continue;
        }
        in_fields |= text[at] == b' ';
        match text[at] {
            b'=' if in_fields && !quoted => equals += 1,
            b',' if in_fields && !quoted => commas += 1,
            b'"' if in_fields && equals > commas => quoted = !quoted,
            b'\n' if !quoted => break,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Go's `skipWhitespace`.
fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | 0)).count();
    &text[blanks..]
}

/// Cuts before the first of `stops` that no backslash precedes; the first byte is none.
fn cut<'a>(text: &'a [u8], stops: &[u8]) -> (&'a [u8], &'a [u8]) {
    let is_stop = |at: &usize| stops.contains(&text[*at]) && text[*at - 1] != b'\\';
    text.split_at((1..text.len()).find(is_stop).unwrap_or(text.len()))
}

fn point(line: &[u8]) -> Result<Point, &'static str> {
    let (key, rest) = cut(line, b" ");
    let (measurement, mut rest_of_key) = cut(key, b",");
    if measurement.starts_with(b",") {
        return Err("missing measurement");
    }
    let mut tags: Vec<(String, String)> = Vec::new();
    while let Some(pair) = rest_of_key.strip_prefix(b",") {
        let (pair, next) = cut(pair, b",");
        rest_of_key = next;
        let (key, value) = cut(pair, b"=");
        let value = value.strip_prefix(b"=").ok_or("missing tag value")?;
        if key.is_empty() || key[0] == b'=' || value.is_empty() || !cut(value, b"=").1.is_empty() {
            return Err("invalid tag format");
        }
        if [&b"time"[..], b"_field", b"_measurement"].contains(&key) {
            return Err("reserved tag key");
        }
        let tag = (unescape(key, b",= "), unescape(value, b",= "));
        if tags.iter().any(|earlier| earlier.0 == tag.0) {
            return Err("duplicate tags");
        }
        tags.push(tag);
    }
    let rest = skip_blanks(rest);
    let (fields, time) = rest.split_at(fields_end(rest)?);
    Ok(Point {
        measurement: unescape(measurement, b", "),
        tags,
        fields: self::fields(fields)?,
        time: text(skip_blanks(time)).parse().map_err(|_| "bad timestamp")?,
    })
}

/// Go's `scanFields`.
fn fields_end(text: &[u8]) -> Result<usize, &'static str> {
    let (mut quoted, mut equals, mut commas) = (false, 0, 0);
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' if at + 1 < text.len() => at += 1,
            b'"' if equals > commas => quoted = !quoted,
            b'=' if !quoted => equals += 1,
            b',' if !quoted => commas += 1,
            b' ' if !quoted => break,
            _ => {}
        }
        at += 1;
    }
    if quoted || equals == 0 || commas + 1 != equals { Err("invalid field format") } else { Ok(at) }
}

/// Go's `FieldIterator`.
fn fields(mut text: &[u8]) -> Result<Vec<(String, FieldValue)>, &'static str> {
    let mut fields = Vec::new();
    while !text.is_empty() {
        let (key, rest) = cut(text, b"=");
        let rest = rest.strip_prefix(b"=").ok_or("missing field value")?;
        let (mut at, mut quoted) = (0, false);
        while at < rest.len() && (quoted || rest[at] != b',') {
            quoted ^= rest[at] == b'"';
            at += if rest[at] == b'\\' && matches!(rest.get(at + 1), Some(b'"' | b'\\')) { 2 } else { 1 };
        }
        let (value, rest) = rest.split_at(at);
        fields.push((unescape(key, b",= \""), self::value(value).ok_or("invalid value")?));
        text = rest.strip_prefix(b",").unwrap_or(rest);
    }
    Ok(fields)
}

fn value(token: &[u8]) -> Option<FieldValue> {
    if let [b'"', inner @ .., b'"'] = token {
        return Some(FieldValue::Text(unescape(inner, b"\"\\")));
    }
    let token = text(token);
    Some(match (token, token.strip_suffix('i'), token.strip_suffix('u')) {
        ("t" | "T" | "true" | "True" | "TRUE", ..) => FieldValue::Boolean(true),
        ("f" | "F" | "false" | "False" | "FALSE", ..) => FieldValue::Boolean(false),
        (_, Some(digits), _) => FieldValue::Integer(digits.parse().ok()?),
        (_, _, Some(digits)) => FieldValue::Unsigned(digits.parse().ok()?),
        _ if token.bytes().all(|byte| byte.is_ascii_digit() || b"-+.eE".contains(&byte)) => {
            FieldValue::Float(token.parse().ok()?)
        }
        _ => return None,
    })
}

/// The text without the backslashes before any of `special`.
fn unescape(escaped: &[u8], special: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut rest = escaped.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match rest.peek() {
            Some(next) if byte == b'\\' && special.contains(next) => bytes.extend(rest.next()),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
