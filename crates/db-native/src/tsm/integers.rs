//! Integers as blocks hold them: differences, in zigzag coding, of three formats.

use crate::tsm::bytes::{unzigzag, varint, word};
use crate::tsm::simple8b;

/// Integers that are decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Integers<'a> {
    /// A word each.
    Raw(&'a [[u8; 8]]),
    /// The first one, and packed differences.
    Packed { first: u64, rest: &'a [u8], count: usize },
    /// The first one, and a difference that repeats.
    Run { first: u64, step: u64, count: usize },
}

impl<'a> Integers<'a> {
    /// Tells the formats apart; `None` if the bytes have none of them.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        Some(match format >> 4 {
            0 => Self::Raw(raw(rest)?),
            1 => {
                let (first, rest) = word(rest)?;
                Self::Packed { first, rest, count: simple8b::count(rest)?.checked_add(1)? }
            }
            2 => {
                let (first, rest) = word(rest)?;
                let (step, rest) = varint(rest)?;
                let (repeats, _) = varint(rest)?;
                Self::Run { first, step, count: usize::try_from(repeats).ok()?.checked_add(1)? }
            }
            _ => return None,
        })
    }

    pub(crate) fn count(self) -> usize {
        match self {
            Self::Raw(words) => words.len(),
            Self::Packed { count, .. } | Self::Run { count, .. } => count,
        }
    }

    /// Calls `take` with each of them. Sums wrap around, as the server's do.
    #[inline]
    pub(crate) fn each(self, mut take: impl FnMut(i64)) {
        match self {
            Self::Raw(words) => {
                let mut sum = 0_i64;
                for word in words {
                    sum = sum.wrapping_add(unzigzag(u64::from_be_bytes(*word)));
                    take(sum);
                }
            }
            Self::Packed { first, rest, .. } => {
                let mut sum = unzigzag(first);
                take(sum);
                simple8b::unpack(rest, |word| {
                    sum = sum.wrapping_add(unzigzag(word));
                    take(sum);
                });
            }
            Self::Run { first, step, count } => {
                let mut sum = unzigzag(first);
                for _ in 0..count {
                    take(sum);
                    sum = sum.wrapping_add(unzigzag(step));
                }
            }
        }
    }
}

/// Words that fill the bytes.
pub(crate) fn raw(bytes: &[u8]) -> Option<&[[u8; 8]]> {
    let (words, rest) = bytes.as_chunks();
    rest.is_empty().then_some(words)
}
