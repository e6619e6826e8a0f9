//! Texts by hand: what is said of those that are not whole annotated CSV, and where; and rare spellings.

use crate::common::plain::{Plain, Value};
use crate::common::twin::{Fault, What};
use db_native::{Answer, Decoder, EndMark, Error, Position};

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, end: EndMark) -> Result<Answer, Error> {
    let mut decoder = Decoder::new();
    for chunk in chunks {
        decoder.feed(chunk)?;
    }
    decoder.finish(end)
}

/// What a text gives, checked to be the same for every split.
fn outcome(text: &[u8], end: EndMark) -> Result<Plain, Error> {
    let plain = |result: Result<Answer, Error>| result.map(|answer| Plain::from(&answer));
    let whole = plain(decode([text], end));
    for at in 0..=text.len() {
        assert_eq!(whole, plain(decode([&text[..at], &text[at..]], end)), "cut at {at}");
    }
    assert_eq!(whole, plain(decode(text.chunks(1), end)), "byte by byte");
    whole
}

fn fault(text: &[u8], end: EndMark) -> Fault {
    Fault::from(&outcome(text, end).expect_err("this text is not whole"))
}

fn at(offset: usize, table: usize, row: usize) -> Position {
    Position { offset, table, row }
}

/// A block with the columns `t`, the group key, and `v`; its rows begin at `ROWS`.
macro_rules! block {
    ($rows:literal) => {
        concat!("#datatype,long,long\n#group,true,false\n,t,v\n", $rows).as_bytes()
    };
}
const ROWS: usize = block!("").len();

#[test]
fn what_is_not_annotated_csv_is_a_syntax_error_at_its_record() {
    let cases: [(&str, &[u8], Position); 20] = [
        ("a header without annotations", b",a,b\n,1,2\n\n", at(0, 0, 0)),
        ("a header without #datatype", b"#group,true\n#default,\n,a\n,1\n\n", at(22, 0, 0)),
        ("an annotation twice", b"#datatype,long\n#datatype,long\n,a\n\n", at(15, 0, 0)),
        ("an unknown datatype", b"#datatype,int\n,a\n,1\n\n", at(14, 0, 0)),
        ("a datatype in other letters", b"#datatype,Long\n,a\n,1\n\n", at(15, 0, 0)),
        ("a group neither true nor false", b"#datatype,long\n#group,yes\n,a\n,1\n\n", at(26, 0, 0)),
        ("a short #datatype", b"#datatype,long\n,a,b\n,1,2\n\n", at(15, 0, 0)),
        ("a long #group", b"#datatype,long\n#group,true,true\n,a\n\n", at(32, 0, 0)),
        ("a short #default", b"#datatype,long\n#default\n,a\n\n", at(24, 0, 0)),
        ("a header with a first cell", b"#datatype,long\nx,a\n,1\n\n", at(15, 0, 0)),
        ("a header without columns", b"#datatype\n\"\"\n\n", at(10, 0, 0)),
        ("a column's name that is not UTF-8", b"#datatype,long\n,\xff\n,1\n\n", at(15, 0, 0)),
        ("an empty line before the header", b"#datatype,long\n\n,a\n,1\n\n", at(15, 0, 0)),
        ("rows after an empty line", block!(",0,1\n\n,0,2\n\n"), at(ROWS + 6, 0, 1)),
        ("a row too short", block!(",0,1\n,0\n\n"), at(ROWS + 5, 0, 1)),
        ("a row too long", block!(",0,1\n,0,2,3\n\n"), at(ROWS + 5, 0, 1)),
        ("a row with a first cell", block!(",0,1\nx,0,2\n\n"), at(ROWS + 5, 0, 1)),
        ("text after a closing quote", block!(",0,1\n,1,1\n,1,\"2\"3\n\n"), at(ROWS + 10, 1, 1)),
        ("a lone carriage return after a closing quote", block!(",0,\"2\"\r3\n\n"), at(ROWS, 0, 0)),
        ("an error table without its row", b",error,reference\n\n", at(17, 0, 0)),
    ];
    for (name, text, position) in cases {
        assert_eq!(Fault { what: What::Syntax, at: position }, fault(text, EndMark::Required), "{name}");
    }
}

