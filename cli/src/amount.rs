// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Amounts as people write them, to the integers that are committed to.

use crate::error::{Exit, Failure, Result};
use serde_json::Value;
use ves_primitives::CurrencyTag;

/// A decimal number in units of 10^-scale: `59.98` with two places is 5998.
///
/// # Errors
/// `amount_invalid` for signs, exponents, more places than the currency has, or a number too large.
pub fn parse(text: &str, currency: CurrencyTag) -> Result<u64> {
    let invalid = || {
        // Never the text itself: it may be the secret.
        Failure::usage(
            "amount_invalid",
            format!(
                "not an amount of {currency}: digits, and at most {} after a point",
                currency.scale()
            ),
        )
        .hint("give the currency's decimal places with --currency, as in JPY:0")
    };
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let scale = usize::from(currency.scale());
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let dangling = text.contains('.') && places.is_empty();
    if whole.is_empty() || dangling || !digits(whole) || !digits(places) || places.len() > scale {
        return Err(invalid());
    }
    format!("{whole}{places:0<scale$}")
        .parse()
        .map_err(|_| invalid())
}

/// The number as people write it, with all the places of the currency.
pub fn format(units: u64, currency: CurrencyTag) -> String {
    let places = usize::from(currency.scale());
    let digits = format!("{units:0>width$}", width = places.saturating_add(1));
    match digits.split_at_checked(digits.len().saturating_sub(places)) {
        Some((whole, places)) if !places.is_empty() => format!("{whole}.{places}"),
        _ => digits,
    }
}

/// The amount at a path of a payload: a decimal string, or a JSON number as written.
///
/// # Errors
/// `amount_missing`, or as [`parse`].
pub fn of_payload(payload: &Value, path: &str, currency: CurrencyTag) -> Result<u64> {
    let found = path
        .split('.')
        .try_fold(payload, |value, name| value.get(name));
    match found {
        Some(Value::String(text)) => parse(text, currency),
        Some(Value::Number(number)) => parse(&number.to_string(), currency),
        _ => Err(Failure::new(
            Exit::Usage,
            "amount_missing",
            format!("the payload has no amount at {path}"),
        )
        .hint("name the member that holds it with --amount-field")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn usd() -> CurrencyTag {
        CurrencyTag::new("USD", 2).unwrap()
    }

    #[test]
    fn decimals_become_integers_of_the_smallest_unit() {
        for (text, units) in [
            ("59.98", 5_998),
            ("59.9", 5_990),
            ("59", 5_900),
            ("0", 0),
            ("007.10", 710),
        ] {
            assert_eq!(parse(text, usd()).unwrap(), units, "{text}");
        }
        assert_eq!(
            parse("5998", CurrencyTag::new("JPY", 0).unwrap()).unwrap(),
            5_998
        );
    }

    #[test]
    fn integers_are_written_with_all_their_places() {
        for (units, text) in [(5_998, "59.98"), (5, "0.05"), (0, "0.00"), (100, "1.00")] {
            assert_eq!(format(units, usd()), text);
        }
        let yen = CurrencyTag::new("JPY", 0).unwrap();
        assert_eq!(
            (format(500, yen), format(0, yen)),
            ("500".into(), "0".into())
        );
    }

    #[test]
    fn what_is_no_exact_amount_is_refused_and_not_repeated() {
        for text in [
            "",
            ".5",
            "5.",
            "1.234",
            "-1",
            "+1",
            "1e3",
            "1,5",
            " 1",
            "99999999999999999999",
        ] {
            let failure = parse(text, usd()).unwrap_err();
            assert_eq!(failure.code, "amount_invalid", "{text:?}");
            assert!(text.len() < 3 || !failure.message.contains(text));
        }
    }

    #[test]
    fn the_amount_is_found_by_its_path() {
        let payload = json!({ "total": "980.00", "order": { "total": 12.5 }, "list": [] });
        assert_eq!(of_payload(&payload, "total", usd()).unwrap(), 98_000);
        assert_eq!(of_payload(&payload, "order.total", usd()).unwrap(), 1_250);
        for path in ["", "order", "order.none", "list", "total.more"] {
            assert_eq!(
                of_payload(&payload, path, usd()).unwrap_err().code,
                "amount_missing"
            );
        }
    }
}
