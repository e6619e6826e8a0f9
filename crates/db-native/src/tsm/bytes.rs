//! Numbers at the start of bytes, with what follows them.

/// The byte that `bytes` start with.
pub(crate) fn byte(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(first, rest)| (*first, rest))
}

/// The two bytes that `bytes` start with, as a length.
pub(crate) fn short(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (chunk, rest) = bytes.split_first_chunk()?;
    Some((usize::from(u16::from_be_bytes(*chunk)), rest))
}

/// The four bytes that `bytes` start with, as a length.
pub(crate) fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (chunk, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_be_bytes(*chunk)).ok()?, rest))
}

/// The eight bytes that `bytes` start with.
pub(crate) fn word(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (chunk, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*chunk), rest))
}

/// The eight bytes that `bytes` start with, as a signed number.
pub(crate) fn signed(bytes: &[u8]) -> Option<(i64, &[u8])> {
    word(bytes).map(|(word, rest)| (word.cast_signed(), rest))
}

/// The number in base 128 that `bytes` start with, its low digits first.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let digit = u64::from(byte & 0x7F);
        let shift = 7 * u32::try_from(index).ok()?;
        if digit << shift >> shift != digit {
            return None;
        }
        value |= digit << shift;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// The number that zigzag coding stands for: 0, -1, 1, -2 are 0, 1, 2, 3.
pub(crate) const fn unzigzag(word: u64) -> i64 {
    (word >> 1).cast_signed() ^ -(word & 1).cast_signed()
}
