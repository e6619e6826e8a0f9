//! Policy per window against its naive twin, and what must hold whatever the meters show.

use crate::common::cases;
use crate::common::meters::{Columns, Doubts, Failure};
use crate::common::plain::{Value, columns};
use crate::common::queries::{Raw, SECOND, Tables, consumption, queries, spec, unsettled, windows};
use crate::common::reads::{Table, Tags};
use arrow_array::RecordBatch;
use db_native::{Doubt, ErrorKind, Gaps, Levels, OnReset, Policy, Result, Unsettled, Window};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

fn outcome(found: Result<RecordBatch>) -> std::result::Result<Columns, Failure> {
    found.map(|batch| columns(&batch)).map_err(|error| match error.kind {
        ErrorKind::Ambiguous(_) => Failure::Ambiguous,
        ErrorKind::Conflict { .. } => Failure::Conflict,
        ErrorKind::Input { .. } => Failure::Input,
        other => panic!("{other:?}"),
    })
}

const FIELDS: [&str; 2] = ["kwh", "m3"];

/// How a total goes on from the one before.
#[derive(Clone, Copy, Debug)]
enum Move {
    Rise(i64),
    /// An odd one: it stands by so much off, once.
    Odd(i64),
    Restart(i64),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        12 => (0..4_i64).prop_map(Move::Rise),
        2 => (-12..30_i64).prop_map(Move::Odd),
        1 => (-9..30_i64).prop_map(Move::Rise),
        1 => (0..4_i64).prop_map(Move::Restart),
    ]
}

/// Totals at some of the times from -20 s to 60 s, two seconds apart.
fn points(datatype: &'static str) -> impl Strategy<Value = Vec<(i64, Value)>> {
    let slots: Vec<i64> = (-10..30).map(|slot| slot * 2 * SECOND).collect();
    let times = prop_oneof![
        3 => subsequence(slots.clone(), 0..=40),
        2 => subsequence(slots.clone(), 0..=10),
        // A series that begins or ends.
        1 => (0..40_usize, 0..40_usize).prop_map(move |(one, other)| slots[one.min(other)..one.max(other)].to_vec()),
    ];
    let base = match datatype {
        "long" => select(vec![0, -5, 1 << 60]),
        "unsignedLong" => select(vec![0_i64, 3, i64::MAX - 20]),
        _ => select(vec![0, 10]),
    };
    (times, base, vec((moves(), prop::bool::weighted(0.03)), 40)).prop_map(move |(times, base, moves)| {
        let mut total = i128::from(base);
        let mut points = Vec::new();
        for (time, (step, absent)) in times.into_iter().zip(moves) {
            let shown = match step {
                Move::Rise(rise) => {
                    total += i128::from(rise);
                    total
                }
                Move::Odd(off) => total + i128::from(off),
                Move::Restart(rest) => {
                    total = i128::from(rest);
                    total
                }
            };
            points.push((time, if absent { Value::Null } else { shown_as(datatype, shown) }));
        }
        points
    })
}

#[expect(clippy::cast_precision_loss, reason = "doubles are made of small numbers")]
fn shown_as(datatype: &str, total: i128) -> Value {
    match datatype {
        "long" => Value::Long(i64::try_from(total).unwrap()),
        "unsignedLong" => Value::UnsignedLong(u64::try_from(total.max(0)).unwrap()),
        "string" => Value::text("on"),
        _ => Value::double(total as f64 * 0.7),
    }
}

/// All of some series, of which some agree in the meter, and what each field is.
fn raws() -> impl Strategy<Value = Vec<Raw>> {
    let tags = vec![
        Tags::from([("meter", "m1"), ("site", "s")]),
        Tags::from([("meter", "m2"), ("site", "s")]),
        Tags::from([("meter", "m1"), ("site", "s"), ("firmware", "2")]),
        Tags::from([("meter", ""), ("site", "s")]),
    ];
    let series = prop_oneof![3 => subsequence(tags.clone(), 1..2), 2 => subsequence(tags, 0..4)];
    let datatype = || {
        prop_oneof![
            20 => select(vec!["double", "long", "unsignedLong"]),
            1 => Just("string"),
        ]
    };
    (series, datatype(), datatype(), prop::bool::weighted(0.1)).prop_flat_map(|(series, kwh, m3, mixed)| {
        let of_series = move |(number, tags): (usize, Tags)| {
            let kwh = if mixed && number == 1 { "double" } else { kwh };
            let raw = move |field, datatype, tags: Tags| {
                points(datatype).prop_map(move |points| Raw { tags: tags.clone(), field, datatype, points })
            };
            [raw(FIELDS[0], kwh, tags.clone()), raw(FIELDS[1], m3, tags)]
        };
        series.into_iter().enumerate().flat_map(of_series).collect::<Vec<_>>()
    })
}

