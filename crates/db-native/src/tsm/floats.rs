//! Doubles as blocks have them: each one as its XOR with the last one.
//!
//! A first bit 0 says that the value repeats the last one. `10` is followed by
//! the bits that differ, as many and as far from the end as last time; `11` by
//! five bits for how many zeros lead, six for how many bits differ (0 stands for
//! 64), and these bits. A certain NaN ends the values.
//!
//! A processor can't predict which of the three comes next, and a wrong prediction
//! costs more than reading the value. So there is no branch: all three are computed,
//! and masks choose one. Each step depends on one load, some shifts and the choice.

/// The NaN after the last value.
const END: u64 = 0x7FF8_0000_0000_0001;
/// What the first byte of the values says.
const GORILLA: u8 = 1;

/// The 57 bits at a bit's place, and seven that may be anything.
#[inline]
fn head(bytes: &[u8], at: usize) -> Option<u64> {
    // Asked for by both ends, which takes one comparison.
    let word: &[u8; 8] = bytes.get(at / 8..at / 8 + 8)?.first_chunk()?;
    Some(u64::from_be_bytes(*word) << (at % 8))
}

/// The 64 bits at a bit's place.
#[inline]
fn peek(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk: &[u8; 9] = bytes.get(at / 8..at / 8 + 9)?.first_chunk()?;
    let [first @ .., last] = *chunk;
    let shift = at % 8;
    Some(u64::from_be_bytes(first) << shift | u64::from(last) >> (8 - shift))
}

/// How far the doubles have been read.
struct Reader {
    /// The bit of the next one.
    at: usize,
    /// The last one.
    value: u64,
    /// How many of its bits differed, and how many followed them.
    width: u32,
    behind: u32,
    /// The bits of all numbers of bits that followed: more than 63 are impossible.
    followed: u32,
}

impl Reader {
    /// Reads the next one.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the masked bits are few")]
    fn step(&mut self, bytes: &[u8]) -> Option<u64> {
        let word = head(bytes, self.at)?;
        let [differs, fresh] = [word >> 63, word >> 63 & word >> 62];
        let leading = (word >> 57) as u32 & 0x1F;
        let told = (word >> 51) as u32 & 0x3F;
        let width = if told == 0 { 64 } else { told };
        let behind = if told == 0 { 0 } else { 64_u32.wrapping_sub(leading + told) };
        if fresh == 1 {
            (self.width, self.behind) = (width, behind);
        }
        let head = (1 + differs + 11 * fresh) as usize;
        let bits = peek(bytes, self.at + head)? >> (64 - self.width);
        let mask = 0_u64.wrapping_sub(differs);
        self.value ^= bits << (self.behind % 64) & mask;
        self.followed |= self.behind;
        self.at += head + (u64::from(self.width) & mask) as usize;
        Some(self.value)
    }
}

/// Appends `count` doubles, which are the first `length` of the bytes. Any bytes may follow.
///
/// Returns `None` if there are more or fewer. It is not inlined, so that its loop can use all registers.
#[inline(never)]
pub(crate) fn decode(bytes: &[u8], length: usize, count: usize, values: &mut Vec<f64>) -> Option<()> {
    let (format, bytes) = bytes.split_first()?;
    // Each takes at least a bit.
    let bits = length.checked_sub(1)? * 8;
    if format >> 4 != GORILLA || bits < 64 || count > bits - 64 {
        return None;
    }
    let mut reader = Reader { at: 64, value: peek(bytes, 0)?, width: 64, behind: 0, followed: 0 };
    if count == 0 {
        return (reader.value == END).then_some(());
    }
    let start = values.len();
    let mut is_cut = false;
    values.reserve(count);
    values.push(f64::from_bits(reader.value));
    // The length is known, so nothing is checked for each of them; the end shows whether all were valid.
    values.extend((1..count).map(|_| {
        let read = reader.step(bytes);
        is_cut |= read.is_none();
        f64::from_bits(read.unwrap_or_default())
    }));
    // Always to the end, so that several are compared at once.
    let has_ended = values[start..].iter().fold(false, |has_ended, value| has_ended | (value.to_bits() == END));
    (!is_cut && !has_ended && reader.step(bytes)? == END && reader.followed < 64 && reader.at <= bits).then_some(())
}
