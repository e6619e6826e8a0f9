//! How fast TSM is decoded on one core: `cargo run --release --example shard_speed`.
//!
//! Regular meter data, every 10 s with two decimals, and other kinds of values, in blocks of 1,000 points.
//!
//! Memory that a process touches for the first time costs the system as much as all of the decoding. To leave that
//! out: `MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=4000000000`, with glibc.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the numbers are small")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use db_native::{Query, Shards};

#[path = "../tests/common"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common {
    pub(crate) mod plain;
    pub(crate) mod shards;
    pub(crate) mod tsm;
}

use common::plain::Value;
use common::shards::{Points, block, source, tsm_file};

const SERIES: u64 = 20;
const BLOCKS: i64 = 50;
// Short ones, so that some are not interrupted by what else the machine does.
const ROUNDS: usize = 101;

/// Numbers that look random, the same in every run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn measure(what: &str, jitter: u64, mut value: impl FnMut(&mut u64) -> Value) {
    let mut state = 1;
    let mut keys = BTreeMap::new();
    for series in 0..SERIES {
        let blocks = (0..BLOCKS).map(|number| {
            let points: Points = (0..1_000)
                .map(|row| {
                    let time = 1_700_000_000_000_000_000 + (number * 1_000 + row) * 10_000_000_000;
                    let late = if jitter == 0 { 0 } else { random(&mut state) % jitter };
                    (time + late.cast_signed(), value(&mut state))
                })
                .collect();
            block(&points)
        });
        keys.insert(format!("meters,meter={series:03}#!~#power").into_bytes(), blocks.collect());
    }
    let file = tsm_file(&keys);
    let size = file.len() as f64;
    let shards = Shards::open(vec![vec![source("000000001-000000001.tsm", file)]]).expect("a sound file");
    let query =
        Query { measurement: "meters".to_owned(), fields: None, tags: Vec::new(), start: i64::MIN, stop: i64::MAX };
    let selection = shards.select(&query).expect("sound names");
    let mut seconds = Vec::new();
    let before = spent();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let chunk = shards.read(&selection, 0..selection.len()).expect("sound blocks");
        black_box(selection.answer(vec![chunk]));
        seconds.push(start.elapsed().as_secs_f64());
    }
    let spent = (spent() - before) / ROUNDS as f64;
    seconds.sort_by(f64::total_cmp);
    let values = (SERIES.cast_signed() * BLOCKS * 1_000) as f64;
    let rate = |seconds: f64| values / seconds / 1e6;
    println!(
        "{what:<44}{:>8.1} million values/s (from {:.1} to {:.1}; of the process' own time {:.1}), {:.2} bytes a value",
        rate(seconds[ROUNDS / 2]),
        rate(seconds[ROUNDS - 1]),
        rate(seconds[0]),
        rate(spent),
        size / values,
    );
}

/// Seconds that this process has run, where Linux tells it, whatever else the machine did.
fn spent() -> f64 {
    let told = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = told.rsplit(')').next().into_iter().flat_map(|rest| rest.split_whitespace().skip(11).take(2));
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn main() {
    measure("doubles of 2 decimals, any, every 10 s", 0, |state| {
        Value::double((random(state) % 100_000) as f64 / 100.0)
    });
    let mut total = 0;
    measure("doubles of 2 decimals, a total, every 10 s", 0, |state| {
        total += random(state) % 300;
        Value::double(total as f64 / 100.0)
    });
    measure("doubles that seldom change, every 10 s", 0, |state| {
        Value::double(f64::from(u8::from(random(state).is_multiple_of(50))))
    });
    measure("doubles of 2 decimals, at any millisecond", 9_000_000_000, |state| {
        Value::double((random(state) % 100_000) as f64 / 100.0)
    });
    measure("integers up to 1,000, every 10 s", 0, |state| Value::Long((random(state) % 1_000).cast_signed()));
    measure("booleans, every 10 s", 0, |state| Value::Boolean(random(state).is_multiple_of(2)));
    measure("texts of 8 bytes, every 10 s", 0, |state| Value::Text(format!("{:08}", random(state) % 100_000_000)));
}
