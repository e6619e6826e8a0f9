//! Aggregates of windows against a naive twin: loops over whole numbers of 128 bits.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::cases;
use crate::common::plain::{Value, values};
use crate::common::reads::{Table, Tags, answer};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use db_native::{Aggregate, Answer, Edges, ErrorKind, Function, aggregate};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Result, tags and field: what a column of windows is of.
type Of = (String, BTreeMap<String, String>, Option<String>);
/// Time and value of each window.
type Windows = Vec<(i64, Value)>;

/// What an answer of aggregates holds.
fn flat(answer: &Answer) -> BTreeMap<Of, Windows> {
    let mut found = BTreeMap::new();
    for table in &answer.tables {
        let group = &answer.groups[table.group];
        let word = |column: usize| {
            let words = group.columns[column].as_dictionary::<Int32Type>();
            words.key(table.ordinal).map(|word| words.values().as_string::<i64>().value(word).to_owned())
        };
        let (mut times, mut held) = (Vec::new(), Vec::new());
        let (mut tags, mut field) = (BTreeMap::new(), None);
        for (place, column) in group.schema.columns.iter().enumerate().skip(2) {
            let cells = || values(group.columns[place].slice(table.start, table.rows).as_ref());
            match column.name.as_str() {
                "_time" => times = cells(),
                "_value" => held = cells(),
                "_field" => field = word(place),
                tag => drop(word(place).map(|word| tags.insert(tag.to_owned(), word))),
            }
        }
        let times = times.into_iter().map(|time| match time {
            Value::Time(time) => time,
            other => panic!("{other:?} is no time"),
        });
        let windows: Windows = times.zip(held).collect();
        assert!(found.insert((word(0).unwrap(), tags, field), windows).is_none(), "a table stands once");
    }
    found
}

/// A number as digits times a power of two, which is 1 for integers.
fn digits(value: &Value, scale: i32) -> i128 {
    match value {
        Value::Long(value) => i128::from(*value),
        Value::UnsignedLong(value) => i128::from(*value),
        #[expect(clippy::cast_possible_truncation, reason = "it was made of whole digits")]
        Value::Double(bits) => times_two_to(f64::from_bits(*bits), -scale) as i128,
        other => panic!("{other:?} is no number"),
    }
}

