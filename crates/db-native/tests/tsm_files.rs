//! Shards of several files, against a naive history of them.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "what is cast is small"
)]

use std::collections::BTreeMap;

use crate::common::cases;
use crate::common::plain::Value;
use crate::common::shards::{
    Deletes, Entry, Points, Stored, all_of, block, read, segment, source, stored, tombstone, tsm_file,
};
use db_native::{Kind, Query, Shards, Source};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// Series of a measurement: their keys, and their tags as they were written.
const SERIES: [(&str, &[(&str, &str)]); 4] = [
    ("m\\ x", &[]),
    ("m\\ x,a=1", &[("a", "1")]),
    ("m\\ x,a=1,b=x\\ y\\,z", &[("a", "1"), ("b", "x y,z")]),
    ("m\\ x,b\\=c=\\w", &[("b=c", "\\w")]),
];
/// Those of other measurements, which lie about them in an index.
const OTHERS: [&str; 4] = ["m", "m\\ x!", "m\\ x\\,a=1", "m\\ y,a=1"];
const FIELDS: [&str; 5] = ["f", "i d", "b", "s,=", "u"];

fn key(series: usize, field: usize) -> Vec<u8> {
    format!("{}#!~#{}", SERIES[series].0, FIELDS[field]).into_bytes()
}

/// A value of a field; its type is another one in another shard.
fn value(shard: usize, field: usize, seed: u8) -> Value {
    match (field + shard) % 5 {
        0 => Value::double(f64::from(seed) / 4.0),
        1 => Value::Long(i64::from(seed) - 100),
        2 => Value::Boolean(seed.is_multiple_of(2)),
        3 => Value::Text("é".repeat(usize::from(seed % 4))),
        _ => Value::UnsignedLong(u64::MAX - u64::from(seed)),
    }
}

type Seeds = BTreeMap<i64, u8>;

/// Blocks of series and fields, deletes, and the version of the tombstone.
#[derive(Clone, Debug)]
struct File {
    blocks: BTreeMap<(usize, usize), Vec<Seeds>>,
    deletes: Vec<(usize, usize, i64, i64)>,
    version: u8,
}

#[derive(Clone, Debug)]
enum Step {
    Write(BTreeMap<(usize, usize), Vec<(i64, u8)>>),
    Delete(Vec<(usize, usize)>),
    DeleteRange(Vec<(usize, usize)>, i64, i64),
}

#[derive(Clone, Debug)]
struct History {
    files: Vec<File>,
    wal: Vec<Vec<Step>>,
}

const TIMES: std::ops::Range<i64> = 0..40;

fn place() -> impl Strategy<Value = (usize, usize)> {
    (0..SERIES.len(), 0..FIELDS.len())
}

fn history() -> impl Strategy<Value = History> {
    let blocks = vec(btree_map(TIMES, any::<u8>(), 1..8), 1..4);
    let deletes = vec((0..SERIES.len(), 0..FIELDS.len(), TIMES, TIMES), 0..5);
    let file = (btree_map(place(), blocks, 1..6), deletes, 1..=4_u8).prop_map(|(blocks, deletes, version)| File {
        blocks,
        deletes,
        version,
    });
    let step = prop_oneof![
        3 => btree_map(place(), vec((TIMES, any::<u8>()), 1..6), 1..4).prop_map(Step::Write),
        1 => vec(place(), 1..4).prop_map(Step::Delete),
        1 => (vec(place(), 1..4), TIMES, TIMES).prop_map(|(keys, first, last)| Step::DeleteRange(keys, first, last)),
    ];
    (vec(file, 0..4), vec(vec(step, 0..4), 0..3)).prop_map(|(files, wal)| History { files, wal })
}

/// Times of a shard do not meet those of another.
fn at(shard: usize, time: i64) -> i64 {
    time * 1_000_000_000 + shard as i64 * 1_000_000_000_000
}

fn points(shard: usize, field: usize, seeds: impl IntoIterator<Item = (i64, u8)>) -> Points {
    seeds.into_iter().map(|(time, seed)| (at(shard, time), value(shard, field, seed))).collect()
}

