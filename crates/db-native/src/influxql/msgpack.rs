//! Single msgpack values, read from bytes that may end anywhere.
//!
//! Every check depends only on the bytes that were read before. So the values and the error do not depend on how
//! the bytes are split.

use crate::annotated::Datatype;
use crate::error::ErrorKind;
use crate::scan::{LONGEST_RECORD, MOST_CELLS};

/// Why nothing could be read.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The bytes end before the value does.
    More,
    /// They hold something else: where, and what is wrong.
    Wrong { at: usize, kind: ErrorKind },
}

pub(crate) type Read<T> = Result<T, Stop>;

/// A value that a cell of a row may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Nil,
    Boolean(bool),
    /// An integer of 64 bits, signed or not.
    Integer(i128),
    Double(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    /// The type of a column that holds it; `None` of nil.
    pub(crate) fn kind(self) -> Option<Datatype> {
        Some(match self {
            Self::Nil => return None,
            Self::Boolean(_) => Datatype::Boolean,
            Self::Integer(value) if i64::try_from(value).is_ok() => Datatype::Long,
            Self::Integer(_) => Datatype::UnsignedLong,
            Self::Double(_) => Datatype::Double,
            Self::Text(_) => Datatype::String,
        })
    }

    /// What it is, for a message.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Double(_) => "a float",
            Self::Text(_) => "a text",
        }
    }
}

/// Reads values one after the other.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of the bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The number of elements of the array that begins here.
    pub(crate) fn array(&mut self, what: &str) -> Read<u32> {
        let start = self.at;
        match self.byte()? {
            first @ 0x90..=0x9f => Ok(u32::from(first & 0x0f)),
            0xdc => self.short().map(u32::from),
            0xdd => self.long(),
            first => Err(unexpected(start, first, &format!("an array of {what}"))),
        }
    }

    /// The number of pairs of the map that begins here.
    pub(crate) fn map(&mut self, what: &str) -> Read<u32> {
        let start = self.at;
        match self.byte()? {
            first @ 0x80..=0x8f => Ok(u32::from(first & 0x0f)),
            0xde => self.short().map(u32::from),
            0xdf => self.long(),
            first => Err(unexpected(start, first, &format!("a map, {what}"))),
        }
    }

    /// A text, which is UTF-8.
    pub(crate) fn text(&mut self, what: &str) -> Read<&'a str> {
        let start = self.at;
        match self.scalar(what)? {
            Scalar::Text(text) => Ok(text),
            other => Err(wrong(start, format!("expected a text, {what}, got {}", other.name()))),
        }
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, what: &str) -> Read<bool> {
        let start = self.at;
        match self.scalar(what)? {
            Scalar::Boolean(value) => Ok(value),
            other => Err(wrong(start, format!("expected a boolean, {what}, got {}", other.name()))),
        }
    }

    /// An integer.
    pub(crate) fn integer(&mut self, what: &str) -> Read<i128> {
        let start = self.at;
        match self.scalar(what)? {
            Scalar::Integer(value) => Ok(value),
            other => Err(wrong(start, format!("expected an integer, {what}, got {}", other.name()))),
        }
    }

    /// Any value that a cell may have.
    pub(crate) fn scalar(&mut self, what: &str) -> Read<Scalar<'a>> {
        let start = self.at;
        let first = self.byte()?;
        if let Some(length) = number_length(first) {
            let value = integer(first, self.take(length)?);
            return Ok(Scalar::Integer(value));
        }
        let length = match first {
            0xc0 => return Ok(Scalar::Nil),
            0xc2 => return Ok(Scalar::Boolean(false)),
            0xc3 => return Ok(Scalar::Boolean(true)),
            0xca => return Ok(Scalar::Double(f32::from_be_bytes(self.chunk()?).into())),
            0xcb => return Ok(Scalar::Double(f64::from_be_bytes(self.chunk()?))),
            0xa0..=0xbf => u32::from(first & 0x1f),
            0xd9 => u32::from(self.byte()?),
            0xda => u32::from(self.short()?),
            0xdb => self.long()?,
            _ => return Err(unexpected(start, first, what)),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > LONGEST_RECORD {
            return Err(wrong(start, format!("a text has {length} bytes, expected at most {LONGEST_RECORD}")));
        }
        let text = self.take(length)?;
        std::str::from_utf8(text).map(Scalar::Text).map_err(|_| wrong(start, format!("a text, {what}, is not UTF-8")))
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, _) = self.bytes[self.at..].split_at_checked(length).ok_or(Stop::More)?;
        self.at += length;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Read<[u8; N]> {
        let chunk = self.bytes[self.at..].first_chunk().ok_or(Stop::More)?;
        self.at += N;
        Ok(*chunk)
    }

    fn byte(&mut self) -> Read<u8> {
        self.chunk().map(|[byte]| byte)
    }

    fn short(&mut self) -> Read<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    fn long(&mut self) -> Read<u32> {
        self.chunk().map(u32::from_be_bytes)
    }
}

/// A syntax error, and where it is.
pub(crate) fn wrong(at: usize, why: impl Into<String>) -> Stop {
    Stop::Wrong { at, kind: ErrorKind::Syntax(why.into()) }
}

/// A number of elements, which no unit has more of than so many cells.
pub(crate) fn few(start: usize, count: u32, what: &str) -> Read<usize> {
    match usize::try_from(count) {
        Ok(count) if count <= MOST_CELLS => Ok(count),
        _ => Err(wrong(start, format!("expected at most {MOST_CELLS} {what}, got {count}"))),
    }
}

/// What is wrong with a value that begins with this byte.
#[cold]
fn unexpected(at: usize, first: u8, what: &str) -> Stop {
    let found = match first {
        0x80..=0x8f | 0xde | 0xdf => "a map",
        0x90..=0x9f | 0xdc | 0xdd => "an array",
        0xc0 => "nil",
        0xc4..=0xc6 => "bytes",
        0xc7..=0xc9 | 0xd4..=0xd8 => "an extension type",
        0xc1 => "the byte 0xc1, which msgpack does not use",
        0xc2 | 0xc3 => "a boolean",
        0xca | 0xcb => "a float",
        0xa0..=0xbf | 0xd9..=0xdb => "a text",
        _ => "an integer",
    };
    wrong(at, format!("expected {what}, got {found}"))
}

/// How many bytes follow the first one of an integer; `None` if it is no integer's.
pub(crate) const fn number_length(first: u8) -> Option<usize> {
    match first {
        0x00..=0x7f | 0xe0..=0xff => Some(0),
        0xcc | 0xd0 => Some(1),
        0xcd | 0xd1 => Some(2),
        0xce | 0xd2 => Some(4),
        0xcf | 0xd3 => Some(8),
        _ => None,
    }
}

/// The integer of a first byte and the bytes after it, as many as [`number_length`] says.
pub(crate) fn integer(first: u8, bytes: &[u8]) -> i128 {
    let unsigned = bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    match first {
        0x00..=0x7f => i128::from(first),
        0xe0..=0xff => i128::from(first.cast_signed()),
        0xcc..=0xcf => i128::from(unsigned),
        _ => {
            // The sign stands in the first of the bytes.
            let unused = 64 - 8 * bytes.len();
            i128::from((unsigned << unused).cast_signed() >> unused)
        }
    }
}
