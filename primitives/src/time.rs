// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! RFC 3339, read without allocation so that the runtime can do it.

/// Days of a month in the proleptic Gregorian calendar.
const fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.byte()? == wanted).then_some(())
    }

    fn number(&mut self, digits: u32, max: u32) -> Option<u32> {
        let mut value = 0u32;
        for _ in 0..digits {
            let digit = self.byte().filter(u8::is_ascii_digit)?.checked_sub(b'0')?;
            value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
        }
        (value <= max).then_some(value)
    }
}

/// Days from 1970-01-01 to the date, by shifting the year's start to March, which puts the leap day
/// last (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days_since_epoch(year: u32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn parse(text: &[u8]) -> Option<i64> {
    let mut c = Cursor(text);
    let year = c.number(4, 9_999)?;
    c.expect(b'-')?;
    let month = c.number(2, 12).filter(|month| *month > 0)?;
    c.expect(b'-')?;
    let day = c
        .number(2, days_in_month(year, month))
        .filter(|day| *day > 0)?;
    if !matches!(c.byte()?, b'T' | b't' | b' ') {
        return None;
    }
    let hour = c.number(2, 23)?;
    c.expect(b':')?;
    let minute = c.number(2, 59)?;
    c.expect(b':')?;
    // 60 is a leap second.
    let second = c.number(2, 60)?;
    let mut next = c.byte()?;
    let mut milliseconds = 0;
    if next == b'.' {
        let mut weight = 100;
        milliseconds = c.number(1, 9)? * weight;
        next = c.byte()?;
        while next.is_ascii_digit() {
            weight /= 10;
            milliseconds += u32::from(next - b'0') * weight;
            next = c.byte()?;
        }
    }
    let offset_minutes = match next {
        b'Z' | b'z' => 0,
        sign @ (b'+' | b'-') => {
            let hours = c.number(2, 23)?;
            c.expect(b':')?;
            let offset = i64::from(hours * 60 + c.number(2, 59)?);
            if sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    // All of it far below 2^63: years have four digits.
    let minutes =
        days_since_epoch(year, month, day) * 1_440 + i64::from(hour * 60 + minute) - offset_minutes;
    c.0.is_empty()
        .then_some((minutes * 60 + i64::from(second)) * 1_000 + i64::from(milliseconds))
}

/// The moment an RFC 3339 date-time names, in milliseconds since the Unix epoch, finer parts cut
/// off; `None` for any other text. A leap second counts as the first second of the next minute.
pub fn rfc3339_ms(text: &[u8]) -> Option<i64> {
    parse(text)
}

/// Whether the bytes are an RFC 3339 date-time: a date that exists, a time, a zone. A space or a
/// lower-case `t` may stand for `T`, as RFC 3339 §5.6 allows.
pub fn is_rfc3339(text: &[u8]) -> bool {
    parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::{is_rfc3339, rfc3339_ms};

    #[test]
    fn moments_are_counted_from_the_epoch_in_utc() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-03-01T00:00:00Z", 951_868_800_000),
            ("2024-02-29T12:00:00.5Z", 1_709_208_000_500),
            ("2026-11-23T18:14:41.123456789Z", 1_795_457_681_123),
            ("2026-11-23T20:14:41.123+02:00", 1_795_457_681_123),
            ("2026-11-23T12:44:41.12-05:30", 1_795_457_681_120),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(rfc3339_ms(text.as_bytes()), Some(expected), "{text}");
        }
        assert_eq!(rfc3339_ms(b"yesterday"), None);
    }

    #[test]
    fn well_formed_date_times_pass() {
        for text in [
            "2026-11-23T18:14:41Z",
            "2026-11-23t18:14:41z",
            "2026-11-23 18:14:41.123456789+02:00",
            "2024-02-29T23:59:60-23:59",
        ] {
            assert!(is_rfc3339(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T18:14:41",
            "2026-13-23T18:14:41Z",
            "2026-00-23T18:14:41Z",
            "2026-11-31T18:14:41Z",
            "2025-02-29T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T18:60:00Z",
            "2026-11-23T18:14:61Z",
            "2026-11-23T18:14:41.Z",
            "2026-11-23T18:14:41+0200",
            "2026-11-23T18:14:41+02:60",
            "2026-11-23T18:14:41Zx",
            "26-11-23T18:14:41Z",
            "２026-11-23T18:14:41Z",
        ] {
            assert!(!is_rfc3339(text.as_bytes()), "{text}");
        }
    }
}