/// In two steps, as neither 2^1074 nor 2^-1074 times something need be a double.
fn times_two_to(value: f64, power: i32) -> f64 {
    value * 2_f64.powi(power / 2) * 2_f64.powi(power - power / 2)
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is wanted")]
fn double(value: i128) -> f64 {
    value as f64
}

/// The naive aggregate of a window; `None` where the type has it not, or it does not fit.
fn twin(held: &[Value], function: Function, scale: i32) -> Option<Value> {
    let scale = if matches!(held[0], Value::Double(_)) { scale } else { 0 };
    if function == Function::Mode {
        let count = |value: &Value| held.iter().filter(|other| *other == value).count();
        let most = held.iter().map(count).max().unwrap();
        let tied = held.iter().filter(|value| count(value) == most);
        return match held[0] {
            Value::Double(_) => tied.min_by_key(|value| digits(value, scale)).cloned(),
            _ => tied.min().cloned(),
        };
    }
    if matches!(held[0], Value::Text(_) | Value::Boolean(_)) {
        return None;
    }
    let mut sorted: Vec<i128> = held.iter().map(|value| digits(value, scale)).collect();
    sorted.sort_unstable();
    let many = i128::try_from(sorted.len()).unwrap();
    let n = double(many);
    let sum: i128 = sorted.iter().sum();
    // How much more than the mean each is, times their number: whole, so nothing is lost.
    let distances = || sorted.iter().map(|value| double(value * many - sum));
    let found = match function {
        Function::Sum => {
            return match held[0] {
                Value::Long(_) => i64::try_from(sum).ok().map(Value::Long),
                Value::UnsignedLong(_) => u64::try_from(sum).ok().map(Value::UnsignedLong),
                _ => Some(Value::double(times_two_to(double(sum), scale))),
            };
        }
        Function::Mean => Some(double(sum) / n),
        Function::Quantile(share) => {
            let place = share * (n - 1.0);
            let above = sorted.iter().enumerate().find(|(index, _)| double(*index as i128) >= place).unwrap();
            let below = sorted.iter().enumerate().rfind(|(index, _)| double(*index as i128) <= place).unwrap();
            let between = place - double(below.0 as i128);
            Some(double(*below.1) * (1.0 - between) + double(*above.1) * between)
        }
        Function::Stddev if many == 1 => None,
        Function::Stddev => Some((distances().map(|one| one * one).sum::<f64>() / (n - 1.0)).sqrt() / n),
        _ if sorted[0] == sorted[sorted.len() - 1] => None,
        _ => {
            let moment = |power| distances().map(|one| one.powi(power)).sum::<f64>() / n;
            return Some(Value::double(moment(3) / moment(2).powf(1.5)));
        }
    };
    Some(found.map_or(Value::Null, |found| Value::double(times_two_to(found, scale))))
}

/// Whether two values are the same, but for the last digits of a double.
fn same(expected: &Value, got: &Value, largest: f64) -> bool {
    match (expected, got) {
        (Value::Double(expected), Value::Double(got)) => {
            let (expected, got) = (f64::from_bits(*expected), f64::from_bits(*got));
            // What is below the smallest normal number has fewer digits: it may miss by its last one.
            (expected - got).abs() <= (largest * 1e-14).max(f64::from_bits(1))
        }
        (expected, got) => expected == got,
    }
}

const DATATYPES: [&str; 5] = ["double", "long", "unsignedLong", "string", "boolean"];
const FIELDS: [&str; 3] = ["a", "b", "c"];
const SCALES: [i32; 5] = [0, -1074, -1022, 300, 1018];

fn value(datatype: &'static str, scale: i32) -> BoxedStrategy<Value> {
    match datatype {
        "string" => select(vec!["", "off", "on", "größe"]).prop_map(Value::text).boxed(),
        "boolean" => any::<bool>().prop_map(Value::Boolean).boxed(),
        "long" => prop_oneof![
            6 => (-3..4_i64).prop_map(Value::Long),
            2 => (0..4_i64).prop_map(|more| Value::Long(1_000_000_000_000_000 + more)),
            1 => select(vec![i64::MIN, i64::MAX, (1 << 53) + 1, 200_000_000_000_000_000]).prop_map(Value::Long),
        ]
        .boxed(),
        "unsignedLong" => prop_oneof![
            6 => (0..4_u64).prop_map(Value::UnsignedLong),
            1 => select(vec![u64::MAX, u64::MAX - 1, (1 << 53) + 1]).prop_map(Value::UnsignedLong),
        ]
        .boxed(),
        _ => (-3..4_i32).prop_map(move |digits| Value::double(times_two_to(f64::from(digits), scale))).boxed(),
    }
}

/// A series' field with points at some of forty instants.
fn table(tags: Tags, field: &'static str, datatype: &'static str, scale: i32) -> impl Strategy<Value = Table> {
    (btree_set(0..40_i64, 1..12), vec(value(datatype, scale), 12)).prop_map(move |(times, values)| Table {
        tags: tags.clone(),
        field: Some(field),
        datatype: Some(datatype),
        rows: times.into_iter().map(Some).zip(values).collect(),
    })
}

fn tables(scale: i32) -> impl Strategy<Value = Vec<Table>> {
    let tags = [Tags::new(), Tags::from([("meter", "m1")]), Tags::from([("meter", "m2")])];
    let all: Vec<_> = tags.iter().flat_map(|tags| FIELDS.map(|field| (tags.clone(), field))).collect();
    (subsequence(all, 1..5), vec(select(DATATYPES[..3].to_vec()), 3), select(DATATYPES.to_vec())).prop_flat_map(
        move |(chosen, datatypes, any)| {
            let of = |field| if field == "c" { any } else { datatypes[usize::from(field == "b")] };
            chosen.into_iter().map(|(tags, field)| table(tags, field, of(field), scale)).collect::<Vec<_>>()
        },
    )
}

fn wanted() -> impl Strategy<Value = Vec<Aggregate>> {
    let share = prop_oneof![2 => select(vec![0.0, 0.25, 0.5, 0.95, 1.0]), 1 => 0.0..=1.0_f64];
    let function = prop_oneof![
        Just(Function::Mean),
        Just(Function::Mode),
        share.prop_map(Function::Quantile),
        Just(Function::Skew),
        Just(Function::Stddev),
        Just(Function::Sum),
    ];
    let fields = subsequence(FIELDS.to_vec(), 1..=3);
    vec((function, fields), 1..4).prop_map(|wanted| {
        let numbered = wanted.into_iter().enumerate();
        let named = numbered.map(|(number, (function, fields))| Aggregate {
            result: format!("r{number}"),
            function,
            fields: fields.into_iter().map(str::to_owned).collect(),
        });
        named.collect()
    })
}

fn plain(tags: &Tags) -> BTreeMap<String, String> {
    tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// All aggregates of all tables by the twin; `None` where one of them can't be.
fn expected(tables: &[Table], edges: Edges<'_>, wanted: &[Aggregate], scale: i32) -> Option<BTreeMap<Of, Windows>> {
    let mut found = BTreeMap::new();
    for one in wanted {
        for table in tables.iter().filter(|table| one.fields.iter().any(|field| Some(field.as_str()) == table.field)) {
            let mut windows = Windows::new();
            for pair in edges.edges.windows(2) {
                let within = table.rows.iter().filter(|row| (pair[0]..pair[1]).contains(&row.0.unwrap()));
                let held: Vec<Value> = within.map(|row| row.1.clone()).collect();
                if !held.is_empty() {
                    windows.push((pair[usize::from(!edges.label_start)], twin(&held, one.function, scale)?));
                }
            }
            found.insert((one.result.clone(), plain(&table.tags), table.field.map(str::to_owned)), windows);
        }
    }
    Some(found)
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn aggregates_are_what_the_twin_makes(
        (scale, tables) in select(SCALES.to_vec()).prop_flat_map(|scale| (Just(scale), tables(scale))),
        edges in btree_set(1..40_i64, 0..6),
        label_start in any::<bool>(),
        wanted in wanted(),
    ) {
        let edges: Vec<i64> = [0].into_iter().chain(edges).chain([40]).collect();
        let edges = Edges { edges: &edges, label_start };
        let got = aggregate(&answer(&tables), edges, &wanted);
        let Some(expected) = expected(&tables, edges, &wanted, scale) else {
            let refused = matches!(got.unwrap_err().kind, ErrorKind::Input { .. });
            prop_assert!(refused);
            return Ok(());
        };
        let got = flat(&got.unwrap());
        prop_assert_eq!(expected.keys().collect::<Vec<_>>(), got.keys().collect::<Vec<_>>());
        let number = |value: &Value| match value {
            Value::Text(_) | Value::Boolean(_) | Value::Null => 1.0,
            Value::Double(bits) => f64::from_bits(*bits).abs(),
            value => double(digits(value, 0)).abs(),
        };
        for (of, windows) in &expected {
            let is_of = |table: &&Table| table.field == of.2.as_deref() && plain(&table.tags) == of.1;
            let stored = tables.iter().find(is_of).unwrap().rows.iter().map(|row| number(&row.1)).fold(0.0, f64::max);
            let skew = wanted.iter().any(|one| one.result == of.0 && one.function == Function::Skew);
            for (expected, got) in windows.iter().zip(&got[of]) {
                let largest = if skew { 100.0 } else { stored.max(number(&expected.1)) };
                prop_assert_eq!(expected.0, got.0);
                prop_assert!(same(&expected.1, &got.1, largest), "{:?}: {:?} is {:?}", of, got, expected);
            }
            prop_assert_eq!(windows.len(), got[of].len());
        }
    }
}

/// The aggregate of one window, of a read that does not name its only field.
fn of(datatype: &'static str, held: &[Value], function: Function) -> Value {
    let rows = held.iter().enumerate().map(|(time, value)| (i64::try_from(time).ok(), value.clone())).collect();
    let table = Table { tags: Tags::new(), field: None, datatype: Some(datatype), rows };
    let edges = [0, i64::try_from(held.len()).unwrap()];
    let wanted = [Aggregate { result: "r".to_owned(), function, fields: vec!["v".to_owned()] }];
    let found = flat(&aggregate(&answer(&[table]), Edges { edges: &edges, label_start: false }, &wanted).unwrap());
    let [windows] = found.values().collect::<Vec<_>>()[..] else { panic!("{found:?} is not one table") };
    assert_eq!(1, windows.len());
    assert_eq!(edges[1], windows[0].0);
    windows[0].1.clone()
}

fn doubles(held: &[f64], function: Function) -> Value {
    of("double", &held.iter().copied().map(Value::double).collect::<Vec<_>>(), function)
}

fn longs(held: &[i64], function: Function) -> Value {
    of("long", &held.iter().copied().map(Value::Long).collect::<Vec<_>>(), function)
}

#[test]
fn large_integers_have_the_mean_and_the_median_that_they_have() {
    assert_eq!(Value::double(2e17), longs(&[200_000_000_000_000_000; 60], Function::Mean));
    assert_eq!(Value::double(-0.5), longs(&[i64::MIN, i64::MAX], Function::Mean));
    assert_eq!(Value::double(-0.5), longs(&[i64::MIN, i64::MAX], Function::Quantile(0.5)));
    let most = [u64::MAX; 3].map(Value::UnsignedLong);
    assert_eq!(Value::double(18_446_744_073_709_551_616.0), of("unsignedLong", &most, Function::Mean));
    assert_eq!(Value::Long((1 << 53) + 1), longs(&[(1 << 53) + 1, (1 << 53) + 1, 1 << 53], Function::Mode));
}

#[test]
fn the_median_of_two_states_is_one_of_them() {
    let states: Vec<f64> = (0..5_001).map(|number| f64::from(number % 3) * 1000.0).collect();
    assert_eq!(Value::double(1000.0), doubles(&states, Function::Quantile(0.5)));
}

#[test]
fn quantiles_are_interpolated_as_numpy_does() {
    // numpy.quantile([1, 2, 4, 8], [0.25, 0.5, 0.95]) is [1.75, 3.0, 7.4].
    for (share, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.95, 7.4), (1.0, 8.0)] {
        let got = doubles(&[8.0, 1.0, 4.0, 2.0], Function::Quantile(share));
        assert!(same(&Value::double(expected), &got, 8.0), "{share}: {got:?}");
    }
}

#[test]
fn the_ends_of_doubles_have_quantiles_and_a_deviation() {
    let ends = [-1.5e308, 1.5e308, 0.0];
    assert_eq!(Value::double(0.0), doubles(&ends[..2], Function::Quantile(0.5)));
    assert!(same(&Value::double(-0.75e308), &doubles(&ends[..2], Function::Quantile(0.25)), 1e308));
    // Of -x, 0 and x the sum of squares is 2 x^2, and half of it x^2.
    assert!(same(&Value::double(1.5e308), &doubles(&ends, Function::Stddev), 1e308));
    assert!(same(&Value::double(0.0), &doubles(&ends, Function::Skew), 1.0));
    // Of 0, 0 and x: m2 is 2/9 x^2, and m3 2/27 x^3.
    for x in [f64::from_bits(3), 1e-200, 1e-110, 1e110, 1e200, 1.7e308] {
        let got = doubles(&[0.0, 0.0, x], Function::Skew);
        assert!(same(&Value::double(0.5_f64.sqrt()), &got, 1.0), "{x:e}: {got:?}");
    }
}

#[test]
fn small_noise_on_a_large_offset_keeps_its_deviation() {
    // Of x - 0.5, x and x + 0.5 the sum of squares is 0.5.
    let got = doubles(&[1e15 - 0.5, 1e15, 1e15 + 0.5], Function::Stddev);
    assert!(same(&Value::double(0.5), &got, 1.0), "{got:?}");
    let got = longs(&[i64::MAX - 2, i64::MAX - 1, i64::MAX], Function::Stddev);
    assert!(same(&Value::double(1.0), &got, 1.0), "{got:?}");
}

#[test]
fn one_value_has_no_deviation_and_equal_values_no_skew() {
    assert_eq!(Value::Null, doubles(&[5.0], Function::Stddev));
    assert_eq!(Value::double(0.0), doubles(&[5.0, 5.0], Function::Stddev));
    assert_eq!(Value::Null, doubles(&[5.0], Function::Skew));
    assert_eq!(Value::Null, doubles(&[0.1; 7], Function::Skew));
}

#[test]
fn both_zeros_are_one_value() {
    let got = doubles(&[0.0, 1.0, 1.0, -0.0, 0.0], Function::Mode);
    assert!(matches!(got, Value::Double(bits) if f64::from_bits(bits).abs().to_bits() == 0), "{got:?}");
}

fn refused(tables: &[Table], edges: &[i64], function: Function) -> db_native::Error {
    let wanted = [Aggregate { result: "r".to_owned(), function, fields: vec!["v".to_owned()] }];
    aggregate(&answer(tables), Edges { edges, label_start: true }, &wanted).unwrap_err()
}

fn one_field(datatype: &'static str, rows: Vec<(Option<i64>, Value)>) -> Table {
    Table { tags: Tags::new(), field: Some("v"), datatype: Some(datatype), rows }
}

#[test]
fn a_sum_beyond_64_bits_is_an_error_with_its_field() {
    let rows = |held: [Value; 2]| held.into_iter().enumerate().map(|(at, one)| (i64::try_from(at).ok(), one)).collect();
    let signed = one_field("long", rows([Value::Long(i64::MAX), Value::Long(1)]));
    let unsigned = one_field("unsignedLong", rows([Value::UnsignedLong(u64::MAX), Value::UnsignedLong(1)]));
    for table in [signed, unsigned] {
        let error = refused(std::slice::from_ref(&table), &[0, 2], Function::Sum);
        assert!(error.to_string().contains("the sum of a window does not fit in 64 bits"), "{error}");
        assert!(matches!(error.kind, ErrorKind::Input { column: Some(name), .. } if name == "v"));
        // Each alone fits.
        let wanted = [Aggregate { result: "r".to_owned(), function: Function::Sum, fields: vec!["v".to_owned()] }];
        assert!(aggregate(&answer(&[table]), Edges { edges: &[0, 1, 2], label_start: true }, &wanted).is_ok());
    }
}

#[test]
fn points_outside_of_the_windows_or_in_no_order_are_an_error() {
    let at = |times: &[i64]| {
        let rows = times.iter().map(|time| (Some(*time), Value::double(1.0))).collect();
        refused(&[one_field("double", rows)], &[10, 20], Function::Mean)
    };
    for times in [&[9, 10][..], &[10, 20], &[30], &[i64::MIN, 15], &[i64::MAX]] {
        assert!(matches!(at(times).kind, ErrorKind::Syntax(_)), "{times:?}");
        assert!(at(times).to_string().contains("outside"), "{times:?}");
    }
    assert!(at(&[12, 11]).to_string().contains("ascend"));
}

#[test]
fn an_answer_that_holds_no_points_is_an_error() {
    let no_time = one_field("double", vec![(None, Value::double(1.0))]);
    let no_value = Table { datatype: None, ..one_field("double", vec![(Some(1), Value::Null)]) };
    let null = one_field("double", vec![(Some(1), Value::double(1.0)), (Some(2), Value::Null)]);
    for table in [no_time, no_value, null] {
        let error = refused(std::slice::from_ref(&table), &[0, 10], Function::Mean);
        assert!(matches!(error.kind, ErrorKind::Syntax(_)), "{table:?}: {error}");
    }
}

#[test]
fn text_has_a_mode_only() {
    let texts = |function| refused(&[one_field("string", vec![(Some(1), Value::text("on"))])], &[0, 10], function);
    for function in [Function::Mean, Function::Sum, Function::Quantile(0.5), Function::Skew, Function::Stddev] {
        let error = texts(function);
        assert!(matches!(&error.kind, ErrorKind::Input { column: Some(name), .. } if name == "v"), "{error}");
    }
    let held = ["on", "off", "on", "off", ""].map(Value::text);
    assert_eq!(Value::text("off"), of("string", &held, Function::Mode));
    assert_eq!(Value::Boolean(false), of("boolean", &[true, false].map(Value::Boolean), Function::Mode));
    assert_eq!(Value::Boolean(true), of("boolean", &[true, false, true].map(Value::Boolean), Function::Mode));
}

#[test]
fn tables_of_other_fields_are_left_out() {
    let rows = || vec![(Some(1), Value::double(1.0))];
    let tables = [one_field("double", rows()), Table { field: Some("w"), ..one_field("double", rows()) }];
    let wanted = [Aggregate { result: "r".to_owned(), function: Function::Mean, fields: vec!["w".to_owned()] }];
    let found = flat(&aggregate(&answer(&tables), Edges { edges: &[0, 2], label_start: true }, &wanted).unwrap());
    let fields: BTreeSet<Option<&str>> = found.keys().map(|key| key.2.as_deref()).collect();
    assert_eq!(BTreeSet::from([Some("w")]), fields);
}
