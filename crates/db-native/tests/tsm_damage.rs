//! Damaged files of shards: an error that names the file and the byte, or the points as they were.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "what is cast is small"
)]

use std::collections::BTreeMap;

use crate::common::plain::Value;
use crate::common::shards::{Entry, Points, Stored, all_of, block, read, segment, source, stored, tombstone, tsm_file};
use db_native::{Error, ErrorKind, ReadAt, Shards, Source};

const TSM: &str = "000000001-000000001.tsm";
const TOMBSTONE: &str = "000000001-000000001.tombstone";
const WAL: &str = "_00001.wal";

fn points(start: i64, count: i64, value: impl Fn(i64) -> Value) -> Points {
    (0..count).map(|index| (start + index * 10, value(index * index % 7))).collect()
}

/// One small file of each kind: all types of values, several series, blocks and entries.
fn files() -> [(&'static str, Vec<u8>); 3] {
    let double = |number: i64| Value::double(number as f64 / 4.0);
    let keys = BTreeMap::from([
        (b"a#!~#f".to_vec(), vec![block(&points(0, 9, double)), block(&points(100, 5, double))]),
        (b"a,t=1#!~#i".to_vec(), vec![block(&points(5, 7, Value::Long))]),
        (b"a,t=2#!~#s".to_vec(), vec![block(&points(0, 6, |number| Value::Text(format!("value {number}"))))]),
        (b"b#!~#b".to_vec(), vec![block(&points(0, 11, |number| Value::Boolean(number > 2)))]),
        (b"b#!~#u".to_vec(), vec![block(&points(-40, 9, |number| Value::UnsignedLong(number.cast_unsigned())))]),
    ]);
    let deletes = vec![(b"a#!~#f".to_vec(), 20, 40), (b"b#!~#u".to_vec(), i64::MIN, -11)];
    let entries = [
        Entry::Write(vec![
            (b"a#!~#f".to_vec(), points(60, 3, double)),
            (b"c#!~#x".to_vec(), points(0, 4, Value::Long)),
        ]),
        Entry::DeleteRange(vec![b"c#!~#x".to_vec()], 10, 10),
        Entry::Write(vec![(b"c#!~#x".to_vec(), points(50, 2, Value::Long))]),
        Entry::Delete(vec![b"a,t=1#!~#i".to_vec()]),
    ];
    [(TSM, tsm_file(&keys)), (TOMBSTONE, tombstone(4, &deletes)), (WAL, segment(&entries))]
}

/// All points of all measurements.
fn all(sources: Vec<Source>) -> Result<BTreeMap<String, Stored>, Error> {
    let shards = Shards::open(vec![sources])?;
    let mut all = BTreeMap::new();
    for name in shards.measurements()? {
        let points = stored(&read(&shards, &all_of(&name), 1)?.1);
        all.insert(name, points);
    }
    Ok(all)
}

fn sources(files: &[(&str, Vec<u8>)]) -> Vec<Source> {
    files.iter().map(|(name, bytes)| source(name, bytes.clone())).collect()
}

/// The points without the names of what they are of.
fn nameless(all: &BTreeMap<String, Stored>) -> Vec<(i64, Value)> {
    let mut points: Points =
        all.values().flat_map(Stored::values).flatten().map(|(time, value)| (*time, value.clone())).collect();
    points.sort();
    points
}

/// Checks that an error names a file, and one of its bytes or its end.
fn names(error: &Error, wanted: &str, length: usize) {
    let ErrorKind::Damage { file, offset, reason } = &error.kind else { panic!("{error}") };
    assert_eq!(&format!("folder/{wanted}"), file, "{error}");
    assert!(usize::try_from(*offset).unwrap() <= length, "{error}");
    assert!(!reason.is_empty());
    assert!(error.to_string().contains(&format!("at byte {offset}")));
}

/// The files with one byte of one of them changed, and what comes of it.
fn flipped(file: usize, mut check: impl FnMut(usize, Result<BTreeMap<String, Stored>, Error>)) {
    let files = files();
    for place in 0..files[file].1.len() {
        for change in [0x01, 0x02, 0x10, 0x80, 0xFF] {
            let mut files = files.clone();
            files[file].1[place] ^= change;
            check(place, all(sources(&files)));
        }
    }
}

#[test]
fn a_flipped_byte_of_a_tsm_file_is_told_unless_it_is_of_a_name() {
    let whole = all(sources(&files())).unwrap();
    let bytes = files()[0].1.clone();
    let start = u64::from_be_bytes(*bytes.last_chunk().unwrap()) as usize;
    let mut renamed = 0;
    flipped(0, |place, read| match read {
        Err(error) => names(&error, TSM, bytes.len()),
        Ok(points) if points == whole => assert!(place >= start, "blocks and header: {place}"),
        Ok(points) => {
            // What a name in the index was changed to can't be told; a tombstone or the WAL may then miss it.
            renamed += 1;
            assert!(place >= start, "{place}");
            let count = |all: &BTreeMap<String, Stored>| nameless(all).len();
            assert!(count(&points) >= count(&whole));
        }
    });
    assert!(renamed > 0);
}

#[test]
fn a_flipped_byte_of_a_tombstone_is_told_or_does_not_matter() {
    let whole = all(sources(&files())).unwrap();
    let length = files()[1].1.len();
    flipped(1, |_, read| match read {
        Err(error) => names(&error, TOMBSTONE, length),
        Ok(points) => assert_eq!(whole, points),
    });
}

#[test]
fn a_flipped_byte_of_a_wal_is_an_error_of_it_or_within_a_value() {
    let whole = all(sources(&files())).unwrap();
    let length = files()[2].1.len();
    let mut told = 0;
    flipped(2, |_, read| match read {
        Err(error) => {
            names(&error, WAL, length);
            told += 1;
        }
        // Entries have no checksum: what is in a file is read in any case.
        Ok(points) => assert!(whole["b"].iter().all(|(key, filed)| points["b"][key] == *filed)),
    });
    assert!(told > 0);
}

#[test]
fn a_tsm_file_that_is_cut_off_is_told() {
    let files = files();
    for length in 0..files[0].1.len() {
        let mut files = files.clone();
        files[0].1.truncate(length);
        names(&all(sources(&files)).unwrap_err(), TSM, length);
    }
}

#[test]
fn a_tombstone_that_is_cut_off_is_told_unless_it_is_empty() {
    let files = files();
    for length in 1..files[1].1.len() {
        let mut files = files.clone();
        files[1].1.truncate(length);
        names(&all(sources(&files)).unwrap_err(), TOMBSTONE, length);
    }
    // Old servers made empty ones, and read them as nothing.
    let empty = [files[0].clone(), (TOMBSTONE, Vec::new()), files[2].clone()];
    assert_eq!(all(sources(&[files[0].clone(), files[2].clone()])).unwrap(), all(sources(&empty)).unwrap());
}

#[test]
fn a_wal_that_is_cut_off_gives_what_came_before() {
    let [tsm, tombstone, (_, wal)] = files();
    let mut ends = vec![0];
    while *ends.last().unwrap() < wal.len() {
        let at = *ends.last().unwrap();
        ends.push(at + 5 + u32::from_be_bytes(wal[at + 1..at + 5].try_into().unwrap()) as usize);
    }
    assert_eq!(5, ends.len());
    let with = |length: usize| all(sources(&[tsm.clone(), tombstone.clone(), (WAL, wal[..length].to_vec())]));
    for length in 0..wal.len() {
        let whole = ends.iter().rfind(|end| **end <= length).unwrap();
        assert_eq!(with(*whole).unwrap(), with(length).unwrap(), "{length}");
    }
    // Another segment behind it says that the server went on: then it is damage.
    let cut = wal[..wal.len() - 1].to_vec();
    let error = all(sources(&[tsm, tombstone, (WAL, cut), ("_00002.wal", Vec::new())])).unwrap_err();
    names(&error, WAL, wal.len());
}

#[test]
fn zeros_behind_the_last_entry_of_a_wal_are_dropped() {
    let [tsm, tombstone, (_, wal)] = files();
    let with = |tail: &[u8], behind: &[(&str, Vec<u8>)]| {
        let wal = (WAL, [wal.as_slice(), tail].concat());
        all(sources(&[&[tsm.clone(), tombstone.clone(), wal], behind].concat()))
    };
    let whole = with(&[], &[]).unwrap();

    for zeros in [1, 4, 5, 6, 4096] {
        assert_eq!(whole, with(&vec![0; zeros], &[]).unwrap());
    }
    names(&with(&[0, 0, 0, 0, 0, 0, 1], &[]).unwrap_err(), WAL, wal.len());
    names(&with(&[0; 9], &[("_00002.wal", Vec::new())]).unwrap_err(), WAL, wal.len());
}

#[test]
fn a_file_that_is_cut_off_after_it_was_opened_is_unreadable() {
    struct Gone;
    impl ReadAt for Gone {
        fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }
    let gone = Source { name: TSM.to_owned(), label: "folder/x".to_owned(), length: 100, bytes: Box::new(Gone) };
    let error = Shards::open(vec![vec![gone]]).unwrap_err();

    assert_eq!("folder/x can't be read: entity not found", error.to_string());
}
