//! How much memory a step may hold at once: in proportion to what it was given.

/// What small inputs may cost beside their size: tables, hashes, the error's text.
const FREE: u64 = 64 << 10;

/// Runs a step, which holds at most `factor` bytes for each of `given`.
pub(crate) fn bounded<R>(what: &str, given: usize, factor: u64, step: impl FnOnce() -> R) -> R {
    let mut result = None;
    let used = allocation_counter::measure(|| result = Some(step())).bytes_max;
    let most = FREE + factor * u64::try_from(given).expect("a length fits in 64 bits");
    assert!(used <= most, "{what} held {used} bytes for {given}, at most {most} are allowed");
    result.expect("the step has run")
}
