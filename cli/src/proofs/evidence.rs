// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The proofs that go into a bundle.

use crate::{
    chain::proofs::ProofChain,
    error::{Failure, Result},
};
use codec::Encode;
use ves_primitives::wire::{BundleJson, ProofJson};

/// Every proof about the bundle's event that the node still has, with the key behind it.
///
/// # Errors
/// The node's silence.
pub async fn of_event<C: ProofChain>(chain: &C, bundle: &BundleJson) -> Result<Vec<ProofJson>> {
    let finalized = chain.finalized().await?;
    let (stream, event) = (bundle.event.stream_id, &bundle.event.event);
    let records = chain
        .proofs_of_events(stream, &[event.event_id], finalized)
        .await?;
    let mut proofs = Vec::with_capacity(records.len());
    for record in &records {
        let block = chain.proofs_in_block(record.block).await?;
        // More than one only if somebody carried an altered copy into the same block.
        let submission = block.as_ref().and_then(|block| {
            block
                .behind(record)
                .find(|s| super::settle::is_verdict_on(record, s))
        });
        let Some(submission) = submission else {
            continue;
        };
        let signing_key = if submission.key_id == event.agent_key_id {
            None
        } else {
            let agent = event.source_agent_id;
            let key = chain
                .signing_key(event.tenant_id, agent, submission.key_id, finalized)
                .await?;
            Some(key.ok_or_else(|| {
                Failure::unexpected(format!(
                    "the registry does not know key {} of agent {agent}",
                    submission.key_id
                ))
            })?)
        };
        proofs.push(ProofJson {
            block_number: record.block,
            submission: submission.encode(),
            signing_key,
        });
    }
    Ok(proofs)
}
