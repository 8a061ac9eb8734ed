// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `benchmark`: proving, verifying and sizes of made-up events.

use crate::{
    batch::effective_limit,
    bundle::Subject,
    cli::Benchmark,
    error::Result,
    events,
    output::{Report, Ui},
    prove,
    secret::Secret,
};
use rand::Rng;
use serde_json::{Value, json};
use std::time::Instant;
use ves_primitives::{CurrencyTag, GenesisHash};

/// `benchmark`.
///
/// # Errors
/// A wrong policy.
pub(crate) fn run(ui: &Ui, args: &Benchmark) -> Result<Report> {
    let policy = args.kind.with_limit(args.limit)?;
    let max = args.max_amount.min(effective_limit(&policy)?);
    let currency = CurrencyTag::new("USD", 2)
        .map_err(|error| crate::error::Failure::usage("currency", error.to_string()))?;
    let (mut proving, mut verifying, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.count {
        ui.progress(&format!("proof {round} of {}", args.count));
        let secret = Secret::random(rand::thread_rng().gen_range(0..=max))?;
        let mut inputs = events::made_up(policy);
        inputs.commitment = Some(secret.commit(currency)?);
        let subject = Subject {
            inputs,
            currency,
            genesis: GenesisHash([0; 32]),
            totals: None,
        };
        let statement = subject.statement()?;
        let (proof, milliseconds) = prove::prove(&Ui::new(true), &statement, &[secret.opening()?])?;
        proving.push(milliseconds);
        let started = Instant::now();
        ves_stark_verifier::verify(&proof, &statement)?;
        verifying.push(started.elapsed().as_secs_f64() * 1e3);
        sizes.push(proof.len() as f64);
    }
    let report = Report::new("ves.stark.benchmark")
        .field("count", args.count)
        .field("policyId", policy.id())
        .field(
            "unit",
            json!({ "prove": "ms", "verify": "ms", "proofSize": "bytes" }),
        )
        .line(format!(
            "{:<14}{:>12}{:>12}{:>12}{:>12}",
            "", "median", "p95", "min", "max"
        ));
    let report = row(report, "prove", "prove, ms", 3, proving);
    let report = row(report, "verify", "verify, ms", 3, verifying);
    Ok(row(report, "proofSize", "size, bytes", 0, sizes))
}

fn row(report: Report, name: &str, label: &str, digits: usize, mut values: Vec<f64>) -> Report {
    values.sort_by(f64::total_cmp);
    let [median, p95, min, max] = [50, 95, 0, 100].map(|percent| percentile(&values, percent));
    let value: Value = json!({ "median": median, "p95": p95, "min": min, "max": max });
    report.field(name, value).line(format!(
        "{label:<14}{median:>12.digits$}{p95:>12.digits$}{min:>12.digits$}{max:>12.digits$}"
    ))
}

/// Nearest-rank percentile of sorted values; the median of an even count is its lower middle.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(
            [0, 50, 95, 100].map(|percent| percentile(&values, percent)),
            [1.0, 10.0, 19.0, 20.0]
        );
        assert_eq!(percentile(&[3.0], 95), 3.0);
    }
}
