//! Extracts the body of an HTTP/1.1 message from the bytes of a connection.
//!
//! Two framings: a length that the head tells, or the chunked transfer coding (RFC 9112, section 7.1). Chunk
//! extensions are skipped, trailers are read and dropped. Lines end with CRLF and nothing else.

use crate::error::{Error, ErrorKind, Result};

/// Bytes of a line with a chunk's size, its extensions and its CRLF included.
const LONGEST_LINE: usize = 4 << 10;
/// Bytes of all trailers, the empty line after them included.
const LONGEST_TRAILERS: usize = 16 << 10;
/// Hexadecimal digits of a chunk's size: those of 64 bits.
const MOST_DIGITS: usize = 16;

/// Reads the body of a message piece by piece, however it is split.
#[derive(Debug)]
pub struct HttpBody(State);

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes, the last of the message.
    Known(u64),
    /// The size of a chunk: `digits` of it were read, and `size` is what they say.
    Size { digits: usize, size: u64 },
    /// The rest of that line, of which `length` bytes were read.
    SizeLine { part: Part, length: usize, size: u64 },
    /// So many bytes of a chunk.
    Data(u64),
    /// The CR after a chunk.
    DataCr,
    /// The LF after a chunk.
    DataLf,
    /// Trailers, of which `length` bytes were read.
    Trailers { part: Part, length: usize },
    /// Nothing: the message has ended.
    Complete,
}

/// A place in a line.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// At its beginning, where a CR ends all trailers.
    Begin,
    /// Whitespace, after which only an extension or the end of the line may come.
    Blank,
    /// Text that is skipped.
    Text,
    /// The LF of its end.
    Lf,
    /// The LF of the empty line after all trailers.
    LastLf,
}

impl HttpBody {
    /// Starts a body of `length` bytes.
    pub fn of_length(length: u64) -> Self {
        Self(if length == 0 { State::Complete } else { State::Known(length) })
    }

    /// Starts a body in the chunked transfer coding.
    pub fn chunked() -> Self {
        Self(SIZE)
    }

    /// Whether the message has ended.
    pub fn is_complete(&self) -> bool {
        matches!(self.0, State::Complete)
    }

    /// Takes the next bytes, appends the body's to `payload`, and returns how many belong to the message: fewer than
    /// all only if it has ended.
    ///
    /// After an error nothing more can be read: it is not known where the next message begins.
    pub fn feed(&mut self, data: &[u8], payload: &mut Vec<u8>) -> Result<usize> {
        let mut used = 0;
        while used < data.len() && !self.is_complete() {
            let rest = &data[used..];
            used += match &mut self.0 {
                State::Known(left) | State::Data(left) => {
                    let here = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    payload.extend_from_slice(&rest[..here]);
                    *left -= here as u64;
                    match self.0 {
                        State::Known(0) => self.0 = State::Complete,
                        State::Data(0) => self.0 = State::DataCr,
                        _ => {}
                    }
                    here
                }
                state => {
                    *state = state.after(rest[0])?;
                    1
                }
            };
        }
        Ok(used)
    }
}

const SIZE: State = State::Size { digits: 0, size: 0 };

impl State {
    /// What comes after a byte that is no part of the body.
    fn after(self, byte: u8) -> Result<Self> {
        match self {
            Self::Size { digits, size } => match char::from(byte).to_digit(16) {
                Some(_) if digits == MOST_DIGITS => {
                    Err(malformed("a chunk's size of at most 16 hexadecimal digits", byte))
                }
                Some(digit) => Ok(Self::Size { digits: digits + 1, size: size << 4 | u64::from(digit) }),
                None if digits == 0 => Err(malformed("a chunk's size in hexadecimal digits", byte)),
                None => Self::size_line(Part::Blank, digits, size, byte),
            },
            Self::SizeLine { part, length, size } => Self::size_line(part, length, size, byte),
            Self::DataCr if byte == b'\r' => Ok(Self::DataLf),
            Self::DataLf if byte == b'\n' => Ok(SIZE),
            Self::DataCr | Self::DataLf => Err(malformed("a CRLF after a chunk", byte)),
            Self::Trailers { length: LONGEST_TRAILERS, .. } => Err(malformed("trailers of at most 16 KiB", byte)),
            Self::Trailers { part, length } => {
                let part = match (part, byte) {
                    (Part::LastLf, b'\n') => return Ok(Self::Complete),
                    (Part::Lf, b'\n') => Part::Begin,
                    (Part::Begin, b'\r') => Part::LastLf,
                    (Part::Text, b'\r') => Part::Lf,
                    (Part::Lf | Part::LastLf, _) | (_, b'\n') => {
                        return Err(malformed("a trailer that ends with CRLF", byte));
                    }
                    _ => Part::Text,
                };
                Ok(Self::Trailers { part, length: length + 1 })
            }
            Self::Known(_) | Self::Data(_) | Self::Complete => Ok(self),
        }
    }

    /// What comes after a byte that follows a chunk's size.
    fn size_line(part: Part, length: usize, size: u64, byte: u8) -> Result<Self> {
        if length == LONGEST_LINE {
            return Err(malformed("a line of at most 4 KiB with a chunk's size", byte));
        }
        let part = match (part, byte) {
            (Part::Lf, b'\n') if size == 0 => return Ok(Self::Trailers { part: Part::Begin, length: 0 }),
            (Part::Lf, b'\n') => return Ok(Self::Data(size)),
            (Part::Blank | Part::Text, b'\r') => Part::Lf,
            (Part::Blank, b' ' | b'\t') => Part::Blank,
            (Part::Blank, b';') => Part::Text,
            (Part::Text, byte) if byte != b'\n' => Part::Text,
            _ => return Err(malformed("a CRLF or an extension after a chunk's size", byte)),
        };
        Ok(Self::SizeLine { part, length: length + 1, size })
    }
}

fn malformed(expected: &str, byte: u8) -> Error {
    let got = byte.escape_ascii();
    ErrorKind::Framing(format!(
        "the answer was cut off or garbled on its way: expected {expected}, got the byte '{got}'"
    ))
    .into()
}
