//! Keys of an index: `measurement,tag=value#!~#field`, with the escapes of line protocol before the `#!~#`.

use std::borrow::Cow;

/// The separator of series and field.
const SEPARATOR: &[u8] = b"#!~#";

/// The series and the field of a key; `None` if it names no field.
pub(crate) fn split(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(key, SEPARATOR)?;
    Some((&key[..at], &key[at + SEPARATOR.len()..]))
}

/// The measurement of a series, escaped, and its tags.
pub(crate) fn measurement(series: &[u8]) -> (&[u8], &[u8]) {
    let end = until(series, b',');
    (&series[..end], series.get(end + 1..).unwrap_or_default())
}

/// The tags after a measurement, in the key's order; each has a name and a value, escaped.
pub(crate) fn tags(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = until(rest, b'=');
        let name = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let end = until(rest, b',');
        let value = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some((name, value))
    })
}

/// The first position of a byte that no backslash precedes, or the end.
fn until(text: &[u8], stop: u8) -> usize {
    let mut places = memchr::memchr_iter(stop, text);
    places.find(|at| *at == 0 || text[at - 1] != b'\\').unwrap_or(text.len())
}

/// A part of a key as it was written. A backslash that escapes nothing stands for itself.
pub(crate) fn unescape<'a>(text: &'a [u8], escaped: &[u8]) -> Cow<'a, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return text.into();
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match behind.split_first() {
            Some((next, behind)) if *first == b'\\' && escaped.contains(next) => {
                plain.push(*next);
                rest = behind;
            }
            _ => plain.push(*first),
        }
    }
    plain.into()
}

/// Bytes that are escaped in a measurement.
pub(crate) const IN_MEASUREMENT: &[u8] = b", ";
/// Bytes that are escaped in the name or value of a tag.
pub(crate) const IN_TAG: &[u8] = b", =";

/// A measurement as keys spell it.
pub(crate) fn escape_measurement(name: &str) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for byte in name.bytes() {
        if IN_MEASUREMENT.contains(&byte) {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}