fn keys(places: &[(usize, usize)]) -> Vec<Vec<u8>> {
    places.iter().map(|(series, field)| key(*series, *field)).collect()
}

/// The files of a history.
fn files(shard: usize, history: &History) -> Vec<Source> {
    let mut sources = Vec::new();
    for (number, file) in history.files.iter().enumerate() {
        let mut by_key = BTreeMap::new();
        for ((series, field), blocks) in &file.blocks {
            let blocks = blocks.iter().map(|seeds| block(&points(shard, *field, seeds.clone()))).collect();
            by_key.insert(key(*series, *field), blocks);
        }
        for series in OTHERS {
            by_key.insert(format!("{series}#!~#f").into_bytes(), vec![block(&[(at(shard, 0), Value::Boolean(true))])]);
        }
        let name = format!("{:09}-{:09}", number / 2 + 1, number % 2 + 1);
        if !file.deletes.is_empty() {
            let delete = |(series, field, first, last): &(usize, usize, i64, i64)| {
                (key(*series, *field), at(shard, *first), at(shard, *last))
            };
            let deletes: Deletes = file.deletes.iter().map(delete).collect();
            sources.push(source(&format!("{name}.tombstone"), tombstone(file.version, &deletes)));
        }
        sources.push(source(&format!("{name}.tsm"), tsm_file(&by_key)));
    }
    // Of a file that is gone.
    sources.push(source("000000000-000000001.tombstone", tombstone(4, &vec![(key(0, 0), i64::MIN, i64::MAX)])));
    for (number, steps) in history.wal.iter().enumerate() {
        let entries: Vec<Entry> = steps.iter().map(|step| entry(shard, step)).collect();
        sources.insert(0, source(&format!("_{number:05}.wal"), segment(&entries)));
    }
    sources
}

fn entry(shard: usize, step: &Step) -> Entry {
    match step {
        Step::Write(written) => {
            let points = |((series, field), seeds): (&(usize, usize), &Vec<(i64, u8)>)| {
                (key(*series, *field), points(shard, *field, seeds.clone()))
            };
            Entry::Write(written.iter().map(points).collect())
        }
        Step::Delete(places) => Entry::Delete(keys(places)),
        Step::DeleteRange(places, first, last) => Entry::DeleteRange(keys(places), at(shard, *first), at(shard, *last)),
    }
}

type State = BTreeMap<(usize, usize), Seeds>;

fn delete(state: &mut State, place: (usize, usize), first: i64, last: i64) {
    if let Some(seeds) = state.get_mut(&place) {
        seeds.retain(|time, _| *time < first || *time > last);
    }
}

/// What is stored after a history.
fn outcome(history: &History) -> State {
    let mut state = State::new();
    let merge = |state: &mut State, newer: State| {
        for (place, seeds) in newer {
            state.entry(place).or_default().extend(seeds);
        }
    };
    for file in &history.files {
        let mut own = State::new();
        for (place, blocks) in &file.blocks {
            own.entry(*place).or_default().extend(blocks.iter().flatten());
        }
        for (series, field, first, last) in &file.deletes {
            let (first, last) = if file.version == 1 { (i64::MIN, i64::MAX) } else { (*first, *last) };
            delete(&mut own, (*series, *field), first, last);
        }
        merge(&mut state, own);
    }
    let mut own = State::new();
    for step in history.wal.iter().flatten() {
        match step {
            Step::Write(written) => {
                for (place, seeds) in written {
                    own.entry(*place).or_default().extend(seeds.iter().copied());
                }
            }
            Step::Delete(places) => places.iter().for_each(|place| delete(&mut own, *place, i64::MIN, i64::MAX)),
            Step::DeleteRange(places, first, last) => {
                for place in places {
                    delete(&mut own, *place, *first, *last);
                }
            }
        }
    }
    merge(&mut state, own);
    state
}

