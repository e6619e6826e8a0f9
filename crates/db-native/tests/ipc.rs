//! Pieces of Arrow IPC: their bound, any cut of the stream, and what is damaged.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, NullArray, RecordBatch, StringArray, StringViewArray};
use arrow_buffer::Buffer;
use db_native::{ErrorKind, PieceReader, PieceWriter, Stream, join};
use proptest::prelude::*;

fn stream(columns: Vec<(&str, ArrayRef)>) -> Stream {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    Stream { schema: batch.schema(), batches: vec![batch] }
}

fn pieces(stream: &Stream, limit: usize) -> Vec<Vec<u8>> {
    let mut writer = PieceWriter::new(stream, limit).unwrap();
    std::iter::from_fn(|| {
        writer.piece().unwrap().map(|buffers| buffers.iter().flat_map(|buffer| buffer.to_vec()).collect())
    })
    .collect()
}

fn read(pieces: &[&[u8]]) -> db_native::Result<Stream> {
    let mut reader = PieceReader::new();
    for piece in pieces {
        reader.feed(Buffer::from(*piece))?;
    }
    reader.finish()
}

fn column(stream: &Stream, index: usize) -> ArrayRef {
    let parts: Vec<ArrayRef> = stream.batches.iter().map(|batch| Arc::clone(batch.column(index))).collect();
    join(stream.schema.field(index).data_type(), &parts).unwrap()
}

proptest! {
    #[test]
    fn any_cut_gives_the_frame(
        texts in prop::collection::vec(prop::option::of(".{0,80}"), 0..40),
        limit in 1_usize..4000,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let numbers: Vec<i64> = (0..texts.len()).map(|row| i64::try_from(row).unwrap()).collect();
        let written = stream(vec![
            ("texts", Arc::new(StringArray::from(texts.clone()))),
            ("views", Arc::new(StringViewArray::from_iter(texts))),
            ("numbers", Arc::new(Int64Array::from(numbers))),
        ]);
        let pieces = pieces(&written, limit);
        prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= limit));

        let whole = pieces.concat();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
        places.extend([0, whole.len()]);
        places.sort_unstable();
        let cut: Vec<&[u8]> = places.windows(2).map(|ends| &whole[ends[0]..ends[1]]).collect();
        let given = read(&cut).unwrap();
        prop_assert_eq!(&written.schema, &given.schema);
        for index in 0..3 {
            prop_assert_eq!(&column(&written, index), &column(&given, index));
        }
    }
}

#[test]
fn nulls_without_bytes_are_given_however_many_they_are() {
    let one = stream(vec![("nothing", Arc::new(NullArray::new(50_000_000)))]);
    let batches = |lengths: [usize; 3]| Stream {
        schema: Arc::clone(&one.schema),
        batches: lengths.map(|length| one.batches[0].slice(0, length)).to_vec(),
    };
    for written in [batches([3, 2, 1]), batches([0, 5, 0]), one] {
        let rows = |stream: &Stream| -> usize { stream.batches.iter().map(RecordBatch::num_rows).sum() };
        let pieces = pieces(&written, 1 << 20);
        let given = read(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        assert_eq!(rows(&written), rows(&given));
    }
}

#[test]
fn a_message_is_within_one_piece() {
    // So a reader shares the memory of the piece, and need not put two together.
    let values: Vec<f64> = (0..10_000).map(f64::from).map(f64::sqrt).collect();
    let written = stream(vec![("v", Arc::new(Float64Array::from(values)))]);
    let pieces = pieces(&written, 20_000);

    for piece in &pieces[..pieces.len() - 1] {
        assert!(piece.len() > 17_000, "{}", piece.len());
    }
    let given = read(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    assert!(given.batches.iter().all(|batch| batch.num_rows() <= 20_000 / 8));
    assert_eq!(&column(&written, 0), &column(&given, 0));
}

#[test]
fn a_slice_of_views_leaves_the_other_texts_behind() {
    // 1,000 texts of 1,000 bytes each, of which every batch shows some.
    let texts: Vec<String> = (0..1000).map(|row| format!("{row:01000}")).collect();
    let written = stream(vec![("t", Arc::new(StringViewArray::from_iter_values(&texts)))]);
    let bytes: usize = pieces(&written, 100_000).iter().map(Vec::len).sum();

    assert!(bytes < 1_200_000, "{bytes}");
}

#[test]
fn a_text_larger_than_a_piece_is_cut() {
    let text = "x".repeat(5000) + &"y".repeat(5000);
    let written = stream(vec![("t", Arc::new(StringArray::from(vec![text.as_str()])))]);
    let pieces = pieces(&written, 64);
    let given = read(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();

    assert!(pieces.iter().all(|piece| piece.len() <= 64));
    assert_eq!(text, column(&given, 0).as_string::<i32>().value(0));
}

#[test]
fn nothing_is_made_of_a_part() {
    let written = stream(vec![("n", Arc::new(Int64Array::from((0..100).collect::<Vec<_>>())))]);
    let whole = pieces(&written, 1 << 20).concat();
    // The last eight bytes are the end mark, behind which a message would begin.
    for end in (0..whole.len()).filter(|end| end % 7 == 0 || end + 9 > whole.len()) {
        assert!(read(&[&whole[..end]]).is_err(), "{end}");
    }
    assert_eq!(100, column(&read(&[&whole]).unwrap(), 0).len());
}

#[test]
fn what_is_no_arrow_is_a_syntax_error() {
    for bytes in [&b""[..], b"not Arrow, but long enough", b"\xff\xff\xff\xff"] {
        let error = read(&[bytes]).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Syntax(_)), "{error:?}");
    }
}