#[test]
fn a_cell_of_another_type_is_named_with_its_column_and_place() {
    let long = "x".repeat(41);
    let cases = [
        ("long", "long", vec!["1.0", "1e3", " 1", "9223372036854775808", "0x1", "true"]),
        ("unsignedLong", "unsignedLong", vec!["-1", "18446744073709551616"]),
        ("double", "double", vec!["1.2.3", "--1", "one", "0x1p3"]),
        ("boolean", "boolean", vec!["yes", "2", "tRUE"]),
        ("dateTime:RFC3339", "dateTime:RFC3339", vec!["2024-01-01", "1700000000", "2023-02-29T00:00:00Z"]),
        ("dateTime:RFC3339Nano", "dateTime:RFC3339", vec!["2262-04-11T23:47:16.854775808Z", "0001-01-01T00:00:00Z"]),
        ("duration", "duration", vec!["1mo", "1y", "h", "1.5"]),
        ("base64Binary", "base64Binary", vec!["AA", "A===", "AB==", "?A=="]),
        ("long", "long", vec![long.as_str()]),
    ];
    for (spelled, datatype, texts) in cases {
        for text in texts {
            let head = format!("#datatype,long,{spelled}\n#group,true,false\n,t,v\n,0,\n");
            let shown = if text.len() > 40 { format!("{}…", &text[..40]) } else { text.to_owned() };
            let what = What::Value { column: "v".to_owned(), datatype, text: shown };
            // In the second row, and in the first row of the second table.
            for (table, row) in [(0, 1), (1, 0)] {
                let expected = Fault { what: what.clone(), at: at(head.len(), table, row) };
                assert_eq!(expected, fault(format!("{head},{table},{text}\n\n").as_bytes(), EndMark::Required));
            }
        }
    }
}

#[test]
fn a_default_of_another_type_is_told_where_it_is_needed() {
    let head = "#datatype,long,long\n#default,,x\n,a,b\n,1,2\n";
    let what = What::Value { column: "b".to_owned(), datatype: "long", text: "x".to_owned() };
    assert_eq!(Fault { what, at: at(head.len(), 0, 1) }, fault(format!("{head},1,\n\n").as_bytes(), EndMark::Required));
    assert!(outcome(format!("{head}\n").as_bytes(), EndMark::Required).is_ok());
}

#[test]
fn text_that_is_not_utf8_is_a_value_error() {
    for group in ["true", "false"] {
        let head = format!("#datatype,string\n#group,{group}\n,s\n");
        let text = [head.as_bytes(), b",a\xffb\n\n"].concat();
        let what = What::Value { column: "s".to_owned(), datatype: "string", text: "a\u{fffd}b".to_owned() };
        assert_eq!(Fault { what, at: at(head.len(), 0, 0) }, fault(&text, EndMark::Required));
    }
}

#[test]
fn an_answer_without_its_end_mark_is_incomplete() {
    let cases: [(&[u8], Position); 9] = [
        (b"", at(0, 0, 0)),
        (b"\r", at(0, 0, 0)),
        (b"#datatype,long\n", at(15, 0, 0)),
        (block!(""), at(ROWS, 0, 0)),
        (block!(",0,1\n"), at(ROWS + 5, 0, 1)),
        (block!(",0,1\n,0"), at(ROWS + 5, 0, 1)),
        (block!(",0,1\n\r"), at(ROWS + 5, 0, 1)),
        (block!(",0,\"1\n\n"), at(ROWS, 0, 0)),
        (block!(",0,1\n\n#group,true\n"), at(ROWS + 18, 0, 1)),
    ];
    for (text, position) in cases {
        let expected = Fault { what: What::Incomplete, at: position };
        assert_eq!(expected, fault(text, EndMark::Required), "{}", text.escape_ascii());
    }
}

#[test]
fn where_the_end_mark_is_optional_only_half_a_record_is_incomplete() {
    let long = |value| vec![Value::Long(0), Value::Long(value)];
    let rows = |text: &[u8]| outcome(text, EndMark::Optional).unwrap().tables.first().map(|table| table.rows.clone());
    assert_eq!(None, rows(b""));
    assert_eq!(None, rows(block!("")));
    assert_eq!(Some(vec![long(1)]), rows(block!(",0,1")));
    assert_eq!(Some(vec![long(1), long(2)]), rows(block!(",0,1\r\n,0,2\r")));
    assert_eq!(Some(vec![long(1)]), rows(block!(",0,1\n\n")));
    for text in [block!(",0,\"1\n"), b"#datatype,long", b",error,reference"] {
        assert_eq!(What::Incomplete, fault(text, EndMark::Optional).what, "{}", text.escape_ascii());
    }
}

#[test]
fn an_answer_without_rows_is_one_empty_line() {
    for text in [&b"\r\n"[..], b"\n"] {
        assert_eq!(Ok(Plain::default()), outcome(text, EndMark::Required));
    }
}

#[test]
fn an_error_table_is_the_servers_error() {
    let server =
        |message: &str, reference: &str| What::Server { message: message.to_owned(), reference: reference.to_owned() };
    let annotations = "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n";
    let cases = [
        (",error,reference\r\n,no such bucket,897\r\n".to_owned(), server("no such bucket", "897")),
        (format!("{annotations},error,reference\r\n,\"a, \"\"b\"\"\r\nc\",\r\n"), server("a, \"b\"\nc", "")),
        (",error\r\n,alone\r\n".to_owned(), server("alone", "")),
        (",error,reference\r\n,\r\n".to_owned(), server("", "")),
    ];
    for (text, what) in cases {
        for before in ["", "#datatype,long\r\n,a\r\n,1\r\n,2\r\n\r\n"] {
            let text = format!("{before}{text}");
            let row = text.trim_end().rfind("\r\n,").unwrap() + 2;
            let rows = if before.is_empty() { 0 } else { 2 };
            let expected = Fault { what: what.clone(), at: at(row, 0, rows) };
            assert_eq!(expected, fault(text.as_bytes(), EndMark::Required), "{text}");
        }
    }
}

