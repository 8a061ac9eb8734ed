// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verifying one event from a bundle: every rule as a line of claim, evidence and verdict.

pub use ves_verify::{
    Check, TrustAnchors, TrustedAuthorities, Verdict, Verification, caveats, offline,
};

use crate::{
    chain::{Chain, ChainResult},
    error::{Exit, Failure, Result},
    home::read_bounded,
    rules::{self, Problem, Reason},
};
use std::path::Path;
use ves_primitives::{
    SubmittedEvent,
    wire::{BundleJson, SequencedEventJson},
};
use ves_verify::MAX_BUNDLE_BYTES;

/// The failure to exit with, if a rule is broken.
pub fn failure(verification: &Verification) -> Option<Failure> {
    verification.first_failure().map(|check| {
        let reason = check.reason.map(Reason::name).unwrap_or_default();
        Failure::new(
            Exit::NotVerified,
            "verification_failed",
            format!("{}: {reason}: {}", check.name, check.evidence),
        )
        .hint("do not rely on this event; fetch it again, if possible from another node")
    })
}

/// Reads a bundle file.
///
/// # Errors
/// `bundle_invalid` for anything that is not a bundle.
pub fn read_bundle(path: &Path) -> Result<BundleJson> {
    parse_bundle(&read_bounded(path, MAX_BUNDLE_BYTES)?)
}

/// Parses the bytes of a bundle. Total: any bytes in, a bundle or a named failure out.
///
/// # Errors
/// `bundle_invalid`.
pub fn parse_bundle(bytes: &[u8]) -> Result<BundleJson> {
    ves_verify::parse_bundle(bytes).map_err(|why| {
        Failure::new(
            Exit::NotVerified,
            "bundle_invalid",
            format!("not a bundle: {why}"),
        )
        .hint("a bundle is the file that `stateset-sync export` writes")
    })
}

/// Adds what a node can tell: that the block is the chain's and final, and that the registry shows
/// the same key.
///
/// # Errors
/// The node's silence.
pub async fn online<C: Chain>(
    v: &mut Verification,
    bundle: &BundleJson,
    chain: &C,
) -> ChainResult<()> {
    let finalized = chain.finalized().await?;
    let genesis = chain.genesis_hash();
    let same_chain = if genesis == bundle.genesis_hash {
        Ok(())
    } else {
        Err(Problem::new(
            Reason::GenesisMismatch,
            format!("the node's chain is {genesis}"),
        ))
    };
    v.rule(
        "node_genesis",
        "the node is on the same chain",
        same_chain,
        |()| genesis.to_string(),
    );

    let number = bundle.inclusion.batch.batch.block_number;
    let ruling = if number > finalized.number {
        Err(Problem::new(
            Reason::NotFinal,
            format!(
                "block {number} is above the final block {}",
                finalized.number
            ),
        ))
    } else if chain.block_hash(number).await? == Some(bundle.inclusion.batch.block_hash) {
        Ok(())
    } else {
        Err(Problem::new(
            Reason::NotCanonical,
            format!("the node's block {number} has another hash"),
        ))
    };
    v.rule(
        "finality",
        "the block is the chain's at its height, and final",
        ruling,
        |()| format!("block {number}, final up to {}", finalized.number),
    );

    let event = &bundle.event.event;
    let key = chain
        .signing_key(
            event.tenant_id,
            event.source_agent_id,
            event.agent_key_id,
            finalized,
        )
        .await?;
    let ruling = match key {
        None => Err(Problem::new(
            Reason::KeyUnresolved,
            "the registry does not know the key",
        )),
        Some(key) if key.public_key != bundle.signing_key.public_key => Err(Problem::new(
            Reason::AgentKeyMismatch,
            format!("the registry shows {}", key.public_key),
        )),
        Some(key) => rules::author_key(&key, &rules::recorded_at(&bundle.event)),
    };
    v.rule(
        "registry_key",
        "the registry shows the same key, valid at that block",
        ruling,
        |()| format!("agent {} key {}", event.source_agent_id, event.agent_key_id),
    );
    Ok(())
}

/// A record alone, outside a bundle, as `show` prints it.
pub fn record_event(record: &SequencedEventJson) -> Result<SubmittedEvent> {
    rules::event_form(record).map_err(|problem| match problem.reason {
        Reason::PayloadPruned => Failure::new(Exit::NotVerified, "payload_pruned", problem.detail)
            .hint("give the address of a node that keeps payloads with --node"),
        _ => Failure::new(Exit::NotVerified, "event_malformed", problem.detail),
    })
}

#[cfg(test)]
mod tests;
