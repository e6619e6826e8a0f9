//! Bytes that the rows of a table repeat, compared eight at a time.
//!
//! Runs are short, some four bytes, where a call to compare costs more than the comparison.

use crate::word;

/// The bytes of adjacent constant cells, delimiters included.
#[derive(Debug, Default)]
pub(crate) struct Run {
    bytes: Vec<u8>,
    /// If there are fewer than eight bytes: where they are in a word, and what they are there.
    mask: u64,
    word: u64,
}

impl Run {
    /// Remembers other bytes.
    pub(crate) fn set(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.mask = if bytes.len() < 8 { (1 << (8 * bytes.len())) - 1 } else { 0 };
        self.word = word::load(bytes) & self.mask;
    }

    /// What follows the run, if `row` starts with it.
    #[inline]
    pub(crate) fn pass<'a>(&self, row: &'a [u8]) -> Option<&'a [u8]> {
        if self.bytes.len() < 8 {
            let same = word::load(row) & self.mask == self.word;
            return if same { row.get(self.bytes.len()..) } else { None };
        }
        let (start, rest) = row.split_at_checked(self.bytes.len())?;
        // The last eight bytes overlap the last whole word.
        let same = start.last_chunk::<8>() == self.bytes.last_chunk()
            && start.as_chunks::<8>().0.iter().zip(self.bytes.as_chunks().0).all(|(one, other)| one == other);
        same.then_some(rest)
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
