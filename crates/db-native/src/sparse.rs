//! How empty a frame may be.
//!
//! A million tables of one cell each, every one in a column of its own, are a
//! few megabytes of text, and as one frame a million columns of a million rows.
//! So a frame's memory is bound to what was read, not to the square of it.
//!
//! Windows without a value are rows that were asked for, so a frame may have more of
//! them. But a second for an hour, or a thousand series more than thought, must not
//! end the process: these rows are counted, and their memory tried, before they are made.

use std::hint::black_box;

use crate::error::{Error, ErrorKind, Result};

/// Empty cells that any frame may have: 128 MB of them.
const FREE: usize = 1 << 24;
/// Empty cells that a frame may have beyond those, for each cell that was read: of so many fields, each of
/// them may report at times of its own.
const HOLES: usize = 1000;
/// Empty cells that a frame of windows may have, as those without a value were asked for: 1 GB of them.
const ASKED: usize = 1 << 27;

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

/// Refuses a frame of so many rows and columns, of whose cells `held` were read, and whose windows were asked for.
///
/// Also one that the memory does not hold. Making it takes twice its size at most.
pub(crate) fn check_windows(rows: usize, columns: usize, held: usize) -> Result<()> {
    let cells = rows.saturating_mul(columns);
    let empty = cells.saturating_sub(held);
    if empty <= ASKED || empty <= held.saturating_mul(HOLES) {
        return room(cells.saturating_mul(16));
    }
    let why = format!(
        "the windows of all series are {rows} rows of {columns} columns, of which less than one cell in {HOLES} \
         would hold a value; take longer windows, a shorter range or fewer series, or leave out empty windows"
    );
    Err(Error::input(None, None, why))
}

/// Refuses to take so many bytes where there is no memory for them, which would end the process.
///
/// # Errors
///
/// [`ErrorKind::Input`] says how much it would be.
pub fn room(bytes: usize) -> Result<()> {
    let mut tried: Vec<u8> = Vec::new();
    if tried.try_reserve_exact(bytes).is_ok() {
        // Or the compiler may leave out an allocation that nobody looks at.
        black_box(&mut tried);
        return Ok(());
    }
    let megabytes = bytes.div_ceil(1 << 20);
    let why = format!(
        "the windows would take {megabytes} MiB, for which there is no memory; take longer windows, a shorter range \
         or fewer series, or leave out empty windows"
    );
    Err(Error::input(None, None, why))
}

#[cfg(test)]
mod tests {
    use super::{check, check_windows, room};

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

    #[test]
    fn windows_may_be_emptier_since_they_were_asked_for() {
        let cases = [
            (true, 1 << 22, 32, 0),
            (false, 1 << 22, 33, 0),
            (true, 1 << 22, 33, 1 << 18),
            (false, usize::MAX, 2, usize::MAX / 10_000),
        ];
        for (allowed, rows, columns, held) in cases {
            assert_eq!(allowed, check_windows(rows, columns, held).is_ok(), "{rows} x {columns}, {held}");
        }
    }

    #[test]
    fn memory_that_there_is_not_is_refused() {
        assert!(room(0).is_ok() && room(1 << 20).is_ok());
        let refused = room(usize::MAX).unwrap_err().to_string();
        assert!(
            refused.starts_with("the windows would take 17592186044416 MiB, for which there is no memory"),
            "{refused}"
        );
    }
}
