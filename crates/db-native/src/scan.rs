//! Finds the boundaries of fields in CSV records, as RFC 4180 and Go's `encoding/csv` write them.
//!
//! This module knows commas, quotes and line ends, and nothing of InfluxDB. A record is only
//! reported once its line end has been seen, so a caller that keeps the rest
//! and calls again with more bytes gets the same records for every split.

use crate::error::{Error, Result};
use crate::word;

/// One field of a record, as offsets into the scanned bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte of the field's text (after an opening quote).
    pub(crate) start: usize,
    /// One past the last byte of the field's text (before a closing quote).
    pub(crate) end: usize,
    /// One past the delimiter, or past the line end, that closes the field.
    pub(crate) next: usize,
    /// The field was in quotes.
    pub(crate) quoted: bool,
    /// The text holds `""` or CRLF, which [`unescape`] has to resolve.
    pub(crate) escaped: bool,
}

/// What was found at the start of the scanned bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A whole record; its length with the line end.
    Record(usize),
    /// The bytes end before the record does.
    NeedMore,
}

/// Most bytes of a record, line end included. InfluxDB's are far shorter; an endless one must not fill the memory.
pub const LONGEST_RECORD: usize = 64 << 20;

/// Most cells of a record. A cell may be one byte, and takes more memory than that.
pub const MOST_CELLS: usize = 1 << 20;

/// Position of the first comma or line feed at or after `from`.
#[inline]
pub(crate) fn delimiter(bytes: &[u8], from: usize) -> Option<usize> {
    const COMMAS: u64 = word::repeated(b',');
    const FEEDS: u64 = word::repeated(b'\n');
    let mut at = from;
    loop {
        // Zeros stand for the bytes after the end, so they are no delimiters.
        let word = word::load(bytes.get(at..)?);
        match word::first(word::matches(word, COMMAS) | word::matches(word, FEEDS)) {
            8 => at += 8,
            hit => return Some(at + hit),
        }
    }
}

/// Splits the record at the start of `bytes` into `fields` (cleared first).
///
/// A line end is LF or CRLF. A quote opens a quoted field only as its first
/// byte; elsewhere it is text. After a closing quote only a delimiter or a
/// line end may follow. A record that is too long, or has too many cells, is
/// an error as soon as that is seen.
pub(crate) fn record(bytes: &[u8], fields: &mut Vec<Span>) -> Result<Scan> {
    fields.clear();
    let bytes = &bytes[..bytes.len().min(LONGEST_RECORD)];
    let mut at = 0;
    while let Some(span) = field(bytes, at)? {
        if fields.len() == MOST_CELLS {
            return Err(Error::syntax(format!("a record of more than {MOST_CELLS} cells")));
        }
        fields.push(span);
        at = span.next;
        if bytes[at - 1] == b'\n' {
            return Ok(Scan::Record(at));
        }
    }
    if bytes.len() == LONGEST_RECORD {
        return Err(Error::syntax(format!("a record of more than {} MiB", LONGEST_RECORD >> 20)));
    }
    Ok(Scan::NeedMore)
}

/// The field that begins at `start`; `None` if it is not all here.
fn field(bytes: &[u8], start: usize) -> Result<Option<Span>> {
    if bytes.get(start) == Some(&b'"') {
        return quoted(bytes, start);
    }
    Ok(delimiter(bytes, start).map(|hit| plain(bytes, start, hit)))
}

/// The unquoted field between `start` and the delimiter at `hit`.
#[inline]
pub(crate) fn plain(bytes: &[u8], start: usize, hit: usize) -> Span {
    let carriage = bytes[hit] == b'\n' && hit > start && bytes[hit - 1] == b'\r';
    Span { start, end: hit - usize::from(carriage), next: hit + 1, quoted: false, escaped: false }
}

/// The quoted field whose opening quote stands at `open`; `None` if it is not all here.
fn quoted(bytes: &[u8], open: usize) -> Result<Option<Span>> {
    let start = open + 1;
    let mut escaped = false;
    let mut at = start;
    loop {
        let Some(rest) = bytes.get(at..) else {
            return Ok(None);
        };
        let Some(hit) = memchr::memchr(b'"', rest) else {
            return Ok(None);
        };
        let end = at + hit;
        escaped = escaped || memchr::memchr(b'\r', &bytes[at..end]).is_some();
        let next = match (bytes.get(end + 1), bytes.get(end + 2)) {
            (Some(b'"'), _) => {
                escaped = true;
                at = end + 2;
                continue;
            }
            (Some(b',' | b'\n'), _) => end + 2,
            (Some(b'\r'), Some(b'\n')) => end + 3,
            (None, _) | (Some(b'\r'), None) => return Ok(None),
            _ => return Err(Error::syntax("text after a closing quote; a comma or a line end must follow")),
        };
        return Ok(Some(Span { start, end, next, quoted: true, escaped }));
    }
}

/// Text of an escaped field: `""` becomes `"`, CRLF becomes LF.
///
/// The latter undoes what the server's writer does: Go's `encoding/csv` with
/// `UseCRLF` turns each LF inside a field into CRLF (and drops a lone CR).
pub(crate) fn unescape(text: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let mut rest = text.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'"', Some(b'"')) => {
                rest.next();
                into.push(b'"');
            }
            (b'\r', Some(b'\n')) => {}
            _ => into.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<String> {
        let mut spans = Vec::new();
        let mut scratch = Vec::new();
        assert_eq!(Ok(Scan::Record(text.len())), record(text.as_bytes(), &mut spans));
        spans
            .iter()
            .map(|s| {
                unescape(&text.as_bytes()[s.start..s.end], &mut scratch);
                String::from_utf8(scratch.clone()).unwrap()
            })
            .collect()
    }

    #[test]
    fn splits_at_commas_and_either_line_end() {
        for end in ["\n", "\r\n"] {
            assert_eq!(vec!["", "a", "", "bc"], fields(&format!(",a,,bc{end}")));
        }
    }

    #[test]
    fn an_empty_line_is_one_empty_field() {
        assert_eq!(vec![""], fields("\r\n"));
    }

    #[test]
    fn quotes_hold_commas_quotes_and_line_ends() {
        assert_eq!(vec!["a,b", "c\"d", "e\nf", ""], fields("\"a,b\",\"c\"\"d\",\"e\r\nf\",\"\"\r\n"));
    }

    #[test]
    fn a_quote_inside_an_unquoted_field_is_text() {
        assert_eq!(vec!["a\"b", "c"], fields("a\"b,c\n"));
    }

    #[test]
    fn every_prefix_of_a_record_needs_more() {
        let text = b",\"a\"\"\r\n,b\",\"c\"\r\n";
        let mut spans = Vec::new();
        for cut in 0..text.len() {
            assert_eq!(Ok(Scan::NeedMore), record(&text[..cut], &mut spans), "cut at {cut}");
        }
    }

    #[test]
    fn text_after_a_closing_quote_is_an_error() {
        assert!(record(b"\"a\"b,c\n", &mut Vec::new()).is_err());
    }

    #[test]
    fn delimiter_agrees_with_a_byte_by_byte_search() {
        let text: Vec<u8> = (0..200u8).map(|i| if i % 13 == 12 { b',' } else { i | 0x80 }).collect();
        for from in 0..text.len() {
            let naive = (from..text.len()).find(|&i| text[i] == b',' || text[i] == b'\n');
            assert_eq!(naive, delimiter(&text, from));
        }
    }
}
