//! Policy per window in tables worked by hand: windows of ten seconds, labelled by their stop.

use crate::common::plain::{Value, columns, values};
use crate::common::queries::{SECOND, Tables, consumption, spec, unsettled};
use crate::common::reads::{Table, Tags};
use db_native::{Doubt, ErrorKind, Gaps, Levels, OnReset, Policy, Unsettled, Window, Windows};

/// A table of times in seconds and totals.
fn table(tags: &Tags, field: &'static str, rows: &[(i64, Value)]) -> Vec<Table> {
    let rows: Vec<_> = rows.iter().map(|(time, value)| (Some(time * SECOND), value.clone())).collect();
    let table = Table { tags: tags.clone(), field: Some(field), datatype: Some(kind(&rows[0].1)), rows };
    vec![table]
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Long(_) => "long",
        Value::UnsignedLong(_) => "unsignedLong",
        Value::Text(_) => "string",
        _ => "double",
    }
}

fn doubles(rows: &[(i64, f64)]) -> Vec<Table> {
    let rows: Vec<_> = rows.iter().map(|(time, total)| (*time, Value::double(*total))).collect();
    table(&Tags::new(), "kwh", &rows)
}

/// The totals of one meter, and the last before them.
fn meter(before: (i64, f64), totals: &[(i64, f64)]) -> Tables {
    Tables { before: doubles(&[before]), totals: doubles(totals), ..Tables::default() }
}

fn plain() -> Policy {
    spec(&["kwh"])
}

fn grid(last: i64) -> Vec<i64> {
    (1..=last / 10).map(|window| window * 10 * SECOND).collect()
}

/// Ten seconds up to a label.
fn window(label: i64) -> Window {
    Window { label: label * SECOND, start: (label - 10) * SECOND, stop: label * SECOND }
}

/// At most one a second.
fn limited() -> Policy {
    Policy { max_rate: vec![("kwh".to_owned(), 1.0)], ..plain() }
}

