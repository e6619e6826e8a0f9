//! Splits Arrow IPC into its messages, and checks each before arrow-ipc reads it.
//!
//! arrow-ipc 60 panics if a buffer ends outside its message, and reserves as
//! much memory as a compressed buffer claims to need. So the lengths that a
//! message declares are compared with its own length here. Reading it then takes
//! at most a fixed multiple of its bytes.

use std::mem::take;

use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::{Message, root_as_message};

use crate::error::{Error, Result};

/// Most bytes for which one byte of LZ4 can stand.
const UNPACKED: usize = 255;
/// Rows that a batch of any length may have, since columns of nulls have no bytes.
pub(crate) const ROWS: usize = 1 << 24;
/// Rows that one byte of a batch can hold: booleans, packed.
const ROWS_PER_BYTE: usize = 8 * UNPACKED;

const CONTINUATION: [u8; 4] = [0xff; 4];

/// A message in two parts: its head, with what leads it, and its body.
pub(crate) type Parts = [Buffer; 2];

/// Reads the messages of a stream, however it is split.
#[derive(Default)]
pub(crate) struct Messages {
    /// Bytes of a message whose end is not here yet.
    head: Vec<u8>,
    body: MutableBuffer,
}

impl Messages {
    /// Takes the next message, or what there is of it, from the start of `piece`.
    ///
    /// A message that is whole in `piece` shares its memory.
    pub(crate) fn next(&mut self, piece: &mut Buffer) -> Result<Option<Parts>> {
        if self.head.is_empty()
            && let Need::Body(head, body) = need(piece)?
            && piece.len() - head >= body
        {
            let parts = [piece.slice_with_length(0, head), piece.slice_with_length(head, body)];
            piece.advance(head + body);
            check(&parts)?;
            return Ok(Some(parts));
        }
        loop {
            let need = need(&self.head)?;
            let missing = match need {
                Need::Head(length) => length - self.head.len(),
                Need::Body(_, length) => length - self.body.len(),
            };
            let taken = piece.slice_with_length(0, piece.len().min(missing));
            piece.advance(taken.len());
            match need {
                Need::Head(_) => self.head.extend_from_slice(&taken),
                Need::Body(..) => self.body.extend_from_slice(&taken),
            }
            if taken.len() < missing {
                return Ok(None);
            }
            if matches!(need, Need::Body(..)) {
                let parts = [Buffer::from_vec(take(&mut self.head)), take(&mut self.body).into()];
                check(&parts)?;
                return Ok(Some(parts));
            }
        }
    }

    /// Nothing of a message is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }
}

/// What is needed next of a message that begins with these bytes.
enum Need {
    /// A head of at least so many bytes.
    Head(usize),
    /// A body of so many bytes, after a head of so many.
    Body(usize, usize),
}

fn need(head: &[u8]) -> Result<Need> {
    let Some(metadata) = metadata(head) else {
        return Ok(Need::Head(if head.starts_with(&CONTINUATION) { 8 } else { 4 }));
    };
    let (start, length) = metadata;
    if head.len() < start + length {
        return Ok(Need::Head(start + length));
    }
    if length == 0 {
        return Ok(Need::Body(start, 0)); // the end mark
    }
    let body = usize::try_from(message(&head[start..start + length])?.bodyLength());
    Ok(Need::Body(start + length, body.map_err(|_| broken("the length of a message's body is below zero"))?))
}

/// Where the metadata starts and how long it is, once that is here.
fn metadata(head: &[u8]) -> Option<(usize, usize)> {
    let start = if head.starts_with(&CONTINUATION) { 8 } else { 4 };
    let length = head.get(start - 4..)?.first_chunk()?;
    Some((start, usize::try_from(u32::from_le_bytes(*length)).ok()?))
}

/// Whether a message is the mark that ends a stream.
pub(crate) fn is_end([head, _]: &Parts) -> bool {
    metadata(head).is_some_and(|(_, length)| length == 0)
}

fn message(metadata: &[u8]) -> Result<Message<'_>> {
    root_as_message(metadata).map_err(|why| broken(&why.to_string()))
}

fn broken(why: &str) -> Error {
    Error::syntax(format!("not Arrow IPC: {why}"))
}

/// Refuses a batch that declares more than its body can hold.
fn check([head, body]: &Parts) -> Result<()> {
    let Some((start, length)) = metadata(head).filter(|metadata| metadata.1 > 0) else { return Ok(()) };
    let message = message(&head[start..start + length])?;
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    let Some(batch) = message.header_as_record_batch().or(dictionary) else { return Ok(()) };

    let most = ROWS.saturating_add(body.len().saturating_mul(ROWS_PER_BYTE));
    let is_length = |length: i64| usize::try_from(length).is_ok_and(|length| length <= most);
    let nodes = batch.nodes().into_iter().flatten();
    let counts = nodes.flat_map(|node| [node.length(), node.null_count()]);
    if let Some(count) = counts.chain([batch.length()]).find(|count| !is_length(*count)) {
        return Err(broken(&format!("{count} rows in a batch of {} bytes", body.len())));
    }
    let outside = || broken("a buffer reaches out of its message, or shares bytes with another");
    let (mut bytes, mut unpacked) = (0_usize, 0_usize);
    for buffer in batch.buffers().into_iter().flatten() {
        let start = usize::try_from(buffer.offset()).map_err(|_| outside())?;
        let length = usize::try_from(buffer.length()).map_err(|_| outside())?;
        let content = start.checked_add(length).and_then(|end| body.get(start..end)).ok_or_else(outside)?;
        bytes += length;
        if batch.compression().is_some() && length > 0 {
            let claimed = content.first_chunk().map(|claimed| i64::from_le_bytes(*claimed));
            // -1 is a buffer that compression would not make smaller.
            let claimed = claimed.filter(|claimed| *claimed != -1).unwrap_or_default();
            unpacked = unpacked.saturating_add(usize::try_from(claimed).map_err(|_| outside())?);
        }
    }
    if bytes > body.len() {
        return Err(outside());
    }
    if unpacked > body.len().saturating_mul(UNPACKED) {
        return Err(broken(&format!("{} compressed bytes can't hold the {unpacked} they claim", body.len())));
    }
    Ok(())
}
