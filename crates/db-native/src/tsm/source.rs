//! Files as this crate sees them: bytes at offsets, which the caller's code reads.

use std::fmt;
use std::io;

use crate::error::{Error, ErrorKind, Result};

/// Zeros after the bytes of [`Source::read`], so that a reader of bits needs no special case at the end.
pub(crate) const SLACK: usize = 16;

/// Reads bytes at an offset, as `pread` does.
pub trait ReadAt: Send + Sync {
    /// Fills the buffer with the bytes from `offset` on.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A file of a shard.
pub struct Source {
    /// The file's own name, as `000000001-000000001.tsm`.
    pub name: String,
    /// The name for messages: where the bytes lie.
    pub label: String,
    /// Number of bytes.
    pub length: u64,
    /// The bytes.
    pub bytes: Box<dyn ReadAt>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("label", &self.label).field("length", &self.length).finish_non_exhaustive()
    }
}

impl Source {
    /// Reads `length` bytes into `buffer`, and [`SLACK`] zeros after them. They must lie within the file.
    pub(crate) fn read(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<()> {
        debug_assert!(offset + length as u64 <= self.length, "only a file's own bytes are asked for");
        buffer.resize(length + SLACK, 0);
        buffer[length..].fill(0);
        self.bytes.read_at(offset, &mut buffer[..length]).map_err(|error| self.unreadable(&error))
    }

    /// Reads the whole file, which must be of a kind whose files are small.
    pub(crate) fn read_whole(&self) -> Result<Vec<u8>> {
        let length = usize::try_from(self.length).map_err(|_| self.damage(0, "it is larger than the memory"))?;
        let mut bytes = Vec::new();
        self.read(0, length, &mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// An error that says what is wrong with the file, and at which byte.
    pub(crate) fn damage(&self, offset: u64, reason: impl Into<String>) -> Error {
        ErrorKind::Damage { file: self.label.clone(), offset, reason: reason.into() }.into()
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        ErrorKind::Unreadable { file: self.label.clone(), reason: error.to_string() }.into()
    }
}
