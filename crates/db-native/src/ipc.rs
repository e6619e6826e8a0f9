//! Arrow IPC in pieces of bounded size: the pieces, one after the other, are one IPC stream.
//!
//! Batches are cut by rows, so that a message fits a piece; a message that does not (one huge text)
//! is cut by bytes. Compressed with LZ4 where a sample gets smaller by it: random floats don't.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::Buffer;
use arrow_data::transform::MutableArrayData;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{IpcWriteOptions, StreamEncoder};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use crate::error::{Error, Result};
use crate::messages::{Messages, ROWS, is_end};

/// Rows of the sample that decides on compression.
const SAMPLE_ROWS: usize = 4096;
/// Share of its bytes that the compressed sample may have. Saving a tenth is worth the time.
const WORTH_IT: (usize, usize) = (9, 10);
/// Share of a piece that the columns of a message may fill. The rest is for its header and padding.
const FILL: (usize, usize) = (9, 10);

/// Batches of one schema.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The schema, with its metadata.
    pub schema: SchemaRef,
    /// The batches, in order.
    pub batches: Vec<RecordBatch>,
}

/// Writes a frame piece by piece; at no time is more than one message in memory beside the frame.
pub struct PieceWriter {
    encoder: Option<StreamEncoder>,
    batches: VecDeque<RecordBatch>,
    limit: usize,
    /// Buffers of messages that were written and not returned yet.
    ready: VecDeque<Buffer>,
    ready_bytes: usize,
}

impl PieceWriter {
    /// Prepares a frame; no piece will have more than `limit` bytes.
    pub fn new(stream: &Stream, limit: usize) -> Result<Self> {
        let limit = limit.max(1);
        let mut batches = VecDeque::new();
        for batch in &stream.batches {
            cut(batch, limit / FILL.1 * FILL.0, &mut batches);
        }
        let compression = worth_compressing(&stream.schema, &batches)?.then_some(CompressionType::LZ4_FRAME);
        let options = IpcWriteOptions::default().try_with_compression(compression).map_err(|why| input(&why))?;
        let encoder = StreamEncoder::try_new_with_options(&stream.schema, options).map_err(|why| input(&why))?;
        Ok(Self { encoder: Some(encoder), batches, limit, ready: VecDeque::new(), ready_bytes: 0 })
    }

    /// The buffers of the next piece, or none at the end.
    pub fn piece(&mut self) -> Result<Option<Vec<Buffer>>> {
        let mut piece = Vec::new();
        let mut room = self.limit;
        loop {
            // A message that does not fit begins the next piece, so that readers find it whole.
            if !piece.is_empty() && self.ready_bytes > room {
                return Ok(Some(piece));
            }
            while let Some(mut buffer) = self.ready.pop_front() {
                if buffer.len() > room {
                    let rest = buffer.slice(room);
                    buffer = buffer.slice_with_length(0, room);
                    self.ready.push_front(rest);
                }
                room -= buffer.len();
                self.ready_bytes -= buffer.len();
                piece.push(buffer);
                if room == 0 {
                    return Ok(Some(piece));
                }
            }
            if !self.encode_next()? {
                return Ok((!piece.is_empty()).then_some(piece));
            }
        }
    }

    /// Writes the next message, or the end mark; false if that was written before.
    fn encode_next(&mut self) -> Result<bool> {
        let buffers = match (&mut self.encoder, self.batches.pop_front()) {
            (Some(encoder), Some(batch)) => encoder.encode(&batch),
            (encoder, _) => match encoder.take() {
                Some(encoder) => encoder.finish(),
                None => return Ok(false),
            },
        };
        self.ready = buffers.map_err(|why| input(&why))?.into_iter().filter(|buffer| !buffer.is_empty()).collect();
        self.ready_bytes = self.ready.iter().map(Buffer::len).sum();
        Ok(true)
    }
}

/// Reads the pieces of a frame, in order; the batches share the pieces' memory where they can.
#[derive(Default)]
pub struct PieceReader {
    messages: Messages,
    decoder: StreamDecoder,
    batches: Vec<RecordBatch>,
    /// The end mark has come.
    ended: bool,
}

impl PieceReader {
    /// Starts a frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next piece. The frame does not depend on how the stream is split.
    pub fn feed(&mut self, mut piece: Buffer) -> Result<()> {
        while !piece.is_empty() {
            let Some(message) = self.messages.next(&mut piece)? else { break };
            self.ended |= is_end(&message);
            for mut part in message {
                self.decode(&mut part)?;
            }
        }
        Ok(())
    }

    /// Takes the head of a message, or its body.
    fn decode(&mut self, part: &mut Buffer) -> Result<()> {
        // A batch whose body is empty is only given at the next message's head, which is then still to be read.
        while !part.is_empty() {
            // arrow-ipc panics at some types and lengths. After an error nothing more is read.
            let decoded = catch_unwind(AssertUnwindSafe(|| self.decoder.decode(part)));
            let decoded = decoded.map_err(|_| Error::syntax("not Arrow IPC: its parts contradict each other"))?;
            if let Some(batch) = decoded.map_err(|why| broken(&why))? {
                check_views(&batch)?;
                self.batches.push(batch);
            }
        }
        Ok(())
    }

