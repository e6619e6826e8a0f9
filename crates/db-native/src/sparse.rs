//! How empty a frame may be.
//!
//! A million tables with one cell each, and each cell in another column, are a
//! few megabytes of text. As one frame they are a million columns of a million rows.
//! So the memory of a frame is limited to a multiple of the bytes that were read.
//!
//! Windows without a value are rows that the caller wants, so a frame may have more of
//! them. But a window of a second instead of an hour, or a thousand series more than
//! expected, must not end the process. So these rows are counted, and it is tried
//! whether there is memory for them, before they are made.

use std::hint::black_box;

use crate::error::{Error, ErrorKind, Result};

/// Empty cells that any frame may have: 128 MB of them.
const FREE: usize = 1 << 24;
/// Empty cells that a frame may have beyond those, for each cell that was read. So a thousand fields may each
/// report at other times.
const HOLES: usize = 1000;
/// Empty cells that a frame of windows may have, since the caller wants windows without a value: 1 GB of them.
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

/// Refuses a frame of so many rows and columns, of whose cells `held` were read, if the caller wants its windows.
///
/// Also refuses a frame for which there is too little memory. Making it takes at most twice its size.
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

/// Refuses to reserve so many bytes if there is no memory for them. Reserving them would end the process.
///
/// # Errors
///
/// [`ErrorKind::Input`] says how much it would be.
pub fn room(bytes: usize) -> Result<()> {
    let mut tried: Vec<u8> = Vec::new();
    if tried.try_reserve_exact(bytes).is_ok() {
        // Otherwise the compiler may leave out an allocation that nothing uses.
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
