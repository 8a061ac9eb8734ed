// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Limits on the value of what a model pushes: by currency, for one push and for an hour.
//!
//! Values are what payloads say at the members that the operator names, all of them added up. Where a
//! limit is set, doubt counts against the push: an amount that cannot be read is refused, one without a
//! currency counts in every currency, a refund counts as a payment, and a currency without a limit has the
//! limit zero. What went out within the hour stands in the database, so that a new server does not begin
//! at zero; an event counts once, however often it is pushed.

use crate::error::{Exit, Failure, Result};
use serde_json::{Map, Value};
use sqlx::SqliteConnection;
use std::{collections::BTreeMap, fmt, str::FromStr};
use ves_primitives::{EventId, StoreId, TenantId};

/// Millionths: what amounts are counted in.
const PLACES: usize = 6;
/// Longest amount that is read; no currency needs it.
const MAX_DIGITS: usize = 24;
const PER_PUSH: &str = "--max-push-value";
const PER_HOUR: &str = "--max-value-per-hour";
pub(super) const HOUR_MS: i64 = 60 * 60 * 1000;
/// How long it is remembered that an event was counted.
const KEEP_MS: i64 = 7 * 24 * HOUR_MS;
/// An amount of which nobody said the currency.
const ANY: &str = "*";

/// Amounts by currency, in millionths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts(BTreeMap<String, u128>);

fn parse_amount(text: &str) -> Option<u128> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let dangling = text.contains('.') && places.is_empty();
    if whole.is_empty() || dangling || !digits(whole) || !digits(places) {
        return None;
    }
    if whole.len() > MAX_DIGITS || places.len() > MAX_DIGITS {
        return None;
    }
    let (kept, cut) = places.split_at_checked(PLACES).unwrap_or((places, ""));
    let units: u128 = format!("{whole}{kept:0<PLACES$}").parse().ok()?;
    // What is finer counts as one more.
    Some(units.saturating_add(u128::from(cut.bytes().any(|digit| digit != b'0'))))
}

fn show(units: u128) -> String {
    let digits = format!("{units:0>width$}", width = PLACES + 1);
    let (whole, places) = digits.split_at(digits.len().saturating_sub(PLACES));
    let places = places.trim_end_matches('0');
    match places.len() {
        0..=2 => format!("{whole}.{places:0<2}"),
        _ => format!("{whole}.{places}"),
    }
}

impl FromStr for Amounts {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let mut amounts = BTreeMap::new();
        for part in text.split(',') {
            let wrong = || format!("{part}: give CURRENCY=AMOUNT, as in USD=1000.00");
            let (currency, amount) = part.split_once('=').ok_or_else(wrong)?;
            let plausible = (1..=16).contains(&currency.len())
                && currency.bytes().all(|b| b.is_ascii_alphanumeric());
            let amount = parse_amount(amount).filter(|_| plausible && !amount.starts_with('-'));
            if amounts
                .insert(currency.to_owned(), amount.ok_or_else(wrong)?)
                .is_some()
            {
                return Err(format!("{currency} is named twice"));
            }
        }
        Ok(Self(amounts))
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(currency, units)| format!("{currency}={}", show(*units)))
            .collect();
        f.write_str(&parts.join(","))
    }
}

impl Amounts {
    fn add(&mut self, currency: &str, units: u128) {
        let sum = self.0.entry(currency.to_owned()).or_default();
        *sum = sum.saturating_add(units);
    }

    fn add_all(&mut self, other: &Self) {
        for (currency, units) in &other.0 {
            self.add(currency, *units);
        }
    }

    /// For output.
    pub(super) fn json(&self) -> Map<String, Value> {
        self.0
            .iter()
            .map(|(currency, units)| (currency.clone(), show(*units).into()))
            .collect()
    }

    /// Refuses what is over a limit.
    fn check_sums(&self, limit: &Self, what: &str, flag: &str) -> Result<()> {
        let loose = self.0.get(ANY).copied().unwrap_or_default();
        for (currency, most) in &limit.0 {
            let own = self.0.get(currency).copied().unwrap_or_default();
            let sum = own.saturating_add(loose);
            if sum > *most {
                let why = format!(
                    "{what}: {currency} {} would be over the limit of {} ({flag})",
                    show(sum),
                    show(*most)
                );
                return Err(over(why, limit, flag));
            }
        }
        Ok(())
    }

    /// Refuses currencies that have no limit.
    fn check_currencies(&self, limit: &Self, flag: &str) -> Result<()> {
        for (currency, units) in &self.0 {
            if *units > 0 && currency != ANY && !limit.0.contains_key(currency) {
                let why = format!(
                    "this push: {currency} {} has no limit, and without one nothing of it may go \
                     out ({flag})",
                    show(*units)
                );
                return Err(over(why, limit, flag));
            }
        }
        Ok(())
    }
}

fn over(why: String, limit: &Amounts, flag: &str) -> Failure {
    Failure::new(Exit::Refused, "value_limit_reached", why).hint(format!(
        "push less, or ask the operator to raise {flag} ({limit})"
    ))
}

