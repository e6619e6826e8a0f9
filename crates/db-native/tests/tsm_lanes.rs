//! Fields of one series that report together, or nearly: their times are kept once, and nothing is mixed up by it.
#![allow(clippy::cast_precision_loss, reason = "the numbers are small")]

use std::collections::BTreeMap;

use crate::common::cases;
use crate::common::plain::Value;
use crate::common::shards::{Points, Stored, all_of, block, read, source, stored, tsm_file};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use db_native::{Answer, Shards, Source};
use proptest::collection::vec;
use proptest::prelude::*;

const SHARDS: usize = 3;
const SERIES: usize = 3;
const FIELDS: usize = 3;

/// How the times of a field lie about those of its series.
#[derive(Clone, Copy, Debug)]
enum Times {
    Shared,
    Late,
    Fewer,
    Absent,
}

/// The points of a field of a series in a shard; `None` if there are none.
fn points(shard: usize, series: usize, field: usize, times: Times) -> Option<Points> {
    let (count, late) = match times {
        Times::Shared => (5, 0),
        Times::Late => (5, 1),
        Times::Fewer => (3, 0),
        Times::Absent => return None,
    };
    let point = |row: i64| {
        let time = i64::try_from(shard).unwrap() * 1_000 + row * 10 + late;
        // The last field has another type.
        let number = row * 100 + i64::try_from(series * 10 + field).unwrap();
        (time, if field + 1 == FIELDS { Value::Long(number) } else { Value::double(number as f64 / 4.0) })
    };
    Some((0..count).map(point).collect())
}

/// All times, by shard, series and field.
type Layout = Vec<Times>;

fn each(layout: &Layout) -> impl Iterator<Item = (usize, usize, usize, Points)> {
    layout.iter().enumerate().filter_map(|(place, times)| {
        let (shard, rest) = (place / (SERIES * FIELDS), place % (SERIES * FIELDS));
        let (series, field) = (rest / FIELDS, rest % FIELDS);
        Some((shard, series, field, points(shard, series, field, *times)?))
    })
}

/// A file for each shard that has points, in two blocks a key.
fn files(layout: &Layout) -> Vec<Vec<Source>> {
    let mut shards = BTreeMap::new();
    for (shard, series, field, points) in each(layout) {
        let keys: &mut BTreeMap<_, _> = shards.entry(shard).or_default();
        let blocks = points.chunks(2).map(block).collect();
        keys.insert(format!("m,series={series}#!~#f{field}").into_bytes(), blocks);
    }
    shards.values().map(|keys| vec![source("000000001-000000001.tsm", tsm_file(keys))]).collect()
}

fn expected(layout: &Layout) -> Stored {
    let mut stored = Stored::new();
    for (_, series, field, points) in each(layout) {
        let tags = vec![("series".to_owned(), series.to_string())];
        stored.entry((tags, format!("f{field}"))).or_default().extend(points);
    }
    stored
}

/// Where the times of each group are in memory.
fn places(answer: &Answer) -> Vec<*const i64> {
    let times = answer.groups.iter().map(|group| group.columns[2].as_primitive::<TimestampNanosecondType>());
    times.map(|times| times.values().as_ptr()).collect()
}

fn all(times: Times) -> Layout {
    vec![times; SHARDS * SERIES * FIELDS]
}

/// Fields whose times are the same throughout have them in one place.
#[test]
fn times_of_fields_that_report_together_are_kept_once() {
    let (_, answer) = read(&Shards::open(files(&all(Times::Shared))).unwrap(), &all_of("m"), 1).unwrap();
    let places = places(&answer);

    assert_eq!(FIELDS, places.len());
    assert!(places.iter().all(|place| *place == places[0]));
}

/// A field that differs once has times of its own, and the others share theirs still.
#[test]
fn a_field_that_differs_once_has_its_own_times() {
    let mut layout = all(Times::Shared);
    layout[SERIES * FIELDS + 1] = Times::Late;
    let (_, answer) = read(&Shards::open(files(&layout)).unwrap(), &all_of("m"), 1).unwrap();
    let places = places(&answer);

    assert_eq!(places[0], places[2]);
    assert_ne!(places[0], places[1]);
    assert_eq!(expected(&layout), stored(&answer));
}

/// A series that is read alone is one table for each field, in order of time, in whatever order its shards are named.
#[test]
fn shards_of_one_series_are_one_table() {
    let layout = all(Times::Shared);
    let mut files = files(&layout);
    files.reverse();
    let shards = Shards::open(files).unwrap();
    let selection = shards.select(&all_of("m")).unwrap();
    let answer = selection.answer(vec![shards.read(&selection, 1..2).unwrap()]);

    assert_eq!(vec![SHARDS * 5; FIELDS], answer.tables.iter().map(|table| table.rows).collect::<Vec<_>>());
    assert!(stored(&answer).into_iter().all(|(place, points)| expected(&layout)[&place] == points));
}

fn layout() -> impl Strategy<Value = Layout> {
    let times = prop_oneof![
        6 => Just(Times::Shared),
        1 => Just(Times::Late),
        1 => Just(Times::Fewer),
        1 => Just(Times::Absent)
    ];
    vec(times, SHARDS * SERIES * FIELDS)
}

proptest! {
    #![proptest_config(cases(400))]

    /// Whichever times are shared, a read gives the points that were stored.
    #[test]
    fn shared_times_change_no_point(layout in layout()) {
        let shards = Shards::open(files(&layout)).unwrap();
        let (_, answer) = read(&shards, &all_of("m"), 1).unwrap();
        prop_assert_eq!(&expected(&layout), &stored(&answer));
    }
}