fn expected(histories: &[History], query: &Query) -> Stored {
    let mut stored = Stored::new();
    for (shard, history) in histories.iter().enumerate() {
        for ((series, field), seeds) in outcome(history) {
            let tags = SERIES[series].1;
            let has = |name: &str| tags.iter().find(|tag| tag.0 == name).map_or("", |tag| tag.1);
            let chosen = query.fields.as_ref().is_none_or(|fields| fields.iter().any(|name| name == FIELDS[field]))
                && query.tags.iter().all(|(name, values)| values.iter().any(|value| value == has(name)));
            let points = points(shard, field, seeds);
            let points: BTreeMap<i64, Value> =
                points.into_iter().filter(|(time, _)| chosen && (query.start..query.stop).contains(time)).collect();
            if !points.is_empty() {
                let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                stored.entry((tags, FIELDS[field].to_owned())).or_default().extend(points);
            }
        }
    }
    stored
}

fn query() -> impl Strategy<Value = Query> {
    let time = prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        TIMES.prop_map(|time| at(0, time)),
        TIMES.prop_map(|time| at(1, time))
    ];
    let fields = prop::option::of(prop::sample::subsequence(FIELDS.to_vec(), 0..4));
    let value = prop::sample::subsequence(vec!["", "1", "x y,z", "\\w", "2"], 1..3);
    let tags = vec((prop::sample::select(vec!["a", "b", "b=c", "nowhere"]), value), 0..2);
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    (time.clone(), time, fields, tags).prop_map(move |(one, other, fields, tags)| Query {
        measurement: "m x".to_owned(),
        fields: fields.map(owned),
        tags: tags.into_iter().map(|(name, values)| (name.to_owned(), owned(values))).collect(),
        start: one.min(other),
        stop: one.max(other),
    })
}

proptest! {
    #![proptest_config(cases(400))]

    /// A read gives what is left of all that was written and deleted; also series by series.
    #[test]
    fn what_is_left_is_read(histories in vec(history(), 1..3), query in query()) {
        let sources = histories.iter().enumerate().map(|(shard, history)| files(shard, history)).collect();
        let shards = Shards::open(sources).unwrap();
        let (selection, answer) = read(&shards, &query, 1).unwrap();
        let expected = expected(&histories, &query);
        prop_assert_eq!(&expected, &stored(&answer));

        let mut by_series = Vec::new();
        for series in 0..selection.len() {
            let answer = selection.answer(vec![shards.read(&selection, series..series + 1).unwrap()]);
            let points = stored(&answer);
            prop_assert!(points.keys().all(|(tags, _)| *tags == points.keys().next().unwrap().0), "one series");
            by_series.extend(points);
        }
        // In order of their tags, an absent one first.
        let value = |tags: &[(String, String)], name: &str| tags.iter().find(|tag| tag.0 == name).map(|tag| tag.1.clone());
        let order: Vec<_> = by_series.iter().map(|((tags, _), _)| ["a", "b", "b=c"].map(|name| value(tags, name))).collect();
        prop_assert!(order.is_sorted());
        prop_assert_eq!(&expected, &by_series.into_iter().collect());

        let kinds = [Kind::Float, Kind::Integer, Kind::Boolean, Kind::Text, Kind::Unsigned];
        for (name, found) in shards.fields("m x", (i64::MIN, i64::MAX)).unwrap() {
            let field = FIELDS.iter().position(|field| *field == name).unwrap();
            prop_assert!(found.iter().all(|kind| (0..histories.len()).any(|shard| *kind == kinds[(field + shard) % 5])));
        }
        let tags = shards.tag_keys("m x").unwrap();
        prop_assert!(expected.keys().flat_map(|(own, _)| own).all(|(name, _)| tags.contains(name)));
        let range = shards.range("m x");
        let times = || expected.values().flat_map(BTreeMap::keys);
        prop_assert!(times().all(|time| range.is_some_and(|(first, last)| (first..=last).contains(time))));
    }
}

