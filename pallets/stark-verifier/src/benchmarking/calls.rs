// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What proofs cost, at the worst: every proof holds, and so passes every step; every position it
//! opens is a different one; every entry of a batch has an agent of its own.

use super::fixtures::{self, BatchFixture, EventFixture};
use crate::{
    BatchProofs, BudgetTotals, Call, Config, DisabledCircuits, Pallet, Proofs, ProofsInBlock,
    ProofsOfEvent, QuotaSpent, Spending,
    frame_support::{
        pallet_prelude::TransactionSource,
        traits::{EnsureOrigin, Hooks},
    },
    frame_system::{self, RawOrigin},
    polkadot_sdk::{self, frame_benchmarking::v2::*},
    sp_runtime::SaturatedConversion,
};
use alloc::{boxed::Box, vec};
use ves_primitives::{
    AgentId, BatchCommitment, EventId, KeyId, SigningPublicKey, StoreId, StreamId, TenantId,
    limits, sequencer::EventRecord,
};
use ves_stark_air::CIRCUIT_VERSION;

/// Puts what a proof is about into the state of the pallets that the verifier asks.
pub trait BenchmarkHelper {
    /// A store whose agent signs with a key.
    fn register(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key_id: KeyId,
        key: SigningPublicKey,
    );
    /// A sequenced event.
    fn remember_event(stream: StreamId, event: EventId, record: EventRecord);
    /// A committed batch.
    fn remember_batch(batch: &BatchCommitment);
}

/// The chain that the fixtures were made for has a genesis hash of zeros.
fn genesis_of_zeros<T: Config>() {
    frame_system::BlockHash::<T>::insert(
        frame_system::pallet_prelude::BlockNumberFor::<T>::from(0u32),
        <T as frame_system::Config>::Hash::default(),
    );
    frame_system::Pallet::<T>::set_block_number(limits::PROOF_QUOTA_WINDOW_BLOCKS.into());
}

/// The agent has spent all but the last units of an older window.
fn busy<T: Config>(tenant: TenantId, agent: AgentId) {
    let spent = Spending {
        window: 0,
        units: limits::PROOF_QUOTA_UNITS - 1,
    };
    QuotaSpent::<T>::insert(tenant, agent, spent);
    ProofsInBlock::<T>::put(limits::MAX_PROOFS_PER_BLOCK - 1);
}

fn install_event<T: Config>(fixture: &EventFixture) {
    genesis_of_zeros::<T>();
    let envelope = &fixture.submission.envelope;
    T::BenchmarkHelper::register(
        envelope.tenant_id,
        envelope.store_id,
        envelope.source_agent_id,
        fixture.submission.key_id,
        fixture.key,
    );
    let stream = envelope.stream_id();
    T::BenchmarkHelper::remember_event(stream, envelope.event_id, fixture.record);
    let others = vec![[7; 32]; limits::MAX_PROOFS_PER_EVENT as usize - 1];
    ProofsOfEvent::<T>::insert(
        stream,
        envelope.event_id,
        crate::ProofKeys::truncate_from(others),
    );
    if let Some(step) = &fixture.submission.budget {
        let policy = fixture.submission.policy.hash();
        BudgetTotals::<T>::insert((stream, envelope.source_agent_id, policy), step.previous);
    }
    busy::<T>(envelope.tenant_id, envelope.source_agent_id);
}

fn install_batch<T: Config>(fixture: &BatchFixture) {
    genesis_of_zeros::<T>();
    let submission = &fixture.submission;
    for (agent, key) in &fixture.keys {
        T::BenchmarkHelper::register(
            submission.tenant_id,
            submission.store_id,
            *agent,
            submission.key_id,
            *key,
        );
    }
    T::BenchmarkHelper::remember_batch(&fixture.batch);
    busy::<T>(submission.tenant_id, submission.agent_id);
}

fn proven_event<T: Config>(fixture: &EventFixture) -> bool {
    let envelope = &fixture.submission.envelope;
    Proofs::<T>::iter_prefix_values(envelope.stream_id()).count() == 1
}

fn proven_batch<T: Config>(fixture: &BatchFixture) -> bool {
    BatchProofs::<T>::contains_key(fixture.batch.stream_id(), fixture.batch.batch_index)
}

fn submit_batch<T: Config>(fixture: BatchFixture) {
    let submission = Box::new(fixture.submission);
    Pallet::<T>::submit_batch_proof(RawOrigin::Authorized.into(), submission)
        .expect("an authorised submission is settled");
}

fn authorize_batch<T: Config>(source: TransactionSource, fixture: &BatchFixture) {
    Pallet::<T>::authorize_batch_proof(source, &fixture.submission)
        .expect("a good submission is admitted");
}

#[benchmarks]
mod calls {
    use super::*;

    #[benchmark]
    fn submit_proof() {
        let fixture = fixtures::event();
        install_event::<T>(&fixture);
        let submission = Box::new(fixture.submission.clone());
        #[extrinsic_call]
        _(RawOrigin::Authorized, submission);
        assert!(proven_event::<T>(&fixture));
    }

