// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! RFC 3339 syntax, checked without allocation so that the runtime can do it.

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

fn parse(text: &[u8]) -> Option<()> {
    let mut c = Cursor(text);
    let year = c.number(4, 9_999)?;
    c.expect(b'-')?;
    let month = c.number(2, 12).filter(|month| *month > 0)?;
    c.expect(b'-')?;
    c.number(2, days_in_month(year, month))
        .filter(|day| *day > 0)?;
    if !matches!(c.byte()?, b'T' | b't' | b' ') {
        return None;
    }
    c.number(2, 23)?;
    c.expect(b':')?;
    c.number(2, 59)?;
    c.expect(b':')?;
    // 60 is a leap second.
    c.number(2, 60)?;
    let mut next = c.byte()?;
    if next == b'.' {
        c.number(1, 9)?;
        next = c.byte()?;
        while next.is_ascii_digit() {
            next = c.byte()?;
        }
    }
    match next {
        b'Z' | b'z' => {}
        b'+' | b'-' => {
            c.number(2, 23)?;
            c.expect(b':')?;
            c.number(2, 59)?;
        }
        _ => return None,
    }
    c.0.is_empty().then_some(())
}

/// Whether the bytes are an RFC 3339 date-time: a date that exists, a time, a zone. A space or a
/// lower-case `t` may stand for `T`, as RFC 3339 §5.6 allows.
pub fn is_rfc3339(text: &[u8]) -> bool {
    parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::is_rfc3339;

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