#[test]
fn measurements_are_told_by_their_names() {
    let point = || vec![block(&[(1, Value::Boolean(true))])];
    let keys = ["b\\ c,t=1#!~#f", "a\\,b#!~#f", "a#!~#f", "a,t=1#!~#f", "gone#!~#f"];
    let file = tsm_file(&keys.iter().map(|key| (key.as_bytes().to_vec(), point())).collect());
    let deleted = tombstone(4, &vec![(b"gone#!~#f".to_vec(), 0, 2)]);
    let shards = Shards::open(vec![vec![source("1.tsm", file), source("1.tombstone", deleted)]]).unwrap();

    assert_eq!(vec!["a", "a,b", "b c"], shards.measurements().unwrap());
    assert_eq!(None, shards.range("gone"));
    assert!(shards.fields("gone", (i64::MIN, i64::MAX)).unwrap().is_empty());
}

#[test]
fn a_file_that_is_none_of_a_shard_is_refused() {
    let refused = Shards::open(vec![vec![source("fields.idx", Vec::new())]]).unwrap_err();

    assert_eq!(
        "\"fields.idx\" is no file of a shard: expected a name that ends in .tsm, .tombstone or .wal",
        refused.to_string()
    );
}

#[test]
fn a_key_that_is_not_utf8_is_an_error_of_its_measurement_alone() {
    let point = || vec![block(&[(1, Value::Boolean(true))])];
    let file = tsm_file(&BTreeMap::from([(b"a#!~#f".to_vec(), point()), (b"b,t=\xFF#!~#f".to_vec(), point())]));
    let shards = Shards::open(vec![vec![source("1.tsm", file)]]).unwrap();

    assert_eq!(1, stored(&read(&shards, &all_of("a"), 1).unwrap().1).len());
    let refused = read(&shards, &all_of("b"), 1).unwrap_err().to_string();
    assert!(refused.starts_with("folder/1.tsm is damaged at byte "), "{refused}");
    assert!(refused.ends_with("in a key is not UTF-8"), "{refused}");
}

#[test]
fn a_block_whose_times_do_not_ascend_is_read_as_any_other() {
    let blocks = [[1, 2, 3, 4], [10, 30, 20, 40], [50, 70, 60, 80], [90, 91, 92, 93]];
    let points = |times: &[i64; 4]| -> Points { times.iter().map(|time| (*time, Value::Long(time * 2))).collect() };
    let key = b"m#!~#f".to_vec();
    let file = tsm_file(&BTreeMap::from([(key, blocks.iter().map(|times| block(&points(times))).collect())]));
    let shards = Shards::open(vec![vec![source("1.tsm", file)]]).unwrap();

    let found = stored(&read(&shards, &all_of("m"), 1).unwrap().1);

    let mut expected: Vec<i64> = blocks.concat();
    expected.sort_unstable();
    let found: Vec<i64> = found.into_values().flat_map(BTreeMap::into_keys).collect();
    assert_eq!(expected, found);
}

#[test]
fn the_types_of_a_field_are_told_of_a_range_of_time() {
    let shard = |name: &str, time: i64, value: Value| {
        let points = vec![block(&[(time, value.clone()), (time + 9, value)])];
        vec![source(name, tsm_file(&BTreeMap::from([(b"m#!~#f".to_vec(), points)])))]
    };
    let mut second = shard("1.tsm", 100, Value::Boolean(true));
    second
        .push(source("1.wal", segment(&[Entry::Write(vec![(b"m#!~#f".to_vec(), vec![(120, Value::Boolean(true))])])])));
    let shards = Shards::open(vec![shard("1.tsm", 0, Value::Long(5)), second]).unwrap();

    let none: Vec<(String, Vec<Kind>)> = Vec::new();
    let kinds = |kinds: &[Kind]| vec![("f".to_owned(), kinds.to_vec())];
    for ((first, last), expected) in [
        ((i64::MIN, i64::MAX), kinds(&[Kind::Integer, Kind::Boolean])),
        ((9, 100), kinds(&[Kind::Integer, Kind::Boolean])),
        ((i64::MIN, 99), kinds(&[Kind::Integer])),
        ((10, 109), kinds(&[Kind::Boolean])),
        ((110, 120), kinds(&[Kind::Boolean])),
        ((10, 99), none.clone()),
        ((121, i64::MAX), none),
    ] {
        assert_eq!(expected, shards.fields("m", (first, last)).unwrap(), "{first} to {last}");
    }
}
