//! Text of one cell to a number, boolean, duration or bytes; exact or nothing.

use base64::prelude::{BASE64_STANDARD, Engine as _};

fn text(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell).ok()
}

/// A 64-bit signed integer.
#[inline]
pub(crate) fn long(cell: &[u8]) -> Option<i64> {
    text(cell)?.parse().ok()
}

/// A 64-bit unsigned integer.
#[inline]
pub(crate) fn unsigned_long(cell: &[u8]) -> Option<u64> {
    text(cell)?.parse().ok()
}

/// A double, `+Inf`, `-Inf` and `NaN` included, rounded as IEEE 754 asks.
#[inline]
pub(crate) fn double(cell: &[u8]) -> Option<f64> {
    text(cell)?.parse().ok()
}

/// `true` or `false`, or a spelling that Go's `strconv.ParseBool` takes for it.
#[inline]
pub(crate) fn boolean(cell: &[u8]) -> Option<bool> {
    match cell {
        b"true" | b"t" | b"T" | b"TRUE" | b"True" | b"1" => Some(true),
        b"false" | b"f" | b"F" | b"FALSE" | b"False" | b"0" => Some(false),
        _ => None,
    }
}

/// A duration in nanoseconds: a plain integer, or Flux's and Go's `1h30m0.5s`.
///
/// Months and years have no fixed length and are refused.
pub(crate) fn duration(cell: &[u8]) -> Option<i64> {
    if let Some(nanos) = long(cell) {
        return Some(nanos);
    }
    let whole = text(cell)?;
    let (sign, mut rest) = match whole.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, whole),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let width = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (count, tail) = rest.split_at(width);
        let (fraction, tail) = match tail.strip_prefix('.') {
            Some(tail) => tail.split_at(tail.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", tail),
        };
        let unit_width = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_width);
        let nanos: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "w" => 604_800_000_000_000,
            _ => return None,
        };
        total = total.checked_add(count.parse::<i128>().ok()?.checked_mul(nanos)?)?;
        if !fraction.is_empty() {
            if fraction.len() > 9 {
                return None;
            }
            let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
            let part = fraction.parse::<i128>().ok()? * nanos;
            if part % scale != 0 {
                return None;
            }
            total = total.checked_add(part / scale)?;
        }
        rest = tail;
    }
    i64::try_from(sign * total).ok()
}

/// Bytes in base64 with padding.
pub(crate) fn base64(cell: &[u8]) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(cell).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_every_bit_and_refuse_the_rest() {
        assert_eq!(Some(9_007_199_254_740_993), long(b"9007199254740993"));
        assert_eq!(Some(i64::MIN), long(b"-9223372036854775808"));
        assert_eq!(Some(u64::MAX), unsigned_long(b"18446744073709551615"));
        for bad in [&b""[..], b"1.0", b"1e3", b" 1", b"9223372036854775808", b"\xff"] {
            assert_eq!(None, long(bad));
        }
        assert_eq!(None, unsigned_long(b"-1"));
    }

    #[test]
    fn doubles_know_the_servers_words() {
        assert_eq!(Some(f64::INFINITY), double(b"+Inf"));
        assert_eq!(Some(f64::NEG_INFINITY), double(b"-Inf"));
        assert!(double(b"NaN").unwrap().is_nan());
        assert_eq!(Some(5e-324), double(b"5e-324"));
        assert_eq!(None, double(b"1,0"));
    }

    #[test]
    fn durations_by_hand() {
        assert_eq!(Some(90), duration(b"90"));
        assert_eq!(Some(5_400_500_000_000), duration(b"1h30m0.5s"));
        assert_eq!(Some(-1_500), duration(b"-1us500ns"));
        assert_eq!(Some(1_000_000), duration("1000µs".as_bytes()));
        for bad in ["", "-", "1", "h", "1mo", "1y", "1.5", "0.5ns", "1h30", "106752d", "9223372036854775808ns"] {
            assert_eq!(bad.parse().ok(), duration(bad.as_bytes()), "{bad}");
        }
        let huge = format!("{0}ns{0}ns", i128::MAX);
        assert_eq!(None, duration(huge.as_bytes()));
    }

    #[test]
    fn base64_is_strict() {
        assert_eq!(Some(b"\x00\xffab".to_vec()), base64(b"AP9hYg=="));
        assert_eq!(None, base64(b"AP9hYg"));
    }
}
