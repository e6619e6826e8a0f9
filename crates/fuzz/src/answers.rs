//! Annotated CSV that is well-formed, or nearly so: bytes become choices, since random ones rarely pass a header.

use arbitrary::{Result, Unstructured};

use crate::choice::{one, some, text};
use crate::decoder;

/// Checks the text that the bytes choose.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    if let Ok(text) = answer(&mut u) {
        decoder::check(&text);
    }
}

const NAMES: [&str; 9] = ["_time", "_value", "_field", "_measurement", "meter", "site", "", "größe", "a,\"b\""];
const PARTS: [&str; 12] = ["a", "b c", ",", "\"", "\n", "\r\n", " ", "#", "é", "🔌", "true", "\0"];
const DATATYPES: [&str; 9] = [
    "string",
    "long",
    "unsignedLong",
    "double",
    "boolean",
    "dateTime:RFC3339",
    "dateTime:RFC3339Nano",
    "duration",
    "base64Binary",
];

struct Column {
    name: String,
    datatype: &'static str,
    group: bool,
    default: String,
}

fn answer(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let end = if u.arbitrary()? { "\r\n" } else { "\n" };
    // Few schemas and more blocks, so that some blocks share theirs.
    let mut schemas = some(u, 2, columns)?;
    schemas.push(columns(u)?);
    let blocks = u.int_in_range(0..=4)?;
    let mut text = String::new();
    for _ in 0..blocks {
        let schema = u.choose_index(schemas.len())?;
        block(u, &schemas[schema], end, &mut text)?;
    }
    if blocks == 0 {
        text.push_str(end);
    }
    if u.ratio(1, 10)? {
        let message = spell(&crate::choice::text(u, &PARTS)?, false, end);
        text += ",error,reference";
        text += end;
        text += ",";
        text += &message;
        text += ",897";
        text += end;
    }
    let mut bytes = text.into_bytes();
    if u.ratio(1, 4)? {
        damage(u, &mut bytes)?;
    }
    Ok(bytes)
}

fn columns(u: &mut Unstructured<'_>) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    if u.ratio(3, 4)? {
        for (name, datatype) in [("result", "string"), ("table", "long")] {
            columns.push(Column { name: name.to_owned(), datatype, group: false, default: String::new() });
        }
    }
    let many = u.int_in_range(1..=5)?;
    for _ in 0..many {
        let name = if u.ratio(1, 8)? { text(u, &PARTS)? } else { one(u, &NAMES)?.to_owned() };
        let datatype = one(u, &DATATYPES)?;
        let default = if u.ratio(1, 5)? { cell(u, datatype)? } else { String::new() };
        columns.push(Column { name, datatype, group: u.arbitrary()?, default });
    }
    Ok(columns)
}

fn block(u: &mut Unstructured<'_>, columns: &[Column], end: &str, out: &mut String) -> Result<()> {
    let mut line = |first: &str, cells: Vec<String>| {
        *out += first;
        for cell in cells {
            out.push(',');
            *out += &cell;
        }
        *out += end;
    };
    let of =
        |shown: &dyn Fn(&Column) -> String| columns.iter().map(|column| spell(&shown(column), false, end)).collect();
    line("#datatype", of(&|column| column.datatype.to_owned()));
    if u.ratio(7, 8)? {
        line("#group", of(&|column| column.group.to_string()));
    }
    if u.ratio(7, 8)? {
        line("#default", of(&|column| column.default.clone()));
    }
    line("", of(&|column| column.name.clone()));
    let mut row: Vec<String> = vec![String::new(); columns.len()];
    let rows = u.int_in_range(0..=8)?;
    for number in 0..rows {
        // Mostly the rows of a table repeat their constant cells, byte for byte.
        let same_table = number > 0 && u.ratio(3, 4)?;
        for (cell, column) in row.iter_mut().zip(columns) {
            let constant = column.group || column.name == "result" || column.name == "table";
            if !(constant && same_table) {
                *cell = spell(&self::cell(u, column.datatype)?, u.ratio(1, 8)?, end);
            }
        }
        line("", row.clone());
    }
    if u.ratio(7, 8)? {
        line("", Vec::new());
    }
    Ok(())
}

/// A cell's text, mostly of its datatype.
fn cell(u: &mut Unstructured<'_>, datatype: &str) -> Result<String> {
    if u.ratio(1, 8)? {
        return Ok(String::new());
    }
    if u.ratio(1, 30)? {
        return text(u, &PARTS);
    }
    Ok(match datatype {
        "string" => text(u, &PARTS)?,
        "long" => u.arbitrary::<i64>()?.to_string(),
        "unsignedLong" => u.arbitrary::<u64>()?.to_string(),
        "double" => {
            let any = u.arbitrary::<f64>()?;
            let short = f64::from(u.arbitrary::<i16>()?) / 100.0;
            one(u, &[any.to_string(), format!("{any:e}"), short.to_string(), "+Inf".to_owned()].each_ref())?.clone()
        }
        "boolean" => one(u, &["true", "false", "t", "0"])?.to_owned(),
        "duration" => one(u, &["1h30m0.5s", "-2m3s", "15ms", "7µs", "0s", "-9223372036854775808"])?.to_owned(),
        "base64Binary" => one(u, &["AA==", "AAE=", "AP9h", "aGVsbG8gd29ybGQ=", "////"])?.to_owned(),
        _ => {
            let near = 1_700_000_000_000_000_000 + i64::from(u.arbitrary::<u32>()?) * 1_000;
            let nanos = if u.arbitrary()? { near } else { u.arbitrary()? };
            jiff::Timestamp::from_nanosecond(i128::from(nanos)).expect("every 64 bits are a time").to_string()
        }
    })
}

/// A cell as Go's `encoding/csv` writes it, or quoted without need.
fn spell(cell: &str, always_quoted: bool, end: &str) -> String {
    if !always_quoted && !cell.starts_with(' ') && !cell.contains([',', '"', '\r', '\n']) {
        return cell.to_owned();
    }
    format!("\"{}\"", cell.replace("\r\n", "\n").replace('"', "\"\"").replace('\n', end))
}

/// Changes one place.
fn damage(u: &mut Unstructured<'_>, text: &mut Vec<u8>) -> Result<()> {
    let at = u.choose_index(text.len())?;
    let byte = *u.choose(b",\"\r\n#x1-\xff")?;
    match u.int_in_range(0..=3)? {
        0 => text[at] = byte,
        1 => text.insert(at, byte),
        2 => drop(text.drain(at..text.len().min(at + u.int_in_range(1..=40)?))),
        _ => text.truncate(at),
    }
    Ok(())
}
