//! Eight bytes at a time: bytes looked for, and digits read, in one register.
//!
//! Cells are short (a time has 20 bytes), where this beats a call into a
//! vectorised search or a loop over single bytes.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Ten to the power of the index, up to the highest that fits.
pub(crate) const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut index = 1;
    while index < 20 {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// `byte` eight times.
pub(crate) const fn repeated(byte: u8) -> u64 {
    ONES * byte as u64
}

/// The first eight bytes, the first the lowest; zeros stand for those after the end.
#[inline]
pub(crate) fn load(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => load_end(bytes),
    }
}

#[cold]
fn load_end(bytes: &[u8]) -> u64 {
    let mut chunk = [0; 8];
    chunk[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(chunk)
}

/// High bit set in each byte of `word` that equals the byte repeated in `pattern`.
///
/// Bytes above the lowest match may be marked wrongly by the borrow, so only
/// the lowest mark may be used. Source: "Bit Twiddling Hacks", "Determine if
/// a word has a zero byte".
#[inline]
pub(crate) const fn matches(word: u64, pattern: u64) -> u64 {
    let x = word ^ pattern;
    x.wrapping_sub(ONES) & !x & HIGHS
}

/// Index of the first byte whose high bit is set in `marks`; 8 if there is none.
#[inline]
pub(crate) const fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Whether all bytes of `word` are ASCII.
#[inline]
pub(crate) const fn is_ascii(word: u64) -> bool {
    word & HIGHS == 0
}

/// High bit set in each byte of `word` that is no digit; after one that is not ASCII, perhaps in others too.
#[inline]
pub(crate) const fn non_digits(word: u64) -> u64 {
    // Digits become 0 to 9. Adding 0x76 sets the high bit of what is above, and carries where it was set before.
    let x = word ^ repeated(b'0');
    (x.wrapping_add(repeated(0x76)) | x) & HIGHS
}

/// How many digits `word` starts with.
#[inline]
pub(crate) const fn digits(word: u64) -> usize {
    first(non_digits(word))
}

/// Value of the first `count` bytes, which are digits; `count` is 1 to 8.
///
/// Source: Johnny Lee and Daniel Lemire, "Quickly parsing eight digits".
#[inline]
pub(crate) const fn value(word: u64, count: usize) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    // As the last of eight digits, after zeros.
    let x = (word ^ repeated(b'0')) << (64 - 8 * count);
    let x = x.wrapping_mul(10).wrapping_add(x >> 8);
    let (even, odd) = (x & PAIRS, x >> 16 & PAIRS);
    even.wrapping_mul(100 + (1_000_000 << 32)).wrapping_add(odd.wrapping_mul(1 + (10_000 << 32))) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_loop_over_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..12), byte in any::<u8>()) {
            let word = load(&bytes);
            let eight: Vec<u8> = bytes.iter().copied().chain([0; 8]).take(8).collect();
            prop_assert_eq!(&eight[..], word.to_le_bytes());
            let place = |found: &dyn Fn(&u8) -> bool| eight.iter().position(found).unwrap_or(8);
            prop_assert_eq!(place(&|b| *b == byte), first(matches(word, repeated(byte))));
            prop_assert_eq!(place(&|b| !b.is_ascii_digit()), digits(word));
            prop_assert_eq!(eight.is_ascii(), is_ascii(word));
        }

        #[test]
        fn reads_digits(text in "[0-9]{1,8}", rest in any::<[u8; 8]>()) {
            let bytes = [text.as_bytes(), b"x", &rest].concat();
            let word = load(&bytes);
            prop_assert_eq!(text.len(), digits(word));
            prop_assert_eq!(text.parse::<u64>().unwrap(), value(word, text.len()));
        }
    }
}
