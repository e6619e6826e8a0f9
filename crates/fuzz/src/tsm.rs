//! Files of shards, against naive twins: any bytes as a block, as a file, a tombstone or a WAL, and as what is asked.

use std::collections::BTreeMap;

use db_native::{Query, Result, Shards};

use crate::common::plain::Value;
use crate::common::shards::{Stored, all_of, read, source, stored, tsm_file};
use crate::common::tsm::{Format, block, points, with_checksum};
use crate::memory::bounded;

/// Bytes that reading may hold for each byte of a file: a run of a few bytes can stand for 2^17 points.
const READING: u64 = 1 << 18;

/// Checks what the first byte says that the others are.
pub fn check(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 4 {
        0 | 1 => one_block(data),
        2 => files([("1.tsm", data), ("1.tombstone", &[]), ("_1.wal", &[])]),
        _ => {
            let (tombstone, wal) = data.split_at(data.len() / 2);
            files([("1.tsm", &[]), ("1.tombstone", tombstone), ("_1.wal", wal)]);
        }
    }
}

/// A block of these bytes, under a right checksum, has the points that the twin reads, or an error where it finds one.
fn one_block(data: &[u8]) {
    let mut expected = points(data).map(|(_, points)| points);
    if let Some(points) = &mut expected {
        // Of equal times the last one stands; the last time of all is not asked for.
        let last: BTreeMap<i64, Value> = points.drain(..).filter(|point| point.0 < i64::MAX).collect();
        points.extend(last);
    }
    if data.is_empty() {
        return;
    }
    let keys = BTreeMap::from([(b"m#!~#f".to_vec(), vec![(i64::MIN, i64::MAX, with_checksum(data))])]);
    let file = tsm_file(&keys);
    let found = Shards::open(vec![vec![source("1.tsm", file)]]).and_then(|shards| all(&shards));
    let found = found.ok().map(|found| found.into_values().flat_map(Stored::into_values).flatten().collect::<Vec<_>>());
    assert_eq!(expected, found, "{data:?}");
}

/// Files of these bytes are read, or refused with an error, in bounded memory.
fn files(files: [(&str, &[u8]); 3]) {
    let given = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let known = BTreeMap::from([(b"m,t=1#!~#f".to_vec(), vec![sound()])]);
    let sources =
        || files.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(name, bytes)| source(name, bytes.to_vec()));
    let first = || files[0].1.is_empty().then(|| source("1.tsm", tsm_file(&known)));
    bounded("reading", given, READING, || {
        let Ok(shards) = Shards::open(vec![first().into_iter().chain(sources()).collect()]) else { return };
        let Ok(every) = all(&shards) else { return };
        // Series by series, and of a part of the time, it is the same.
        for (measurement, stored_of) in every {
            let query = Query { start: -5, stop: 25, ..all_of(&measurement) };
            let part = stored(&read(&shards, &query, 1).expect("what was read before").1);
            let expected: Stored = stored_of
                .into_iter()
                .map(|(key, points)| (key, points.into_iter().filter(|(time, _)| (-5..25).contains(time)).collect()))
                .filter(|(_, points): &(_, BTreeMap<i64, Value>)| !points.is_empty())
                .collect();
            assert_eq!(expected, part);
        }
    });
}

fn sound() -> (i64, i64, Vec<u8>) {
    let points: Vec<_> = (0..4).map(|time| (time * 10, Value::Long(time))).collect();
    (0, 30, block(&points, Format::Packed, Format::Packed).expect("small numbers"))
}

fn all(shards: &Shards) -> Result<BTreeMap<String, Stored>> {
    let names = shards.measurements()?.into_iter();
    names.map(|name| read(shards, &all_of(&name), 1).map(|(_, answer)| (name, stored(&answer)))).collect()
}
