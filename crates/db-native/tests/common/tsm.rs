//! Blocks of TSM files, written and read bit by bit.
#![allow(clippy::cast_possible_truncation, reason = "what is cast is small")]

use super::plain::Value;

/// How times, or integers, are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Raw,
    Packed,
    Run,
}

/// Integers in a word of Simple8b, and bits of each, by selector.
const SELECTORS: [(usize, u32); 16] = [
    (240, 0),
    (120, 0),
    (60, 1),
    (30, 2),
    (20, 3),
    (15, 4),
    (12, 5),
    (10, 6),
    (8, 7),
    (7, 8),
    (6, 10),
    (5, 12),
    (4, 15),
    (3, 20),
    (2, 30),
    (1, 60),
];
/// The NaN that ends doubles.
const END: u64 = 0x7FF8_0000_0000_0001;
/// Points in a block, at most.
const MOST_POINTS: u64 = 1 << 17;

/// A block with its checksum: points of one type, at least one. `None` if they can't be written in these formats.
pub(crate) fn block(points: &[(i64, Value)], times: Format, integers: Format) -> Option<Vec<u8>> {
    let stamps: Vec<i64> = points.iter().map(|point| point.0).collect();
    let values: Vec<&Value> = points.iter().map(|point| &point.1).collect();
    let (kind, values) = match values[0] {
        Value::Double(_) => (0, doubles(&values)),
        Value::Long(_) => (1, whole(&values, integers)?),
        Value::Boolean(_) => (2, booleans(&values)),
        Value::Text(_) => (3, texts(&values)),
        Value::UnsignedLong(_) => (4, whole(&values, integers)?),
        other => panic!("{other:?} is not stored"),
    };
    let times = stamps_in(&stamps, times)?;
    Some(sealed(kind, &times, &values))
}

/// A block of these parts, with its checksum.
pub(crate) fn sealed(kind: u8, times: &[u8], values: &[u8]) -> Vec<u8> {
    let mut data = vec![kind];
    data.extend(varint(times.len() as u64));
    data.extend(times);
    data.extend(values);
    with_checksum(&data)
}

/// A block of this data.
pub(crate) fn with_checksum(data: &[u8]) -> Vec<u8> {
    let mut block = checksum(data).to_be_bytes().to_vec();
    block.extend(data);
    block
}

/// CRC-32 as of gzip.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !sum
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push((value % 128) as u8 | 128);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

fn stamps_in(times: &[i64], format: Format) -> Option<Vec<u8>> {
    let first = times[0].cast_unsigned();
    let steps: Vec<u64> = times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]).cast_unsigned()).collect();
    let powers = (0..=12).rev().map(|power| (power, 10_u64.pow(power)));
    let divides = |unit: u64| steps.iter().all(|step| step % unit == 0);
    let (power, unit) = powers.into_iter().find(|(_, unit)| divides(*unit))?;
    let steps: Vec<u64> = match format {
        Format::Raw => steps,
        _ => steps.into_iter().map(|step| step / unit).collect(),
    };
    let mut bytes = vec![match format {
        Format::Raw => 0,
        Format::Packed => 0x10 | power as u8,
        Format::Run => 0x20 | power as u8,
    }];
    bytes.extend(first.to_be_bytes());
    match format {
        Format::Raw => bytes.extend(steps.iter().flat_map(|step| step.to_be_bytes())),
        Format::Packed => bytes.extend(packed(&steps)?),
        Format::Run => {
            let step = *steps.first()?;
            if steps.iter().any(|other| *other != step) {
                return None;
            }
            bytes.extend(varint(step));
            bytes.extend(varint(times.len() as u64));
        }
    }
    Some(bytes)
}

fn whole(values: &[&Value], format: Format) -> Option<Vec<u8>> {
    let mut last = 0_i64;
    let steps: Vec<u64> = values
        .iter()
        .map(|value| {
            let value = match value {
                Value::Long(value) => *value,
                Value::UnsignedLong(value) => value.cast_signed(),
                other => panic!("{other:?} is no integer"),
            };
            let step = value.wrapping_sub(last);
            last = value;
            (step << 1 ^ step >> 63).cast_unsigned()
        })
        .collect();
    let mut bytes = vec![match format {
        Format::Raw => 0,
        Format::Packed => 0x10,
        Format::Run => 0x20,
    }];
    bytes.extend(steps[0].to_be_bytes());
    match format {
        Format::Raw => bytes.extend(steps[1..].iter().flat_map(|step| step.to_be_bytes())),
        Format::Packed => bytes.extend(packed(&steps[1..])?),
        Format::Run => {
            let step = *steps.get(1)?;
            if steps[1..].iter().any(|other| *other != step) {
                return None;
            }
            bytes.extend(varint(step));
            bytes.extend(varint(steps.len() as u64 - 1));
        }
    }
    Some(bytes)
}

