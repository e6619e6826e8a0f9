//! Runs one kernel once on a fixed input, so that its instructions can be counted.
//!
//! ```text
//! instructions                  the names of the kernels
//! instructions NAME prepare     make the input
//! instructions NAME run         make the input and run the kernel
//! ```
//!
//! What the second does more than the first is the kernel. Used by
//! `benchmarks/instructions.py`, which keeps the counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;

use db_native::{
    Answer, Consumption, Datatype, Decoder, Duplicates, EmptyText, EndMark, Gaps, Layout, Levels, OnReset, Pivot,
    Points, Policy, Precision, Query, SeriesDecoder, Shards, Totals, differences, pivot, union,
};

#[path = "../tests/common"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common {
    pub(crate) mod plain;
    pub(crate) mod shards;
    pub(crate) mod tsm;
}

use common::plain::Value;
use common::shards::{all_of, block, read, source, tsm_file};

/// Makes a kernel's input and gives the kernel.
type Prepare = fn() -> Box<dyn Fn()>;

const KERNELS: [(&str, Prepare); 15] = [
    ("decode long form", || decoding(long(20, 5_000, ""))),
    ("decode short tables", || decoding(long(2_000, 10, ""))),
    ("decode nanosecond stamps", || decoding(long(20, 2_000, ".123456789"))),
    ("decode wide rows", || decoding(wide(2_000, 50, 0))),
    ("decode many nulls", || decoding(wide(5_000, 10, 2))),
    ("decode quoted strings", || decoding(quoted(20_000))),
    ("pivot", || {
        let answer = decoded(&long(20, 5_000, ""));
        Box::new(move || drop(black_box(wide_frame(&answer))))
    }),
    ("decode series", || {
        let answer = series(20, 5_000);
        Box::new(move || drop(black_box(of_series(&answer, SeriesDecoder::declared(two_fields()).expect("fields")))))
    }),
    ("decode short series", || {
        let answer = series(2_000, 10);
        Box::new(move || drop(black_box(of_series(&answer, SeriesDecoder::inferred()))))
    }),
    ("pivot series", || {
        let answer = of_series(&series(20, 5_000), SeriesDecoder::inferred());
        Box::new(move || drop(black_box(wide_frame(&answer))))
    }),
    ("decode shards", || {
        let (shards, query) = stored(20, 2, 5_000);
        Box::new(move || drop(black_box(read(&shards, &query, 1).expect("sound blocks"))))
    }),
    ("pivot shards", || {
        let (shards, query) = stored(20, 2, 5_000);
        let (_, answer) = read(&shards, &query, 1).expect("sound blocks");
        Box::new(move || drop(black_box(wide_frame(&answer))))
    }),
    ("meter differences", || {
        let frame = wide_frame(&decoded(&long(20, 5_000, "")));
        let keys: Vec<usize> = (0..frame.levels).chain([frame.levels]).collect();
        Box::new(move || drop(black_box(differences(&frame.batch, &keys).expect("numbers"))))
    }),
    ("consumption", || {
        let totals = [decoded(&long(20, 5_000, ""))];
        Box::new(move || drop(black_box(consumed(&totals))))
    }),
    ("line protocol", || {
        let frame = union(&decoded(&wide(5_000, 10, 0))).expect("one schema");
        Box::new(move || drop(black_box(lines(&frame))))
    }),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, mode] = arguments.as_slice() else {
        return KERNELS.iter().for_each(|(name, _)| println!("{name}"));
    };
    let (_, prepare) = KERNELS.iter().find(|(known, _)| known == name).expect("the name of a kernel");
    let kernel = prepare();
    if mode == "run" {
        kernel();
    }
}

fn decoding(answer: String) -> Box<dyn Fn()> {
    Box::new(move || drop(black_box(decoded(&answer))))
}

