// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Rations: of an agent, of a block, of governance.

use super::{batch_refused, refused};
use crate::{Error, Event, ProofsInBlock, QuotaSpent, Spending, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, pallet_prelude::InvalidTransaction},
    sp_runtime::DispatchError::BadOrigin,
};
use ves_primitives::{
    limits,
    proof::{ProofQuota, ProofRefusal},
};
use ves_stark_air::CIRCUIT_VERSION;

fn spend(units: u32) {
    QuotaSpent::<Test>::insert(TENANT, AGENT, Spending { window: 0, units });
}

#[test]
fn an_agent_without_quota_is_refused_until_the_next_window() {
    chain(|| {
        sequence(&[event(1)]);
        spend(limits::PROOF_QUOTA_UNITS);
        refused(&proven(&event(1)), ProofRefusal::QuotaExhausted);
        batch_refused(&proven_batch(&[event(1)], 0), ProofRefusal::QuotaExhausted);
        System::set_block_number(u64::from(limits::PROOF_QUOTA_WINDOW_BLOCKS));
        assert!(pool(&proven(&event(1))).is_ok());
        submit(&proven(&event(1)));
        assert!(matches!(outcome(), Event::ProofVerified { .. }));
        assert_eq!(
            Verifier::quota(TENANT, AGENT),
            ProofQuota {
                spent: 1,
                left: limits::PROOF_QUOTA_UNITS - 1,
                renewed_at: 2 * limits::PROOF_QUOTA_WINDOW_BLOCKS,
            }
        );
    });
}

#[test]
fn the_last_unit_buys_one_proof() {
    chain(|| {
        sequence(&[event(1), event(2)]);
        spend(limits::PROOF_QUOTA_UNITS - 1);
        submit(&proven(&event(1)));
        assert_eq!(Verifier::quota(TENANT, AGENT).left, 0);
        refused(&proven(&event(2)), ProofRefusal::QuotaExhausted);
    });
}

#[test]
fn one_agents_quota_is_not_anothers() {
    chain(|| {
        let others = event_of(OTHER_AGENT, STORE, 1);
        sequence(std::slice::from_ref(&others));
        spend(limits::PROOF_QUOTA_UNITS);
        submit(&proven(&others));
        assert!(matches!(outcome(), Event::ProofVerified { .. }));
        assert_eq!(spent(OTHER_AGENT), 1);
    });
}

#[test]
fn a_block_takes_a_limited_number_of_submissions() {
    chain(|| {
        sequence(&[event(1)]);
        let (single, batch) = (proven(&event(1)), proven_batch(&[event(1)], 0));
        ProofsInBlock::<Test>::put(limits::MAX_PROOFS_PER_BLOCK - 1);
        assert!(pool(&single).is_ok() && batch_pool(&batch).is_ok());
        submit(&single);
        assert_eq!(ProofsInBlock::<Test>::get(), limits::MAX_PROOFS_PER_BLOCK);
        let full = Err(InvalidTransaction::ExhaustsResources.into());
        assert_eq!(pool(&single), full);
        assert_eq!(batch_pool(&batch), full);
        next_block();
        assert!(batch_pool(&batch).is_ok());
    });
}

#[test]
fn governance_stops_a_circuit_and_starts_it_again() {
    chain(|| {
        sequence(&[event(1)]);
        let (single, batch) = (proven(&event(1)), proven_batch(&[event(1)], 0));
        let set = |enabled| {
            Verifier::set_circuit_enabled(RuntimeOrigin::root(), CIRCUIT_VERSION, enabled).unwrap();
            let version = CIRCUIT_VERSION;
            assert_eq!(outcome(), Event::CircuitSet { version, enabled });
        };
        set(false);
        refused(&single, ProofRefusal::CircuitDisabled);
        batch_refused(&batch, ProofRefusal::CircuitDisabled);
        set(true);
        assert!(pool(&single).is_ok() && batch_pool(&batch).is_ok());
    });
}

#[test]
fn nobody_else_sets_a_circuit_and_no_other_circuit_is_set() {
    chain(|| {
        let signed = RuntimeOrigin::signed(ADMIN);
        assert_noop!(
            Verifier::set_circuit_enabled(signed, CIRCUIT_VERSION, false),
            BadOrigin
        );
        assert_noop!(
            Verifier::set_circuit_enabled(RuntimeOrigin::root(), CIRCUIT_VERSION + 1, false),
            Error::<Test>::UnknownCircuit
        );
    });
}