type Row = (i64, Option<f64>, &'static str);

fn check(tables: &Tables, spec: &Policy, expected: &[Row]) {
    let found = consumption(std::slice::from_ref(tables), spec).unwrap();
    let times: Vec<Value> = expected.iter().map(|row| Value::Time(row.0 * SECOND)).collect();
    let amounts: Vec<Value> = expected.iter().map(|row| row.1.map_or(Value::Null, Value::double)).collect();
    let words: Vec<Value> = expected.iter().map(|row| Value::text(row.2)).collect();
    let expected = [("time", times), ("kwh", amounts), ("kwh_quality", words)];
    assert_eq!(expected.map(|(name, values)| (name.to_owned(), values)).to_vec(), columns(&found));
}

#[test]
fn a_window_is_its_last_total_less_the_one_before() {
    let tables = meter((-1, 7.0), &[(10, 10.0), (20, 12.5), (30, 12.5)]);
    check(&tables, &plain(), &[(10, Some(3.0), "ok"), (20, Some(2.5), "ok"), (30, Some(0.0), "ok")]);
}

#[test]
fn a_series_that_begins_counts_from_its_first_total() {
    let mut tables = meter((-1, 7.0), &[(10, 10.0), (20, 12.5)]);
    tables.first = doubles(&[(3, 8.0)]);
    check(&tables, &plain(), &[(10, Some(3.0), "ok"), (20, Some(2.5), "ok")]);
    tables.before.clear();
    check(&tables, &plain(), &[(10, Some(2.0), "first"), (20, Some(2.5), "ok")]);
    tables.first.clear();
    check(&tables, &plain(), &[(10, None, "first"), (20, Some(2.5), "ok")]);
    // The windows before it are no gap: the series was not there.
    let late = Tables { totals: doubles(&[(30, 10.0)]), first: doubles(&[(23, 8.0)]), ..Tables::default() };
    for gaps in [Gaps::Book, Gaps::Spread, Gaps::Null] {
        check(&late, &Policy { gaps, grid: Some(grid(40)), ..plain() }, &[(30, Some(2.0), "first")]);
    }
}

#[test]
fn a_drop_is_what_it_is_said_to_be() {
    let tables = meter((-1, 8.0), &[(10, 10.0), (20, 4.0), (30, 6.0)]);
    let rollover = |end| vec![("kwh".to_owned(), end)];
    for (on_reset, end, amount, quality) in [
        (OnReset::Null, 0.0, None, "reset"),
        (OnReset::Restart, 0.0, Some(4.0), "reset"),
        (OnReset::Keep, 0.0, Some(-6.0), "reset"),
        (OnReset::Rollover, 12.0, Some(6.0), "rollover"),
        (OnReset::Rollover, 10.0, Some(4.0), "rollover"),
        // 10 is more than the meter can show.
        (OnReset::Rollover, 9.0, None, "reset"),
    ] {
        let spec = Policy { on_reset, rollover: rollover(end), ..plain() };
        check(&tables, &spec, &[(10, Some(2.0), "ok"), (20, amount, quality), (30, Some(2.0), "ok")]);
    }
    let below_zero = meter((-1, 8.0), &[(10, -1.0)]);
    let spec = Policy { on_reset: OnReset::Rollover, rollover: rollover(12.0), ..plain() };
    check(&below_zero, &spec, &[(10, None, "reset")]);
}

#[test]
fn a_gap_goes_where_it_is_said_to_go() {
    let tables = meter((-1, 0.0), &[(10, 1.0), (40, 7.0)]);
    let with = |gaps| Policy { gaps, grid: Some(grid(50)), ..plain() };
    let first = (10, Some(1.0), "ok");
    check(&tables, &with(Gaps::Book), &[first, (40, Some(6.0), "gap")]);
    let spread = [(20, Some(2.0), "gap"), (30, Some(2.0), "gap"), (40, Some(2.0), "gap")];
    check(&tables, &with(Gaps::Spread), &[&[first], &spread[..]].concat());
    let null = [(20, None, "gap"), (30, None, "gap"), (40, None, "gap")];
    check(&tables, &with(Gaps::Null), &[&[first], &null[..]].concat());
    // Without the windows' labels, no gap is seen.
    check(&tables, &Policy { grid: None, ..with(Gaps::Spread) }, &[first, (40, Some(6.0), "ok")]);

    let drop = meter((-1, 0.0), &[(10, 9.0), (40, 6.0)]);
    let restart = Policy { on_reset: OnReset::Restart, ..with(Gaps::Spread) };
    let spread = [(20, Some(2.0), "gap"), (30, Some(2.0), "gap"), (40, Some(2.0), "reset")];
    check(&drop, &restart, &[&[(10, Some(9.0), "ok")], &spread[..]].concat());
    let unknown = [(20, None, "gap"), (30, None, "gap"), (40, None, "reset")];
    check(&drop, &with(Gaps::Spread), &[&[(10, Some(9.0), "ok")], &unknown[..]].concat());
}

#[test]
fn a_gap_may_reach_back_before_the_range() {
    let with =
        |gaps, since: i64| Policy { gaps, grid: Some(grid(30)), adjacent_since: Some(since * SECOND), ..plain() };
    let at_once = meter((-10, 0.0), &[(10, 6.0)]);
    check(&at_once, &with(Gaps::Null, -10), &[(10, Some(6.0), "ok")]);
    check(&at_once, &with(Gaps::Null, -9), &[(10, None, "gap")]);
    check(&at_once, &with(Gaps::Book, -9), &[(10, Some(6.0), "gap")]);
    check(&at_once, &with(Gaps::Spread, -9), &[(10, Some(6.0), "gap")]);
    let late = meter((-10, 0.0), &[(30, 6.0)]);
    for since in [-10, -9] {
        let spread = [(10, Some(2.0), "gap"), (20, Some(2.0), "gap"), (30, Some(2.0), "gap")];
        check(&late, &with(Gaps::Spread, since), &spread);
    }
}

#[test]
fn an_odd_total_is_passed_over() {
    let spike = meter((0, 0.0), &[(10, 5.0), (20, 105.0), (30, 12.0)]);
    check(&spike, &limited(), &[(10, Some(5.0), "ok"), (20, None, "implausible"), (30, Some(7.0), "ok")]);
    let dip = meter((0, 45.0), &[(10, 50.0), (20, 3.0), (30, 57.0)]);
    for on_reset in [OnReset::Null, OnReset::Restart, OnReset::Keep] {
        let spec = Policy { on_reset, ..limited() };
        check(&dip, &spec, &[(10, Some(5.0), "ok"), (20, None, "implausible"), (30, Some(7.0), "ok")]);
    }
    // Two in a row, and then as before.
    let twice = meter((0, 0.0), &[(10, 5.0), (20, 105.0), (30, 305.0), (40, 12.0)]);
    let odd = [(10, Some(5.0), "ok"), (20, None, "implausible"), (30, None, "implausible")];
    check(&twice, &limited(), &[&odd[..], &[(40, Some(7.0), "ok")]].concat());
    // The last of all may be a level.
    check(&meter((0, 0.0), &[(10, 105.0)]), &limited(), &[(10, None, "implausible")]);
    // Without a highest rate nothing is odd.
    check(&spike, &plain(), &[(10, Some(5.0), "ok"), (20, Some(100.0), "ok"), (30, None, "reset")]);
}

#[test]
fn a_level_that_stays_is_the_meters() {
    let shift = meter((0, 0.0), &[(10, 5.0), (20, 105.0), (30, 108.0)]);
    check(&shift, &limited(), &[(10, Some(5.0), "ok"), (20, None, "implausible"), (30, Some(3.0), "ok")]);
    let after_an_odd_one = meter((0, 0.0), &[(10, 105.0), (20, 305.0), (30, 308.0)]);
    let odd = [(10, None, "implausible"), (20, None, "implausible")];
    check(&after_an_odd_one, &limited(), &[&odd[..], &[(30, Some(3.0), "ok")]].concat());
    let restart = Policy { on_reset: OnReset::Restart, ..limited() };
    let begins_again = meter((0, 45.0), &[(10, 50.0), (20, 3.0), (30, 5.0)]);
    check(&begins_again, &restart, &[(10, Some(5.0), "ok"), (20, Some(3.0), "reset"), (30, Some(2.0), "ok")]);
    check(&begins_again, &limited(), &[(10, Some(5.0), "ok"), (20, None, "reset"), (30, Some(2.0), "ok")]);
    // A new meter shows more than can have been consumed since the old one's last total.
    let exchange = meter((0, 45.0), &[(10, 50.0), (20, 30.0), (30, 34.0)]);
    check(&exchange, &restart, &[(10, Some(5.0), "ok"), (20, None, "implausible"), (30, Some(4.0), "ok")]);
    let rollover = Policy { on_reset: OnReset::Rollover, rollover: vec![("kwh".to_owned(), 100.0)], ..limited() };
    check(&exchange, &rollover, &[(10, Some(5.0), "ok"), (20, None, "implausible"), (30, Some(4.0), "ok")]);
    // What is held back at the end stays as it is.
    check(&meter((0, 50.0), &[(10, 3.0)]), &restart, &[(10, Some(3.0), "reset")]);
}

#[test]
fn a_gap_around_an_odd_total_is_spread_without_its_window() {
    let tables = meter((0, 0.0), &[(10, 5.0), (30, 500.0), (50, 41.0)]);
    let spec = Policy { gaps: Gaps::Spread, grid: Some(grid(60)), ..limited() };
    let twelve = Some(12.0);
    let expected = [(20, twelve, "gap"), (30, None, "implausible"), (40, twelve, "gap"), (50, twelve, "gap")];
    check(&tables, &spec, &[&[(10, Some(5.0), "ok")], &expected[..]].concat());
}

#[test]
fn a_rate_counts_from_label_to_label() {
    let most = meter((-5, 0.0), &[(10, 15.0), (30, 35.0)]);
    check(&most, &limited(), &[(10, Some(15.0), "ok"), (30, Some(20.0), "ok")]);
    let more = meter((-5, 0.0), &[(10, 15.5)]);
    check(&more, &limited(), &[(10, None, "implausible")]);
    // Labelled by its start, the window ends ten seconds later than it says.
    let by_start = Policy { lead: 10 * SECOND, ..limited() };
    check(&meter((-5, 0.0), &[(0, 15.0)]), &by_start, &[(0, Some(15.0), "ok")]);
    check(&meter((-5, 0.0), &[(0, 15.5)]), &by_start, &[(0, None, "implausible")]);
    let first = Tables { first: doubles(&[(3, 0.0)]), totals: doubles(&[(0, 7.0)]), ..Tables::default() };
    check(&first, &by_start, &[(0, Some(7.0), "first")]);
    let first = Tables { totals: doubles(&[(0, 7.5)]), ..first };
    check(&first, &by_start, &[(0, None, "implausible")]);
}

#[test]
fn a_reset_within_a_window_shows_in_its_smallest_total() {
    let mut tables = meter((-1, 9.0), &[(10, 10.0), (20, 11.0), (30, 13.0)]);
    tables.lows = doubles(&[(10, 9.0), (20, 1.0), (30, 12.0)]);
    let known = |amount, quality| [(10, Some(1.0), "ok"), (20, amount, quality), (30, Some(2.0), "ok")];
    for on_reset in [OnReset::Null, OnReset::Restart] {
        check(&tables, &Policy { on_reset, ..plain() }, &known(None, "reset"));
    }
    check(&tables, &Policy { on_reset: OnReset::Keep, ..plain() }, &known(Some(1.0), "ok"));
    let restart = Policy { on_reset: OnReset::Restart, ..plain() };
    let doubt = Doubt { field: "kwh".to_owned(), series: vec![0], windows: vec![20 * SECOND] };
    assert_eq!(vec![doubt], unsettled(&[tables.clone()], &restart).unwrap().doubts);
    // Nobody would make use of its points.
    assert_eq!(Unsettled::default(), unsettled(&[tables.clone()], &plain()).unwrap());
    // One of a window without a total is of no account.
    tables.lows = doubles(&[(5, 0.0), (15, 0.0), (20, 10.0), (30, 0.0)]);
    check(&tables, &plain(), &[(10, Some(1.0), "ok"), (20, Some(1.0), "ok"), (30, None, "reset")]);
    tables.lows.clear();
    check(&tables, &plain(), &known(Some(1.0), "ok"));
    assert_eq!(Unsettled::default(), unsettled(&[tables], &restart).unwrap());
}

#[test]
fn points_tell_what_a_window_hides() {
    let mut tables = meter((-1, 9.0), &[(10, 10.0), (20, 2.0), (30, 13.0)]);
    // The point at 20 is the next window's.
    tables.points = doubles(&[(11, 11.0), (13, 0.5), (19, 2.0), (20, 99.0)]);
    tables.refined = vec![window(20)];
    let restart = Policy { on_reset: OnReset::Restart, ..plain() };
    check(&tables, &restart, &[(10, Some(1.0), "ok"), (20, Some(1.0 + 0.5 + 1.5), "reset"), (30, Some(11.0), "ok")]);
    check(&tables, &plain(), &[(10, Some(1.0), "ok"), (20, None, "reset"), (30, Some(11.0), "ok")]);

    // An odd point costs its window nothing if the next is in the window too.
    let mut spike = meter((-1, 9.0), &[(10, 10.0), (20, 12.0), (30, 13.0)]);
    spike.points = doubles(&[(11, 11.0), (13, 500.0), (15, 12.0)]);
    spike.refined = vec![window(20)];
    let limited = limited();
    check(&spike, &limited, &[(10, Some(1.0), "ok"), (20, Some(2.0), "ok"), (30, Some(1.0), "ok")]);
    spike.totals = doubles(&[(10, 10.0), (20, 500.0), (30, 13.0)]);
    spike.points = doubles(&[(11, 11.0), (13, 500.0)]);
    check(&spike, &limited, &[(10, Some(1.0), "ok"), (20, None, "implausible"), (30, Some(2.0), "ok")]);
}

#[test]
fn a_window_whose_points_are_missing_is_an_error() {
    let mut tables = meter((-1, 9.0), &[(10, 10.0), (20, 2.0), (30, 13.0)]);
    tables.refined = vec![window(20)];
    let spec = Policy { on_reset: OnReset::Restart, ..plain() };
    for points in [vec![], doubles(&[(5, 9.5), (25, 12.0)])] {
        tables.points = points;
        let error = consumption(&[tables.clone()], &spec).unwrap_err();
        let why = "field \"kwh\", window 1970-01-01T00:00:20Z: its points are not in the answer";
        assert_eq!(ErrorKind::Missing(why.to_owned()), error.kind);
    }
}

#[test]
fn labels_that_come_late_are_taken_back() {
    // Closed at the right: the total of 10 s is the first window's, that of 0 s lies before it.
    let late = |seconds: i64| seconds * SECOND + 1;
    let rows = |rows: &[(i64, f64)]| {
        let rows = rows.iter().map(|(time, total)| (Some(*time), Value::double(*total))).collect();
        vec![Table { tags: Tags::new(), field: Some("kwh"), datatype: Some("double"), rows }]
    };
    let tables = Tables {
        before: rows(&[(0, 7.0)]),
        totals: rows(&[(late(10), 17.0), (late(20), 27.5), (late(40), 30.0)]),
        ..Tables::default()
    };
    let spec = Policy {
        kinds: Vec::new(),
        late: 1,
        lead: -1,
        longest: 10 * SECOND,
        grid: Some([10, 20, 30, 40].map(late).to_vec()),
        adjacent_since: Some(late(-10)),
        gaps: Gaps::Spread,
        ..limited()
    };
    let expected = [(10, Some(10.0), "ok"), (20, Some(10.5), "ok"), (30, Some(1.25), "gap"), (40, Some(1.25), "gap")];
    check(&tables, &spec, &expected);
    // Ten seconds up to the label, and no nanosecond more.
    let much = Tables { totals: rows(&[(late(10), 17.000_000_000_5)]), ..tables };
    check(&much, &spec, &[(10, None, "implausible")]);
}

#[test]
fn a_second_for_an_hour_is_refused_before_its_windows_are_made() {
    let tables = meter((-1, 9.0), &[(10, 10.0), (10 << 20, 11.0)]);
    let names: Vec<String> = (0..63).map(|number| format!("absent{number}")).collect();
    let fields: Vec<&str> = names.iter().map(String::as_str).chain(["kwh"]).collect();
    for gaps in [Gaps::Spread, Gaps::Null] {
        let spec = Policy { gaps, grid: Some(grid(10 << 20)), ..spec(&fields) };
        let error = consumption(std::slice::from_ref(&tables), &spec);
        let why = error.unwrap_err().to_string();
        assert!(why.starts_with("the windows of all series are 1048576 rows of 129 columns"), "{why}");
    }
    // Booked to the windows of its readings, the same gap makes none.
    let booked = Policy { grid: Some(grid(10 << 20)), ..spec(&fields) };
    assert_eq!(2, consumption(&[tables], &booked).unwrap().num_rows());
}

#[test]
fn integers_are_exact_and_never_wrap() {
    let of = |before: u64, totals: &[(i64, u64)], spec: &Policy| {
        let rows: Vec<_> = totals.iter().map(|(time, total)| (*time, Value::UnsignedLong(*total))).collect();
        let tables = Tables {
            before: table(&Tags::new(), "kwh", &[(-1, Value::UnsignedLong(before))]),
            totals: table(&Tags::new(), "kwh", &rows),
            ..Tables::default()
        };
        consumption(&[tables], spec)
    };
    let amounts = |before: u64, totals: &[(i64, u64)], spec: &Policy| {
        values(of(before, totals, spec).unwrap().column(1).as_ref())
    };
    let half = 1_u64 << 63;
    assert_eq!(vec![Value::Long(7)], amounts(half - 3, &[(10, half + 4)], &plain()));
    let round = Policy { on_reset: OnReset::Rollover, rollover: vec![("kwh".to_owned(), 2_f64.powi(64))], ..plain() };
    assert_eq!(vec![Value::Long(5)], amounts(u64::MAX - 1, &[(10, 3)], &round));
    let spread = Policy { gaps: Gaps::Spread, grid: Some(grid(30)), ..plain() };
    assert_eq!([2, 2, 3].map(Value::Long).to_vec(), amounts(0, &[(30, 7)], &spread));
    let back = Policy { on_reset: OnReset::Keep, ..spread };
    assert_eq!([-3, -2, -2].map(Value::Long).to_vec(), amounts(7, &[(30, 0)], &back));
    let restart = Policy { on_reset: OnReset::Restart, ..plain() };
    assert_eq!(
        "column \"kwh\", row 1: the consumption does not fit in 64 bits",
        of(u64::MAX - 1, &[(10, u64::MAX), (20, half + 5)], &restart).unwrap_err().to_string()
    );
    let named = |meter, rows: &[(i64, Value)]| table(&Tags::from([("meter", meter)]), "kwh", rows);
    let (low, high) = (Value::UnsignedLong(0), Value::UnsignedLong(half));
    let totals = [named("a", &[(10, low.clone()), (20, low.clone())]), named("b", &[(10, low), (30, high)])];
    assert_eq!(
        "column \"kwh\", row 3: the consumption does not fit in 64 bits",
        consumption(&[Tables { totals: totals.concat(), ..Tables::default() }], &plain()).unwrap_err().to_string()
    );
    let third = Policy { rollover: vec![("kwh".to_owned(), 0.5)], ..round };
    assert_eq!(
        "column \"kwh\": the rollover of a field of integers must be a whole number up to 2^64, not 0.5",
        of(0, &[(10, 1)], &third).unwrap_err().to_string()
    );
}

#[test]
fn fields_share_the_rows_of_their_meter() {
    let no_tags = Tags::new();
    let mut tables = meter((-1, 0.0), &[(10, 1.0), (30, 3.0)]);
    tables.totals.extend(table(&no_tags, "litres", &[(20, Value::Long(5)), (30, Value::Long(6))]));
    tables.first.extend(table(&no_tags, "litres", &[(12, Value::Long(2))]));
    let spec = Policy { quality: true, ..spec(&["absent", "litres", "kwh"]) };
    let found = consumption(&[tables], &spec).unwrap();
    let words = |words: [&str; 3]| words.map(Value::text).to_vec();
    let expected = [
        ("time", [10, 20, 30].map(|time| Value::Time(time * SECOND)).to_vec()),
        ("absent", vec![Value::Null; 3]),
        ("litres", vec![Value::Null, Value::Long(3), Value::Long(1)]),
        ("kwh", vec![Value::double(1.0), Value::Null, Value::double(2.0)]),
        ("absent_quality", words(["gap", "gap", "gap"])),
        ("litres_quality", words(["gap", "first", "ok"])),
        ("kwh_quality", words(["ok", "gap", "ok"])),
    ];
    assert_eq!(expected.map(|(name, values)| (name.to_owned(), values)).to_vec(), columns(&found));
    assert_eq!(&arrow_schema::DataType::Float64, found.column(1).data_type());
}

#[test]
fn only_series_with_totals_are_in_the_frame() {
    let of = |meter, firmware| Tags::from([("meter", meter), ("firmware", firmware)]);
    let double = |tags: &Tags, time, total| table(tags, "kwh", &[(time, Value::double(total))]);
    let (old, new, dead) = (of("m1", "1"), of("m1", "2"), of("m9", "1"));
    let tables = Tables {
        totals: double(&new, 10, 12.0),
        // The dead one's total is no number, which is of no account.
        before: [double(&old, -5, 10.0), table(&dead, "kwh", &[(-1, Value::text("off"))])].concat(),
        first: [double(&new, 4, 11.0), double(&dead, 3, 1.0)].concat(),
        ..Tables::default()
    };
    let names = |levels: &[&str]| Levels::Named(levels.iter().map(|name| (*name).to_owned()).collect());
    let found = |levels| {
        let spec = Policy { levels, quality: false, ..plain() };
        columns(&consumption(std::slice::from_ref(&tables), &spec).unwrap())
    };
    let ten = ("time".to_owned(), vec![Value::Time(10 * SECOND)]);
    let kwh = |amount| ("kwh".to_owned(), vec![Value::double(amount)]);
    // By all its tags, the new one begins in the range; by its meter, it goes on from the old one.
    for levels in [Levels::Differing, names(&[])] {
        assert_eq!(vec![ten.clone(), kwh(1.0)], found(levels));
    }
    let meter = ("meter".to_owned(), vec![Value::text("m1")]);
    assert_eq!(vec![meter, ten, kwh(2.0)], found(names(&["meter"])));
}

#[test]
fn totals_that_meet_are_told_apart() {
    let of = |firmware| Tags::from([("meter", "m1"), ("firmware", firmware)]);
    let double = |tags: &Tags, time, total| table(tags, "kwh", &[(time, Value::double(total))]);
    let by_meter = Policy { levels: Levels::Named(vec!["meter".to_owned()]), ..plain() };
    let message = |tables: Tables| consumption(&[tables], &by_meter).unwrap_err().to_string();
    let two = [double(&of("1"), 10, 1.0), double(&of("2"), 10, 2.0)].concat();
    assert_eq!(
        "field \"kwh\" at 1970-01-01T00:00:10Z: 2 series have a value, and differ in firmware. Name these tags in `by`",
        message(Tables { totals: two, ..Tables::default() })
    );
    let before = [double(&of("1"), -1, 1.0), double(&of("2"), -1, 2.0)].concat();
    let tables = Tables { totals: double(&of("1"), 10, 3.0), before, ..Tables::default() };
    assert_eq!(
        "field \"kwh\" at 1969-12-31T23:59:59Z: 2 series have a value, and differ in firmware. Name these tags in `by`",
        message(tables.clone())
    );
    // The newest counts, and where all are the same nothing is in doubt.
    let newest = [tables.before.clone(), double(&of("3"), 0, 2.5)].concat();
    let same = [double(&of("1"), -1, 2.5), double(&of("2"), -1, 2.5)].concat();
    for before in [newest, same] {
        let found = consumption(&[Tables { before, ..tables.clone() }], &by_meter).unwrap();
        assert_eq!(vec![Value::double(0.5)], values(found.column(2).as_ref()));
    }
}

#[test]
fn what_can_not_be_computed_is_told() {
    let message = |tables: Tables, spec: &Policy| consumption(&[tables], spec).unwrap_err().to_string();
    let text = table(&Tags::new(), "kwh", &[(10, Value::text("on"))]);
    assert_eq!(
        "column \"kwh\": consumption needs a float64, int64 or uint64 total, not LargeUtf8",
        message(Tables { totals: text, ..Tables::default() }, &plain())
    );
    let mut without_time = meter((-1, 0.0), &[(10, 1.0)]);
    without_time.before[0].rows[0].0 = None;
    assert_eq!("a table lacks the column \"_time\"", message(without_time, &plain()));
    let descending = Policy { grid: Some(vec![2, 1]), ..plain() };
    assert_eq!("the labels of the grid must ascend", message(meter((-1, 0.0), &[(10, 1.0)]), &descending));
}

#[test]
fn no_number_makes_it_panic() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN];
    let totals: Vec<(i64, f64)> = (1..).map(|window| window * 10).zip(odd.into_iter().cycle().take(25)).collect();
    let rollover = vec![("kwh".to_owned(), 10.0)];
    for on_reset in [OnReset::Null, OnReset::Restart, OnReset::Rollover, OnReset::Keep] {
        for gaps in [Gaps::Book, Gaps::Spread, Gaps::Null] {
            for limits in [plain(), limited()] {
                let spec = Policy { on_reset, gaps, rollover: rollover.clone(), grid: Some(grid(300)), ..limits };
                assert!(consumption(&[meter((i64::MIN / SECOND + 1, 0.0), &totals)], &spec).is_ok());
            }
        }
    }
}