/// Shards of meters with two fields, of 2 decimals, every 10 s: half of the rows in each of two shards.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the numbers are small")]
fn stored(series: i64, fields: i64, rows: i64) -> (Shards, Query) {
    let shard = |number: i64| {
        let mut keys = BTreeMap::new();
        for (meter, field) in (0..series).flat_map(|meter| (0..fields).map(move |field| (meter, field))) {
            let point = |row: i64| {
                let looks_random = (row + meter * rows + field).wrapping_mul(6_364_136_223_846_793_005) >> 33;
                let value = looks_random.rem_euclid(100_000) as f64 / 100.0;
                (1_700_000_000_000_000_000 + row * 10_000_000_000, Value::double(value))
            };
            let points: Vec<_> = (number * rows / 2..(number + 1) * rows / 2).map(point).collect();
            let blocks = points.chunks(1_000).map(block).collect();
            keys.insert(format!("meters,meter={meter:03}#!~#field-{field}").into_bytes(), blocks);
        }
        vec![source("000000001-000000001.tsm", tsm_file(&keys))]
    };
    (Shards::open(vec![shard(0), shard(1)]).expect("sound files"), all_of("meters"))
}

/// Decodes in pieces of the size that the transport gives.
fn decoded(answer: &str) -> Answer {
    let mut decoder = Decoder::new();
    for chunk in answer.as_bytes().chunks(1 << 16) {
        decoder.feed(chunk).expect("annotated CSV");
    }
    decoder.finish(EndMark::Required).expect("a whole answer")
}

fn wide_frame(answer: &Answer) -> db_native::Wide {
    let spec = Pivot {
        fields: None,
        levels: Levels::Differing,
        tag_columns: false,
        empty_text: EmptyText::Empty,
        kinds: Vec::new(),
        tz: "UTC".to_owned(),
        axis: Vec::new(),
        zeros: Vec::new(),
        spreads: Vec::new(),
        renamed: Vec::new(),
    };
    pivot(vec![answer], &spec).expect("one value a cell")
}

/// Numbers at random, taken for totals: about half of the steps are drops.
fn consumed(totals: &[Answer]) -> db_native::Wide {
    let fields = ["power", "voltage"].map(str::to_owned);
    let policy = Policy {
        max_rate: fields.iter().map(|field| (field.clone(), 100.0)).collect(),
        fields: fields.to_vec(),
        levels: Levels::Differing,
        tz: "UTC".to_owned(),
        on_reset: OnReset::Restart,
        rollover: Vec::new(),
        gaps: Gaps::Book,
        grid: None,
        adjacent_since: None,
        lead: 0,
        kinds: Vec::new(),
        late: 0,
        longest: 0,
        quality: true,
        windows: None,
    };
    let totals = Totals { totals, before: &[], first: &[], lows: totals };
    let consumption = Consumption::new(&totals, policy).expect("numbers");
    consumption.frame::<Answer>(&[], &[]).expect("numbers")
}

fn lines(frame: &arrow_array::RecordBatch) -> Vec<u8> {
    let layout = Layout {
        measurement: "electricity",
        tag_columns: &["result".to_owned()],
        time_column: "_time",
        tags: &[],
        precision: Precision::Nanosecond,
        duplicates: Duplicates::Error,
    };
    let points = Points::new(frame, &layout).expect("names and types that can be written");
    points.check().expect("rows that can be written");
    let mut body = Vec::new();
    points.write(0, usize::MAX, &mut body);
    body
}

/// Stored points, as a raw read gives them: two fields of each series.
fn long(tables: usize, rows: usize, fraction: &str) -> String {
    let mut text = String::from(
        "#datatype,string,long,dateTime:RFC3339,double,string,string\r\n\
         #group,false,false,false,false,true,true\r\n\
         #default,_result,,,,,\r\n\
         ,result,table,_time,_value,_field,meter\r\n",
    );
    let mut numbers = Numbers(1);
    for table in 0..tables {
        let (field, meter) = (["power", "voltage"][table % 2], table / 2);
        for row in 0..rows {
            let (stamp, number) = (stamp(row, fraction), numbers.next());
            write!(text, ",,{table},{stamp},{number},{field},meter-{meter:05}\r\n").expect("a string grows");
        }
    }
    text + "\r\n"
}

fn two_fields() -> Vec<(String, Datatype)> {
    ["power", "voltage"].map(|field| (field.to_owned(), Datatype::Double)).to_vec()
}

