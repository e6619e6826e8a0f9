//! Which rows of a growing column are null: a row that is not costs nothing.

use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};

/// A bit per row up to the last null, 0 where it is null; every row after it has a value.
#[derive(Debug, Default)]
pub(crate) struct Nulls(Vec<u8>);

impl Nulls {
    /// Makes a row null.
    #[inline]
    pub(crate) fn mark(&mut self, row: usize) {
        while self.0.len() <= row / 8 {
            self.0.push(0xff);
        }
        self.0[row / 8] &= !(1 << (row % 8));
    }

    /// Forgets the rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.0.truncate(rows.div_ceil(8));
        if let Some(last) = self.0.get_mut(rows / 8) {
            *last |= 0xff << (rows % 8);
        }
    }

    /// The marks of a column of so many rows; `None` if no row is null.
    pub(crate) fn finish(mut self, rows: usize) -> Option<NullBuffer> {
        if self.0.is_empty() {
            return None;
        }
        self.0.resize(rows.div_ceil(8), 0xff);
        let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(self.0), 0, rows));
        (nulls.null_count() > 0).then_some(nulls)
    }
}

#[cfg(test)]
mod tests {
    use super::Nulls;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_list(
            valid in prop::collection::vec(any::<bool>(), 0..40), keep in 0..40_usize, more in 0..20_usize,
        ) {
            let mut nulls = Nulls::default();
            let mark = |nulls: &mut Nulls, row: usize, valid: bool| if !valid { nulls.mark(row) };
            valid.iter().enumerate().for_each(|(row, valid)| mark(&mut nulls, row, *valid));
            let kept = keep.min(valid.len());
            nulls.truncate(kept);
            let expected: Vec<bool> = valid[..kept].iter().copied().chain(std::iter::repeat_n(true, more)).collect();
            let found = nulls.finish(expected.len());
            prop_assert_eq!(expected.contains(&false), found.is_some());
            if let Some(found) = found {
                prop_assert_eq!(expected, found.iter().collect::<Vec<_>>());
            }
        }
    }
}
