//! Cells of one datatype: numbers, times, durations, base64 and text, however they are spelled.
//!
//! The first byte picks the datatype; each further line is a cell, with all that its bytes mean in CSV.

use crate::decoder;

const DATATYPES: [&str; 8] =
    ["string", "long", "unsignedLong", "double", "boolean", "dateTime:RFC3339", "duration", "base64Binary"];

/// Checks cells.
pub fn check(data: &[u8]) {
    let Some((first, cells)) = data.split_first() else { return };
    let datatype = DATATYPES[usize::from(*first) % DATATYPES.len()];
    for group in ["false", "true"] {
        let mut text = format!("#datatype,long,{datatype},long\n#group,true,{group},false\n,t,v,w\n").into_bytes();
        for cell in cells.split(|byte| *byte == b'\n') {
            text.extend_from_slice(b",0,");
            text.extend_from_slice(cell);
            text.extend_from_slice(b",1\n");
        }
        text.push(b'\n');
        decoder::check(&text);
    }
}
