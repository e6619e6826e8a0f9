//! Memory for texts that are made to take much: in proportion to the text, whatever its shape.
//!
//! `cargo test --test hostile -- --nocapture` prints what each takes.

use std::fmt::Write as _;

use allocation_counter::measure;
use db_native::{Answer, Decoder, EmptyText, EndMark, Error, ErrorKind, Levels, Pivot, SeriesDecoder};

/// Bytes held for each byte of text, at most: a default of 512 for a row of two, in buffers that grow by doubling.
const DECODED: u64 = 700;
/// And as a frame that is not refused; a frame may have 128 MB of empty cells in any case.
const FRAMED: u64 = 3_000;
const FREE: u64 = 128 << 20;

fn decode(text: &str) -> Result<Answer, Error> {
    let mut decoder = Decoder::new();
    decoder.feed(text.as_bytes())?;
    decoder.finish(EndMark::Required)
}

/// What came of the union, the split and the pivot of a text.
type Frames = [Result<(), Error>; 3];

/// Decodes and frames a text within bounds.
fn taken(shape: &str, text: &str) -> Frames {
    let length = u64::try_from(text.len()).unwrap();
    let mut decoded = None;
    let used = measure(|| decoded = Some(decode(text))).bytes_max;
    println!("{shape:<44}{length:>12}{:>8} decoded", used / length);
    assert!(used < DECODED * length, "{shape}: {used}");
    let answer = decoded.unwrap().unwrap();
    let spec = Pivot {
        fields: None,
        levels: Levels::Differing,
        tag_columns: true,
        empty_text: EmptyText::Null,
        kinds: Vec::new(),
        tz: "UTC".to_owned(),
        axis: Vec::new(),
        zeros: Vec::new(),
        spreads: Vec::new(),
        renamed: Vec::new(),
    };
    let frame = |what: &str, make: &dyn Fn() -> Result<(), Error>| {
        let mut result = Ok(());
        let used = measure(|| result = make()).bytes_max;
        println!("{:56}{:>8} {what}: {:?}", "", used / length, result.as_ref().err().map(|error| &error.kind));
        assert!(used < FRAMED * length + FREE, "{shape}, {what}: {used}");
        result
    };
    [
        frame("union", &|| db_native::union(&answer).map(drop)),
        frame("split", &|| db_native::split(&answer).map(drop)),
        frame("pivot", &|| db_native::pivot(vec![&answer], &spec).map(drop)),
    ]
}

fn repeated(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        write!(text, "{}", part(number)).unwrap();
        text
    })
}

fn is_sparse(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error { kind: ErrorKind::Sparse(_), .. }))
}

#[test]
fn a_header_of_many_columns() {
    let columns = 100_000;
    let text = format!(
        "#datatype{}\n{}\n{}\n\n",
        ",long".repeat(columns),
        repeated(columns, |number| format!(",{number}")),
        ",1".repeat(columns)
    );
    assert!(taken("one table of many columns", &text).iter().all(Result::is_ok));
}

#[test]
fn many_tables_of_one_cell_each_in_a_column_of_its_own() {
    let [union, split, _] =
        taken("tables with a column each", &repeated(20_000, |n| format!("#datatype,long\n,c{n}\n,1\n\n")));
    assert!(is_sparse(&union));
    assert!(split.is_ok());
}

#[test]
fn many_tables_without_rows() {
    let text = repeated(20_000, |n| format!("#datatype,long\n,c{n}\n\n"));
    assert!(taken("tables without rows", &text).iter().all(Result::is_ok));
}

#[test]
fn many_tables_of_one_row() {
    let text = format!(
        "#datatype,string,long\n#group,false,true\n,result,table\n{}\n",
        repeated(100_000, |n| format!(",,{n}\n"))
    );
    assert!(taken("tables of one row", &text)[..2].iter().all(Result::is_ok));
}

#[test]
fn rows_of_nothing() {
    let width = 50;
    let names = repeated(width, |number| format!(",{number}"));
    let rows = (",".repeat(width) + "\n").repeat(20_000);
    let text = format!("#datatype{}\n{names}\n{rows}\n", ",string".repeat(width));
    assert!(taken("rows of empty cells", &text)[..2].iter().all(Result::is_ok));
}

#[test]
fn tags_that_never_repeat() {
    let text =
        format!("#datatype,string,long\n#group,true,false\n,t,v\n{}\n", repeated(50_000, |n| format!(",{n:x},1\n")));
    assert!(taken("tags that never repeat", &text)[..2].iter().all(Result::is_ok));
}

