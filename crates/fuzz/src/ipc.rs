//! Any bytes as Arrow IPC: a frame or an error, in bounded memory, for every split the same; a frame comes back.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use db_native::{PieceReader, PieceWriter, Stream};

use crate::decoder::cut;
use crate::memory::bounded;

/// Bytes that reading may hold for each byte of a stream: LZ4 packs 255 into one.
const READING: u64 = 600;

/// Checks a stream.
pub fn check(data: &[u8]) {
    let whole = bounded("reading", data.len(), READING, || read([data]));
    let in_pieces = read(cut(data));
    assert_eq!(whole.is_ok(), in_pieces.is_ok(), "{:?} {:?}", whole.err(), in_pieces.err());
    let (Ok(whole), Ok(in_pieces)) = (whole, in_pieces) else { return };
    same(&whole, &in_pieces);
    // Not all that can be read can be written; what can is read again.
    let Ok(mut writer) = PieceWriter::new(&whole, 1000) else { return };
    let mut pieces = Vec::new();
    loop {
        match writer.piece() {
            Ok(Some(buffers)) => pieces.push(buffers.iter().flat_map(|buffer| buffer.to_vec()).collect::<Vec<u8>>()),
            Ok(None) => break,
            Err(_) => return,
        }
    }
    let again = read(pieces.iter().map(Vec::as_slice)).expect("what was written is read");
    assert_eq!(rows(&whole), rows(&again));
    // An empty zone is Arrow's other spelling of none, which arrow-ipc does not write.
    if !whole.schema.flattened_fields().iter().any(|field| has_empty_zone(field.data_type())) {
        assert_eq!(whole.schema, again.schema);
    }
}

fn has_empty_zone(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => zone.is_empty(),
        DataType::Dictionary(_, values) => has_empty_zone(values),
        _ => false,
    }
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> db_native::Result<Stream> {
    let mut reader = PieceReader::new();
    for piece in pieces {
        reader.feed(Buffer::from(piece))?;
    }
    reader.finish()
}

fn rows(stream: &Stream) -> usize {
    stream.batches.iter().map(RecordBatch::num_rows).sum()
}

fn same(one: &Stream, other: &Stream) {
    assert_eq!(one.schema, other.schema);
    assert_eq!(one.batches, other.batches);
}