    /// Returns the frame, or an error if its end is missing.
    pub fn finish(mut self) -> Result<Stream> {
        if !self.messages.is_empty() {
            return Err(Error::syntax("not Arrow IPC: it ends within a message"));
        }
        if !self.ended {
            return Err(Error::syntax("not Arrow IPC: it ends without its end mark"));
        }
        self.decoder.finish().map_err(|why| broken(&why))?;
        let schema = self.decoder.schema().ok_or_else(|| Error::syntax("not Arrow IPC: it has no schema"))?;
        Ok(Stream { schema, batches: self.batches })
    }
}

/// One array of several of the same type; without a copy if it is one.
pub fn join(data_type: &DataType, arrays: &[ArrayRef]) -> Result<ArrayRef> {
    match arrays {
        [] => Ok(arrow_array::new_empty_array(data_type)),
        [only] => Ok(Arc::clone(only)),
        _ => {
            let parts: Vec<_> = arrays.iter().map(Array::to_data).collect();
            let rows = arrays.iter().map(Array::len).sum();
            let mut whole = MutableArrayData::new(parts.iter().collect(), false, rows);
            for (index, part) in parts.iter().enumerate() {
                whole.try_extend(index, 0, part.len()).map_err(|why| Error::input(None, None, why.to_string()))?;
            }
            Ok(make_array(whole.freeze()))
        }
    }
}

/// Cuts a batch by rows into batches of about `limit` bytes, and of no more rows than a reader takes.
fn cut(batch: &RecordBatch, limit: usize, into: &mut VecDeque<RecordBatch>) {
    let rows = batch.num_rows();
    let bytes: usize = batch.columns().iter().map(slice_bytes).sum();
    // Views share their texts: each slice of a nested one would be written with the texts of all.
    let divisible = !batch.schema_ref().fields().iter().any(|field| has_nested_view(field.data_type()));
    let most = if bytes > limit && divisible { (rows.saturating_mul(limit) / bytes).max(1) } else { rows };
    let step = most.min(ROWS);
    if rows <= step {
        into.push_back(compact(batch));
        return;
    }
    for start in (0..rows).step_by(step) {
        into.push_back(compact(&batch.slice(start, step.min(rows - start))));
    }
}

fn slice_bytes(array: &ArrayRef) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}

/// Rewrites columns of views without the texts that no view shows.
fn compact(batch: &RecordBatch) -> RecordBatch {
    let is_view = |array: &ArrayRef| matches!(array.data_type(), DataType::Utf8View | DataType::BinaryView);
    if !batch.columns().iter().any(is_view) {
        return batch.clone();
    }
    let columns = batch.columns().iter().map(|array| -> ArrayRef {
        match array.data_type() {
            DataType::Utf8View => Arc::new(array.as_string_view().gc()),
            DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
            _ => Arc::clone(array),
        }
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)
        .unwrap_or_else(|_| unreachable!("the same types and lengths"))
}

/// Refuses views that repeat the same bytes so often that they would not fit in memory as separate texts.
fn check_views(batch: &RecordBatch) -> Result<()> {
    for array in batch.columns() {
        let (shown, held): (usize, usize) = match array.data_type() {
            DataType::Utf8View => shown_and_held(array.as_string_view()),
            DataType::BinaryView => shown_and_held(array.as_binary_view()),
            _ => continue,
        };
        if shown > held {
            return Err(Error::syntax(format!("not Arrow IPC as written here: views of {shown} bytes in {held}")));
        }
    }
    Ok(())
}

fn shown_and_held<T: ByteViewType>(array: &GenericByteViewArray<T>) -> (usize, usize) {
    let views = array.views().iter().enumerate().filter(|(row, _)| array.is_valid(*row));
    let lengths = views.map(|(_, view)| usize::try_from(view & 0xffff_ffff).unwrap_or(usize::MAX));
    // Texts of up to twelve bytes stand in the view itself.
    let shown = lengths.filter(|length| *length > 12).fold(0, usize::saturating_add);
    (shown, array.data_buffers().iter().map(Buffer::len).sum())
}

fn has_nested_view(data_type: &DataType) -> bool {
    fn has_view(data_type: &DataType) -> bool {
        matches!(data_type, DataType::Utf8View | DataType::BinaryView) || has_nested_view(data_type)
    }
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _)
        | DataType::RunEndEncoded(_, field) => has_view(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_view(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_view(field.data_type())),
        _ => false,
    }
}

/// Whether a sample of the largest batch gets smaller by compression. Small batches are not compressed.
fn worth_compressing(schema: &SchemaRef, batches: &VecDeque<RecordBatch>) -> Result<bool> {
    let Some(largest) = batches.iter().max_by_key(|batch| batch.num_rows()) else { return Ok(false) };
    let rows = largest.num_rows().min(SAMPLE_ROWS);
    let sample = largest.slice((largest.num_rows() - rows) / 2, rows);
    let size = |compression| -> std::result::Result<usize, ArrowError> {
        let options = IpcWriteOptions::default().try_with_compression(compression)?;
        let mut encoder = StreamEncoder::try_new_with_options(schema, options)?;
        Ok(encoder.encode(&sample)?.iter().map(Buffer::len).sum())
    };
    let plain = size(None).map_err(|why| input(&why))?;
    let compressed = size(Some(CompressionType::LZ4_FRAME)).map_err(|why| input(&why))?;
    Ok(compressed * WORTH_IT.1 < plain * WORTH_IT.0)
}

fn input(why: &ArrowError) -> Error {
    Error::input(None, None, format!("Arrow IPC can't hold the frame: {why}"))
}

fn broken(why: &ArrowError) -> Error {
    Error::syntax(format!("not Arrow IPC: {why}"))
}
