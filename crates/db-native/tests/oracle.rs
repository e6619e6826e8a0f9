//! The decoder against its naive twin, and against itself for every split of the input.

use crate::common::answers::{Csv, answer, damaged_answer, failed_answer};
use crate::common::cases;
use crate::common::plain::Plain;
use crate::common::twin::{self, Fault};
use db_native::{Answer, Decoder, EndMark, Error, Levels, Pivot};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Decodes the chunks one after the other.
fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, end: EndMark) -> Result<Answer, Error> {
    let mut decoder = Decoder::new();
    for chunk in chunks {
        decoder.feed(chunk)?;
    }
    decoder.finish(end)
}

fn plain(result: Result<Answer, Error>) -> Result<Plain, Error> {
    result.map(|answer| Plain::from(&answer))
}

fn against_twin(text: &[u8], end: EndMark) -> Result<Plain, Fault> {
    plain(decode([text], end)).map_err(|error| Fault::from(&error))
}

/// The text cut at the places, in any order.
fn cut<'a>(text: &'a [u8], at: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = at.iter().map(|index| index.index(text.len() + 1)).collect();
    places.sort_unstable();
    let starts = std::iter::once(0).chain(places.iter().copied());
    let ends = places.iter().copied().chain([text.len()]);
    starts.zip(ends).map(|(start, end)| &text[start..end]).collect()
}

/// Every cut in two, and byte by byte, gives what the whole gives: the same answer or the same error.
fn assert_every_split(text: &[u8], end: EndMark) {
    let whole = plain(decode([text], end));
    for at in 0..=text.len() {
        assert_eq!(whole, plain(decode([&text[..at], &text[at..]], end)), "cut at {at}");
    }
    assert_eq!(whole, plain(decode(text.chunks(1), end)), "byte by byte");
}

/// A text's answer in pieces: taken after each chunk.
fn take_after_each(chunks: &[&[u8]], end: EndMark) -> Result<Vec<Plain>, Error> {
    let mut decoder = Decoder::new();
    let mut pieces = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk)?;
        let rows = decoder.rows();
        let piece = Plain::from(&decoder.take());
        assert_eq!(rows, piece.rows().len(), "`rows` counts what `take` gives");
        pieces.push(piece);
    }
    pieces.push(Plain::from(&decoder.finish(end)?));
    Ok(pieces)
}

const BOTH_ENDS: [EndMark; 2] = [EndMark::Required, EndMark::Optional];

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn answers_are_what_the_twin_reads(text in answer()) {
        let twin = twin::decode(&text, EndMark::Required);
        prop_assert!(twin.is_ok(), "the generator's own fault: {:?}", twin);
        prop_assert_eq!(twin, against_twin(&text, EndMark::Required));
    }

    #[test]
    fn chunks_change_nothing(text in answer(), at in vec(any::<Index>(), 0..12)) {
        prop_assert_eq!(
            plain(decode([&*text], EndMark::Required)),
            plain(decode(cut(&text, &at), EndMark::Required))
        );
    }

    #[test]
    fn chunks_change_nothing_of_an_error(text in damaged_answer(), at in vec(any::<Index>(), 0..12)) {
        for end in BOTH_ENDS {
            prop_assert_eq!(plain(decode([&*text], end)), plain(decode(cut(&text, &at), end)));
        }
    }

    #[test]
    fn what_is_taken_on_the_way_is_lost_from_nothing(text in answer(), at in vec(any::<Index>(), 0..12)) {
        let whole = plain(decode([&*text], EndMark::Required)).unwrap();
        let pieces = take_after_each(&cut(&text, &at), EndMark::Required).unwrap();
        let rows: Vec<_> = pieces.iter().flat_map(Plain::rows).collect();
        prop_assert_eq!(whole.rows(), rows);
    }

    #[test]
    fn no_bytes_make_it_panic(text in vec(any::<u8>(), 0..200).prop_map(Csv), at in vec(any::<Index>(), 0..4)) {
        for end in BOTH_ENDS {
            prop_assert_eq!(plain(decode([&*text], end)), plain(decode(cut(&text, &at), end)));
        }
    }

    #[test]
    fn no_damaged_answer_makes_what_follows_panic(text in damaged_answer()) {
        if let Ok(answer) = decode([&*text], EndMark::Optional) {
            let _ = db_native::union(&answer);
            let _ = db_native::split(&answer);
            let spec = Pivot {
                fields: None,
                levels: Levels::Differing,
                tag_columns: true,
                empty_text: db_native::EmptyText::Empty,
                kinds: Vec::new(), tz: "UTC".to_owned(), axis: Vec::new(), zeros: Vec::new(), spreads: Vec::new(), renamed: Vec::new(),
            };
            let _ = db_native::pivot(vec![answer], &spec);
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    /// So an answer cut off is an error, unless the cut falls behind an empty line between two
    /// tables: that text is a whole answer as far as can be seen here. HTTP tells the difference.
    #[test]
    fn every_prefix_is_what_the_twin_makes_of_it(text in prop_oneof![3 => answer(), 1 => failed_answer()]) {
        for end in BOTH_ENDS {
            for length in 0..=text.len() {
                let prefix = &text[..length];
                prop_assert_eq!(twin::decode(prefix, end), against_twin(prefix, end), "cut at {}", length);
            }
        }
    }

    #[test]
    fn a_prefix_is_complete_only_behind_an_empty_line(text in answer()) {
        for length in 0..text.len() {
            let complete = decode([&text[..length]], EndMark::Required).is_ok();
            let behind_empty_line =
                [&b"\n\n"[..], b"\n\r\n"].iter().any(|end| text[..length].ends_with(end));
            prop_assert!(!complete || behind_empty_line, "cut at {}", length);
        }
    }

    #[test]
    fn every_split_gives_the_same(text in answer()) {
        assert_every_split(&text, EndMark::Required);
    }

    #[test]
    fn every_split_gives_the_same_error(text in prop_oneof![3 => damaged_answer(), 1 => failed_answer()]) {
        assert_every_split(&text, EndMark::Optional);
    }
}
