// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The hand-over from a signing key to its successor.

use crate::{
    Agents, Config, Event, KeyPolicies, Pallet, SigningKeys, Successors, Tenants,
    frame_support::{
        ensure,
        pallet_prelude::{
            InvalidTransaction, TransactionSource, TransactionValidityWithRefund, ValidTransaction,
        },
        weights::Weight,
    },
    keys::verify,
    types::Agent,
};
use alloc::vec;
use codec::Encode;
use ves_primitives::{
    limits,
    registry::{
        AuthorProblem, KeyProblem, KeyRotation, RotationRefusal, SigningKeyRecord, ValidityWindow,
    },
};

/// Blocks that a rotation may wait in the pool.
const LONGEVITY: u64 = 64;
/// Above every event: a rotation is rare, since each key makes one, and may be urgent.
const PRIORITY: u64 = u64::MAX / 2;
/// Leads the tag of the key that hands over.
const OUTGOING_TAG: &[u8] = b"ves/rotate/outgoing";
/// Leads the tag of its successor's number.
const SUCCESSOR_TAG: &[u8] = b"ves/rotate/successor";

/// What a rotation that may go ahead changes.
struct Reviewed {
    agent: Agent,
    outgoing: SigningKeyRecord,
}

impl<T: Config> Pallet<T> {
    /// The checks that need no curve arithmetic.
    fn review_rotation(rotation: &KeyRotation) -> Result<Reviewed, RotationRefusal> {
        ensure!(
            rotation.grace_seconds <= limits::MAX_ROTATION_GRACE_SECONDS,
            RotationRefusal::Grace
        );
        let tenant = Tenants::<T>::get(rotation.tenant_id).ok_or(AuthorProblem::UnknownTenant)?;
        ensure!(!tenant.suspended, AuthorProblem::TenantSuspended);
        let agent = Agents::<T>::get(rotation.tenant_id, rotation.agent_id)
            .ok_or(AuthorProblem::UnknownAgent)?;
        ensure!(!agent.suspended, AuthorProblem::AgentSuspended);
        let name = (rotation.tenant_id, rotation.agent_id);
        let outgoing =
            SigningKeys::<T>::get(name, rotation.outgoing).ok_or(KeyProblem::NotFound)?;
        outgoing.check_at(&Self::recorded_now())?;
        // Who has decided to withdraw a key does not want its successor either.
        ensure!(outgoing.revocation.is_none(), KeyProblem::Revoked);
        ensure!(
            !Successors::<T>::contains_key(name, rotation.outgoing),
            RotationRefusal::HandedOver
        );
        ensure!(
            !SigningKeys::<T>::contains_key(name, rotation.successor),
            RotationRefusal::NumberTaken
        );
        ensure!(
            agent.signing_keys
                < limits::MAX_KEYS_PER_AGENT.saturating_sub(limits::ADMIN_RESERVED_KEYS),
            RotationRefusal::NumbersExhausted
        );
        Ok(Reviewed { agent, outgoing })
    }

    /// Both signatures and the successor's admission, the cheap and decisive one first.
    fn vouch_rotation(
        rotation: &KeyRotation,
        outgoing: &SigningKeyRecord,
    ) -> Result<(), RotationRefusal> {
        let statement = rotation.statement(Self::genesis_hash());
        ensure!(
            verify(&outgoing.public_key, &statement.hash(), &rotation.handover),
            RotationRefusal::InvalidHandover
        );
        rotation.public_key.check()?;
        ensure!(
            verify(
                &rotation.public_key,
                &statement.successor.hash(),
                &rotation.possession
            ),
            RotationRefusal::InvalidPossession
        );
        Ok(())
    }

    /// Admits a rotation that would succeed now. In the block the signatures are left to the
    /// dispatch, which checks them anyway.
    pub(crate) fn authorize_rotation(
        source: TransactionSource,
        rotation: &KeyRotation,
    ) -> TransactionValidityWithRefund {
        let refused = |refusal: RotationRefusal| InvalidTransaction::Custom(refusal.pool_code());
        let reviewed = Self::review_rotation(rotation).map_err(refused)?;
        if source != TransactionSource::InBlock {
            Self::vouch_rotation(rotation, &reviewed.outgoing).map_err(refused)?;
        }
        let name = (rotation.tenant_id, rotation.agent_id);
        let valid = ValidTransaction {
            priority: PRIORITY,
            requires: vec![],
            provides: vec![
                (OUTGOING_TAG, name, rotation.outgoing).encode(),
                (SUCCESSOR_TAG, name, rotation.successor).encode(),
            ],
            longevity: LONGEVITY,
            propagate: true,
        };
        Ok((valid, Weight::zero()))
    }

    pub(crate) fn do_rotate_signing_key(rotation: &KeyRotation) -> Result<(), RotationRefusal> {
        let Reviewed {
            mut agent,
            mut outgoing,
        } = Self::review_rotation(rotation)?;
        Self::vouch_rotation(rotation, &outgoing)?;
        let (tenant_id, agent_id) = (rotation.tenant_id, rotation.agent_id);
        let name = (tenant_id, agent_id);
        let now = Self::recorded_now();

        // What the admin granted ends when it would have ended without the rotation.
        let successor = SigningKeyRecord {
            public_key: rotation.public_key,
            window: ValidityWindow {
                valid_from: None,
                valid_to: outgoing.window.valid_to,
            },
            registered_at: now,
            revocation: None,
        };
        let grace_ms = u64::from(rotation.grace_seconds).saturating_mul(1_000);
        outgoing.window.end_by(now.time_ms.saturating_add(grace_ms));
        let outgoing_valid_to = outgoing.window.valid_to.unwrap_or(now.time_ms);

        agent.signing_keys = agent.signing_keys.saturating_add(1);
        Agents::<T>::insert(tenant_id, agent_id, agent);
        SigningKeys::<T>::insert(name, rotation.outgoing, outgoing);
        SigningKeys::<T>::insert(name, rotation.successor, successor);
        Successors::<T>::insert(name, rotation.outgoing, rotation.successor);
        Self::deposit_event(Event::SigningKeyRegistered {
            tenant: tenant_id,
            agent: agent_id,
            key_id: rotation.successor,
            public_key: rotation.public_key,
        });
        if let Some(policy) = KeyPolicies::<T>::get(name, rotation.outgoing) {
            KeyPolicies::<T>::insert(name, rotation.successor, &policy);
            Self::deposit_event(Event::KeyPolicyChanged {
                tenant: tenant_id,
                agent: agent_id,
                key_id: rotation.successor,
                policy: Some(policy),
            });
        }
        Self::deposit_event(Event::SigningKeyRotated {
            tenant: tenant_id,
            agent: agent_id,
            outgoing: rotation.outgoing,
            outgoing_valid_to,
            successor: rotation.successor,
        });
        Ok(())
    }
}
