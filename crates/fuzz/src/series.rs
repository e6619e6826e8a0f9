//! Any bytes as an answer of InfluxQL, against the naive twin; and what the frames make of it.

use db_native::{Datatype, EndMark};

use crate::common::series::{Declared, check as compare, decode_fast};
use crate::pivot::every_field;

/// Bytes of an answer that is also fed byte by byte and framed, so that most inputs take some microseconds.
const LONGEST: usize = 300;

/// Checks an answer. Its first byte picks what is declared, what of it has to be there, and where it is split.
pub fn check(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let kinds = [Datatype::Double, Datatype::Long, Datatype::UnsignedLong, Datatype::Boolean, Datatype::String];
    let fields: Vec<(String, Datatype)> = ["a", "b"]
        .iter()
        .zip(kinds.iter().cycle().skip(usize::from(choice % 5)))
        .map(|(name, kind)| ((*name).to_owned(), *kind))
        .collect();
    let declared: Declared<'_> = match choice / 8 % 4 {
        0 => Some(&fields),
        1 => Some(&fields[..1]),
        _ => None,
    };
    let end = if choice / 64 % 2 == 0 { EndMark::Required } else { EndMark::Optional };
    // A place that depends on the bytes, so that each is split somewhere else.
    let cut = bytes.iter().fold(usize::from(*choice), |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let cuts = [cut % (bytes.len() + 1)];
    let Some(answer) = compare(bytes, &cuts, declared, end) else { return };
    if choice / 128 == 0 || bytes.len() > LONGEST {
        return;
    }
    let each: Vec<usize> = (0..bytes.len()).collect();
    assert!(decode_fast(bytes, &each, declared, end).is_ok(), "byte by byte");
    // What the tables of any query pivot to, no twin knows: only that it ends.
    let _ = db_native::union(&answer);
    let _ = db_native::split(&answer);
    let _ = db_native::pivot(vec![answer], &every_field());
}
