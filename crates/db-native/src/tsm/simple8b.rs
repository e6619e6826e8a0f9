//! Simple8b: small integers packed into words of 64 bits.
//!
//! The four high bits of a word say how many integers it holds, all of one
//! width, the first in the lowest bits. The first two of these selectors stand
//! for runs of the number 1.

/// How many integers a word holds, by its selector.
const COUNTS: [usize; 16] = [240, 120, 60, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1];

/// The big-endian words of packed bytes; `None` if the last one is not whole.
fn words(bytes: &[u8]) -> Option<impl Iterator<Item = u64>> {
    let (words, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| words.iter().map(|word| u64::from_be_bytes(*word)))
}

/// The selector of a word.
fn selector(word: u64) -> usize {
    usize::from(word.to_be_bytes()[0] >> 4)
}

/// Counts the packed integers.
pub(crate) fn count(bytes: &[u8]) -> Option<usize> {
    words(bytes)?.try_fold(0_usize, |sum, word| sum.checked_add(COUNTS[selector(word)]))
}

/// Calls `take` with each packed integer, in order; the bytes are those that were counted.
#[inline]
pub(crate) fn unpack(bytes: &[u8], mut take: impl FnMut(u64)) {
    /// The integers of one word, whose number and width the compiler knows.
    #[inline]
    fn of_word<const COUNT: usize, const WIDTH: u32>(word: u64, take: &mut impl FnMut(u64)) {
        let mask = (1 << WIDTH) - 1;
        for index in 0..COUNT {
            take((word >> (WIDTH * u32::try_from(index).unwrap_or(0))) & mask);
        }
    }
    for word in words(bytes).into_iter().flatten() {
        match selector(word) {
            0 => (0..240).for_each(|_| take(1)),
            1 => (0..120).for_each(|_| take(1)),
            2 => of_word::<60, 1>(word, &mut take),
            3 => of_word::<30, 2>(word, &mut take),
            4 => of_word::<20, 3>(word, &mut take),
            5 => of_word::<15, 4>(word, &mut take),
            6 => of_word::<12, 5>(word, &mut take),
            7 => of_word::<10, 6>(word, &mut take),
            8 => of_word::<8, 7>(word, &mut take),
            9 => of_word::<7, 8>(word, &mut take),
            10 => of_word::<6, 10>(word, &mut take),
            11 => of_word::<5, 12>(word, &mut take),
            12 => of_word::<4, 15>(word, &mut take),
            13 => of_word::<3, 20>(word, &mut take),
            14 => of_word::<2, 30>(word, &mut take),
            _ => of_word::<1, 60>(word, &mut take),
        }
    }
}