fn packed(mut integers: &[u64]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !integers.is_empty() {
        let fits = |(count, bits): (usize, u32)| {
            let taken = integers.get(..count)?;
            let fit = |integer: &u64| if bits == 0 { *integer == 1 } else { *integer < 1 << bits };
            taken.iter().all(fit).then_some((count, bits))
        };
        let (selector, (count, bits)) =
            SELECTORS.into_iter().enumerate().find_map(|(number, one)| Some((number as u64, fits(one)?)))?;
        let mut word = selector << 60;
        for (index, integer) in integers[..count].iter().enumerate().filter(|_| bits > 0) {
            word |= integer << (index as u32 * bits);
        }
        bytes.extend(word.to_be_bytes());
        integers = &integers[count..];
    }
    Some(bytes)
}

fn doubles(values: &[&Value]) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let put = |bits: &mut Vec<bool>, value: u64, count: u32| {
        bits.extend((0..count).rev().map(|place| value >> place & 1 == 1));
    };
    let words = values.iter().map(|value| match value {
        Value::Double(bits) => *bits,
        other => panic!("{other:?} is no double"),
    });
    let mut last = None;
    let mut window: Option<(u32, u32)> = None;
    for word in words.chain([END]) {
        let Some(before) = last.replace(word) else {
            put(&mut bits, word, 64);
            continue;
        };
        let differs = word ^ before;
        if differs == 0 {
            bits.push(false);
            continue;
        }
        bits.push(true);
        // The server keeps five bits of it, whatever they are.
        let (leading, trailing) = (differs.leading_zeros() & 31, differs.trailing_zeros());
        match window {
            Some((zeros, behind)) if leading >= zeros && trailing >= behind => {
                bits.push(false);
                put(&mut bits, differs >> behind, 64 - zeros - behind);
            }
            _ => {
                bits.push(true);
                put(&mut bits, leading.into(), 5);
                put(&mut bits, (64 - leading - trailing).into(), 6);
                put(&mut bits, differs >> trailing, 64 - leading - trailing);
                window = Some((leading, trailing));
            }
        }
    }
    let mut bytes = vec![0x10];
    bytes.extend(of_bits(&bits));
    bytes
}

fn booleans(values: &[&Value]) -> Vec<u8> {
    let bits: Vec<bool> = values.iter().map(|value| **value == Value::Boolean(true)).collect();
    let mut bytes = vec![0x10];
    bytes.extend(varint(bits.len() as u64));
    bytes.extend(of_bits(&bits));
    bytes
}

fn of_bits(bits: &[bool]) -> impl Iterator<Item = u8> {
    bits.chunks(8).map(|bits| bits.iter().enumerate().map(|(place, bit)| u8::from(*bit) << (7 - place)).sum())
}

fn texts(values: &[&Value]) -> Vec<u8> {
    let mut plain = Vec::new();
    for value in values {
        let Value::Text(text) = value else { panic!("{value:?} is no text") };
        plain.extend(varint(text.len() as u64));
        plain.extend(text.bytes());
    }
    let mut bytes = vec![0x10];
    bytes.extend(snap::raw::Encoder::new().compress_vec(&plain).unwrap());
    bytes
}

/// The type and the points of a block, without its checksum; `None` if it is none.
pub(crate) fn points(data: &[u8]) -> Option<(u8, Vec<(i64, Value)>)> {
    let mut reader = Reader { bytes: data, bit: 0 };
    let kind = reader.byte()?;
    let length = usize::try_from(reader.varint()?).ok()?;
    let times = read_times(reader.take(length)?)?;
    let values = match kind {
        0 => read_doubles(reader.rest())?,
        1 => read_integers(reader.rest())?.into_iter().map(Value::Long).collect(),
        2 => read_booleans(reader.rest())?,
        3 => read_texts(reader.rest())?,
        4 => {
            read_integers(reader.rest())?.into_iter().map(|value| Value::UnsignedLong(value.cast_unsigned())).collect()
        }
        _ => return None,
    };
    (times.len() == values.len()).then(|| (kind, times.into_iter().zip(values).collect()))
}

/// Bytes, read bit by bit.
struct Reader<'a> {
    bytes: &'a [u8],
    bit: usize,
}