#[test]
fn a_column_named_error_is_no_error_table() {
    let text = b"#datatype,string,long,string\n,result,table,error\n,,0,none\n\n";
    assert_eq!(1, outcome(text, EndMark::Required).unwrap().tables.len());
}

#[test]
fn an_empty_string_is_told_from_an_absent_one_by_its_quotes() {
    for group in ["false", "true"] {
        for default in ["", "d"] {
            let text =
                format!("#datatype,string,long\n#group,{group},false\n#default,{default},7\n,s,n\n,\"\",\"\"\n,,\n\n");
            let rows: Vec<_> = outcome(text.as_bytes(), EndMark::Required).unwrap().tables;
            let rows: Vec<_> = rows.into_iter().flat_map(|table| table.rows).collect();
            let absent = if default.is_empty() { Value::Null } else { Value::text(default) };
            let expected = [[Value::text(""), Value::Long(7)], [absent, Value::Long(7)]];
            assert_eq!(expected.to_vec(), rows.iter().map(|row| [row[0].clone(), row[1].clone()]).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_quote_inside_an_unquoted_cell_is_text() {
    let text = b"#datatype,string,string\n,a,b\n,5\" pipe,x\"\"\n\n";
    let rows = &outcome(text, EndMark::Required).unwrap().tables[0].rows;
    assert_eq!(&vec![vec![Value::text("5\" pipe"), Value::text("x\"\"")]], rows);
}

#[test]
fn carriage_returns_are_kept_where_they_end_no_line() {
    let text = b"#datatype,string,string\r\n,a,b\r\n,\"x\ry\",\"\r\r\n\"\r\n,x\ry,z\r\r\n\r\n";
    let rows = &outcome(text, EndMark::Required).unwrap().tables[0].rows;
    let expected = [[Value::text("x\ry"), Value::text("\r\n")], [Value::text("x\ry"), Value::text("z\r")]];
    assert_eq!(&expected.map(Vec::from).to_vec(), rows);
}

#[test]
fn a_table_goes_on_over_another_line_end_and_ends_with_its_block() {
    let tables = |text| outcome(text, EndMark::Optional).unwrap().tables.len();
    assert_eq!(1, tables(b"#datatype,long,long\n#group,false,true\n,v,t\n,1,0\r\n,2,0\n,3,0"));
    assert_eq!(2, tables(b"#datatype,long,long\n#group,false,true\n,v,t\n,1,0\n\n#datatype,long,long\n#group,false,true\n,v,t\n,2,0\n"));
}

#[test]
fn a_table_goes_on_over_an_empty_first_cell_in_quotes() {
    let tables = outcome(b"#datatype,long\n,v\n,1\n\"\",2\n,3\n\n", EndMark::Required).unwrap().tables;
    assert_eq!(vec![3], tables.iter().map(|table| table.rows.len()).collect::<Vec<_>>());
}

#[test]
fn a_decoder_that_failed_gives_nothing_more() {
    let mut decoder = Decoder::new();
    decoder.feed(b"#datatype,long,long\n,a,b\n,1,2\n").unwrap();
    // The second cell is bad when the first has been decoded.
    let first = decoder.feed(b",3,x\n").unwrap_err();
    assert!(first.to_string().contains("\"x\" is not a long"), "{first}");

    assert_eq!(0, decoder.rows());
    assert_eq!(Plain::default(), Plain::from(&decoder.take()));
    assert!(decoder.feed(b"\n").is_err());
    assert!(decoder.finish(EndMark::Optional).is_err());
}

#[test]
fn errors_read_as_sentences_with_their_place() {
    let text = |text: &[u8]| decode([text], EndMark::Required).unwrap_err().to_string();
    assert_eq!("column \"v\": \"x\" is not a long (byte 43, table 0, row 0)", text(block!(",0,x\n")));
    assert_eq!("the answer was cut off: its end is missing (byte 0, table 0, row 0)", text(b""));
    assert_eq!("why (reference 7) (byte 17, table 0, row 0)", text(b",error,reference\n,why,7\n"));
}

#[test]
fn a_cell_of_many_lines_costs_no_more_over_a_cut() {
    // Scanned anew for every line, 8 MB of them would take minutes.
    let cell = "x\n".repeat(4_000_000);
    let text = format!("#datatype,string\n,s\n,\"{cell}\"\n\n");
    let (start, rest) = text.as_bytes().split_at(30);
    let answer = decode([start, rest], EndMark::Required).unwrap();
    assert_eq!(vec![vec![Value::Text(cell)]], Plain::from(&answer).tables[0].rows);
}
