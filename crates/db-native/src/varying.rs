//! Values of any length: one buffer of bytes, and the end of each value.
//!
//! Texts are read from their cells eight bytes at a time. A whole word is appended,
//! and then cut to the part that belongs to the value. A copy of a fixed length
//! takes one instruction, while a copy of a few bytes takes a call.

use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use crate::word;

const COMMAS: u64 = word::repeated(b',');
const FEEDS: u64 = word::repeated(b'\n');
const RETURNS: u64 = word::repeated(b'\r');
const QUOTES: u64 = word::repeated(b'"');

/// Offsets and bytes of variable-length values.
#[derive(Debug)]
pub(crate) struct Varying {
    offsets: Vec<i64>,
    bytes: Vec<u8>,
}

impl Default for Varying {
    fn default() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }
}

impl Varying {
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let [start, end] = *self.offsets.get(index..)?.first_chunk()?;
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    pub(crate) fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.close();
    }

    /// Removes the values from `len` on, and the part of a value that was read and not ended.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.bytes.truncate(self.start());
    }

    pub(crate) fn finish(self) -> (OffsetBuffer<i64>, Buffer) {
        (OffsetBuffer::new(ScalarBuffer::from(self.offsets)), Buffer::from_vec(self.bytes))
    }

    /// Where the value begins that is not closed yet.
    fn start(&self) -> usize {
        usize::try_from(self.offsets[self.offsets.len() - 1]).expect("a buffer's length fits in usize")
    }

    /// Ends a value.
    fn close(&mut self) {
        self.offsets.push(i64::try_from(self.bytes.len()).expect("a buffer's length fits in i64"));
    }

    /// Ends a value if it is UTF-8; `ascii` says that it is, and needs no second look.
    fn close_text(&mut self, ascii: bool) -> bool {
        let valid = ascii || std::str::from_utf8(&self.bytes[self.start()..]).is_ok();
        if valid {
            self.close();
        }
        valid
    }

    /// Appends the first `count` bytes of `word`.
    #[inline]
    fn extend(&mut self, word: u64, count: usize) {
        let len = self.bytes.len() + count;
        self.bytes.extend_from_slice(&word.to_le_bytes());
        self.bytes.truncate(len);
    }

    /// Appends the unquoted text that `cell` starts with, if it is not empty; returns what follows it.
    ///
    /// `None`, and half a value may be left to [`truncate`](Self::truncate), if it does not end here or is not UTF-8.
    pub(crate) fn read<'a>(&mut self, cell: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = cell;
        let mut seen = 0;
        loop {
            let word = word::load(rest);
            let count = word::first(word::matches(word, COMMAS) | word::matches(word, FEEDS));
            self.extend(word, count);
            seen |= word;
            rest = rest.get(count..)?;
            if count < 8 {
                break;
            }
        }
        // A carriage return before the line feed belongs to the line end.
        let mut length = cell.len() - rest.len();
        if rest.first() == Some(&b'\n') && cell[..length].ends_with(b"\r") {
            length -= 1;
            self.bytes.pop();
        }
        (length == 0 || self.close_text(word::is_ascii(seen))).then_some(&cell[length..])
    }

    /// Appends the text that `cell` starts with after an opening quote, unescaped as by
    /// [`unescape`](crate::scan::unescape); returns what follows its closing quote.
    ///
    /// `None` as for [`read`](Self::read).
    pub(crate) fn read_quoted<'a>(&mut self, cell: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = cell;
        let mut seen = 0;
        loop {
            let word = word::load(rest);
            let count = word::first(word::matches(word, QUOTES) | word::matches(word, RETURNS));
            self.extend(word, count);
            seen |= word;
            rest = rest.get(count..)?;
            if count == 8 {
                continue;
            }
            rest = match rest {
                [b'"', b'"', rest @ ..] => {
                    self.bytes.push(b'"');
                    rest
                }
                [b'"', rest @ ..] => return self.close_text(word::is_ascii(seen)).then_some(rest),
                [b'\r', b'\n', ..] => &rest[1..],
                [b'\r', rest @ ..] => {
                    self.bytes.push(b'\r');
                    rest
                }
                _ => return None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Varying;
    use crate::scan;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A cell read is what scanning, unescaping and `push` make of it; one that is not here or no text is none.
        #[test]
        fn agrees_with_scan(
            cells in prop::collection::vec("[a-c\"\r,é\n]{0,20}", 1..4), quoted in any::<bool>(), cut in 0..3_usize,
        ) {
            let mut bytes = Vec::new();
            for cell in &cells {
                let cell = if quoted { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() };
                bytes.extend_from_slice(cell.as_bytes());
                bytes.push(b',');
            }
            bytes.push(b'\n');
            bytes.truncate(bytes.len() - cut);
            let (mut spans, mut scratch, mut found) = (Vec::new(), Vec::new(), Varying::default());
            let _ = scan::record(&bytes, &mut spans);
            let mut expected = Varying::default();
            for span in spans {
                let text = &bytes[span.start..span.end];
                let start = span.start - usize::from(span.quoted);
                let rest = if span.quoted {
                    found.read_quoted(&bytes[span.start..])
                } else if bytes[start..].starts_with(b"\"") {
                    break;
                } else {
                    found.read(&bytes[start..])
                };
                let end = span.end + usize::from(span.quoted);
                prop_assert_eq!(Some(&bytes[end..]), rest);
                scan::unescape(text, &mut scratch);
                if span.quoted {
                    expected.push(&scratch);
                } else if !text.is_empty() {
                    expected.push(text);
                }
                prop_assert_eq!((&expected.offsets, &expected.bytes), (&found.offsets, &found.bytes));
            }
        }
    }

    #[test]
    fn what_is_not_utf8_or_not_all_here_is_left_and_forgotten() {
        let mut values = Varying::default();
        values.push(b"kept");
        for bad in [&b"a\xffb,"[..], b"a long text without an end", b""] {
            assert_eq!(None, values.read(bad));
            values.truncate(1);
        }
        for bad in [&b"a\xff\"\"b\","[..], b"a long text without an end", b""] {
            assert_eq!(None, values.read_quoted(bad));
            values.truncate(1);
        }
        assert_eq!((vec![0, 4], b"kept".to_vec()), (values.offsets, values.bytes));
    }
}