impl<'a> Reader<'a> {
    fn bits(&mut self, count: u32) -> Option<u64> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.bit / 8)?;
            value = value << 1 | u64::from(byte >> (7 - self.bit % 8) & 1);
            self.bit += 1;
        }
        Some(value)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bits(8).map(|byte| byte as u8)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u128;
        for place in 0..10 {
            let byte = self.byte()?;
            value += u128::from(byte % 128) << (7 * place);
            if byte < 128 {
                return u64::try_from(value).ok();
            }
        }
        None
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.bit / 8..]
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..count)?;
        self.bit += count * 8;
        Some(taken)
    }
}

fn words(bytes: &[u8]) -> Option<Vec<u64>> {
    let whole = bytes.len().is_multiple_of(8);
    whole.then(|| bytes.chunks(8).map(|word| u64::from_be_bytes(word.try_into().unwrap())).collect())
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u64>> {
    let mut integers = Vec::new();
    for word in words(bytes)? {
        let (count, bits) = SELECTORS[(word >> 60) as usize];
        for index in 0..count as u32 {
            integers.push(if bits == 0 { 1 } else { word >> (index * bits) & ((1 << bits) - 1) });
        }
    }
    Some(integers)
}

/// The first number and the steps behind it, in three formats; `extra` is how many more there are than a run says.
fn steps(bytes: &[u8], extra: u64) -> Option<(u8, Vec<u64>)> {
    let mut reader = Reader { bytes, bit: 0 };
    let format = reader.byte()?;
    let steps = match format >> 4 {
        0 => words(reader.rest())?,
        1 => {
            let mut steps = vec![reader.bits(64)?];
            steps.extend(unpacked(reader.rest())?);
            steps
        }
        2 => {
            let (first, step, count) = (reader.bits(64)?, reader.varint()?, reader.varint()?.checked_add(extra)?);
            if count > MOST_POINTS {
                return None;
            }
            (0..count).map(|index| if index == 0 { first } else { step }).collect()
        }
        _ => return None,
    };
    (steps.len() as u64 <= MOST_POINTS).then_some((format, steps))
}

fn read_times(bytes: &[u8]) -> Option<Vec<i64>> {
    let (format, steps) = steps(bytes, 0)?;
    let unit = if format >> 4 == 0 { 1 } else { 10_u64.pow(u32::from(format % 16)) };
    let mut sum = 0_u64;
    let time = |(index, step): (usize, u64)| {
        sum = sum.wrapping_add(if index == 0 { step } else { step.wrapping_mul(unit) });
        sum.cast_signed()
    };
    Some(steps.into_iter().enumerate().map(time).collect())
}

fn read_integers(bytes: &[u8]) -> Option<Vec<i64>> {
    let mut sum = 0_i64;
    let value = |step: u64| {
        let half = (step / 2).cast_signed();
        sum = sum.wrapping_add(if step % 2 == 1 { -1 - half } else { half });
        sum
    };
    Some(steps(bytes, 1)?.1.into_iter().map(value).collect())
}

fn read_doubles(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut reader = Reader { bytes, bit: 0 };
    if reader.byte()? >> 4 != 1 {
        return None;
    }
    let mut word = reader.bits(64)?;
    let (mut width, mut behind) = (64, 0);
    let mut values = Vec::new();
    while word != END {
        values.push(Value::double(f64::from_bits(word)));
        if reader.bits(1)? == 0 {
            continue;
        }
        if reader.bits(1)? == 1 {
            let (leading, told) = (reader.bits(5)?, reader.bits(6)?);
            (width, behind) = if told == 0 { (64, 0) } else { (told, 64_u64.checked_sub(leading + told)?) };
        }
        word ^= reader.bits(width as u32)? << behind;
    }
    Some(values)
}

fn read_booleans(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut reader = Reader { bytes, bit: 0 };
    if reader.byte()? >> 4 != 1 {
        return None;
    }
    let count = reader.varint()?;
    if count > MOST_POINTS {
        return None;
    }
    (0..count).map(|_| Some(Value::Boolean(reader.bits(1)? == 1))).collect()
}

fn read_texts(bytes: &[u8]) -> Option<Vec<Value>> {
    let (format, packed) = bytes.split_first()?;
    if format >> 4 != 1 || snap::raw::decompress_len(packed).ok()? > packed.len() * 22 {
        return None;
    }
    let plain = snap::raw::Decoder::new().decompress_vec(packed).ok()?;
    let mut reader = Reader { bytes: &plain, bit: 0 };
    let mut texts = Vec::new();
    while !reader.rest().is_empty() {
        let length = usize::try_from(reader.varint()?).ok()?;
        texts.push(Value::Text(String::from_utf8(reader.take(length)?.to_vec()).ok()?));
    }
    Some(texts)
}
