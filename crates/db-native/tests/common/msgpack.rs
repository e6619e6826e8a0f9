//! The naive twin of msgpack: a value at a time, by recursion, into a tree; and back.

/// A msgpack value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    Nil,
    Boolean(bool),
    Integer(i128),
    Double(f64),
    Text(Vec<u8>),
    Array(Vec<Wire>),
    Map(Vec<(Wire, Wire)>),
    /// Bytes, an extension or the unused byte.
    Other,
}

impl Wire {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    pub(crate) fn map<const N: usize>(pairs: [(&str, Self); N]) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (Self::text(key), value)).collect())
    }

    /// The bytes that the server writes: integers as short as they can be, with a sign where they fit in 63 bits.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        match self {
            Self::Nil => into.push(0xc0),
            Self::Boolean(value) => into.push(if *value { 0xc3 } else { 0xc2 }),
            Self::Integer(value) => integer(*value, into),
            Self::Double(value) => {
                into.push(0xcb);
                into.extend(value.to_be_bytes());
            }
            Self::Text(text) => {
                match text.len() {
                    length @ 0..32 => into.push(0xa0 | u8::try_from(length).unwrap()),
                    length @ 32..0x100 => into.extend([0xd9, u8::try_from(length).unwrap()]),
                    length @ 0x100..0x1_0000 => header(0xda, &u16::try_from(length).unwrap().to_be_bytes(), into),
                    length => header(0xdb, &u32::try_from(length).unwrap().to_be_bytes(), into),
                }
                into.extend_from_slice(text);
            }
            Self::Array(values) => {
                sized(0x90, 0xdc, values.len(), into);
                for value in values {
                    value.write(into);
                }
            }
            Self::Map(pairs) => {
                sized(0x80, 0xde, pairs.len(), into);
                for (key, value) in pairs {
                    key.write(into);
                    value.write(into);
                }
            }
            Self::Other => into.extend([0xd4, 0, 0]),
        }
    }
}

fn header(first: u8, size: &[u8], into: &mut Vec<u8>) {
    into.push(first);
    into.extend_from_slice(size);
}

fn sized(short: u8, long: u8, length: usize, into: &mut Vec<u8>) {
    match length {
        0..16 => into.push(short | u8::try_from(length).unwrap()),
        16..0x1_0000 => header(long, &u16::try_from(length).unwrap().to_be_bytes(), into),
        _ => header(long + 1, &u32::try_from(length).unwrap().to_be_bytes(), into),
    }
}

fn integer(value: i128, into: &mut Vec<u8>) {
    if let Ok(value) = i8::try_from(value) {
        match value {
            -32.. => into.extend(value.to_be_bytes()),
            _ => header(0xd0, &value.to_be_bytes(), into),
        }
    } else if let Ok(value) = i16::try_from(value) {
        header(0xd1, &value.to_be_bytes(), into);
    } else if let Ok(value) = i32::try_from(value) {
        header(0xd2, &value.to_be_bytes(), into);
    } else if let Ok(value) = i64::try_from(value) {
        header(0xd3, &value.to_be_bytes(), into);
    } else {
        header(0xcf, &u64::try_from(value).unwrap().to_be_bytes(), into);
    }
}

/// Reads the value at the start of the bytes and what is behind it; `None` if it is not all here.
pub(crate) fn read(bytes: &[u8]) -> Option<(Wire, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let size = |length: usize| -> Option<(usize, &[u8])> {
        let (size, rest) = rest.split_at_checked(length)?;
        Some((size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)), rest))
    };
    let texts = |(length, rest): (usize, &'_ [u8])| {
        let (text, rest) = rest.split_at_checked(length)?;
        Some((Wire::Text(text.to_vec()), &bytes[bytes.len() - rest.len()..]))
    };
    let bits = |length: usize| {
        let (size, _) = size(length)?;
        Some((u64::try_from(size).unwrap(), &rest[length..]))
    };
    let skipped = |(length, rest): (usize, &[u8])| {
        let (_, rest) = rest.split_at_checked(length)?;
        Some((Wire::Other, &bytes[bytes.len() - rest.len()..]))
    };
    match first {
        0x00..=0x7f => Some((Wire::Integer((*first).into()), rest)),
        0x80..=0x8f => pairs((first & 0x0f).into(), rest),
        0x90..=0x9f => elements((first & 0x0f).into(), rest),
        0xa0..=0xbf => texts(((first & 0x1f).into(), rest)),
        0xc0 => Some((Wire::Nil, rest)),
        0xc1 => Some((Wire::Other, rest)),
        0xc2 | 0xc3 => Some((Wire::Boolean(*first == 0xc3), rest)),
        0xc4..=0xc6 => skipped(size(1 << (first - 0xc4))?),
        0xc7..=0xc9 => {
            let (length, rest) = size(1 << (first - 0xc7))?;
            skipped((length + 1, rest))
        }
        0xca => bits(4).map(|(bits, rest)| (Wire::Double(f32::from_bits(u32::try_from(bits).unwrap()).into()), rest)),
        0xcb => bits(8).map(|(bits, rest)| (Wire::Double(f64::from_bits(bits)), rest)),
        0xcc..=0xcf => bits(1 << (first - 0xcc)).map(|(bits, rest)| (Wire::Integer(bits.into()), rest)),
        0xd0 => bits(1).map(|(bits, rest)| (Wire::Integer(u8::try_from(bits).unwrap().cast_signed().into()), rest)),
        0xd1 => bits(2).map(|(bits, rest)| (Wire::Integer(u16::try_from(bits).unwrap().cast_signed().into()), rest)),
        0xd2 => bits(4).map(|(bits, rest)| (Wire::Integer(u32::try_from(bits).unwrap().cast_signed().into()), rest)),
        0xd3 => bits(8).map(|(bits, rest)| (Wire::Integer(bits.cast_signed().into()), rest)),
        0xd4..=0xd8 => skipped((1 + (1 << (first - 0xd4)), rest)),
        0xd9..=0xdb => texts(size(1 << (first - 0xd9))?),
        0xdc | 0xdd => size(2 << (first - 0xdc)).and_then(|(count, rest)| elements(count, rest)),
        0xde | 0xdf => size(2 << (first - 0xde)).and_then(|(count, rest)| pairs(count, rest)),
        0xe0..=0xff => Some((Wire::Integer(first.cast_signed().into()), rest)),
    }
}

fn elements(count: usize, mut rest: &[u8]) -> Option<(Wire, &[u8])> {
    let mut elements = Vec::new();
    for _ in 0..count {
        let (element, behind) = read(rest)?;
        elements.push(element);
        rest = behind;
    }
    Some((Wire::Array(elements), rest))
}

fn pairs(count: usize, rest: &[u8]) -> Option<(Wire, &[u8])> {
    let (Wire::Array(flat), rest) = elements(2 * count, rest)? else { unreachable!("elements are an array") };
    let pairs = flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    Some((Wire::Map(pairs), rest))
}
