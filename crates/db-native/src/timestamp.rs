//! RFC 3339 text to nanoseconds since the Unix epoch, exactly.

use crate::word;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `days_from_civil`.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Value of an all-digit slice of at most nine bytes.
#[inline]
fn digits(text: &[u8]) -> Option<i64> {
    let mut value = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// Reads times, remembering the last date: neighbouring rows share it.
#[derive(Clone, Debug)]
pub(crate) struct TimeReader {
    /// `YYYY-MM-DDT`: the first and the last eight bytes, as words.
    date: [u64; 2],
    /// In 128 bits, as the day at either end of the range is only partly in it.
    midnight: i128,
}

impl Default for TimeReader {
    fn default() -> Self {
        Self { date: halves(b"1970-01-01T"), midnight: 0 }
    }
}

impl TimeReader {
    /// Nanoseconds since the epoch of `YYYY-MM-DDTHH:MM:SS[.fffffffff](Z|±HH:MM)`.
    ///
    /// `None` if the text is something else or outside 1677-09-21 to 2262-04-11,
    /// the range of 64-bit nanoseconds.
    pub(crate) fn time(&mut self, cell: &[u8]) -> Option<i64> {
        self.read(cell).filter(|(_, rest)| rest.is_empty()).map(|(time, _)| time)
    }

    /// The time that the text starts with, and what follows it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call costs a third of it, and the compiler makes one")]
    pub(crate) fn read<'a>(&mut self, text: &'a [u8]) -> Option<(i64, &'a [u8])> {
        // No time is shorter: one check of the length for all.
        let (stamp, rest) = text.split_first_chunk::<20>()?;
        let (date, clock) = stamp.split_first_chunk::<11>()?;
        if halves(date) != self.date {
            self.turn_to(date)?;
        }
        let nanos = second_of_day(*clock.first_chunk()?)? * SECOND;
        if stamp[19] == b'Z' {
            return Some((self.at(nanos)?, rest));
        }
        self.read_zone(nanos, &text[19..])
    }

    #[inline(never)]
    fn turn_to(&mut self, date: &[u8; 11]) -> Option<()> {
        let (day, b"T" | b"t" | b" ") = date.split_first_chunk()? else {
            return None;
        };
        self.midnight = i128::from(midnight(day)?) * i128::from(DAY);
        self.date = halves(date);
        Some(())
    }

    /// What [`read`](Self::read) gives, of a clock's nanoseconds and what follows its seconds.
    #[inline(never)]
    fn read_zone<'a>(&self, clock: i64, text: &'a [u8]) -> Option<(i64, &'a [u8])> {
        let (fraction, zone) = match text {
            [b'.', digits @ ..] => fraction(digits)?,
            _ => (0, text),
        };
        let (east, rest) = offset(zone)?;
        Some((self.at(clock + fraction - east)?, rest))
    }

    /// So many nanoseconds after midnight.
    #[inline]
    fn at(&self, nanos: i64) -> Option<i64> {
        i64::try_from(self.midnight + i128::from(nanos)).ok()
    }
}

#[inline]
fn halves(date: &[u8; 11]) -> [u64; 2] {
    [word::load(date), word::load(&date[3..])]
}

/// Seconds since midnight of `HH:MM:SS`.
#[inline]
fn second_of_day(clock: [u8; 8]) -> Option<i64> {
    const COLONS: u64 = u64::from_le_bytes(*b"00:00:00");
    // With these added a digit's value above 9, or another byte than a colon, reaches its byte's high bit.
    const LIMITS: u64 = u64::from_le_bytes([0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76]);
    // As hour, minute or second do with these above 23 or 59.
    const HIGHEST: u64 = u64::from_le_bytes([128 - 24, 0, 0, 128 - 60, 0, 0, 128 - 60, 0]);
    let x = u64::from_le_bytes(clock) ^ COLONS;
    // Each byte becomes ten times itself and the next one.
    let pairs = x.wrapping_mul(10).wrapping_add(x >> 8);
    let [hour, _, _, minute, _, _, second, _] = pairs.to_le_bytes();
    let valid = word::is_ascii(x.wrapping_add(LIMITS) | x | pairs.wrapping_add(HIGHEST));
    valid.then(|| (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second))
}

/// Nanoseconds of the one to nine digits after a point, and what follows them.
#[inline]
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let word = word::load(text);
    let width = word::digits(word);
    if width == 0 {
        return None;
    }
    let nanos = (word::value(word, width) * word::POWERS[9 - width]).cast_signed();
    match text.get(width..)? {
        [digit @ b'0'..=b'9', rest @ ..] => Some((nanos + i64::from(digit - b'0'), rest)),
        rest => Some((nanos, rest)),
    }
}