#[test]
fn nothing_found_keeps_the_shape() {
    let levels = Levels::Named(vec!["meter".to_owned()]);
    let spec = Policy { levels, ..plain() };
    let before = Tables { before: doubles(&[(-1, 1.0)]), ..Tables::default() };
    for slices in [vec![], vec![Tables::default()], vec![before]] {
        let found = consumption(&slices, &spec).unwrap();
        let names: Vec<String> = columns(&found).into_iter().map(|(name, _)| name).collect();
        assert_eq!(vec!["meter", "time", "kwh", "kwh_quality"], names);
        assert_eq!(0, found.num_rows());
        assert_eq!(Unsettled::default(), unsettled(&slices, &spec).unwrap());
    }
}

/// Windows of ten seconds whose points are all known.
fn of_points(label_start: bool) -> Policy {
    let edges = (0..=4).map(|window| window * 10 * SECOND).collect();
    Policy { windows: Some(Windows { edges, label_start }), ..plain() }
}

#[test]
fn every_fall_is_seen_among_all_points() {
    // Between the edges the total falls and is soon higher than before, which the last totals do not show.
    let points = [(1, 5.0), (4, 6.0), (5, 2.0), (9, 7.0), (10, 8.0), (12, 9.0), (20, 10.0), (39, 12.0)];
    let tables = meter((-5, 4.0), &points);
    let null = [(10, None, "reset"), (20, Some(2.0), "ok"), (30, Some(1.0), "ok"), (40, Some(2.0), "ok")];
    check(&tables, &of_points(false), &null);
    let restart = Policy { on_reset: OnReset::Restart, ..of_points(true) };
    let counted = [(0, Some(2.0 + 2.0 + 5.0), "reset"), (10, Some(2.0), "ok")];
    check(&tables, &restart, &[&counted[..], &[(20, Some(1.0), "ok"), (30, Some(2.0), "ok")]].concat());
    assert_eq!(Unsettled::default(), unsettled(std::slice::from_ref(&tables), &restart).unwrap());
}

