//! Snappy, the compression of texts and of the entries of a WAL.

/// Most bytes for which one packed byte can stand: three bytes copy 64.
const MOST: usize = 22;

/// Unpacks bytes; `None` if they are damaged. They are damaged too if they claim more than they can stand for.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let length = snap::raw::decompress_len(packed).ok()?;
    if length > packed.len().saturating_mul(MOST) {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(packed).ok()
}