/// Decodes in pieces of the size that the transport gives.
fn of_series(answer: &[u8], mut decoder: SeriesDecoder) -> Answer {
    for chunk in answer.chunks(1 << 16) {
        decoder.feed(chunk).expect("msgpack");
    }
    decoder.finish(EndMark::Required).expect("a whole answer")
}

/// Stored points, as a raw read over InfluxQL gives them: two fields of each series, a message for each.
fn series(count: usize, rows: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.push(0xa0 | u8::try_from(text.len()).expect("a short text"));
        bytes.extend_from_slice(text.as_bytes());
    };
    let mut numbers = Numbers(1);
    for meter in 0..count {
        let is_last = meter + 1 == count;
        bytes.push(0x81);
        text(&mut bytes, "results");
        bytes.extend([0x91, if is_last { 0x82 } else { 0x83 }]);
        text(&mut bytes, "statement_id");
        bytes.push(0);
        text(&mut bytes, "series");
        bytes.extend([0x91, 0x84]);
        text(&mut bytes, "name");
        text(&mut bytes, "electricity");
        text(&mut bytes, "tags");
        bytes.push(0x81);
        text(&mut bytes, "meter");
        text(&mut bytes, &format!("meter-{meter:05}"));
        text(&mut bytes, "columns");
        bytes.push(0x93);
        for name in ["time", "power", "voltage"] {
            text(&mut bytes, name);
        }
        text(&mut bytes, "values");
        bytes.push(0xdd);
        bytes.extend(u32::try_from(rows).expect("few rows").to_be_bytes());
        for row in 0..rows {
            let time = 1_767_225_600_000_000_000 + i64::try_from(row).expect("few rows") * 10_000_000_000;
            bytes.extend([0x93, 0xd3]);
            bytes.extend(time.to_be_bytes());
            for _ in 0..2 {
                bytes.push(0xcb);
                bytes.extend(numbers.next().parse::<f64>().expect("a number").to_be_bytes());
            }
        }
        if !is_last {
            text(&mut bytes, "partial");
            bytes.push(0xc3);
        }
    }
    bytes
}

/// A pivoted answer; of the values, one in `null_one_in` is absent.
fn wide(rows: usize, fields: usize, null_one_in: usize) -> String {
    let mut text = format!(
        "#datatype,string,long,dateTime:RFC3339{}\r\n#group,false,false,false{}\r\n#default,_result,,{}\r\n,result,table,_time",
        ",double".repeat(fields),
        ",false".repeat(fields),
        ",".repeat(fields),
    );
    for field in 0..fields {
        write!(text, ",field_{field:02}").expect("a string grows");
    }
    text += "\r\n";
    let mut numbers = Numbers(2);
    for row in 0..rows {
        write!(text, ",,0,{}", stamp(row, "")).expect("a string grows");
        for field in 0..fields {
            text.push(',');
            let number = numbers.next();
            if null_one_in == 0 || (row * 7 + field * 3) % null_one_in > 0 {
                text += &number;
            }
        }
        text += "\r\n";
    }
    text + "\r\n"
}

/// Texts with commas and quotes.
fn quoted(rows: usize) -> String {
    let mut text = String::from(
        "#datatype,string,long,dateTime:RFC3339,string\r\n\
         #group,false,false,false,false\r\n\
         #default,_result,,,\r\n\
         ,result,table,_time,_value\r\n",
    );
    for row in 0..rows {
        let (phase, state, stamp) = (row % 3, row % 7, stamp(row, ""));
        write!(text, ",,0,{stamp},\"phase {phase}, \"\"state {state}\"\", code {row}\"\r\n").expect("a string grows");
    }
    text + "\r\n"
}

/// The time of a row: ten seconds after the last.
fn stamp(row: usize, fraction: &str) -> String {
    let seconds = row * 10;
    let (day, hour) = (1 + seconds / 86_400, seconds / 3_600 % 24);
    format!("2026-01-{day:02}T{hour:02}:{:02}:{:02}{fraction}Z", seconds / 60 % 60, seconds % 60)
}

/// The same numbers in every run.
struct Numbers(u64);

impl Numbers {
    /// A number of three digits after the point.
    fn next(&mut self) -> String {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let thousandths = (self.0 >> 33) % 2_000_000;
        format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
    }
}
