//! Blocks of TSM files in every format, written by a naive twin.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "what is cast is small"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::common::cases;
use crate::common::plain::Value;
use crate::common::shards::{Points, all_of, read, source, stored, tsm_file};
use crate::common::tsm::{Format, block, points, sealed, varint, with_checksum};
use db_native::Shards;
use proptest::collection::vec;
use proptest::prelude::*;

const FORMATS: [Format; 3] = [Format::Raw, Format::Packed, Format::Run];

/// The points of a file of one block, or the text of the error.
fn decoded(first: i64, last: i64, block: Vec<u8>) -> Result<Points, String> {
    let keys = BTreeMap::from([(b"m#!~#f".to_vec(), vec![(first, last, block)])]);
    let shards = Shards::open(vec![vec![source("1.tsm", tsm_file(&keys))]]).map_err(|error| error.to_string())?;
    let (_, answer) = read(&shards, &all_of("m"), 1).map_err(|error| error.to_string())?;
    Ok(stored(&answer).into_values().flatten().collect())
}

/// Strictly ascending times: regular ones, ones in units, and any.
fn times() -> impl Strategy<Value = Vec<i64>> {
    let regular = (-1_000..1_000_i64, 1..1_000_i64, 1..1_200_i64, 0..13_u32).prop_map(|(first, step, count, power)| {
        let unit = 10_i64.pow(power);
        (0..count).map(|index| first * unit + index * step * unit).collect::<Vec<_>>()
    });
    let ones = (any::<i32>(), 1..700_i64, 0..4_i64).prop_map(|(first, count, rest)| {
        // Runs of the step 1, which Simple8b has words for, and some other steps.
        (0..count).map(|index| i64::from(first) + index + if index > count - rest { 5 } else { 0 }).collect()
    });
    let units = (any::<i32>(), vec(1..100_000_i64, 0..300), 0..10_u32).prop_map(|(first, steps, power)| {
        let mut time = i64::from(first);
        let mut times = vec![time];
        times.extend(steps.into_iter().map(|step| {
            time += step * 10_i64.pow(power);
            time
        }));
        times
    });
    let any = prop::collection::btree_set(
        any::<i64>().prop_filter("the last is not asked for", |time| *time < i64::MAX),
        1..50,
    )
    .prop_map(|times| times.into_iter().collect());
    prop_oneof![regular, ones, units, any]
        .prop_filter("ascend", |times: &Vec<i64>| times.is_sorted_by(|one, other| one < other))
}

/// Values of one type, as many as times.
fn values(count: usize) -> impl Strategy<Value = Vec<Value>> {
    let walk = vec(-200..200_i32, count).prop_map(|steps| {
        let mut total = 1_000_i32;
        steps
            .into_iter()
            .map(|step| {
                total += step;
                Value::double(f64::from(total) / 100.0)
            })
            .collect::<Vec<_>>()
    });
    let few = vec(prop_oneof![Just(0.0), Just(-0.0), Just(f64::INFINITY), Just(f64::MIN_POSITIVE), Just(1.5)], count)
        .prop_map(|values| values.into_iter().map(Value::double).collect::<Vec<_>>());
    let doubles = vec(any::<u64>(), count)
        .prop_map(|bits| bits.into_iter().map(|bits| Value::double(f64::from_bits(bits))).collect::<Vec<_>>());
    let longs = vec(any::<i64>(), count).prop_map(|values| values.into_iter().map(Value::Long).collect::<Vec<_>>());
    let small = vec(0..3_i64, count).prop_map(|values| values.into_iter().map(Value::Long).collect::<Vec<_>>());
    let line = (any::<i64>(), -3..3_i64).prop_map(move |(first, step)| {
        let value = |index: usize| first.wrapping_add(step.wrapping_mul(index as i64));
        (0..count).map(|index| Value::Long(value(index))).collect::<Vec<_>>()
    });
    let unsigned = vec(prop_oneof![any::<u64>(), 0..9_u64], count)
        .prop_map(|values| values.into_iter().map(Value::UnsignedLong).collect::<Vec<_>>());
    let booleans =
        vec(any::<bool>(), count).prop_map(|values| values.into_iter().map(Value::Boolean).collect::<Vec<_>>());
    let texts = vec("[a-zé\u{1F600}]{0,12}", count)
        .prop_map(|values| values.iter().map(|text| Value::text(text)).collect::<Vec<_>>());
    prop_oneof![walk, few, doubles, longs, small, line, unsigned, booleans, texts]
}

fn columns() -> impl Strategy<Value = Points> {
    times().prop_flat_map(|times| {
        let count = times.len();
        values(count).prop_map(move |values| times.iter().copied().zip(values).collect())
    })
}