/// Which event.
pub(super) type Place = (TenantId, StoreId, EventId);

/// The value of one event: which, and how much by currency.
pub(super) type Valued = (Place, Amounts);

/// Forgets what no limit asks for any more.
pub(super) async fn forget_old(db: &mut SqliteConnection, now_ms: i64) -> Result<()> {
    sqlx::query("DELETE FROM ves_spent WHERE spent_ms < ?1")
        .bind(now_ms.saturating_sub(KEEP_MS))
        .execute(db)
        .await?;
    Ok(())
}

/// What an operator allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    pub(super) per_push: Option<Amounts>,
    pub(super) per_hour: Option<Amounts>,
    /// Members of payloads that hold amounts, with dots between names.
    pub(super) fields: Vec<String>,
}

impl Limits {
    /// Whether values matter at all.
    pub(super) const fn is_set(&self) -> bool {
        self.per_push.is_some() || self.per_hour.is_some()
    }

    /// What a payload is worth.
    ///
    /// # Errors
    /// `value_unreadable` for an amount or currency that is none.
    pub(super) fn value(&self, event: EventId, payload: &Value) -> Result<Amounts> {
        let unreadable = |why: String| {
            Err(Failure::new(
                Exit::Refused,
                "value_unreadable",
                format!("event {event}: {why}"),
            )
            .hint(
                "the operator limits values: amounts are decimal numbers or strings of \
                         such, and `currency` is a string of letters and digits",
            ))
        };
        let currency = match payload.get("currency") {
            None | Some(Value::Null) => ANY,
            Some(Value::String(code)) => code.as_str(),
            Some(_) => return unreadable("its currency is no string".into()),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric();
        if currency != ANY && (currency.len() > 16 || !currency.bytes().all(plain)) {
            return unreadable("its currency is no code".into());
        }
        let currency = match currency {
            "" => ANY.to_owned(),
            code => code.to_ascii_uppercase(),
        };
        let mut amounts = Amounts::default();
        for field in &self.fields {
            let found = field
                .split('.')
                .try_fold(payload, |value, name| value.get(name));
            let units = match found {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => parse_amount(text),
                Some(Value::Number(number)) => parse_amount(&number.to_string()),
                Some(_) => None,
            };
            match units {
                Some(units) => amounts.add(&currency, units),
                None => return unreadable(format!("what stands at {field} is no amount")),
            }
        }
        Ok(amounts)
    }

    /// The sum of one push, if it is allowed.
    ///
    /// # Errors
    /// `value_limit_reached`.
    pub(super) fn check_push(&self, events: &[Valued]) -> Result<Amounts> {
        let mut sum = Amounts::default();
        for (_, amounts) in events {
            sum.add_all(amounts);
        }
        if let Some(limit) = &self.per_push {
            sum.check_currencies(limit, PER_PUSH)?;
            sum.check_sums(limit, "this push", PER_PUSH)?;
        }
        Ok(sum)
    }

    /// Counts events that are about to go out, in the caller's transaction, which must hold the right to
    /// write: two servers then do not both find room for the last of it.
    ///
    /// # Errors
    /// `value_limit_reached`, or the database's refusal.
    pub(super) async fn take(
        &self,
        db: &mut SqliteConnection,
        events: &[Valued],
        now_ms: i64,
    ) -> Result<()> {
        let now = self.check_push(events)?;
        let Some(limit) = &self.per_hour else {
            return Ok(());
        };
        // What went out before in a currency that has no limit now is not for this push to answer for.
        now.check_currencies(limit, PER_HOUR)?;
        forget_old(db, now_ms).await?;
        for ((tenant, store, event), amounts) in events {
            for (currency, units) in &amounts.0 {
                sqlx::query(
                    "INSERT INTO ves_spent (tenant_id, store_id, event_id, currency, value, \
                     spent_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                )
                .bind(tenant.0.as_slice())
                .bind(store.0.as_slice())
                .bind(event.0.as_slice())
                .bind(currency)
                .bind(units.to_string())
                .bind(now_ms)
                .execute(&mut *db)
                .await?;
            }
        }
        let counted: Vec<(String, String)> = sqlx::query_as(
            "SELECT currency, value FROM ves_spent WHERE spent_ms > ?1 AND currency <> ?2",
        )
        .bind(now_ms.saturating_sub(HOUR_MS))
        .bind(super::volume::EVENTS)
        .fetch_all(db)
        .await?;
        let mut sum = Amounts::default();
        for (currency, units) in counted {
            // What cannot be read is more than any limit.
            sum.add(&currency, units.parse().unwrap_or(u128::MAX));
        }
        sum.check_sums(limit, "within an hour", PER_HOUR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pool;
    use serde_json::json;
    use sqlx::SqlitePool;

    fn limits(per_push: &str, per_hour: &str) -> Limits {
        let parse = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        Limits {
            per_push: parse(per_push),
            per_hour: parse(per_hour),
            fields: vec!["total".into(), "payment.amount".into()],
        }
    }

    fn valued(n: u8, limits: &Limits, payload: &Value) -> Valued {
        let event = EventId([n; 16]);
        let value = limits.value(event, payload).unwrap();
        ((TenantId([1; 16]), StoreId([2; 16]), event), value)
    }

    async fn take(pool: &SqlitePool, limits: &Limits, events: &[Valued], now: i64) -> Result<()> {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        limits.take(&mut tx, events, now).await?;
        tx.commit().await.unwrap();
        Ok(())
    }

    fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
        result.unwrap_err().code
    }

    #[test]
    fn limits_are_read_by_currency_and_written_the_same() {
        let amounts: Amounts = "USD=1000.00,JPY=5,EUR=0.5".parse().unwrap();
        assert_eq!(amounts.to_string(), "EUR=0.50,JPY=5.00,USD=1000.00");
        for wrong in [
            "",
            "USD",
            "USD=",
            "USD=-1",
            "USD=1e3",
            "=5",
            "U SD=5",
            "USD=1,USD=2",
            "USD=1.",
        ] {
            assert!(wrong.parse::<Amounts>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_limit_of_a_push_counts_all_members_and_refunds_too() {
        let limits = limits("USD=100.00", "");
        let payment = |payload: Value| valued(1, &limits, &payload);
        let both = payment(json!({"total": "60.00", "payment": {"amount": 40}, "currency": "usd"}));
        assert_eq!(
            limits
                .check_push(std::slice::from_ref(&both))
                .unwrap()
                .to_string(),
            "USD=100.00"
        );
        let cent = payment(json!({"total": "-0.01", "currency": "USD"}));
        let refusal = limits.check_push(&[both, cent]).unwrap_err();
        assert_eq!(refusal.code, "value_limit_reached");
        assert!(refusal.message.contains("--max-push-value") && refusal.message.contains("100.01"));
        // A thousandth of a millionth is something.
        let fine = payment(json!({"total": "100.000000001", "currency": "USD"}));
        assert_eq!(code(limits.check_push(&[fine])), "value_limit_reached");
    }

    #[test]
    fn a_currency_without_a_limit_is_refused_and_none_at_all_counts_in_each() {
        let limits = limits("USD=100,JPY=1000", "");
        let other = valued(1, &limits, &json!({"total": 1, "currency": "EUR"}));
        assert_eq!(code(limits.check_push(&[other])), "value_limit_reached");
        let nameless = valued(1, &limits, &json!({"total": "100.01"}));
        assert_eq!(code(limits.check_push(&[nameless])), "value_limit_reached");
        let nothing = valued(1, &limits, &json!({"note": "no amount", "currency": "EUR"}));
        assert!(limits.check_push(&[nothing]).is_ok());
    }

    #[test]
    fn an_amount_that_cannot_be_read_is_refused_without_saying_what_it_was() {
        let limits = limits("USD=100", "");
        for payload in [
            json!({"total": "secret"}),
            json!({"total": true}),
            json!({"total": ["1"]}),
            json!({"total": "1,000"}),
            json!({"total": 1e30}),
            json!({"total": "9".repeat(40)}),
            json!({"total": 1, "currency": 7}),
            json!({"total": 1, "currency": "US$"}),
        ] {
            let refusal = limits.value(EventId([1; 16]), &payload).unwrap_err();
            assert_eq!(refusal.code, "value_unreadable", "{payload}");
            assert!(!refusal.message.contains("secret"));
        }
    }

    #[tokio::test]
    async fn the_limit_of_an_hour_outlives_the_server_and_an_event_counts_once() {
        let (_dir, pool) = pool().await;
        let limits = limits("", "USD=100");
        let payment = |n: u8| valued(n, &limits, &json!({"total": 60, "currency": "USD"}));
        let now = 1_000_000_000;
        take(&pool, &limits, &[payment(1)], now).await.unwrap();
        take(&pool, &limits, &[payment(1)], now + 1).await.unwrap();
        let refusal = take(&pool, &limits, &[payment(2)], now + 2)
            .await
            .unwrap_err();
        assert_eq!(refusal.code, "value_limit_reached");
        assert!(
            refusal.message.contains("--max-value-per-hour"),
            "{refusal}"
        );
        // Nothing of what was refused is counted.
        let small = valued(3, &limits, &json!({"total": 40, "currency": "USD"}));
        take(&pool, &limits, &[small], now + 3).await.unwrap();
        take(&pool, &limits, &[payment(2)], now + HOUR_MS - 1)
            .await
            .unwrap_err();
        take(&pool, &limits, &[payment(2)], now + HOUR_MS)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_went_out_before_in_another_currency_does_not_stop_a_push() {
        let (_dir, pool) = pool().await;
        let euros = limits("", "EUR=100");
        let spent = valued(1, &euros, &json!({"total": 60, "currency": "EUR"}));
        take(&pool, &euros, std::slice::from_ref(&spent), 1)
            .await
            .unwrap();
        let dollars = limits("", "USD=100");
        let payment = valued(2, &dollars, &json!({"total": 60, "currency": "USD"}));
        take(&pool, &dollars, &[payment], 2).await.unwrap();
        let again = take(&pool, &dollars, &[spent], 3).await;
        assert_eq!(code(again), "value_limit_reached");
    }
}