    #[benchmark]
    fn submit_budget_proof() {
        let fixture = fixtures::budget();
        install_event::<T>(&fixture);
        let submission = Box::new(fixture.submission.clone());
        #[extrinsic_call]
        submit_proof(RawOrigin::Authorized, submission);
        assert!(proven_event::<T>(&fixture));
    }

    /// In a block, where signatures and form are left to the dispatch.
    #[benchmark]
    fn authorize_proof() {
        let fixture = fixtures::budget();
        install_event::<T>(&fixture);
        #[block]
        {
            Pallet::<T>::authorize_proof(TransactionSource::InBlock, &fixture.submission)
                .expect("a good submission is admitted");
        }
    }

    /// As `authorize_proof`.
    #[benchmark]
    fn authorize_batch_proof() {
        let fixture = fixtures::batch_128();
        install_batch::<T>(&fixture);
        #[block]
        {
            authorize_batch::<T>(TransactionSource::InBlock, &fixture);
        }
    }

    /// What the pool does, which no weight covers.
    #[benchmark(extra)]
    fn admit_proof() {
        let fixture = fixtures::event();
        install_event::<T>(&fixture);
        #[block]
        {
            Pallet::<T>::authorize_proof(TransactionSource::External, &fixture.submission)
                .expect("a good submission is admitted");
        }
    }

    /// As `admit_proof`.
    #[benchmark(extra)]
    fn admit_batch_proof() {
        let fixture = fixtures::batch_128();
        install_batch::<T>(&fixture);
        #[block]
        {
            authorize_batch::<T>(TransactionSource::External, &fixture);
        }
    }

    /// The proof alone, its public inputs included.
    #[benchmark(extra)]
    fn verify_proof() {
        let fixture = fixtures::event();
        install_event::<T>(&fixture);
        let verdict;
        #[block]
        {
            verdict = Pallet::<T>::verify_proof(&fixture.submission, fixture.record.sequence);
        }
        assert_eq!(verdict, Ok(()));
    }

    /// As `verify_proof`.
    #[benchmark(extra)]
    fn verify_batch_proof_12() {
        let fixture = fixtures::batch_12();
        install_batch::<T>(&fixture);
        let verdict;
        #[block]
        {
            verdict = Pallet::<T>::verify_batch_proof(&fixture.submission, &fixture.batch);
        }
        assert_eq!(verdict, Ok(()));
    }

    /// As `verify_proof`.
    #[benchmark(extra)]
    fn verify_batch_proof_128() {
        let fixture = fixtures::batch_128();
        install_batch::<T>(&fixture);
        let verdict;
        #[block]
        {
            verdict = Pallet::<T>::verify_batch_proof(&fixture.submission, &fixture.batch);
        }
        assert_eq!(verdict, Ok(()));
    }

    #[benchmark]
    fn submit_batch_proof_12() {
        let fixture = fixtures::batch_12();
        install_batch::<T>(&fixture);
        let settled = fixture.clone();
        #[block]
        {
            submit_batch::<T>(fixture);
        }
        assert!(proven_batch::<T>(&settled));
    }

    #[benchmark]
    fn submit_batch_proof_28() {
        let fixture = fixtures::batch_28();
        install_batch::<T>(&fixture);
        let settled = fixture.clone();
        #[block]
        {
            submit_batch::<T>(fixture);
        }
        assert!(proven_batch::<T>(&settled));
    }

    #[benchmark]
    fn submit_batch_proof_60() {
        let fixture = fixtures::batch_60();
        install_batch::<T>(&fixture);
        let settled = fixture.clone();
        #[block]
        {
            submit_batch::<T>(fixture);
        }
        assert!(proven_batch::<T>(&settled));
    }

    #[benchmark]
    fn submit_batch_proof_124() {
        let fixture = fixtures::batch_124();
        install_batch::<T>(&fixture);
        let settled = fixture.clone();
        #[block]
        {
            submit_batch::<T>(fixture);
        }
        assert!(proven_batch::<T>(&settled));
    }

    #[benchmark]
    fn submit_batch_proof_128() {
        let fixture = fixtures::batch_128();
        install_batch::<T>(&fixture);
        let settled = fixture.clone();
        #[block]
        {
            submit_batch::<T>(fixture);
        }
        assert!(proven_batch::<T>(&settled));
    }

    #[benchmark]
    fn set_circuit_enabled() -> Result<(), BenchmarkError> {
        let origin = T::GovernanceOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Weightless)?;
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, CIRCUIT_VERSION, false);
        assert!(DisabledCircuits::<T>::contains_key(CIRCUIT_VERSION));
        Ok(())
    }

    #[benchmark]
    fn end_block() {
        ProofsInBlock::<T>::put(limits::MAX_PROOFS_PER_BLOCK);
        #[block]
        {
            Pallet::<T>::on_finalize(1u32.saturated_into());
        }
        assert!(!ProofsInBlock::<T>::exists());
    }
}
