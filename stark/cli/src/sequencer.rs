// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `sequencer`: a stream of made-up events, cut into batches that are proven, verified and chained.

use crate::{
    batch::{self, Batch, BatchProof},
    cli::Sequencer,
    error::{Failure, Result},
    events, files,
    output::{Report, Ui},
};
use serde_json::{Value, json};
use std::{fs, ops::RangeInclusive, path::Path};
use ves_primitives::{EventId, StoreId, StreamTip, TenantId};

/// Every so many events one breaks its limit, if asked for.
const VIOLATION_EVERY: u64 = 5;

/// `sequencer`.
///
/// # Errors
/// Wrong arguments, files that cannot be written, or a chain that does not verify.
pub(crate) fn run(ui: &Ui, args: &Sequencer) -> Result<Report> {
    let policy = args.kind.with_limit(args.limit)?;
    let stream = (
        TenantId(events::random_uuid()),
        StoreId(events::random_uuid()),
    );
    if let Some(directory) = &args.output_dir {
        fs::create_dir_all(directory).map_err(|error| Failure::write(directory, &error))?;
    }
    let mut made = Vec::new();
    let mut tip = StreamTip::EMPTY;
    let mut report = Report::new("ves.stark.sequencer");
    let mut rows = Vec::new();
    for (number, range) in
        ranges(u64::from(args.num_events), u64::from(args.batch_size)).enumerate()
    {
        ui.progress(&format!("batch {}", number + 1));
        let violates =
            |sequence: &u64| args.include_violations && breaks_limit(*sequence, *range.start());
        let (proven, secrets) = batch::make_up(
            stream,
            range.clone().filter(|sequence| !violates(sequence)),
            policy,
            args.binding.currency,
        )?;
        let unproven: Vec<_> = range
            .clone()
            .filter(violates)
            .map(|sequence| events::made_up_in(stream.0, stream.1, sequence, policy))
            .collect();
        let batch = Batch::new(args.binding.chain.genesis, &tip, proven, unproven)?;
        let (batch, proving) = BatchProof::make(ui, batch, &secrets)?;
        let verifying = batch.verify()?;
        tip = batch.batch.commitment.tip();
        let name = format!("batch_{:04}.json", number + 1);
        let text = format!("{:#}", batch.to_json()?);
        if let Some(directory) = &args.output_dir {
            files::write(&directory.join(&name), &text)?;
        }
        report = report.line(format!(
            "{name}: sequences {} to {}, {} proven, {} over the limit; {} bytes, \
             proven in {proving:.1} ms, verified in {verifying:.2} ms",
            range.start(),
            range.end(),
            batch.batch.proven.len(),
            batch.batch.unproven.len(),
            batch.proof.len(),
        ));
        rows.push(json!({
            "file": name,
            "provingTimeMs": proving,
            "verificationTimeMs": verifying,
            "proofSize": batch.proof.len(),
            "newStateRoot": hex::encode(tip.state_root),
        }));
        made.push((name, batch));
    }
    verify_chain(&made, args.output_dir.as_deref())?;
    let state = final_state(stream, &tip, &made);
    if let Some(directory) = &args.output_dir {
        files::write(&directory.join("final_state.json"), &format!("{state:#}"))?;
    }
    Ok(report
        .field("batches", rows)
        .field("finalState", &state)
        .field("chainValid", true)
        .line(format!(
            "Chain VALID: {} batches, {} events, state root {}",
            made.len(),
            args.num_events,
            hex::encode(tip.state_root)
        )))
}

/// The sequences of each batch.
fn ranges(events: u64, size: u64) -> impl Iterator<Item = RangeInclusive<u64>> {
    (0..events.div_ceil(size)).map(move |batch| batch * size + 1..=((batch + 1) * size).min(events))
}

/// The first event of a batch never does, so that every batch has something to prove.
fn breaks_limit(sequence: u64, first: u64) -> bool {
    sequence.is_multiple_of(VIOLATION_EVERY) && sequence != first
}

/// Verifies every proof and that each batch continues the one before, as read back from the
/// files where there are any.
fn verify_chain(made: &[(String, BatchProof)], directory: Option<&Path>) -> Result<()> {
    let mut tip = StreamTip::EMPTY;
    for (name, batch) in made {
        let value = match directory {
            Some(directory) => {
                let text = files::read_text(&directory.join(name), files::MAX_PROOF_FILE)?;
                crate::json::parse(&text, name)?
            }
            None => batch.to_json()?,
        };
        let batch = BatchProof::from_json(&value)?;
        batch.verify()?;
        let commitment = &batch.batch.commitment;
        commitment.check_continues(&tip).map_err(|error| {
            Failure::invalid("discontinuous", format!("Proof INVALID: {name}: {error}"))
        })?;
        tip = commitment.tip();
    }
    Ok(())
}

fn final_state(
    (tenant, store): (TenantId, StoreId),
    tip: &StreamTip,
    made: &[(String, BatchProof)],
) -> Value {
    let violations: Vec<EventId> = made
        .iter()
        .flat_map(|(_, batch)| &batch.batch.unproven)
        .map(|inputs| inputs.event_id)
        .collect();
    let proven: usize = made.iter().map(|(_, batch)| batch.batch.proven.len()).sum();
    json!({
        "version": 1,
        "tenantId": tenant,
        "storeId": store,
        "batches": tip.batch_count,
        "sequence": tip.sequence,
        "stateRoot": hex::encode(tip.state_root),
        "proven": proven,
        "violations": violations,
        "allCompliant": violations.is_empty(),
        "files": made.iter().map(|(name, _)| name).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_every_sequence_once() {
        let all: Vec<u64> = ranges(17, 8).flatten().collect();
        assert_eq!(all, (1..=17).collect::<Vec<_>>());
    }

    #[test]
    fn every_batch_has_a_compliant_event() {
        for size in 1..=12 {
            for range in ranges(60, size) {
                let first = *range.start();
                assert!(
                    range
                        .into_iter()
                        .any(|sequence| !breaks_limit(sequence, first))
                );
            }
        }
    }
}
