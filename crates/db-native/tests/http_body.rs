//! Bodies of HTTP messages, against a naive twin and by hand.

use crate::common::cases;
use crate::common::http::{Outcome, twin};
use db_native::{ErrorKind, HttpBody};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn start(length: Option<u64>) -> HttpBody {
    length.map_or_else(HttpBody::chunked, HttpBody::of_length)
}

/// Feeds pieces; gives what came, and the text of the error if there was one.
fn fed<'a>(length: Option<u64>, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Outcome, String) {
    let (mut body, mut payload, mut used) = (start(length), Vec::new(), 0);
    for piece in pieces {
        let was_complete = body.is_complete();
        match body.feed(piece, &mut payload) {
            Ok(here) => {
                assert!(here == piece.len() || body.is_complete() && (here == 0 || !was_complete));
                used += here;
            }
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::Framing(_)), "{error:?}");
                return (Outcome::Malformed, error.to_string());
            }
        }
    }
    let outcome = if body.is_complete() { Outcome::Complete(payload, used) } else { Outcome::Unfinished(payload) };
    (outcome, String::new())
}

fn whole(data: &[u8]) -> Outcome {
    fed(None, [data]).0
}

fn why(data: &[u8]) -> String {
    fed(None, [data]).1
}

/// A chunk: its size spelled as servers may, perhaps an extension, and its data.
fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let extension = select(vec!["", "", ";a=b", " ; a=\"b;c\"", ";"]);
    (vec(any::<u8>(), 0..40), 0..4_usize, any::<bool>(), extension).prop_map(|(data, zeros, upper, extension)| {
        let size = if upper { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
        let mut chunk = format!("{}{size}{extension}\r\n", "0".repeat(zeros)).into_bytes();
        // A chunk without data is the last one.
        if !data.is_empty() {
            chunk.extend_from_slice(&data);
            chunk.extend_from_slice(b"\r\n");
        }
        chunk
    })
}

/// Chunks, an end, what follows it, and perhaps a byte that was put in, taken out or changed.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let end =
        select(vec!["0\r\n\r\n", "0\r\nExpires: never\r\nX-Sum: 1\r\n\r\n", "0;last\r\n\r\nHTTP/1.1", "0\r\n", ""]);
    let byte = prop_oneof![any::<u8>(), select(b"\r\n 0f;\t".to_vec())];
    (vec(chunk(), 0..5), end, option::of((any::<Index>(), 0..3_usize, byte))).prop_map(|(chunks, end, change)| {
        let mut message = [chunks.concat(), end.as_bytes().to_vec()].concat();
        if let Some((place, kept, byte)) = change.filter(|_| !message.is_empty()) {
            let place = place.index(message.len());
            // Put in, changed, or changed together with the byte after it.
            message.splice(place..(place + kept).min(message.len()), [byte]);
        }
        message
    })
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn any_split_gives_what_the_twin_finds(
        message in message(),
        length in option::weighted(0.2, 0..200_u64),
        cuts in vec(any::<Index>(), 0..8),
    ) {
        let expected = twin(length, &message);
        let one_piece = fed(length, [message.as_slice()]);
        prop_assert_eq!(&expected, &one_piece.0);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(message.len() + 1)).collect();
        cuts.extend([0, message.len()]);
        cuts.sort_unstable();
        prop_assert_eq!(&one_piece, &fed(length, cuts.windows(2).map(|ends| &message[ends[0]..ends[1]])));
        prop_assert_eq!(&one_piece, &fed(length, message.chunks(1)));
    }
}

#[test]
fn the_example_of_the_standard() {
    let message = b"4\r\nWiki\r\n6;ext=\"a\"\r\npedia \r\nE \r\nin \r\n\r\nchunks.\r\n0\r\nExpires: never\r\n\r\nHTTP";
    let expected = Outcome::Complete(b"Wikipedia in \r\n\r\nchunks.".to_vec(), message.len() - 4);
    assert_eq!(expected, whole(message));
    assert_eq!(expected, twin(None, message));
}

