//! Answers of InfluxQL in msgpack through the decoder, against its naive twin and by hand.

use std::collections::BTreeMap;

use crate::common::cases;
use crate::common::chunks::{Given, answer, message, row};
use crate::common::msgpack::Wire;
use crate::common::plain::{Plain, Value};
use crate::common::reads::Table;
use crate::common::{chunks, plain, reads, series, unions, wide as twins};
use db_native::{
    Aggregate, Answer, Consumption, Datatype, Edges, EmptyText, EndMark, ErrorKind, Function, Gaps, LONGEST_RECORD,
    Levels, MOST_CELLS, OnReset, Pivot, Policy, Renamed, SeriesDecoder, Totals, pivot,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

fn fields(kinds: &[(&str, Datatype)]) -> Vec<(String, Datatype)> {
    kinds.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect()
}

/// Two series of two fields in three messages; the first one in two parts.
fn two_series() -> Vec<u8> {
    let double = Wire::Double;
    let columns = vec!["time", "a", "b"];
    let first = vec![
        row(10, &[double(1.5), Wire::Nil]),
        row(20, &[Wire::Nil, Wire::text("on")]),
        row(30, &[double(2.5), Wire::text("")]),
    ];
    let second = vec![row(10, &[double(-1.0), Wire::text("off")])];
    let series = [
        (vec![("site", "x"), ("meter", "1")], columns.clone(), first),
        (vec![("meter", "2"), ("site", "")], columns, second),
    ];
    answer(0, &series, 2)
}

fn wide() -> Pivot {
    Pivot {
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
    }
}

#[test]
fn a_series_in_parts_is_one_table_and_an_empty_tag_is_none() {
    let declared = fields(&[("power", Datatype::Double), ("state", Datatype::String)]);
    for declared in [Some(declared.as_slice()), None] {
        let answer = series::check(&two_series(), &[], declared, EndMark::Required).unwrap();
        assert_eq!(2, answer.tables.len());
        let (a, b) = if declared.is_some() { ("power", "state") } else { ("a", "b") };
        let text = Value::text;
        let frame = pivot(vec![answer], &wide()).unwrap();
        let expected = [
            ("meter".to_owned(), ["1", "1", "1", "2"].map(text).to_vec()),
            ("site".to_owned(), vec![text("x"), text("x"), text("x"), Value::Null]),
            ("time".to_owned(), [10, 20, 30, 10].map(Value::Time).to_vec()),
            (a.to_owned(), vec![Value::double(1.5), Value::Null, Value::double(2.5), Value::double(-1.0)]),
            (b.to_owned(), vec![Value::Null, text("on"), text(""), text("off")]),
        ];
        assert_eq!((2, expected.to_vec()), (frame.levels, plain::columns(&frame.batch)));
    }
}

#[test]
fn a_tag_that_no_series_has_is_no_column() {
    let rows = vec![row(10, &[Wire::Double(1.5)])];
    let bytes = answer(0, &[(vec![("meter", "1"), ("site", "")], vec!["time", "power"], rows)], 2);
    let declared = fields(&[("power", Datatype::Double)]);
    let answer = series::check(&bytes, &[], Some(&declared), EndMark::Required).unwrap();

    let frame = pivot(vec![answer], &Pivot { tag_columns: true, ..wide() }).unwrap();

    let names: Vec<String> = plain::columns(&frame.batch).into_iter().map(|(name, _)| name).collect();
    assert_eq!(["time", "power", "meter"], names.as_slice());
}

#[test]
fn every_split_gives_the_same() {
    let answer = two_series();
    let declared = fields(&[("power", Datatype::Double), ("state", Datatype::String)]);
    for declared in [Some(declared.as_slice()), None] {
        for cut in 0..=answer.len() {
            series::check(&answer, &[cut], declared, EndMark::Required);
        }
        series::check(&answer, &(0..answer.len()).collect::<Vec<_>>(), declared, EndMark::Required);
    }
}

#[test]
fn every_truncation_is_incomplete() {
    let answer = two_series();
    for length in 0..answer.len() {
        let cut = series::decode_fast(&answer[..length], &[], None, EndMark::Required);
        assert_eq!(series::What::Incomplete, series::What::from(&cut.unwrap_err()), "cut at {length}");
    }
}

#[test]
fn every_byte_changed_is_what_the_twin_makes_of_it() {
    let answer = two_series();
    let declared = fields(&[("power", Datatype::Double), ("state", Datatype::String)]);
    for at in 0..answer.len() {
        for byte in (0..=255).filter(|byte| (usize::from(*byte) + at) % 5 == 0) {
            let mut changed = answer.clone();
            changed[at] = byte;
            series::check(&changed, &[at], Some(&declared), EndMark::Required);
            series::check(&changed, &[at], None, EndMark::Optional);
        }
    }
}

/// Cells of a column: mostly of one type.
fn cell(usual: usize) -> impl Strategy<Value = Wire> {
    let kinds = move |kind: usize| match kind {
        0 => prop_oneof![(-2.0..2.0).prop_map(Wire::Double), Just(Wire::Double(f64::NAN))].boxed(),
        1 => prop_oneof![-40..300_i128, (-70_000..70_000_i128).prop_map(|value| value << 16)]
            .prop_map(Wire::Integer)
            .boxed(),
        2 => prop_oneof![0..300_i128, Just(1 << 63), Just((1 << 63) + 1)].prop_map(Wire::Integer).boxed(),
        3 => any::<bool>().prop_map(Wire::Boolean).boxed(),
        _ => "[aé\"]{0,40}".prop_map(|text| Wire::text(&text)).boxed(),
    };
    prop_oneof![
        12 => kinds(usual),
        2 => Just(Wire::Nil),
        1 => (0..5_usize).prop_flat_map(kinds),
    ]
}

fn given_series() -> impl Strategy<Value = Given<'static, 'static>> {
    let pairs = vec![("meter", "a"), ("site", "x"), ("unit", ""), ("_measurement", "y"), ("time", "z")];
    let columns = vec![vec!["time", "a", "b"], vec!["time", "b", "a"], vec!["a", "time"], vec!["b", "time", "c"]];
    let kinds = select(vec![[0, 0, 0], [1, 2, 4], [2, 1, 3]]);
    (subsequence(pairs, 0..3).prop_shuffle(), select(columns), kinds, 0..9_usize).prop_flat_map(
        |(tags, columns, kinds, rows)| {
            let is_timed = columns[0] == "time";
            let cells = kinds[..columns.len() - 1].iter().map(|kind| cell(*kind)).collect::<Vec<_>>();
            let first = if is_timed {
                any::<i64>().prop_map(|time| Wire::Integer(time.into())).boxed()
            } else {
                cell(kinds[2]).boxed()
            };
            let row = (first, cells).prop_map(|(first, cells)| Wire::Array([vec![first], cells].concat()));
            vec(row, rows).prop_map(move |rows| (tags.clone(), columns.clone(), rows))
        },
    )
}

fn statements() -> impl Strategy<Value = Vec<u8>> {
    let statement = (vec(given_series(), 0..4), 1..4_usize);
    vec(statement, 1..3).prop_map(|statements| {
        let numbered = statements.iter().zip(0..);
        numbered.flat_map(|((series, chunk), number)| answer(number, series, *chunk)).collect()
    })
}

fn declared() -> impl Strategy<Value = Option<Vec<(String, Datatype)>>> {
    let kind =
        select(vec![Datatype::Double, Datatype::Long, Datatype::UnsignedLong, Datatype::Boolean, Datatype::String]);
    let some = (select(vec!["p", "q"]), kind).prop_map(|(name, kind)| (name.to_owned(), kind));
    prop::option::weighted(0.3, vec(some, 1..3))
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn an_answer_is_what_the_twin_makes_of_it(
        bytes in statements(), declared in declared(), cuts in vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        let answer = series::check(&bytes, &cuts, declared.as_deref(), EndMark::Required);
        if let Some(answer) = answer {
            let union = db_native::union(&answer).map(|batch| unions::frame(&batch));
            let union = union.map_err(|error| match error.kind {
                ErrorKind::Conflict { column, .. } => column,
                other => panic!("{other:?}"),
            });
            prop_assert_eq!(unions::twin(&Plain::from(&answer)), union);
        }
    }

    #[test]
    fn a_damaged_answer_is_what_the_twin_makes_of_it(
        bytes in statements(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        series::check(&bytes, &[cut.index(bytes.len())], None, EndMark::Optional);
    }

    /// Between two batches nothing is lost, wherever they are taken.
    #[test]
    fn batches_hold_all_rows(bytes in statements(), cut in any::<prop::sample::Index>()) {
        let mut decoder = SeriesDecoder::inferred();
        let (start, rest) = bytes.split_at(cut.index(bytes.len()));
        decoder.feed(start).unwrap();
        let mut found = series::rows(&series::found(&decoder.take(), Vec::new(), None));
        decoder.feed(rest).unwrap();
        let end = decoder.finish(EndMark::Required).unwrap();
        prop_assert!(end.groups.len() < 20);
        found.extend(series::rows(&series::found_of_batch(&end, Vec::new(), None)));
        let expected = series::decode(&bytes, None, EndMark::Required).unwrap();
        prop_assert_eq!(series::rows(&expected), found);
    }
}

/// Points of some series and fields; each in a slice, by its time.
type Cells = BTreeMap<(i64, usize, i64), [Option<Value>; 3]>;

const FIELDS: [&str; 3] = ["power", "state", "total"];
const SERIES: [[(&str, &str); 2]; 4] = [
    [("meter", "m1"), ("site", "a")],
    [("meter", "m2"), ("site", "a")],
    [("meter", "m1"), ("site", "b")],
    [("meter", "m3"), ("site", "")],
];

fn cells() -> impl Strategy<Value = Cells> {
    let value = |field: usize, number: i64, is_other: bool| match (field, is_other) {
        (0, false) => Value::double(f64::from(i32::try_from(number).unwrap()) / 2.0),
        (1, false) => Value::text(["", "on", "off"][usize::try_from(number % 3).unwrap()]),
        (_, false) | (0, true) => Value::Long(number),
        (_, true) => Value::Boolean(true),
    };
    let point = (0..4_usize, 0..6_i64, 0..3_usize, 0..9_i64, prop::bool::weighted(0.01));
    vec(point, 0..30).prop_map(move |points| {
        let mut cells = Cells::new();
        for (series, time, field, number, is_other) in points {
            cells.entry((time / 3, series, time)).or_default()[field] = Some(value(field, number, is_other));
        }
        cells
    })
}

fn wire(value: Option<&Value>) -> Wire {
    match value {
        None => Wire::Nil,
        Some(Value::Double(bits)) => Wire::Double(f64::from_bits(*bits)),
        Some(Value::Text(text)) => Wire::text(text),
        Some(Value::Long(value)) => Wire::Integer((*value).into()),
        Some(Value::Boolean(value)) => Wire::Boolean(*value),
        other => panic!("no test writes {other:?}"),
    }
}

/// The answers of a read over InfluxQL, one for each slice.
fn answers(cells: &Cells, fields: &[&str], declared: series::Declared<'_>) -> Result<Vec<Answer>, db_native::Error> {
    let columns: Vec<&str> = std::iter::once("time").chain(fields.iter().copied()).collect();
    (0..2)
        .map(|slice| {
            let of_series = |(number, tags): (usize, &[(&'static str, &'static str); 2])| {
                let rows = cells.iter().filter(|((own, series, _), _)| (*own, *series) == (slice, number));
                let rows = rows.filter_map(|((_, _, time), values)| {
                    let of =
                        |field: &&str| FIELDS.iter().position(|name| name == field).and_then(|at| values[at].as_ref());
                    let found: Vec<_> = fields.iter().map(of).collect();
                    // A row without any value is not sent.
                    found
                        .iter()
                        .any(Option::is_some)
                        .then(|| row(*time, &found.into_iter().map(wire).collect::<Vec<_>>()))
                });
                (tags.to_vec(), columns.clone(), rows.collect())
            };
            let series: Vec<Given<'_, '_>> = SERIES.iter().enumerate().map(of_series).collect();
            series::decode_fast(&answer(0, &series, 2), &[], declared, EndMark::Required).map(|(answer, _)| answer)
        })
        .collect()
}

/// The tables of the same read over Flux.
fn tables(cells: &Cells, fields: &[&str]) -> Vec<Vec<Table>> {
    let of_slice = |slice| {
        let mut tables: BTreeMap<_, Table> = BTreeMap::new();
        for ((own, series, time), values) in cells.iter().filter(|((own, ..), _)| *own == slice) {
            for (field, value) in FIELDS.iter().zip(values).filter(|(field, _)| fields.contains(field)) {
                let Some(value) = value else { continue };
                let datatype = match value {
                    Value::Double(_) => "double",
                    Value::Text(_) => "string",
                    Value::Long(_) => "long",
                    _ => "boolean",
                };
                let table = tables.entry((own, series, *field, datatype)).or_insert_with(|| Table {
                    tags: SERIES[*series].into_iter().collect(),
                    field: Some(*field),
                    datatype: Some(datatype),
                    rows: Vec::new(),
                });
                table.rows.push((Some(*time), value.clone()));
            }
        }
        tables.into_values().collect()
    };
    (0..2).map(of_slice).collect()
}

fn asked() -> impl Strategy<Value = Pivot> {
    let fields = subsequence(vec!["absent", "power", "state", "total"], 1..=4).prop_shuffle();
    let fields = prop::option::of(fields.prop_map(|names| names.into_iter().map(str::to_owned).collect()));
    let levels = prop_oneof![
        2 => Just(Levels::Differing),
        1 => subsequence(vec!["meter", "nowhere", "site"], 0..3)
            .prop_map(|names| Levels::Named(names.into_iter().map(str::to_owned).collect())),
    ];
    (fields, levels, any::<bool>()).prop_map(|(fields, levels, tag_columns)| Pivot {
        fields,
        levels,
        tag_columns,
        ..wide()
    })
}

proptest! {
    #![proptest_config(cases(3000))]

    /// The tags that a series lacks have a column in the tables of both, and no value.
    #[test]
    fn a_pivot_is_that_of_the_same_points_over_flux(cells in cells(), spec in asked(), is_declared in any::<bool>()) {
        let fields: Vec<&str> = match &spec.fields {
            Some(fields) => fields.iter().map(String::as_str).collect(),
            None => FIELDS.to_vec(),
        };
        // A field without a value has the type that was declared, which Flux does not know: that of the twin.
        let has_value = |field: &str| {
            FIELDS.iter().position(|name| *name == field).is_some_and(|at| cells.values().any(|values| values[at].is_some()))
        };
        let declared: Vec<(String, Datatype)> = fields
            .iter()
            .map(|field| {
                let kind = match *field {
                    "state" if has_value(field) => Datatype::String,
                    "total" if has_value(field) => Datatype::Long,
                    _ => Datatype::Double,
                };
                ((*field).to_owned(), kind)
            })
            .collect();
        let tables = tables(&cells, &fields);
        let answers = answers(&cells, &fields, is_declared.then_some(declared.as_slice()));
        // A value of another type than declared is refused before.
        let Ok(answers) = answers else { return Ok(()) };
        let found = pivot(answers, &spec).map(|wide| twins::frame(&wide)).map_err(|error| match error.kind {
            ErrorKind::Ambiguous(_) => twins::Failure::Ambiguous,
            ErrorKind::Conflict { .. } => twins::Failure::Conflict,
            other => panic!("{other:?}"),
        });
        prop_assert_eq!(twins::twin(&tables, &spec), found);
    }
}

/// Numbers of one slice alone, as answers over InfluxQL and over Flux.
fn both(cells: &Cells, fields: &[&str]) -> Option<(Answer, Answer)> {
    let cells: Cells =
        cells.iter().filter(|((slice, ..), _)| *slice == 0).map(|(at, row)| (*at, row.clone())).collect();
    let is_usual = |row: &[Option<Value>; 3]| {
        !matches!(row[0], Some(Value::Long(_))) && !row.iter().flatten().any(|value| *value == Value::Boolean(true))
    };
    let is_whole = cells.values().all(is_usual);
    let wide = answers(&cells, fields, None).ok()?.remove(0);
    is_whole.then(|| (wide, reads::answer(&tables(&cells, fields)[0])))
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn aggregates_are_those_of_the_same_points_over_flux(cells in cells(), label_start in any::<bool>()) {
        let Some((wide_answer, long)) = both(&cells, &FIELDS) else { return Ok(()) };
        let edges = Edges { edges: &[0, 2, 3], label_start };
        let one = |result: &str, function, fields: &[&str]| Aggregate {
            result: result.to_owned(),
            function,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let wanted = [one("sum", Function::Sum, &["total"]), one("mode", Function::Mode, &["total", "state"])];
        let renamed = |result: &str, field: &str| Renamed {
            result: result.to_owned(),
            field: field.to_owned(),
            column: format!("{field} {result}"),
        };
        let renamed = vec![renamed("sum", "total"), renamed("mode", "total"), renamed("mode", "state")];
        let spec = Pivot { renamed, tag_columns: true, ..wide() };
        let frame = |answer: &Answer| {
            let answer = db_native::aggregate(answer, edges, &wanted).unwrap();
            twins::frame(&pivot(vec![answer], &spec).unwrap())
        };
        prop_assert_eq!(frame(&long), frame(&wide_answer));
    }

    #[test]
    fn consumption_is_that_of_the_same_totals_over_flux(cells in cells()) {
        let fields = ["total", "power"];
        let Some((wide_answer, long)) = both(&cells, &fields) else { return Ok(()) };
        let policy = Policy {
            fields: fields.map(str::to_owned).to_vec(),
            kinds: Vec::new(),
            levels: Levels::Differing,
            tz: "UTC".to_owned(),
            on_reset: OnReset::Restart,
            rollover: Vec::new(),
            max_rate: Vec::new(),
            gaps: Gaps::Book,
            grid: None,
            adjacent_since: None,
            lead: 0,
            late: 0,
            longest: 0,
            quality: true,
            windows: None,
        };
        let frame = |answer: Answer| {
            let totals = Totals { totals: &[answer], before: &[], first: &[], lows: &[] };
            let consumption = Consumption::new(&totals, policy.clone()).unwrap();
            twins::frame(&consumption.frame::<Answer>(&[], &[]).unwrap())
        };
        prop_assert_eq!(frame(long), frame(wide_answer));
    }
}

#[test]
fn a_tag_that_has_a_name_of_influxdbs_own_is_a_level_and_can_not_be_aggregated() {
    let rows = |value| vec![row(1, &[Wire::Double(value)])];
    let columns = vec!["time", "a"];
    let given = [
        (vec![("_field", "x"), ("_measurement", "y")], columns.clone(), rows(1.0)),
        (vec![("_field", "x"), ("_measurement", "z")], columns, rows(2.0)),
    ];
    let (answer, _) = series::decode_fast(&answer(0, &given, 9), &[], None, EndMark::Required).unwrap();
    let wanted = [Aggregate { result: "s".to_owned(), function: Function::Sum, fields: vec!["a".to_owned()] }];
    let edges = Edges { edges: &[0, 9], label_start: true };
    let refused = db_native::aggregate(&answer, edges, &wanted).unwrap_err();
    assert!(refused.to_string().contains("is a tag with a name that InfluxDB uses itself"), "{refused}");

    let frame = pivot(vec![answer], &wide()).unwrap();
    let expected = [
        ("_measurement".to_owned(), ["y", "z"].map(Value::text).to_vec()),
        ("time".to_owned(), [1, 1].map(Value::Time).to_vec()),
        ("a".to_owned(), [1.0, 2.0].map(Value::double).to_vec()),
    ];
    assert_eq!((1, expected.to_vec()), (frame.levels, plain::columns(&frame.batch)));
}

#[test]
fn what_is_not_the_servers_shape_is_told_with_its_place() {
    let text =
        |bytes: &[u8]| series::decode_fast(bytes, &[], None, EndMark::Required).map(|_| ()).unwrap_err().to_string();
    let head = b"\x81\xa7results\x91\x82\xacstatement_id\x00\xa6series\x91";
    let series = |rest: &[u8]| text(&[&head[..], rest].concat());
    let at = |offset: usize| format!(" (byte {}, table 0, row 0)", head.len() + offset);
    let cases = [
        (text(b"\x91"), "expected a map, a message, got an array (byte 0, table 0, row 0)".to_owned()),
        (
            text(b"\x82"),
            "a message has 2 keys, expected one, \"results\" or \"error\" (byte 0, table 0, row 0)".to_owned(),
        ),
        (
            text(b"\x81\xa5other"),
            "unknown key \"other\" of a message, known are results, error (byte 1, table 0, row 0)".to_owned(),
        ),
        (series(b"\x81\xa6values\x90"), "a series lacks the key \"columns\"".to_owned() + &at(1)),
        (
            series(b"\x82\xa4name\xa1m\xa4name\xa1m"),
            "the key \"name\" of a series comes twice or in another order".to_owned() + &at(8),
        ),
        (series(b"\x81\xa4tags\x82\xa1a\xa1x\xa1a\xa1y"), "the tag \"a\" comes twice".to_owned() + &at(6)),
        (series(b"\x81\xa7columns\x90"), "a series without columns".to_owned() + &at(9)),
        (
            series(b"\x82\xa7columns\x91\xa1a\xa6values\x91\x92\x01\x02"),
            "a row has 2 cells, expected 1".to_owned() + &at(20),
        ),
        (
            series(b"\x82\xa7columns\x91\xa4time\xa6values\x91\x91\xd7\x05"),
            "expected a cell, got an extension type".to_owned() + &at(24),
        ),
        (
            series(b"\x82\xa7columns\x91\xa4time\xa6values\x91\x91\xc0"),
            "expected the time in nanoseconds, an integer, got nil".to_owned() + &at(24),
        ),
        (
            series(b"\x82\xa7columns\x91\xa1a\xa6values\x91\x91\xa2a\xff"),
            "a text, a cell, is not UTF-8".to_owned() + &at(21),
        ),
        (series(b"\x80"), "a series lacks the key \"columns\"".to_owned() + &at(1)),
        (series(b"\x81\xa7partial\xc3"), "a series lacks the key \"columns\"".to_owned() + &at(1)),
        (series(b"\x82\xa7columns\x91\xa1a\xa7partial\xc3"), "a series lacks the key \"values\"".to_owned() + &at(12)),
        (
            text(b"\x81\xa7results\x91\x82\xacstatement_id\x00\xa7partial\xc3"),
            "a result lacks the key \"series\" (byte 25, table 0, row 0)".to_owned(),
        ),
        (
            series(b"\x81\xa4name\xdb\xff\xff\xff\xff"),
            format!("a text has 4294967295 bytes, expected at most {LONGEST_RECORD}{}", at(6)),
        ),
        (
            series(b"\x81\xa7columns\xdd\xff\xff\xff\xff"),
            format!("expected at most {MOST_CELLS} columns, got 4294967295{}", at(9)),
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(expected, found);
    }
}

#[test]
fn the_rest_of_a_series_or_statement_may_not_be_left_out() {
    let part = |tags, is_partial| chunks::series(tags, &["a"], &[Wire::Array(vec![Wire::Nil])], is_partial);
    let text = |messages: &[Vec<u8>]| {
        let bytes = messages.concat();
        series::decode_fast(&bytes, &[], None, EndMark::Required).map(|_| ()).unwrap_err().to_string()
    };
    let other =
        text(&[message(0, vec![part(&[("t", "x")], true)], true), message(0, vec![part(&[("t", "y")], false)], false)]);
    assert!(other.starts_with("another series begins before the rest of series \"m\" {t=x} has come"), "{other}");
    for rest in [vec![part(&[], true)], Vec::new()] {
        let is_partial = rest.is_empty();
        let next = text(&[message(0, rest, is_partial), message(1, Vec::new(), false)]);
        assert!(next.starts_with("statement 1 begins before the rest of statement 0 has come"), "{next}");
    }
    let back = text(&[message(1, Vec::new(), false), message(0, Vec::new(), false)]);
    assert!(back.starts_with("a result of statement 0 comes after one of statement 1"), "{back}");
    for cut in [message(0, vec![part(&[], true)], false), message(0, Vec::new(), true), Vec::new()] {
        assert!(text(&[cut]).starts_with("the answer was cut off"));
    }
}

#[test]
fn integers_take_the_sign_away_where_one_needs_the_room() {
    let cells =
        |values: &[i128]| values.iter().map(|value| Wire::Array(vec![Wire::Integer(*value)])).collect::<Vec<_>>();
    let union = |values: &[i128]| {
        let bytes = answer(0, &[(Vec::new(), vec!["a"], cells(values))], 2);
        let (answer, _) = series::decode_fast(&bytes, &[], None, EndMark::Required).unwrap();
        db_native::union(&answer).map(|batch| plain::columns(&batch).remove(1).1).map_err(|error| error.to_string())
    };
    let large = (1 << 63) + 1;
    assert_eq!(Ok([5, -1, i64::MAX].map(Value::Long).to_vec()), union(&[5, -1, i64::MAX.into()]));
    assert_eq!(Ok([5, 1 + (1 << 63), 6].map(Value::UnsignedLong).to_vec()), union(&[5, large, 6]));
    assert_eq!(Ok([-1.0, 2_f64.powi(63)].map(Value::double).to_vec()), union(&[-1, 1 << 63]));
    // What has nulls alone, as in the row in between, asks for nothing.
    let double = Wire::Double(0.5);
    let rows = [[Wire::Integer(5), double.clone()], [Wire::Nil, Wire::text("x")], [Wire::Integer(large), double]];
    let rows = rows.into_iter().map(|cells| Wire::Array(cells.to_vec())).collect();
    let bytes = answer(0, &[(Vec::new(), vec!["a", "b"], rows)], 2);
    let (found, _) = series::decode_fast(&bytes, &[], None, EndMark::Required).unwrap();
    let of_group = |group: &db_native::Group| group.schema.columns[1].datatype;
    assert_eq!(vec![Datatype::UnsignedLong; 3], found.groups.iter().map(of_group).collect::<Vec<_>>());
    for values in [[5, -1, large], [large, 5, -1], [-1, large, 5]] {
        let conflict = union(&values).unwrap_err();
        assert!(conflict.contains("a double can't hold 9223372036854775809 exactly"), "{conflict}");
    }
}

#[test]
fn a_value_of_another_type_than_declared_names_field_and_series() {
    let declared = fields(&[("power", Datatype::Double), ("state", Datatype::Double)]);
    let error = series::decode_fast(&two_series(), &[], Some(&declared), EndMark::Required).unwrap_err();
    let expected = "column \"state\": expected double as declared, got a text in series \"m\" {meter=1,site=x}";
    assert!(error.to_string().starts_with(expected), "{error}");
    for kind in [Datatype::Time, Datatype::Duration, Datatype::Binary] {
        assert!(SeriesDecoder::declared(fields(&[("a", kind)])).is_err());
    }
}