fn levels() -> impl Strategy<Value = Levels> {
    let named = |names: &[&str]| Levels::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let several = vec![named(&["meter"]), named(&["firmware", "meter"]), named(&["nowhere"]), named(&[])];
    prop_oneof![2 => Just(Levels::Differing), 1 => select(several)]
}

fn rules() -> impl Strategy<Value = Policy> {
    let on_reset = select(vec![OnReset::Null, OnReset::Restart, OnReset::Rollover, OnReset::Keep]);
    let gaps = select(vec![Gaps::Book, Gaps::Spread, Gaps::Null]);
    let rollover = vec(select(vec![4.0, 20.0, 40.0, 1000.0]), 2);
    let max_rate = vec(prop::option::of(select(vec![0.3, 1.0])), 2);
    let fields = select(vec![vec!["kwh"], vec!["kwh", "m3"], vec!["m3", "absent", "kwh"]]);
    let since = prop::option::of(select(vec![-20 * SECOND, -10 * SECOND, -2 * SECOND]));
    (on_reset, gaps, rollover, max_rate, fields, since, levels(), any::<bool>()).prop_map(
        |(on_reset, gaps, rollover, max_rate, fields, adjacent_since, levels, quality)| {
            let names = || FIELDS.map(str::to_owned).into_iter().chain(["absent".to_owned()]);
            let rates = names().zip(max_rate).filter_map(|(name, rate)| Some((name, rate?)));
            let rollover = names().zip(rollover.into_iter().chain([5.0])).collect();
            let max_rate = rates.collect();
            Policy { on_reset, gaps, rollover, max_rate, adjacent_since, levels, quality, ..spec(&fields) }
        },
    )
}

/// The slices and rules of a read of windows of 10 s from 0 to 60 s.
fn read() -> impl Strategy<Value = (Vec<Tables>, Policy)> {
    let shape = (any::<bool>(), any::<bool>(), subsequence((0..6_usize).collect::<Vec<_>>(), 0..=6));
    let asked = (prop::bool::weighted(0.7), prop::bool::weighted(0.7), any::<bool>(), 0..4_i64, 0..8_usize);
    (raws(), rules(), shape, asked).prop_map(|(raws, rules, (at_start, grid, refined), asked)| {
        let (with_lows, with_before, bare, cut, dead) = asked;
        let edges: Vec<i64> = (0..=6).map(|edge| edge * 10 * SECOND).collect();
        let windows = windows(&edges, at_start);
        let refined: Vec<Window> = refined.into_iter().map(|number| windows[number]).collect();
        let mut tables = queries(&raws, &windows, &refined);
        if !with_lows {
            tables.lows.clear();
        }
        if !with_before {
            tables.before.clear();
        }
        // A series of the other queries that is not in totals.
        if dead < tables.totals.len() {
            let dead = tables.totals[dead].tags.clone();
            tables.totals.retain(|table| table.tags != dead);
        }
        let spec = Policy {
            grid: grid.then(|| windows.iter().map(|window| window.label).collect()),
            lead: if at_start { 10 * SECOND } else { 0 },
            kinds: Vec::new(),
            late: cut % 2,
            longest: if bare { 0 } else { 10 * SECOND },
            ..rules
        };
        // Without the column `_field`, every table is that of the field asked for.
        if bare && spec.fields.len() == 1 {
            for query in
                [&mut tables.totals, &mut tables.before, &mut tables.first, &mut tables.lows, &mut tables.points]
            {
                query.retain(|table| table.field == Some("kwh"));
                for table in query {
                    table.field = None;
                }
            }
        }
        (sliced(&tables, cut * 20 * SECOND), spec)
    })
}

/// Two slices, of which the second has the rows from `cut` on.
fn sliced(tables: &Tables, cut: i64) -> Vec<Tables> {
    let half = |query: &[Table], second: bool| -> Vec<Table> {
        let half = query.iter().map(|table| Table {
            rows: table.rows.iter().filter(|row| (row.0.unwrap() >= cut) == second).cloned().collect(),
            ..table.clone()
        });
        half.filter(|table| !table.rows.is_empty()).collect()
    };
    let slice = |second| Tables {
        totals: half(&tables.totals, second),
        before: half(&tables.before, second),
        first: half(&tables.first, second),
        lows: half(&tables.lows, second),
        points: half(&tables.points, second),
        refined: if second { Vec::new() } else { tables.refined.clone() },
    };
    [false, true].map(slice).to_vec()
}

