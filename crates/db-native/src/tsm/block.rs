//! A block: some points of one series and field, with a checksum.
//!
//! A block has four bytes of CRC-32, one byte for the type of the values, the
//! length of the times, the times, and the values. Points are only made once it is
//! known that there are as many times as values.

use crate::tsm::bytes::{byte, varint};
use crate::tsm::floats;
use crate::tsm::integers::Integers;
use crate::tsm::snappy;
use crate::tsm::times::Times;
use crate::tsm::values::{Kind, Points, Values};

/// Most points of a block. The server writes 1,000, or 100,000 if it is configured so.
pub(crate) const MOST_POINTS: usize = 1 << 17;

/// What is wrong with a block.
pub(crate) type Fault = &'static str;

/// The parts of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) kind: Kind,
    times: Times<'a>,
    /// The values, with what follows them in memory.
    values: &'a [u8],
    length: usize,
}

impl<'a> Block<'a> {
    /// Checks the checksum of the block in the first `size` bytes, and returns its parts.
    ///
    /// Any bytes may follow.
    pub(crate) fn of(bytes: &'a [u8], size: usize) -> Result<Self, Fault> {
        let (sum, data) = bytes.get(..size).and_then(<[u8]>::split_first_chunk).ok_or("it is too short for a sum")?;
        if u32::from_be_bytes(*sum) != crc32fast::hash(data) {
            return Err("its checksum does not agree with its bytes");
        }
        let (kind, rest) = byte(data).ok_or("it is empty")?;
        let kind = Kind::of_block(kind).ok_or("its values are of an unknown type")?;
        let parts = varint(rest).and_then(|(length, rest)| rest.split_at_checked(usize::try_from(length).ok()?));
        let (times, values) = parts.ok_or("its times are longer than itself")?;
        let times = Times::of(times).ok_or("its times have no known format")?;
        if times.count() > MOST_POINTS {
            return Err("it claims more points than a block can hold");
        }
        Ok(Self { kind, times, values: &bytes[size - values.len()..], length: values.len() })
    }

    /// Number of points.
    pub(crate) fn count(self) -> usize {
        self.times.count()
    }

    /// Whether each point is later than the one before; `decoded` are their times.
    pub(crate) fn ascends(self, decoded: &[i64]) -> bool {
        self.times.ascend(decoded)
    }

    /// Appends the points, which are of the block's type. After an error, there may be more times or values.
    pub(crate) fn decode(self, points: &mut Points) -> Result<(), Fault> {
        let own = &self.values[..self.length];
        let count = self.count();
        let integers = || {
            let integers = Integers::of(own).ok_or("its integers have no known format")?;
            let fault = "it has another number of integers than of times";
            if integers.count() == count { Ok(integers) } else { Err(fault) }
        };
        match &mut points.values {
            Values::Float(values) => floats::decode(self.values, self.length, count, values)
                .ok_or("its doubles do not end with the last of its times")?,
            Values::Integer(values) => {
                values.reserve(count);
                integers()?.each(|value| values.push(value));
            }
            Values::Unsigned(values) => {
                values.reserve(count);
                integers()?.each(|value| values.push(value.cast_unsigned()));
            }
            Values::Boolean(values) => {
                let bits = byte(own).filter(|(format, _)| format >> 4 == 1).and_then(|(_, rest)| varint(rest));
                let (told, bits) = bits.ok_or("its booleans have no known format")?;
                if usize::try_from(told) != Ok(count) || bits.len() < count.div_ceil(8) {
                    return Err("it has another number of booleans than of times");
                }
                values.extend((0..count).map(|index| bits[index / 8] & (0x80 >> (index % 8)) != 0));
            }
            Values::Text(values) => {
                let packed = byte(own).filter(|(format, _)| format >> 4 == 1);
                let (_, packed) = packed.ok_or("its texts have no known format")?;
                let unpacked = snappy::unpack(packed).ok_or("its texts can't be decompressed")?;
                let mut rest = unpacked.as_slice();
                for _ in 0..count {
                    let text =
                        varint(rest).and_then(|(length, rest)| rest.split_at_checked(usize::try_from(length).ok()?));
                    let text = text.ok_or("it has fewer texts than times")?;
                    if std::str::from_utf8(text.0).is_err() {
                        return Err("one of its texts is not UTF-8");
                    }
                    values.push(text.0);
                    rest = text.1;
                }
                if !rest.is_empty() {
                    return Err("it has more texts than times");
                }
            }
        }
        self.times.decode(&mut points.times);
        Ok(())
    }
}
