// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which compliance proofs a block refused, from the events in its state.
//!
//! No runtime answers this question, so that they are read as the figures about verdicts are: in the words
//! of the runtime that this program was built with (`docs/adr/0060-refused-proofs.md`).

use crate::{chain_metrics::block_events, service::FullClient};
use pallet_stark_verifier::Event as ProofEvent;
use polkadot_sdk::{
    frame_system::{EventRecord, Phase},
    sp_core::H256,
};
use std::sync::Arc;
use ves_event_store::{ProofSubject, RefusedProof};
use ves_indexer::ingest::RefusedProofs;
use ves_runtime::{Runtime, RuntimeEvent};

/// Those of a node's blocks.
pub(crate) fn of(client: Arc<FullClient>) -> RefusedProofs {
    Arc::new(move |block| Ok(refusals(block_events(&client, block)?)))
}

/// Those that a block's events tell of.
fn refusals(records: Vec<EventRecord<RuntimeEvent, H256>>) -> Vec<RefusedProof> {
    let refused = records.into_iter().filter_map(|record| {
        let Phase::ApplyExtrinsic(extrinsic) = record.phase else {
            return None;
        };
        match record.event {
            RuntimeEvent::StarkVerifier(event) => refusal(extrinsic, event),
            _ => None,
        }
    });
    refused.collect()
}

fn refusal(extrinsic_index: u32, event: ProofEvent<Runtime>) -> Option<RefusedProof> {
    match event {
        ProofEvent::ProofRejected {
            stream_id,
            event_id,
            agent_id,
            reason,
            units,
        } => Some(RefusedProof {
            stream_id,
            subject: ProofSubject::Event(event_id),
            agent_id,
            extrinsic_index,
            reason,
            units,
        }),
        ProofEvent::BatchProofRejected {
            stream_id,
            batch_index,
            agent_id,
            reason,
            units,
        } => Some(RefusedProof {
            stream_id,
            subject: ProofSubject::Batch(batch_index),
            agent_id,
            extrinsic_index,
            reason,
            units,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::{Decode, Encode};
    use polkadot_sdk::frame_system;
    use ves_primitives::{AgentId, EventId, PolicyHash, ProofHash, StreamId, proof::ProofRefusal};

    const STREAM: StreamId = StreamId([1; 32]);
    const AGENT: AgentId = AgentId([2; 16]);
    const EVENT: EventId = EventId([3; 16]);

    fn record(phase: Phase, event: impl Into<RuntimeEvent>) -> EventRecord<RuntimeEvent, H256> {
        EventRecord {
            phase,
            event: event.into(),
            topics: Vec::new(),
        }
    }

    #[test]
    fn of_a_blocks_events_only_refusals_by_extrinsics_are_taken_in_their_order() {
        let refused = |batch_index| ProofEvent::<Runtime>::BatchProofRejected {
            stream_id: STREAM,
            batch_index,
            agent_id: AGENT,
            reason: ProofRefusal::ProofInvalid,
            units: 8,
        };
        let other = || frame_system::Event::<Runtime>::CodeUpdated {
            hash: H256::repeat_byte(7),
        };
        let records = vec![
            record(Phase::Initialization, other()),
            record(Phase::Initialization, refused(1)),
            record(Phase::ApplyExtrinsic(2), refused(2)),
            record(Phase::ApplyExtrinsic(2), other()),
            record(Phase::ApplyExtrinsic(3), refused(3)),
            record(Phase::Finalization, refused(4)),
        ];
        // As a block's state holds them.
        let stored = records.encode();
        let read = Vec::<EventRecord<RuntimeEvent, H256>>::decode(&mut stored.as_slice()).unwrap();
        let taken: Vec<_> = refusals(read)
            .into_iter()
            .map(|refusal| (refusal.extrinsic_index, refusal.subject))
            .collect();
        assert_eq!(
            taken,
            [(2, ProofSubject::Batch(2)), (3, ProofSubject::Batch(3))]
        );
    }

    #[test]
    fn refusals_say_what_they_are_about_and_what_they_cost() {
        let of_event = refusal(
            4,
            ProofEvent::ProofRejected {
                stream_id: STREAM,
                event_id: EVENT,
                agent_id: AGENT,
                reason: ProofRefusal::ProofInvalid,
                units: 8,
            },
        );
        let expected = RefusedProof {
            stream_id: STREAM,
            subject: ProofSubject::Event(EVENT),
            agent_id: AGENT,
            extrinsic_index: 4,
            reason: ProofRefusal::ProofInvalid,
            units: 8,
        };
        assert_eq!(of_event, Some(expected.clone()));
        let of_batch = refusal(
            4,
            ProofEvent::BatchProofRejected {
                stream_id: STREAM,
                batch_index: 6,
                agent_id: AGENT,
                reason: ProofRefusal::ProofInvalid,
                units: 8,
            },
        );
        let subject = ProofSubject::Batch(6);
        assert_eq!(
            of_batch,
            Some(RefusedProof {
                subject,
                ..expected
            })
        );
    }

    #[test]
    fn a_proof_that_holds_is_no_refusal() {
        let verified = ProofEvent::ProofVerified {
            stream_id: STREAM,
            event_id: EVENT,
            sequence: 1,
            agent_id: AGENT,
            policy_hash: PolicyHash([4; 32]),
            limit: 5,
            proof_hash: ProofHash([6; 32]),
            bytes: 7,
        };
        assert_eq!(refusal(4, verified), None);
    }
}