fn whole(slices: &[Tables]) -> Tables {
    let all = |query: fn(&Tables) -> &Vec<Table>| slices.iter().flat_map(|slice| query(slice).clone()).collect();
    Tables {
        totals: all(|t| &t.totals),
        before: all(|t| &t.before),
        first: all(|t| &t.first),
        lows: all(|t| &t.lows),
        points: all(|t| &t.points),
        refined: slices.iter().flat_map(|slice| slice.refined.clone()).collect(),
    }
}

/// What is unsettled, as the twin tells it.
fn doubts(found: &Unsettled) -> Doubts {
    let tags = |series: &usize| {
        let values = found.tags.iter().cloned().zip(&found.series[*series]);
        values.filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    };
    let of = |doubt: &Doubt| {
        let series = doubt.series.iter().map(tags).collect();
        ((doubt.field.clone(), series), doubt.windows.iter().copied().collect())
    };
    found.doubts.iter().map(of).collect()
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn consumption_is_what_the_twin_finds((slices, spec) in read()) {
        let expected = crate::common::meters::consumption(&whole(&slices), &spec);
        prop_assert_eq!(expected, outcome(consumption(&slices, &spec)));
    }

    #[test]
    fn what_is_unsettled_is_what_the_twin_finds((slices, spec) in read()) {
        // Points are asked for afterwards; their types play no part yet.
        let tables = Tables { points: Vec::new(), refined: Vec::new(), ..whole(&slices) };
        if let Ok(found) = unsettled(&slices, &spec) {
            prop_assert_eq!(crate::common::meters::unsettled(&tables, &spec), doubts(&found));
        } else {
            prop_assert!(crate::common::meters::consumption(&tables, &spec).is_err());
        }
    }
}

/// One series of both fields, as it is stored: numbers, and no nulls.
fn one_series() -> impl Strategy<Value = [Raw; 2]> {
    let datatype = || select(vec!["double", "long", "unsignedLong"]);
    (datatype(), datatype()).prop_flat_map(|(kwh, m3)| {
        let raw = |field, datatype| {
            points(datatype).prop_map(move |mut points| {
                points.retain(|point| point.1 != Value::Null);
                Raw { tags: Tags::from([("meter", "m1")]), field, datatype, points }
            })
        };
        [raw(FIELDS[0], kwh), raw(FIELDS[1], m3)]
    })
}

/// The series with the same rises, whose every fall goes below all totals before it.
///
/// One that stays above the last total before its window shows neither in its last total nor in its smallest.
fn with_deep_falls(raw: &Raw) -> Raw {
    let number = |value: &Value| match value {
        Value::Double(bits) => f64::from_bits(*bits).round(),
        Value::Long(value) => value.to_string().parse().unwrap(),
        Value::UnsignedLong(value) => value.to_string().parse().unwrap(),
        other => panic!("no total: {other:?}"),
    };
    let (mut lowest, mut total) = (1_000_i128, 2_000_i128);
    let mut points = Vec::new();
    for (index, (time, value)) in raw.points.iter().enumerate() {
        let before = index.checked_sub(1).map_or(number(value), |before| number(&raw.points[before].1));
        if number(value) < before {
            lowest -= 1;
            total = lowest;
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "a rise is small, or any number will do")]
            let rise = (number(value) - before).min(1e6) as i128;
            total += rise;
        }
        points.push((*time, shown_as(raw.datatype, total)));
    }
    Raw { points, ..raw.clone() }
}

/// The rows of a frame, each as its cells' texts.
fn rows(found: &RecordBatch) -> Vec<Vec<Value>> {
    let columns = columns(found);
    (0..found.num_rows()).map(|row| columns.iter().map(|column| column.1[row].clone()).collect()).collect()
}

/// The sum of a column's integers, or of its doubles; `None` if one is null.
fn sum(values: &[Value]) -> Option<(i128, f64)> {
    values.iter().try_fold((0, 0.0), |(whole, double), value| match value {
        Value::Long(value) => Some((whole + i128::from(*value), double)),
        Value::Double(bits) => Some((whole, double + f64::from_bits(*bits))),
        _ => None,
    })
}