/// RFC 3339 text of nanoseconds since the epoch, for messages.
///
/// Source: as for `days_from_civil`, its inverse `civil_from_days`.
pub(crate) fn write(nanos: i64) -> String {
    let (days, rest) = (nanos.div_euclid(DAY), nanos.rem_euclid(DAY));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (seconds, fraction) = (rest / SECOND, rest % SECOND);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        text += format!(".{fraction:09}").trim_end_matches('0');
    }
    text + "Z"
}

/// Day number of `YYYY-MM-DD`.
fn midnight(date: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else {
        return None;
    };
    let (year, month, day) = (digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?);
    let valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    valid.then(|| days_from_civil(year, month, day))
}

/// Nanoseconds east of UTC of `Z` or `±HH:MM`, and what follows it.
#[inline]
fn offset(zone: &[u8]) -> Option<(i64, &[u8])> {
    match *zone {
        [b'Z' | b'z', ref rest @ ..] => Some((0, rest)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, ref rest @ ..] => {
            let (hours, minutes) = (digits(&[h1, h2])?, digits(&[m1, m2])?);
            let east = (hours * 60 + minutes) * 60 * SECOND;
            (hours < 24 && minutes < 60).then_some((if sign == b'-' { -east } else { east }, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::TimeReader;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<i64> {
        TimeReader::default().time(text.as_bytes())
    }

    #[test]
    fn known_instants() {
        assert_eq!(Some(0), read("1970-01-01T00:00:00Z"));
        assert_eq!(Some(951_782_400_000_000_000), read("2000-02-29T00:00:00Z"));
        assert_eq!(Some(1), read("1970-01-01T00:00:00.000000001Z"));
        assert_eq!(Some(-5_400_000_000_000), read("1970-01-01T00:00:00+01:30"));
        assert_eq!(Some(500_000_000), read("1969-12-31T23:00:00.5-01:00"));
        assert_eq!(Some(i64::MAX), read("2262-04-11T23:47:16.854775807Z"));
        assert_eq!(Some(i64::MIN), read("1677-09-21T00:12:43.145224192Z"));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "",
            "2024-01-01",
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.1234567890Z",
            "2024-01-01T00:00:00ZZ",
            "2024-01-01T00:00:00+1:00",
            "0001-01-01T00:00:00Z",
            "2262-04-11T23:47:16.854775808Z",
            "2024-01-0xT00:00:00Z",
        ] {
            assert_eq!(None, read(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn takes_the_clocks_that_there_are(
            clock in "[0-2][0-9]:[0-6][0-9]:[0-6][0-9]", other in any::<u8>(), at in 0..8_usize,
        ) {
            let mut bytes = clock.clone().into_bytes();
            for byte in [bytes[at], other] {
                bytes[at] = byte;
                let clock = String::from_utf8_lossy(&bytes);
                let two = |part: &str| {
                    let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
                    digits.then(|| part.parse().unwrap())
                };
                let parts: Vec<Option<u8>> = clock.split(':').map(two).collect();
                let expected = match parts[..] {
                    [Some(hour @ 0..24), Some(minute @ 0..60), Some(second @ 0..60)] => {
                        Some((i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second))
                    }
                    _ => None,
                };
                prop_assert_eq!(expected, super::second_of_day(bytes.as_slice().try_into().unwrap()), "{}", clock);
            }
        }

        #[test]
        fn reads_up_to_what_follows(
            seconds in 0..4_000_000_000_i64,
            fraction in "(\\.[0-9]{1,9})?",
            zone in "[Zz]|[+-]0[0-9]:[0-5][0-9]",
            behind in "[,\r\n5Z]{0,3}",
        ) {
            let local = super::write(seconds * super::SECOND);
            let text = format!("{}{fraction}{zone}", local.trim_end_matches('Z'));
            let expected: jiff::Timestamp = text.parse().unwrap();
            let whole = [text.as_str(), &behind].concat();
            let (time, rest) = TimeReader::default().read(whole.as_bytes()).unwrap();
            prop_assert_eq!((expected.as_nanosecond(), behind.as_bytes()), (i128::from(time), rest));
        }

        #[test]
        fn agrees_with_jiff(nanos in any::<i64>(), again in any::<i64>()) {
            let mut reader = TimeReader::default();
            for nanos in [nanos, nanos.saturating_add(1), again] {
                let text = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap().to_string();
                prop_assert_eq!(Some(nanos), reader.time(text.as_bytes()), "{}", text);
                prop_assert_eq!(text, super::write(nanos));
            }
        }
    }
}
