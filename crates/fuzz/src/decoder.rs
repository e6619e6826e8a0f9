//! Any bytes through the decoder, and what it makes of them through union, split and pivot.
//!
//! Compared with the naive twin, and with itself for other splits of the same bytes.

use arrow_array::RecordBatch;
use db_native::{Answer, Decoder, EndMark, Error, ErrorKind};

use crate::common::plain::Plain;
use crate::common::twin::{self, Fault};
use crate::common::unions;
use crate::memory::bounded;
use crate::pivot::every_field;

/// Bytes that decoding may hold for each byte it is given. A block that declares a column and has no row
/// takes the most.
const DECODING: u64 = 700;
/// Bytes that framing may hold for each byte of text, while no frame is so sparse that it is refused.
const FRAMING: u64 = 3_000;

/// Checks a text.
pub fn check(text: &[u8]) {
    for end in [EndMark::Required, EndMark::Optional] {
        let whole = bounded("decoding", text.len(), DECODING, || decode([text], end));
        let expected = plain(&whole);
        assert_eq!(twin::decode(text, end), expected.clone().map_err(|error| Fault::from(&error)), "{}", shown(text));
        assert_eq!(expected, plain(&decode(text.chunks(1), end)), "byte by byte: {}", shown(text));
        assert_eq!(expected, plain(&decode(cut(text), end)), "cut: {}", shown(text));
        taken_on_the_way(text, end, &expected);
        if let Ok(answer) = whole {
            framed(&answer, text);
        }
    }
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, end: EndMark) -> Result<Answer, Error> {
    let mut decoder = Decoder::new();
    for chunk in chunks {
        decoder.feed(chunk)?;
    }
    decoder.finish(end)
}

fn plain(result: &Result<Answer, Error>) -> Result<Plain, Error> {
    result.as_ref().map(Plain::from).map_err(Clone::clone)
}

/// The text in pieces, of lengths that depend on the text alone, so that an input is only a text.
pub(crate) fn cut(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    // FNV-1a, then Knuth's MMIX generator.
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let mut state = text.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let mut rest = text;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from(state >> 59).expect("five bits").min(rest.len());
        let piece;
        (piece, rest) = rest.split_at(length);
        (!piece.is_empty() || !rest.is_empty()).then_some(piece)
    })
}

/// What is taken on the way is all there is, in order.
fn taken_on_the_way(text: &[u8], end: EndMark, whole: &Result<Plain, Error>) {
    let mut decoder = Decoder::new();
    let mut pieces = Vec::new();
    for chunk in cut(text) {
        if decoder.feed(chunk).is_err() {
            break;
        }
        let rows = decoder.rows();
        let piece = Plain::from(&decoder.take());
        assert_eq!(rows, piece.rows().len());
        pieces.push(piece);
    }
    let last = decoder.finish(end);
    assert_eq!(whole.is_ok(), last.is_ok(), "{}", shown(text));
    if let (Ok(whole), Ok(last)) = (whole, last) {
        pieces.push(Plain::from(&last));
        assert_eq!(whole.rows(), pieces.iter().flat_map(Plain::rows).collect::<Vec<_>>(), "{}", shown(text));
    }
}

/// Frames are what the twin makes of the rows.
fn framed(answer: &Answer, text: &[u8]) {
    let plain = Plain::from(answer);
    let column_of = |error: Error| match error.kind {
        ErrorKind::Conflict { column, .. } => column,
        other => panic!("{other:?}: {}", shown(text)),
    };
    let frames = |batches: Vec<RecordBatch>| batches.iter().map(unions::frame).collect::<Vec<_>>();
    let union = bounded("union", text.len(), FRAMING, || db_native::union(answer));
    assert_eq!(unions::twin(&plain), union.map(|batch| unions::frame(&batch)).map_err(column_of), "{}", shown(text));
    let split = bounded("split", text.len(), FRAMING, || db_native::split(answer));
    assert_eq!(unions::twin_of_split(&plain), split.map(frames).map_err(column_of), "{}", shown(text));
    // What the tables of any query pivot to, no twin knows: only that it ends, in bounds.
    let _ = bounded("pivot", text.len(), FRAMING, || db_native::pivot(vec![answer], &every_field()));
}

fn shown(text: &[u8]) -> String {
    format!("b\"{}\"", text.escape_ascii())
}