/// What a read of these windows finds, without a highest rate; the windows before the first are as long as it.
fn read_of(raws: &[Raw], edges: &[i64], refined: impl Fn(usize) -> bool, spec: &Policy) -> Result<RecordBatch> {
    let windows = windows(edges, false);
    let refined: Vec<Window> = (0..windows.len()).filter(|number| refined(*number)).map(|n| windows[n]).collect();
    let tables = queries(raws, &windows, &refined);
    let spec = Policy {
        grid: Some(windows.iter().map(|window| window.label).collect()),
        adjacent_since: edges.first().map(|begin| begin - 10 * SECOND),
        max_rate: Vec::new(),
        ..spec.clone()
    };
    consumption(&[tables], &spec)
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn two_ranges_side_by_side_have_the_rows_of_both_at_once(
        raws in one_series(),
        rules in rules(),
        cut in 0..=6_usize,
        refined in vec(any::<bool>(), 6),
    ) {
        let rules = Policy { gaps: Gaps::Book, quality: true, levels: Levels::Differing, ..rules };
        let rules = Policy { fields: vec!["kwh".to_owned()], ..rules };
        let edges: Vec<i64> = (0..=6).map(|edge| edge * 10 * SECOND).collect();
        let left = read_of(&raws[..1], &edges[..=cut], |number| refined[number], &rules);
        let right = read_of(&raws[..1], &edges[cut..], |number| refined[cut + number], &rules);
        let both = read_of(&raws[..1], &edges, |number| refined[number], &rules);
        // An amount that does not fit in 64 bits is one in either reading.
        match (both, left, right) {
            (Ok(both), Ok(left), Ok(right)) => prop_assert_eq!(rows(&both), [rows(&left), rows(&right)].concat()),
            (both, left, right) => prop_assert!(both.is_err() && (left.is_err() || right.is_err())),
        }
    }

    #[test]
    fn two_ranges_cut_anywhere_add_up_to_both_at_once(
        raws in one_series(),
        edges in subsequence((0..=30_i64).collect::<Vec<_>>(), 2..12),
        cut in 0..=30_i64,
        on_reset in select(vec![OnReset::Restart, OnReset::Rollover, OnReset::Keep]),
        gaps in select(vec![Gaps::Book, Gaps::Spread]),
    ) {
        let rollover = FIELDS.map(|field| (field.to_owned(), 2_f64.powi(63))).to_vec();
        let rules = Policy { on_reset, gaps, rollover, quality: false, ..spec(&FIELDS) };
        let edges: Vec<i64> = edges.into_iter().map(|edge| edge * 2 * SECOND).collect();
        let (begin, end) = (edges[0], edges[edges.len() - 1]);
        let cut = (cut * 2 * SECOND).clamp(begin, end);
        let inner = |keep: &dyn Fn(i64) -> bool| edges.iter().copied().filter(|edge| keep(*edge)).collect::<Vec<_>>();
        let parts = [
            [inner(&|edge| edge < cut), vec![cut]].concat(),
            [vec![cut], inner(&|edge| edge > cut)].concat(),
        ];
        for (field, raw) in FIELDS.iter().zip(&raws.map(|raw| with_deep_falls(&raw))) {
            let rules = Policy { fields: vec![(*field).to_owned()], ..rules.clone() };
            let of = |edges: &[i64]| {
                let found = read_of(std::slice::from_ref(raw), edges, |_| true, &rules).ok()?;
                columns(&found).pop().and_then(|(_, values)| sum(&values))
            };
            let (both, halves) = (of(&edges), [of(&parts[0]), of(&parts[1])]);
            if on_reset == OnReset::Keep && raw.datatype == "double" {
                prop_assert!(both.is_some() && halves[0].is_some() && halves[1].is_some());
            }
            // Unknown is a total that does not fit the dial, and an error what does not fit in 64 bits.
            if let (Some(both), [Some(left), Some(right)]) = (both, halves) {
                prop_assert_eq!(both.0, left.0 + right.0);
                prop_assert!((both.1 - left.1 - right.1).abs() <= 1e-9 * (1.0 + both.1.abs()));
            }
        }
    }
}

#[test]
fn many_windows_add_up_to_the_total() {
    let (mut seed, mut total) = (1_u64, 123_456.789);
    let raw = Raw { tags: Tags::new(), field: "kwh", datatype: "double", points: Vec::new() };
    let before = raw.table([(0, Value::double(total))]);
    let mut totals = Vec::new();
    for second in 1..=100_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        #[expect(clippy::cast_precision_loss, reason = "any fraction will do")]
        let fraction = (seed >> 40) as f64 / f64::from(1 << 24);
        total += fraction;
        totals.push((second * SECOND, Value::double(total)));
    }
    let tables = Tables {
        before: before.into_iter().collect(),
        totals: raw.table(totals).into_iter().collect(),
        ..Tables::default()
    };
    let found = consumption(&[tables], &spec(&["kwh"])).unwrap();
    assert_eq!(100_000, found.num_rows());
    let (_, sum) = sum(&columns(&found)[1].1).expect("every window is known");
    let expected = total - 123_456.789;
    assert!((sum - expected).abs() <= 1e-9 * expected, "{sum} is not {expected}");
}
