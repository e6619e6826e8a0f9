//! What no record may exceed, so that an endless one can't fill the memory; for every split the same.

use crate::common::plain::{Plain, Value};
use db_native::{Decoder, EndMark, Error, LONGEST_RECORD, MOST_CELLS, Position};

/// What a text gives that comes in chunks of some size.
fn outcome(text: &[u8], size: usize) -> Result<Plain, Error> {
    let mut decoder = Decoder::new();
    for chunk in text.chunks(size) {
        decoder.feed(chunk)?;
    }
    decoder.finish(EndMark::Required).map(|answer| Plain::from(&answer))
}

const HEAD: &str = "#datatype,string\n,s\n,first\n";
const SIZES: [usize; 2] = [usize::MAX, 20_000_003];

/// A record of this many bytes between two short ones, its cell in quotes or not, and perhaps with line ends in it.
fn text(bytes: usize, quote: &str, filling: &str) -> String {
    let length = bytes - ",\n".len() - 2 * quote.len();
    let cell = format!("{}{}", filling.repeat(length / filling.len()), &"x".repeat(length % filling.len()));
    format!("{HEAD},{quote}{cell}{quote}\n,last\n\n")
}

const KINDS: [(&str, &str); 3] =
    [("", "abcdefgh"), ("\"", "abcdefgh"), ("\"", "some text, in lines of no great length,\n")];

#[test]
fn the_longest_record_is_read() {
    for (quote, filling) in KINDS {
        let text = text(LONGEST_RECORD, quote, filling);
        for size in SIZES {
            let lengths: Vec<_> = outcome(text.as_bytes(), size).unwrap().tables[0]
                .rows
                .iter()
                .map(|row| if let Value::Text(cell) = &row[0] { cell.len() } else { 0 })
                .collect();
            assert_eq!(vec![5, LONGEST_RECORD - 2 - 2 * quote.len(), 4], lengths);
        }
    }
}

#[test]
fn a_longer_record_is_an_error_at_its_start() {
    for (quote, filling) in KINDS {
        let text = text(LONGEST_RECORD + 1, quote, filling);
        for size in SIZES {
            let error = outcome(text.as_bytes(), size).unwrap_err();
            assert_eq!("a record of more than 64 MiB (byte 27, table 0, row 1)", error.to_string());
        }
    }
}

#[test]
fn an_endless_record_is_refused_before_its_end() {
    for start in ["", "#datatype,", HEAD, "#datatype,string\n,s\n,first\n,\""] {
        let mut decoder = Decoder::new();
        decoder.feed(start.as_bytes()).unwrap();
        let chunk = vec![b'x'; 1 << 20];
        let fed = (0..100).find(|_| decoder.feed(&chunk).is_err());
        assert!(matches!(fed, Some(63 | 64)), "{start:?}: {fed:?}");
    }
}

#[test]
fn a_record_has_no_more_than_a_million_cells() {
    let head = "#datatype,long\n,a\n";
    let (most, more) = (",".repeat(MOST_CELLS - 1), ",".repeat(MOST_CELLS));
    for size in SIZES {
        let too_wide = outcome(format!("{head}{most}\n\n").as_bytes(), size).unwrap_err();
        assert!(too_wide.to_string().starts_with("a row has 1048576 cells, and its header has 2"), "{too_wide}");
        let refused = outcome(format!("{head}{more}\n\n").as_bytes(), size).unwrap_err();
        assert!(refused.to_string().starts_with("a record of more than 1048576 cells"), "{refused}");
        assert_eq!(Some(Position { offset: head.len(), table: 0, row: 0 }), refused.position);
    }
}

#[test]
fn a_long_cell_of_many_lines_is_not_scanned_for_every_chunk() {
    // In 2,000 chunks: scanned for each, it would be 64 GB.
    let text = text(LONGEST_RECORD, "\"", KINDS[2].1);
    assert!(outcome(text.as_bytes(), LONGEST_RECORD / 2_000).is_ok());
}
