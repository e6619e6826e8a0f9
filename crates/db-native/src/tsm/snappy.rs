//! Snappy, which texts and the entries of a WAL are packed by.

/// Bytes that one packed byte can stand for: three copy 64.
const MOST: usize = 22;

/// Unpacks bytes; `None` if they are damaged. What is claimed beyond what so many bytes can hold is damage too.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let length = snap::raw::decompress_len(packed).ok()?;
    if length > packed.len().saturating_mul(MOST) {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(packed).ok()
}
