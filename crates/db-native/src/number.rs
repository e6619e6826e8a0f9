//! Turns the text of one cell into a number, boolean, duration or bytes; exactly, or not at all.
//!
//! The functions named `read…` take a text that only starts with the cell. They
//! find its end while they read it. They know the usual spellings, and return
//! `None` for others, which the functions for whole cells read.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::word;

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

/// An integer in digits, and what follows it.
#[inline]
pub(crate) fn read_long(text: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, negative) = match text {
        [b'-', rest @ ..] => (rest, true),
        _ => (text, false),
    };
    let (value, rest) = read_unsigned_long(digits)?;
    let value = i64::try_from(value).ok()?;
    Some((if negative { -value } else { value }, rest))
}

/// An unsigned integer in digits, and what follows it.
#[inline]
pub(crate) fn read_unsigned_long(text: &[u8]) -> Option<(u64, &[u8])> {
    read_digits(text, 0).filter(|(_, rest)| ends(rest))
}

/// A double of at most eight bytes, as most are: digits, a point and digits. Returns what follows it, too.
///
/// Exact, as the digits and the power of ten both are doubles and a quotient is rounded as IEEE 754 asks.
/// Source: William Clinger, "How to Read Floating Point Numbers Accurately".
#[inline]
pub(crate) fn read_double(text: &[u8]) -> Option<(f64, &[u8])> {
    let word = word::load(text);
    let marks = word::non_digits(word);
    let point = word::first(marks);
    let end = word::first(marks & marks.wrapping_sub(1));
    if point == 0 || point == end || text.get(point) != Some(&b'.') {
        return None;
    }
    let whole = (1 << (8 * point)) - 1;
    let digits = word & whole | word >> 8 & !whole;
    Some((exact(word::value(digits, end - 1)) / SCALES[end - 1 - point], text.get(end..)?))
}

/// A double without an exponent, whose digits fit in 64 bits. Returns what follows it, too.
#[inline(never)]
pub(crate) fn read_long_double(text: &[u8]) -> Option<(f64, &[u8])> {
    let [b'-', rest @ ..] = text else {
        return read_decimal(text);
    };
    let (value, rest) = read_double(rest).filter(|(_, rest)| ends(rest)).or_else(|| read_decimal(rest))?;
    Some((-value, rest))
}

fn read_decimal(text: &[u8]) -> Option<(f64, &[u8])> {
    let (whole, rest) = read_digits(text, 0)?;
    let [b'.', fraction @ ..] = rest else {
        return ends(rest).then_some((quotient(whole, 1), rest));
    };
    let (mantissa, rest) = read_digits(fraction, whole)?;
    let scale = *word::POWERS.get(fraction.len() - rest.len())?;
    ends(rest).then(|| (quotient(mantissa, scale), rest))
}

/// The double nearest to an integer divided by a power of ten; of two as near, the even one.
fn quotient(mantissa: u64, scale: u64) -> f64 {
    if mantissa <= 1 << f64::MANTISSA_DIGITS {
        return exact(mantissa) / exact(scale);
    }
    let (up, down) = (mantissa.leading_zeros(), scale.leading_zeros());
    let (dividend, divisor) = (u128::from(mantissa << up) << 63, u128::from(scale << down));
    // It has 63 or 64 bits. The lowest is below those of a double, and says whether there is a remainder.
    let quotient = u64::try_from(dividend / divisor).expect("64 bits") | u64::from(dividend % divisor > 0);
    #[expect(clippy::cast_precision_loss, reason = "the one rounding")]
    let rounded = quotient as f64;
    // By a power of two, made of its exponent.
    rounded * f64::from_bits(u64::from(1023 + down - up - 63) << 52)
}

/// Powers of ten of up to eight places.
const SCALES: [f64; 9] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// An integer that is a double: of at most 53 bits, or a power of ten.
#[expect(clippy::cast_precision_loss, reason = "there is none")]
const fn exact(integer: u64) -> f64 {
    integer as f64
}