proptest! {
    #![proptest_config(cases(300))]

    /// A block gives the points that it was made of, whatever the formats of its times and values.
    #[test]
    fn a_block_gives_what_it_was_made_of(points in columns()) {
        let mut formats = 0;
        for times in FORMATS {
            for integers in FORMATS {
                let Some(block) = block(&points, times, integers) else { continue };
                let (first, last) = (points[0].0, points[points.len() - 1].0);
                prop_assert_eq!(Ok(points.clone()), decoded(first, last, block), "{:?} {:?}", times, integers);
                formats += 1;
            }
        }
        prop_assert!(formats >= 1);
    }

    /// Bytes that are no block, under a right checksum, are an error where the twin finds one, and else its points.
    #[test]
    fn any_bytes_are_read_as_the_twin_reads_them(
        points_of in columns(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), format in 0..9_usize,
    ) {
        let Some(block) = block(&points_of, FORMATS[format / 3], FORMATS[format % 3]) else { return Ok(()) };
        let mut data = block[4..].to_vec();
        for (place, byte) in changes {
            let place = place.index(data.len());
            data[place] = byte;
        }
        let mut expected = points(&data).map(|(_, points)| points);
        if let Some(points) = &mut expected {
            // Of equal times the last one stands.
            let last: BTreeMap<i64, Value> = points.drain(..).filter(|point| point.0 < i64::MAX).collect();
            points.extend(last);
        }
        let block = with_checksum(&data);
        prop_assert_eq!(expected, decoded(i64::MIN, i64::MAX, block).ok());
    }
}

#[test]
fn a_block_as_the_server_wrote_it() {
    // Three points of a field `v`, 1.5, 2.5 and -7.25, from 1970-01-01T00:00:01Z on, each second: by hand from
    // tsdb/engine/tsm1/DESIGN.md. Times: run-length in units of 10^9 ns, first one 10^9, step 1, 3 times.
    let times = [&[0x29], 1_000_000_000_u64.to_be_bytes().as_slice(), &[1, 3]].concat();
    // Doubles: 1.5 = 0x3FF8…, XOR 2.5 = 0x4004…: 0x7FFC << 48, 1 zero in front and 13 bits; and so on.
    let mut bits = format!("{:064b}", 1.5_f64.to_bits());
    let mut last = 1.5_f64.to_bits();
    for next in [2.5_f64.to_bits(), (-7.25_f64).to_bits(), 0x7FF8_0000_0000_0001] {
        let differs = next ^ last;
        let (leading, trailing) = (differs.leading_zeros(), differs.trailing_zeros());
        let width = 64 - leading - trailing;
        let (told, value, width) = (width % 64, differs >> trailing, width as usize);
        write!(bits, "11{leading:05b}{told:06b}{value:0width$b}").unwrap();
        last = next;
    }
    let bytes = bits.as_bytes().chunks(8).map(|byte| {
        let text = format!("{:0<8}", std::str::from_utf8(byte).unwrap());
        u8::from_str_radix(&text, 2).unwrap()
    });
    let values = [0x10].into_iter().chain(bytes).collect::<Vec<u8>>();
    let second = 1_000_000_000;

    let expected =
        vec![(second, Value::double(1.5)), (2 * second, Value::double(2.5)), (3 * second, Value::double(-7.25))];
    assert_eq!(Ok(expected), decoded(second, 3 * second, sealed(0, &times, &values)));
}

#[test]
fn a_run_that_claims_too_many_points_is_refused() {
    let times = |count: u64| [vec![0x20], 0_u64.to_be_bytes().to_vec(), varint(1), varint(count)].concat();
    let values = |count: u64| [vec![0x20], 0_u64.to_be_bytes().to_vec(), varint(0), varint(count - 1)].concat();
    assert_eq!(100_000, decoded(0, 99_999, sealed(1, &times(100_000), &values(100_000))).unwrap().len());
    for count in [1 << 18, 1 << 40, u64::MAX] {
        let refused = decoded(0, i64::MAX, sealed(1, &times(count), &values(count))).unwrap_err();
        assert_eq!(
            "folder/1.tsm is damaged at byte 5: in the block of \"m#!~#f\", it claims more points than a block can hold",
            refused
        );
    }
}

#[test]
fn a_block_with_more_values_than_times_is_refused() {
    let point = |time: i64| (time, Value::Long(time * time));
    let three = block(&[point(1), point(2), point(4)], Format::Raw, Format::Raw).unwrap();
    let two = block(&[point(1), point(2)], Format::Raw, Format::Raw).unwrap();
    // Behind the checksum, the type and the length of the times; a raw time has 8 bytes, behind one for the format.
    let block = sealed(1, &two[6..6 + 17], &three[6 + 25..]);

    assert_eq!(
        Err("folder/1.tsm is damaged at byte 5: in the block of \"m#!~#f\", it has another number of integers than of times"
            .to_owned()),
        decoded(1, 2, block)
    );
}

#[test]
fn a_block_without_doubles_has_no_points() {
    // The end stands where the first value would; a raw format and no times.
    let values = [vec![0x10], 0x7FF8_0000_0000_0001_u64.to_be_bytes().to_vec()].concat();
    assert_eq!(Ok(vec![]), decoded(0, 1, sealed(0, &[0x00], &values)));

    let other = [vec![0x10], 1.5_f64.to_bits().to_be_bytes().to_vec()].concat();
    assert_eq!(
        Err("folder/1.tsm is damaged at byte 5: in the block of \"m#!~#f\", its doubles do not end with the last of its times"
            .to_owned()),
        decoded(0, 1, sealed(0, &[0x00], &other))
    );
}
