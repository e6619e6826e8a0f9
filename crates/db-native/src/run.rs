//! Bytes that the rows of a table repeat, compared eight at a time.
//!
//! Runs are short, some four bytes, where a call to compare costs more than the comparison.

use crate::word;

/// The bytes of adjacent constant cells, delimiters included.
#[derive(Debug, Default)]
pub(crate) struct Run {
    bytes: Vec<u8>,
    words: Vec<u64>,
    /// The bytes behind the last whole word, where they stand in a word, and how many they are.
    tail: u64,
    mask: u64,
    width: usize,
}

impl Run {
    /// Remembers other bytes.
    pub(crate) fn set(&mut self, bytes: &[u8]) {
        let (chunks, tail) = bytes.as_chunks();
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.words.clear();
        self.words.extend(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)));
        self.tail = word::load(tail);
        self.mask = (1 << (8 * tail.len())) - 1;
        self.width = tail.len();
    }

    /// What stands behind the run, if `row` starts with it.
    #[inline]
    pub(crate) fn pass<'a>(&self, row: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = row;
        for word in &self.words {
            let (chunk, behind) = rest.split_first_chunk()?;
            if u64::from_le_bytes(*chunk) != *word {
                return None;
            }
            rest = behind;
        }
        if (word::load(rest) ^ self.tail) & self.mask != 0 {
            return None;
        }
        rest.get(self.width..)
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Run;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn passes_what_starts_with_its_bytes(
            bytes in prop::collection::vec(0..2_u8, 0..40),
            cut in 0..40_usize,
            more in prop::collection::vec(0..2_u8, 0..10),
        ) {
            let mut run = Run::default();
            run.set(b"what was before");
            run.set(&bytes);
            prop_assert_eq!(&bytes, run.bytes());
            let row = [&bytes[..cut.min(bytes.len())], &more].concat();
            prop_assert_eq!(row.strip_prefix(bytes.as_slice()), run.pass(&row));
            let row = [&bytes[..], &more].concat();
            prop_assert_eq!(Some(more.as_slice()), run.pass(&row));
        }
    }
}
