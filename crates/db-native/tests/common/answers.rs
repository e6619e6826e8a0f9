//! Generated answers: well-formed annotated CSV of every kind the server may send.

use std::fmt;
use std::ops::Deref;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A text of annotated CSV, which shows as text when a property fails.
#[derive(Clone)]
pub(crate) struct Csv(pub(crate) Vec<u8>);

impl fmt::Debug for Csv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

impl Deref for Csv {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Text of a cell; `None` is an empty cell.
type Cell = Option<String>;

#[derive(Clone, Debug)]
struct Column {
    name: &'static str,
    datatype: &'static str,
    group: bool,
    default: Cell,
    always_quoted: bool,
}

#[derive(Clone, Debug)]
struct Block {
    columns: Vec<Column>,
    /// The order in which the annotations stand.
    annotations: Vec<&'static str>,
    /// Rows by table; within a table, the first row's constant cells hold for all.
    tables: Vec<Vec<Vec<Cell>>>,
    blank_lines: usize,
}

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

const NAMES: [&str; 8] = ["_time", "_value", "_field", "host", "", "größe", "a,\"b\"", "line\nbreak"];

/// A text that a string cell may hold: what has a meaning in CSV, and what has not.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let parts = select(vec!["a", "b c", ",", "\"", "\n", "\r\n", " ", "#", "é", "日本", "🔌", "\\", "true", "\0"]);
    vec(parts, 1..5).prop_map(|parts| parts.concat())
}

/// A text that a cell of this datatype may hold; never empty.
fn cell(datatype: &'static str) -> BoxedStrategy<String> {
    #[expect(clippy::needless_pass_by_value, reason = "what `prop_map` gives")]
    fn shown<T: ToString>(value: T) -> String {
        value.to_string()
    }
    match datatype {
        "string" => text().boxed(),
        "long" => prop_oneof![any::<i64>(), select(vec![i64::MIN, -1, 0, (1 << 53) + 1])].prop_map(shown).boxed(),
        "unsignedLong" => prop_oneof![any::<u64>(), select(vec![0, u64::MAX])].prop_map(shown).boxed(),
        "double" => {
            let words = select(vec!["NaN", "+Inf", "-Inf", "-0", "1e-7", "5e-324", "1.7976931348623157e308"]);
            prop_oneof![any::<f64>().prop_map(shown), (-1e6..1e6).prop_map(shown), words.prop_map(shown)].boxed()
        }
        "boolean" => select(vec!["true", "false"]).prop_map(shown).boxed(),
        "duration" => {
            let words = select(vec!["1h30m0.5s", "-2m3s", "15ms", "7µs", "0s"]);
            prop_oneof![any::<i64>().prop_map(shown), words.prop_map(shown)].boxed()
        }
        "base64Binary" => {
            select(vec!["AA==", "AAE=", "AP9h", "aGVsbG8gd29ybGQ=", "////", "+/+/"]).prop_map(shown).boxed()
        }
        _ => {
            let time = |nanos: i64| jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap().to_string();
            let near = (1_700_000_000..1_700_100_000_i64).prop_map(move |seconds| time(seconds * 1_000_000_000));
            let words = select(vec!["2024-02-29T23:59:59.5+05:30", "1969-12-31T23:00:00-01:00"]);
            prop_oneof![near, any::<i64>().prop_map(time), words.prop_map(shown)].boxed()
        }
    }
}

fn column(name: &'static str) -> impl Strategy<Value = Column> {
    let datatype = match name {
        "result" => select(vec!["string"]),
        "table" => select(vec!["long"]),
        _ => select(DATATYPES.to_vec()),
    };
    datatype.prop_flat_map(move |datatype| {
        let default = option::weighted(0.2, cell(datatype));
        (any::<bool>(), default, any::<bool>()).prop_map(move |(group, default, always_quoted)| Column {
            name,
            datatype,
            group,
            default,
            always_quoted,
        })
    })
}

fn columns() -> impl Strategy<Value = Vec<Column>> {
    let names = (any::<bool>(), subsequence(NAMES.to_vec(), 1..=5).prop_shuffle()).prop_map(|(meta, names)| {
        let meta: &[&str] = if meta { &["result", "table"] } else { &[] };
        [meta, &names].concat()
    });
    names.prop_flat_map(|names| names.into_iter().map(column).collect::<Vec<_>>())
}

