//! Choices made from a fuzzer's bytes.

use arbitrary::{Result, Unstructured};

/// One of several.
pub(crate) fn one<'a, T: ?Sized>(u: &mut Unstructured<'_>, of: &[&'a T]) -> Result<&'a T> {
    u.choose(of).copied()
}

/// So many or fewer of what `make` makes.
pub(crate) fn some<'b, T>(
    u: &mut Unstructured<'b>,
    most: usize,
    mut make: impl FnMut(&mut Unstructured<'b>) -> Result<T>,
) -> Result<Vec<T>> {
    let many = u.int_in_range(0..=most)?;
    (0..many).map(|_| make(u)).collect()
}

/// A text: mostly of parts that have a meaning somewhere, else any.
pub(crate) fn text(u: &mut Unstructured<'_>, parts: &[&str]) -> Result<String> {
    if u.ratio(1, 6)? {
        let any: &str = u.arbitrary()?;
        return Ok(any.chars().take(20).collect());
    }
    Ok(some(u, 4, |u| one(u, parts))?.concat())
}
