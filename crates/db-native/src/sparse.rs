//! How empty a frame may be.
//!
//! A million tables of one cell each, every one in a column of its own, are a
//! few megabytes of text, and as one frame a million columns of a million rows.
//! So a frame's memory is bound to what was read, not to the square of it.

use crate::error::{ErrorKind, Result};

/// Empty cells that any frame may have: 128 MB of them.
const FREE: usize = 1 << 24;
/// Empty cells that a frame may have beyond those, for each cell that was read: of so many fields, each of
/// them may report at times of its own.
const HOLES: usize = 1000;

/// Refuses a frame of so many rows and columns, of whose cells `held` were read.
pub(crate) fn check(rows: usize, columns: usize, held: usize) -> Result<()> {
    let empty = rows.saturating_mul(columns).saturating_sub(held);
    if empty <= FREE || empty <= held.saturating_mul(HOLES) {
        return Ok(());
    }
    let why = format!(
        "the tables have too little in common for one frame: of its {rows} rows of {columns} columns, \
         less than one cell in {HOLES} would hold a value; ask for fewer columns, or take the tables apart"
    );
    Err(ErrorKind::Sparse(why).into())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_frame_is_refused_where_it_is_large_and_nearly_empty() {
        let cases = [
            (true, 4_000, 4_000, 0),
            (false, 5_000, 5_000, 0),
            (true, 1_000_000, 1_000, 1_000_000_000),
            (true, 1_000_000, 1_000, 1_000_000),
            (false, 1_000_000, 1_000, 900_000),
            (false, usize::MAX, 2, 0),
        ];
        for (allowed, rows, columns, held) in cases {
            assert_eq!(allowed, check(rows, columns, held).is_ok(), "{rows} x {columns}, {held}");
        }
    }
}