#[test]
fn defaults_that_stand_for_every_cell() {
    let text =
        |bytes: usize| format!("#datatype,string\n#default,{}\n,v\n{}\n", "x".repeat(bytes), ",\n".repeat(20_000));
    assert!(taken("defaults of 512 bytes", &text(512))[..2].iter().all(Result::is_ok));
    let refused = decode(&text(513)).unwrap_err();
    assert!(refused.to_string().contains("#default of column \"v\" has 513 bytes"), "{refused}");
}

#[test]
fn series_with_a_field_or_a_tag_of_their_own() {
    let series = |tag: &dyn Fn(usize) -> String, field: &dyn Fn(usize) -> String| {
        repeated(10_000, |n| {
            let (tag, field) = (tag(n), field(n));
            let kinds = "#datatype,string,long,dateTime:RFC3339,double,string,string\n#group,false,false,false,false,true,true\n";
            format!("{kinds},result,table,_time,_value,_field,{tag}\n,,{n},2024-01-01T00:00:00Z,1,{field},v{n}\n\n")
        })
    };
    let own_field = series(&|_| "meter".to_owned(), &|n| format!("f{n}"));
    assert!(is_sparse(&taken("series with a field each", &own_field)[2]));
    let own_tag = series(&|n| format!("t{n}"), &|_| "power".to_owned());
    assert!(is_sparse(&taken("series with a tag each", &own_tag)[2]));
}

/// The start of an answer of InfluxQL, up to the array of its series.
fn series_head() -> Vec<u8> {
    [&b"\x81\xa7results\x91\x82\xacstatement_id\x00\xa6series"[..], &[0xdd, 0xff, 0xff, 0xff, 0xff]].concat()
}

/// Decodes an answer of InfluxQL within so many bytes for each of its own.
fn series_within(shape: &str, bytes: &[u8], most: u64) {
    let length = u64::try_from(bytes.len()).unwrap();
    let mut result = Ok(());
    let used = measure(|| {
        let mut decoder = SeriesDecoder::inferred();
        result = decoder.feed(bytes).map(|()| drop(decoder.take()));
    });
    println!("{shape:<44}{length:>12}{:>8} decoded", used.bytes_max / length);
    assert!(used.bytes_max < most * length + 4_096, "{shape}: {}", used.bytes_max);
    result.unwrap();
}

#[test]
fn lengths_that_are_claimed_take_no_memory() {
    let series = b"\x83\xa4name\xa1m\xa7columns\x92\xa4time\xa1a\xa6values";
    series_within("so many series", &series_head(), 0);
    series_within("so many rows", &[&series_head()[..], series, &[0xdd, 0xff, 0xff, 0xff, 0xff]].concat(), 40);
    series_within("a long text", &[&series_head()[..], b"\x83\xa4name\xdb\x03\xff\xff\xffab"].concat(), 4);
    series_within("many tags", &[&series_head()[..], b"\x83\xa4tags\xdf\x00\x0f\xff\xff"].concat(), 4);
    series_within("many columns", &[&series_head()[..], b"\x83\xa7columns\xdd\x00\x0f\xff\xff"].concat(), 4);
}

#[test]
fn series_of_layouts_of_their_own_and_rows_of_types_of_their_own() {
    let layouts = (0..20_000_u16).flat_map(|number| {
        let [high, low] = number.to_be_bytes().map(|byte| byte & 0x7f);
        [&b"\x82\xa7columns\x91\xa3c"[..], &[high, low], b"\xa6values\x91\x91\x01"].concat()
    });
    series_within("series with a layout each", &[series_head(), layouts.collect()].concat(), DECODED);
    let columns = 12;
    let names = (0..columns).flat_map(|number: u8| [0xa1, b'a' + number]);
    let mut bytes = [&series_head()[..], b"\x82\xa7columns\x9c", &names.collect::<Vec<_>>()].concat();
    bytes.extend_from_slice(b"\xa6values\xdd\x00\x01\x00\x00");
    for number in 0..20_000_u32 {
        bytes.push(0x9c);
        bytes.extend((0..columns).map(|column| if number >> column & 1 == 0 { 0x01 } else { 0xc2 }));
    }
    series_within("rows with types of their own", &bytes, DECODED);
    let nulls = [&[0x9c][..], &[0xc0; 12]].concat().repeat(20_000);
    let head = &bytes[..bytes.len() - 13 * 20_000];
    series_within("rows of nulls", &[head, &nulls].concat(), DECODED);
}
