//! Any bytes as the body of an HTTP message, by chunks and by lengths, for every split the same.

use db_native::HttpBody;

use crate::common::http::{Outcome, twin};
use crate::decoder::cut;

/// Checks a message.
pub fn check(data: &[u8]) {
    let length = data.len() as u64;
    for length in [None, Some(0), Some(length / 2), Some(length), Some(length + 1), Some(u64::MAX)] {
        let expected = twin(length, data);
        assert_eq!(expected, fed(length, [data]), "{length:?}");
        assert_eq!(expected, fed(length, data.chunks(1)), "{length:?}, byte by byte");
        assert_eq!(expected, fed(length, cut(data)), "{length:?}, cut");
    }
}

fn fed<'a>(length: Option<u64>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut body = length.map_or_else(HttpBody::chunked, HttpBody::of_length);
    let (mut payload, mut used) = (Vec::new(), 0);
    for piece in pieces {
        match body.feed(piece, &mut payload) {
            Ok(here) => used += here,
            Err(_) => return Outcome::Malformed,
        }
    }
    if body.is_complete() { Outcome::Complete(payload, used) } else { Outcome::Unfinished(payload) }
}