fn block(columns: Vec<Column>) -> impl Strategy<Value = Block> {
    let cells: Vec<_> = columns.iter().map(|column| option::weighted(0.8, cell(column.datatype))).collect();
    let annotations = Just(vec!["#datatype", "#group", "#default", "#else"]).prop_shuffle();
    (annotations, vec(vec(cells, 1..5), 0..4), 1..3_usize).prop_map(move |(annotations, tables, blank_lines)| Block {
        columns: columns.clone(),
        annotations,
        tables,
        blank_lines,
    })
}

/// The bytes of a whole answer, with its end mark.
pub(crate) fn answer() -> impl Strategy<Value = Csv> {
    // Few schemas and more blocks, so that some blocks share theirs.
    let schemas = vec(columns(), 1..3);
    let blocks = schemas.prop_flat_map(|schemas| vec(select(schemas).prop_flat_map(block), 0..4));
    (blocks, select(vec!["\r\n", "\n"])).prop_map(|(blocks, line_end)| render(&blocks, line_end))
}

fn render(blocks: &[Block], line_end: &str) -> Csv {
    let mut text = String::new();
    for block in blocks {
        let mut line = |first: &str, cells: Vec<String>| {
            text.push_str(first);
            for cell in cells {
                text.push(',');
                text.push_str(&cell);
            }
            text.push_str(line_end);
        };
        for annotation in &block.annotations {
            let cells = block.columns.iter().map(|column| match *annotation {
                "#datatype" => column.datatype.to_owned(),
                "#group" => column.group.to_string(),
                "#default" => spell(column.default.as_ref(), false, line_end),
                _ => "x".to_owned(),
            });
            line(annotation, cells.collect());
        }
        line("", block.columns.iter().map(|column| spell(Some(&column.name.to_owned()), false, line_end)).collect());
        for table in &block.tables {
            for row in table {
                let cells = block.columns.iter().enumerate().map(|(index, column)| {
                    let constant = column.group || matches!((index, column.name), (0, "result") | (1, "table"));
                    let cell = if constant { &table[0][index] } else { &row[index] };
                    spell(cell.as_ref(), column.always_quoted, line_end)
                });
                line("", cells.collect());
            }
        }
        for _ in 0..block.blank_lines {
            text.push_str(line_end);
        }
    }
    if blocks.is_empty() {
        text.push_str(line_end);
    }
    Csv(text.into_bytes())
}

/// An answer that the server broke off with an error table, as it writes them.
pub(crate) fn failed_answer() -> impl Strategy<Value = Csv> {
    let annotations = select(vec!["", "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n"]);
    (answer(), annotations, text(), select(vec![",897", ","])).prop_map(|(answer, annotations, message, reference)| {
        let message = spell(Some(&message), false, "\r\n");
        let error = format!("{annotations},error,reference\r\n,{message}{reference}\r\n");
        Csv([&answer, error.as_bytes()].concat())
    })
}

/// A cell as Go's `encoding/csv` writes it, or quoted without need.
fn spell(cell: Option<&String>, always_quoted: bool, line_end: &str) -> String {
    let Some(cell) = cell.filter(|cell| !cell.is_empty()) else {
        return String::new();
    };
    if !always_quoted && !cell.starts_with(' ') && !cell.contains([',', '"', '\r', '\n']) {
        return cell.clone();
    }
    let cell = cell.replace("\r\n", "\n").replace('"', "\"\"").replace('\n', line_end);
    format!("\"{cell}\"")
}

/// An answer with one place changed: a byte replaced, removed, doubled, or a stretch gone.
pub(crate) fn damaged_answer() -> impl Strategy<Value = Csv> {
    let bytes = select(b",\"\r\n#x1-\xff".to_vec());
    (answer(), any::<prop::sample::Index>(), 0..4_u8, bytes, 1..40_usize).prop_map(
        |(Csv(mut text), at, how, byte, many)| {
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                2 => drop(text.drain(at..text.len().min(at + many))),
                _ => text.insert(at, text[at]),
            }
            Csv(text)
        },
    )
}
