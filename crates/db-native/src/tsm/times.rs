//! Times as blocks hold them: differences, of three formats, two of them in units of a power of ten.

use crate::tsm::bytes::{varint, word};
use crate::tsm::integers::raw;
use crate::tsm::simple8b;
use crate::word::POWERS;

/// Times that are decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times<'a> {
    /// A word each.
    Raw(&'a [[u8; 8]]),
    /// The first one, and packed differences.
    Packed { first: u64, unit: u64, rest: &'a [u8], count: usize },
    /// The first one, and a difference that repeats.
    Run { first: u64, step: u64, count: usize },
}

impl<'a> Times<'a> {
    /// Tells the formats apart; `None` if the bytes have none of them.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        let unit = POWERS[usize::from(format & 0xF)];
        Some(match format >> 4 {
            0 => Self::Raw(raw(rest)?),
            1 => {
                let (first, rest) = word(rest)?;
                Self::Packed { first, unit, rest, count: simple8b::count(rest)?.checked_add(1)? }
            }
            2 => {
                let (first, rest) = word(rest)?;
                let (step, rest) = varint(rest)?;
                let (count, _) = varint(rest)?;
                Self::Run { first, step: step.wrapping_mul(unit), count: usize::try_from(count).ok()? }
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

    /// Whether each is later than the one before; `decoded` are these times.
    pub(crate) fn ascend(self, decoded: &[i64]) -> bool {
        match self {
            // A run wraps around or ascends.
            Self::Run { first, step, count } => {
                let steps = i64::try_from(count.saturating_sub(1)).ok();
                let length = steps.zip(i64::try_from(step).ok()).and_then(|(steps, step)| steps.checked_mul(step));
                count <= 1 || step > 0 && length.is_some_and(|length| first.cast_signed().checked_add(length).is_some())
            }
            Self::Raw(_) | Self::Packed { .. } => decoded.is_sorted_by(|one, other| one < other),
        }
    }

    /// Appends them. Sums wrap around, as the server's do.
    pub(crate) fn decode(self, times: &mut Vec<i64>) {
        times.reserve(self.count());
        match self {
            Self::Raw(words) => {
                let mut sum = 0_u64;
                times.extend(words.iter().map(|word| {
                    sum = sum.wrapping_add(u64::from_be_bytes(*word));
                    sum.cast_signed()
                }));
            }
            Self::Packed { first, unit, rest, .. } => {
                let mut sum = first;
                times.push(sum.cast_signed());
                simple8b::unpack(rest, |word| {
                    sum = sum.wrapping_add(word.wrapping_mul(unit));
                    times.push(sum.cast_signed());
                });
            }
            Self::Run { first, step, count } => {
                let time = |index: usize| first.wrapping_add(step.wrapping_mul(index as u64)).cast_signed();
                times.extend((0..count).map(time));
            }
        }
    }
}