#[test]
fn a_series_counts_from_the_first_of_its_points() {
    let tables = Tables { totals: doubles(&[(3, 5.0), (9, 7.0), (35, 8.0), (38, 8.5)]), ..Tables::default() };
    check(&tables, &of_points(false), &[(10, Some(2.0), "first"), (40, Some(1.5), "ok")]);
    // What was counted within the last window is spread too, as of a window of which only the last total is known.
    let spread = Policy { gaps: Gaps::Spread, grid: Some(grid(40)), ..of_points(false) };
    let gap = [(20, Some(0.5), "gap"), (30, Some(0.5), "gap"), (40, Some(0.5), "gap")];
    check(&tables, &spread, &[&[(10, Some(2.0), "first")], &gap[..]].concat());
}

#[test]
fn a_rate_is_measured_between_the_ends_of_windows_where_nothing_is_odd() {
    // Two in a second, and then none for eight: less than one a second over the window.
    let tables = meter((0, 4.0), &[(1, 6.0), (9, 6.0), (11, 8.0)]);
    let limited = Policy { max_rate: limited().max_rate, longest: 10 * SECOND, ..of_points(false) };
    check(&tables, &limited, &[(10, Some(2.0), "ok"), (20, Some(2.0), "ok")]);
}

#[test]
fn a_point_outside_of_the_windows_is_an_error() {
    for time in [-1, 40] {
        let tables = Tables { totals: doubles(&[(time, 5.0)]), ..Tables::default() };
        let error = consumption(std::slice::from_ref(&tables), &of_points(false)).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Syntax(_)), "{error}");
    }
}