#[test]
fn a_length_is_kept_to() {
    assert_eq!(Outcome::Complete(Vec::new(), 0), fed(Some(0), [b"HTTP".as_slice()]).0);
    assert_eq!(Outcome::Complete(b"abc".to_vec(), 3), fed(Some(3), [b"ab".as_slice(), b"cd", b"e"]).0);
    assert_eq!(Outcome::Unfinished(b"ab".to_vec()), fed(Some(u64::MAX), [b"ab".as_slice()]).0);
}

#[test]
fn a_size_has_64_bits() {
    assert_eq!(Outcome::Unfinished(b"ab".to_vec()), whole(b"FFFFFFFFFFFFFFFF\r\nab"));
    assert_eq!(Outcome::Unfinished(b"ab".to_vec()), whole(b"0000000000000003\r\nab"));
    let expected = "the answer was cut off or garbled on its way: \
                    expected a chunk's size of at most 16 hexadecimal digits, got the byte '0'";
    assert_eq!(expected, why(b"10000000000000000\r\n"));
    assert_eq!(expected, why(b"00000000000000000\r\n"));
}

#[test]
fn what_is_no_chunk_is_told() {
    let prefix = "the answer was cut off or garbled on its way: expected ";
    for (message, reason) in [
        (&b"\r\n"[..], "a chunk's size in hexadecimal digits, got the byte '\\r'"),
        (b"-1\r\n", "a chunk's size in hexadecimal digits, got the byte '-'"),
        (b" 1\r\n", "a chunk's size in hexadecimal digits, got the byte ' '"),
        (b"1\n", "a CRLF or an extension after a chunk's size, got the byte '\\n'"),
        (b"1g", "a CRLF or an extension after a chunk's size, got the byte 'g'"),
        (b"1 1", "a CRLF or an extension after a chunk's size, got the byte '1'"),
        (b"1\rx", "a CRLF or an extension after a chunk's size, got the byte 'x'"),
        (b"1;a\n", "a CRLF or an extension after a chunk's size, got the byte '\\n'"),
        (b"1\r\nab", "a CRLF after a chunk, got the byte 'b'"),
        (b"1\r\na\n", "a CRLF after a chunk, got the byte '\\n'"),
        (b"1\r\na\r\x00", "a CRLF after a chunk, got the byte '\\x00'"),
        (b"0\r\n\n", "a trailer that ends with CRLF, got the byte '\\n'"),
        (b"0\r\n\rX", "a trailer that ends with CRLF, got the byte 'X'"),
        (b"0\r\nX: 1\n", "a trailer that ends with CRLF, got the byte '\\n'"),
        (b"0\r\nX: 1\rY", "a trailer that ends with CRLF, got the byte 'Y'"),
    ] {
        assert_eq!(format!("{prefix}{reason}"), why(message));
        assert_eq!(Outcome::Malformed, twin(None, message));
    }
}

#[test]
fn lines_and_trailers_are_bounded() {
    let line = |length: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(length - 4)).into_bytes();
    assert_eq!(Outcome::Complete(b"a".to_vec(), 4096 + 8), whole(&line(4096)));
    assert!(why(&line(4097)).contains("expected a line of at most 4 KiB with a chunk's size"));
    let trailers = |length: usize| {
        let many = "X: 1\r\n".repeat(length / 6 - 1);
        format!("0\r\n{many}{}\r\n\r\n", "x".repeat(length - many.len() - 4)).into_bytes()
    };
    assert_eq!(Outcome::Complete(Vec::new(), 3 + 16_384), whole(&trailers(16_384)));
    assert!(why(&trailers(16_385)).contains("expected trailers of at most 16 KiB"));
    for message in [line(4096), line(4097), trailers(16_384), trailers(16_385)] {
        for end in [message.len() - 9, message.len() - 8, message.len() - 2, message.len() - 1, message.len()] {
            assert_eq!(twin(None, &message[..end]), whole(&message[..end]));
        }
    }
}
