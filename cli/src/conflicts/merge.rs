// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What becomes of a payload when its entity has moved on: three values of each field, and one rule for
//! each strategy.
//!
//! *Base* is the entity's state that the event was made on, *remote* its state now, *local* what the
//! event's payload says. Objects are compared member by member; everything else is one value.

use super::Strategy;
use serde::Serialize;
use serde_json::{Map, Value};

/// One field of a preview. An absent value is `null` in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// Names with dots between them; empty for a payload that is no object.
    pub path: String,
    /// When the event was made.
    pub base: Option<Value>,
    /// Now.
    pub remote: Option<Value>,
    /// What the event says; none if it says nothing about the field, or removes it.
    pub local: Option<Value>,
    /// What it will be.
    pub result: Option<Value>,
    /// Both sides changed it and the strategy has no answer.
    pub clash: bool,
}

/// What a strategy makes of a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The payload to capture instead; none if the event just gives way.
    pub payload: Option<Value>,
    /// Field by field, remote changes included.
    pub fields: Vec<Field>,
}

impl Outcome {
    /// The fields that the strategy has no answer for.
    pub fn clashes(&self) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|field| field.clash)
            .map(|field| field.path.as_str())
            .collect()
    }
}

/// Applies a strategy.
pub fn merge(
    strategy: Strategy,
    base: Option<&Value>,
    remote: Option<&Value>,
    payload: &Value,
) -> Outcome {
    let mut fields = Vec::new();
    let merged = walk(strategy, "", (base, remote), payload, &mut fields);
    remote_changes("", base, remote, Some(payload), &mut fields);
    fields.sort_by(|a, b| a.path.cmp(&b.path));
    let gives_way = matches!(strategy, Strategy::RemoteWins | Strategy::Skip);
    Outcome {
        payload: (!gives_way).then_some(merged),
        fields,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn member<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    value.and_then(|value| value.get(name))
}

fn walk(
    strategy: Strategy,
    path: &str,
    (base, remote): (Option<&Value>, Option<&Value>),
    local: &Value,
    fields: &mut Vec<Field>,
) -> Value {
    if let Value::Object(members) = local {
        let walked: Map<String, Value> = members
            .iter()
            .map(|(name, value)| {
                let sides = (member(base, name), member(remote, name));
                let value = walk(strategy, &join(path, name), sides, value, fields);
                (name.clone(), value)
            })
            .collect();
        return Value::Object(walked);
    }
    // `null` removes a member.
    let says = (!local.is_null() || path.is_empty()).then_some(local);
    let (result, clash) = decide(strategy, base, remote, says);
    fields.push(Field {
        path: path.to_owned(),
        base: base.cloned(),
        remote: remote.cloned(),
        local: says.cloned(),
        result: result.clone(),
        clash,
    });
    result.unwrap_or(Value::Null)
}

/// The value of one field, and whether the strategy has no answer.
fn decide(
    strategy: Strategy,
    base: Option<&Value>,
    remote: Option<&Value>,
    local: Option<&Value>,
) -> (Option<Value>, bool) {
    match strategy {
        Strategy::RemoteWins | Strategy::Skip => (remote.cloned(), false),
        Strategy::LocalWins => (local.cloned(), false),
        // What the event repeats unchanged it does not insist on.
        _ if local == base => (remote.cloned(), false),
        _ if remote == base || remote == local => (local.cloned(), false),
        Strategy::Merge => (local.cloned(), true),
        Strategy::Reapply => match (base, remote, local) {
            (Some(base), Some(remote), Some(local)) => match shift(base, remote, local) {
                Some(value) => (Some(value), false),
                None => (Some(local.clone()), true),
            },
            _ => (local.cloned(), true),
        },
    }
}

/// What changed on the remote side and is not the event's business.
fn remote_changes(
    path: &str,
    base: Option<&Value>,
    remote: Option<&Value>,
    local: Option<&Value>,
    fields: &mut Vec<Field>,
) {
    if base == remote {
        return;
    }
    let names = |value: Option<&Value>| -> Vec<String> {
        value
            .and_then(Value::as_object)
            .map(|members| members.keys().cloned().collect())
            .unwrap_or_default()
    };
    let both_objects = [base, remote]
        .iter()
        .flatten()
        .all(|value| value.is_object());
    if !both_objects || local.is_some_and(|local| !local.is_object()) {
        if local.is_none() {
            fields.push(Field {
                path: path.to_owned(),
                base: base.cloned(),
                remote: remote.cloned(),
                local: None,
                result: remote.cloned(),
                clash: false,
            });
        }
        return;
    }
    let mut all = names(base);
    all.extend(names(remote));
    all.sort();
    all.dedup();
    for name in all {
        let (b, r, l) = (
            member(base, &name),
            member(remote, &name),
            member(local, &name),
        );
        remote_changes(&join(path, &name), b, r, l, fields);
    }
}

/// The remote number moved by as much as the event moved it; exact, or not at all.
fn shift(base: &Value, remote: &Value, local: &Value) -> Option<Value> {
    let text = |value: &Value| match value {
        Value::Number(number) => Some((number.to_string(), false)),
        Value::String(text) => Some((text.clone(), true)),
        _ => None,
    };
    let ((base, a), (remote, b), (local, c)) = (text(base)?, text(remote)?, text(local)?);
    if a != b || b != c {
        return None;
    }
    let (base, remote, local) = (
        Decimal::parse(&base)?,
        Decimal::parse(&remote)?,
        Decimal::parse(&local)?,
    );
    let moved = local.minus(base)?.plus(remote)?;
    if a {
        return Some(Value::String(moved.to_string()));
    }
    let text = moved.shortest().to_string();
    // A JSON number that is not what it says has another canonical form, or none.
    let exact = ves_primitives::jcs::canonicalize(&text).is_ok_and(|canonical| canonical == text);
    exact.then(|| serde_json::from_str(&text).ok()).flatten()
}

/// A decimal number: `units` of 10^-`places`.
#[derive(Clone, Copy)]
struct Decimal {
    units: i128,
    places: u32,
}

impl Decimal {
    const MAX_PLACES: u32 = 18;

    fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let dangling = digits.contains('.') && fraction.is_empty();
        if whole.is_empty() || dangling || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let places = u32::try_from(fraction.len())
            .ok()
            .filter(|n| *n <= Self::MAX_PLACES)?;
        let units: i128 = format!("{whole}{fraction}").parse().ok()?;
        Some(Self {
            units: units.checked_mul(sign)?,
            places,
        })
    }

    fn with_places(self, places: u32) -> Option<i128> {
        let missing = places.checked_sub(self.places)?;
        self.units.checked_mul(10i128.checked_pow(missing)?)
    }

    /// Without zeros at the end of the fraction.
    fn shortest(mut self) -> Self {
        while self.places > 0 && self.units % 10 == 0 {
            self.units /= 10;
            self.places = self.places.saturating_sub(1);
        }
        self
    }

    fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        let units = self
            .with_places(places)?
            .checked_add(other.with_places(places)?)?;
        Some(Self { units, places })
    }

    fn minus(self, other: Self) -> Option<Self> {
        self.plus(Self {
            units: other.units.checked_neg()?,
            places: other.places,
        })
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = usize::try_from(self.places).unwrap_or_default();
        let digits = format!(
            "{:0>width$}",
            self.units.unsigned_abs(),
            width = places.saturating_add(1)
        );
        let sign = if self.units < 0 { "-" } else { "" };
        match digits.split_at_checked(digits.len().saturating_sub(places)) {
            Some((whole, fraction)) if !fraction.is_empty() => {
                write!(f, "{sign}{whole}.{fraction}")
            }
            _ => write!(f, "{sign}{digits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(strategy: Strategy, base: Value, remote: Value, local: Value) -> Outcome {
        merge(strategy, Some(&base), Some(&remote), &local)
    }

    #[test]
    fn a_field_merge_takes_each_sides_changes() {
        let outcome = run(
            Strategy::Merge,
            json!({"status": "new", "total": "10.00", "note": "a", "ship": {"city": "X", "zip": 1}}),
            json!({"status": "paid", "total": "10.00", "note": "a", "ship": {"city": "X", "zip": 2}}),
            json!({"status": "new", "note": "b", "ship": {"city": "Y"}}),
        );
        assert_eq!(outcome.clashes(), Vec::<&str>::new());
        assert_eq!(
            outcome.payload,
            Some(json!({"status": "paid", "note": "b", "ship": {"city": "Y"}}))
        );
        let paths: Vec<&str> = outcome.fields.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["note", "ship.city", "ship.zip", "status"]);
    }

    #[test]
    fn a_field_that_both_sides_changed_is_a_clash_of_a_merge() {
        let sides = (
            json!({"status": "new"}),
            json!({"status": "paid"}),
            json!({"status": "cancelled"}),
        );
        let outcome = run(
            Strategy::Merge,
            sides.0.clone(),
            sides.1.clone(),
            sides.2.clone(),
        );
        assert_eq!(outcome.clashes(), ["status"]);
        let local = run(
            Strategy::LocalWins,
            sides.0.clone(),
            sides.1.clone(),
            sides.2.clone(),
        );
        assert_eq!(local.payload, Some(json!({"status": "cancelled"})));
        let remote = run(Strategy::RemoteWins, sides.0, sides.1, sides.2);
        assert_eq!(remote.payload, None);
        assert_eq!(remote.fields[0].result, Some(json!("paid")));
        let same = run(
            Strategy::Merge,
            json!({"status": "new"}),
            json!({"status": "paid"}),
            json!({"status": "paid"}),
        );
        assert_eq!(same.clashes(), Vec::<&str>::new());
    }

    #[test]
    fn a_reapplied_number_moves_the_remote_one_by_as_much_and_exactly() {
        for (base, remote, local, result) in [
            (json!(10), json!(7), json!(8), json!(5)),
            (json!("10.00"), json!("7.5"), json!("8.25"), json!("5.75")),
            (json!(0.5), json!(0.25), json!(1.5), json!(1.25)),
            (json!(1), json!(0), json!(0), json!(0)),
            (json!(5), json!(5), json!(-3), json!(-3)),
            (json!("0.1"), json!("0.3"), json!("0.0"), json!("0.2")),
            (json!(0.25), json!(0.5), json!(0.75), json!(1)),
        ] {
            let outcome = run(
                Strategy::Reapply,
                json!({"q": base}),
                json!({"q": remote}),
                json!({"q": local}),
            );
            assert_eq!(outcome.payload, Some(json!({"q": result})), "{outcome:?}");
            assert_eq!(outcome.clashes(), Vec::<&str>::new());
        }
    }

    #[test]
    fn what_is_no_number_or_not_exact_cannot_be_reapplied() {
        for (base, remote, local) in [
            (json!("new"), json!("paid"), json!("cancelled")),
            (json!(1), json!("2"), json!(3)),
            (json!(1e300), json!(2), json!(3)),
            (
                json!(0),
                json!(9_007_199_254_740_991_i64),
                json!(9_007_199_254_740_991_i64 - 1),
            ),
            (json!([1]), json!([2]), json!([3])),
        ] {
            let outcome = run(
                Strategy::Reapply,
                json!({"q": base}),
                json!({"q": remote}),
                json!({"q": local}),
            );
            assert_eq!(outcome.clashes(), ["q"], "{outcome:?}");
        }
    }

    #[test]
    fn removals_and_payloads_that_are_no_objects_are_values_too() {
        let removed = run(
            Strategy::Merge,
            json!({"a": 1, "b": 1}),
            json!({"a": 1, "b": 2}),
            json!({"a": null}),
        );
        assert_eq!(removed.payload, Some(json!({"a": null})));
        let whole = merge(Strategy::Merge, Some(&json!(1)), Some(&json!(2)), &json!(3));
        assert_eq!(whole.clashes(), [""]);
        let first = merge(
            Strategy::Merge,
            None,
            Some(&json!({"a": 1})),
            &json!({"a": 2}),
        );
        assert_eq!(first.clashes(), ["a"]);
        let new = merge(
            Strategy::Merge,
            None,
            Some(&json!({"a": 1})),
            &json!({"b": 2}),
        );
        assert_eq!(new.payload, Some(json!({"b": 2})));
        assert_eq!(new.fields.len(), 2);
    }
}