/// The digits that the text starts with, at least one, after those of `before`, if all together fit.
#[inline]
fn read_digits(text: &[u8], before: u64) -> Option<(u64, &[u8])> {
    let mut value = before;
    let mut rest = text;
    loop {
        let word = word::load(rest);
        let count = word::digits(word);
        if count > 0 {
            value = value.checked_mul(word::POWERS[count])?.checked_add(word::value(word, count))?;
            rest = rest.get(count..)?;
        }
        if count < 8 {
            return (rest.len() < text.len()).then_some((value, rest));
        }
    }
}

/// Whether a number has ended before `rest`: no digit, point or exponent goes on with it.
#[inline]
fn ends(rest: &[u8]) -> bool {
    rest.first().is_some_and(|byte| *byte <= b',')
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
    use proptest::prelude::*;

    /// Numbers of every shape, and what is not quite one.
    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            "[+-]?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?",
            "-?[0-9]{1,8}(\\.[0-9]{1,8})?",
            "-?0{0,9}[0-9]{0,3}(\\.0{0,9}[0-9]{0,3})?",
            any::<f64>().prop_map(|value| value.to_string()),
            any::<i64>().prop_map(|value| value.to_string()),
            "-?[0-9]{1,19}\\.[0-9]{1,19}",
            (any::<u64>(), 0..20_usize).prop_map(|(digits, places)| {
                let digits = format!("{digits:020}");
                format!("{}.{}", &digits[..20 - places], &digits[20 - places..])
            }),
            // Halfway between two doubles, and next to it.
            (1_u64 << 52..1 << 53, "[49]9{0,2}|50{0,2}1?").prop_map(|(half, behind)| format!("{half}.{behind}")),
            (1_u64 << 53..1 << 60).prop_map(|digits| digits.to_string()),
            Just("-0".to_owned()),
            Just("NaN".to_owned()),
            Just("+Inf".to_owned()),
        ]
    }

    /// The result is that of std for the bytes that were read, and all bytes are read if they are a `usual` number.
    fn assert_as_std<T: std::str::FromStr + PartialEq + std::fmt::Debug>(
        text: &str,
        behind: &str,
        read: impl Fn(&[u8]) -> Option<(T, &[u8])>,
        usual: bool,
    ) {
        let whole = [text, behind].concat();
        let Some((value, rest)) = read(whole.as_bytes()) else {
            assert!(!usual, "{text:?} is not read");
            return;
        };
        let taken = &whole[..whole.len() - rest.len()];
        assert_eq!(taken.parse().ok(), Some(value), "{taken:?} of {whole:?}");
        assert!(!usual || taken == text, "{taken:?} of {whole:?}");
    }

    type Read<T> = fn(&[u8]) -> Option<(T, &[u8])>;

    fn bits(read: Read<f64>) -> impl Fn(&[u8]) -> Option<(Bits, &[u8])> {
        move |text| read(text).map(|(value, rest)| (Bits(value.to_bits()), rest))
    }

    /// A double's bits, to tell -0 from 0.
    #[derive(Debug, PartialEq)]
    struct Bits(u64);

    impl std::str::FromStr for Bits {
        type Err = std::num::ParseFloatError;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            text.parse().map(|value: f64| Self(value.to_bits()))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_read_is_what_std_parses(text in number(), behind in "[,\r\n x.5]{0,3}") {
            assert_as_std(&text, &behind, bits(read_double), false);
            assert_as_std(&text, &behind, bits(read_long_double), false);
            assert_as_std(&text, &behind, read_long, false);
            assert_as_std(&text, &behind, read_unsigned_long, false);
        }

        #[test]
        fn usual_numbers_are_read(whole in "[0-9]{1,8}", places in "[0-9]{1,6}", behind in "[,\r\n][0-9,.]{0,9}") {
            let decimal = format!("{whole}.{places}");
            assert_as_std(&decimal, &behind, bits(read_double), decimal.len() < 8);
            assert_as_std(&decimal, &behind, bits(read_long_double), true);
            assert_as_std(&format!("-{decimal}"), &behind, bits(read_long_double), true);
            assert_as_std(&whole, &behind, bits(read_long_double), true);
            for integer in [&whole, &[whole.as_str(), &places].concat()] {
                assert_as_std(integer, &behind, read_unsigned_long, true);
                assert_as_std(integer, &behind, read_long, true);
                assert_as_std(&format!("-{integer}"), &behind, read_long, true);
            }
        }
    }

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
