// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Why a call fails.

use crate::frame_support;

#[frame_support::pallet_macros::pallet_section]
mod errors {
    #[pallet::error]
    pub enum Error<T> {
        /// The tenant is already registered.
        TenantExists,
        /// The tenant is not registered. Governance registers tenants.
        TenantNotFound,
        /// Governance has suspended the tenant.
        TenantSuspended,
        /// The signer is not the tenant's admin.
        NotTenantAdmin,
        /// The store is already registered.
        StoreExists,
        /// The agent is already registered.
        AgentExists,
        /// The agent is not registered. The tenant's admin registers agents.
        AgentNotFound,
        /// The agent is suspended.
        AgentSuspended,
        /// This key number was used before. Numbers are never reused: take the next one.
        KeyExists,
        /// The agent has no key with this number.
        KeyNotFound,
        /// The key is already revoked.
        KeyRevoked,
        /// The signing key that vouches for an encryption key cannot sign now.
        VouchingKeyInvalid,
        /// The key bytes name no curve point.
        KeyNotAPoint,
        /// The key bytes are not the canonical encoding of their point.
        KeyNonCanonical,
        /// The key is a small-order point.
        KeySmallOrder,
        /// The key has a small-order component.
        KeyMixedOrder,
        /// The proof of possession does not verify for this chain, tenant, agent and key number.
        InvalidProofOfPossession,
        /// `valid_from` lies after `valid_to`.
        InvalidValidityWindow,
        /// The agent has registered as many keys as it may ever have.
        MaxKeysExceeded,
        /// The chain has handed out every recipient number.
        RecipientNumbersExhausted,
        /// The block lies too far ahead for a revocation.
        RevocationTooFarAhead,
        /// The key has handed over to a successor already.
        KeyHandedOver,
        /// The outgoing key may not sign now.
        KeyMayNotSign,
        /// The outgoing key may sign for a week after handing over, not longer.
        GraceTooLong,
        /// The outgoing key's signature does not verify for this rotation.
        InvalidHandover,
        /// A pattern of the policy has none of the three forms, or the payload bound is 0 or beyond
        /// the chain's own.
        InvalidKeyPolicy,
        /// The account administers the tenant already.
        AlreadyTenantAdmin,
        /// The tenant is not offered to anyone.
        NoProposal,
        /// The tenant is not offered to the signer.
        NotProposedAdmin,
        /// The tenant has a group with this id, or had one.
        GroupExists,
        /// The tenant has no such group.
        GroupNotFound,
        /// The group is dissolved for good.
        GroupDissolved,
        /// The group has as many members as one payload may have recipients.
        GroupFull,
        /// The agent has this role in the group already.
        GroupMemberUnchanged,
        /// The agent is no member of the group.
        NotAGroupMember,
        /// The tenant has created as many groups as it may ever have.
        MaxGroupsExceeded,
        /// This version of the schema is registered. Versions are never overwritten: take the next.
        SchemaExists,
        /// The tenant has no schema of this event type and version.
        SchemaNotFound,
        /// The schema has this status already.
        SchemaStatusUnchanged,
        /// An event type is not empty and in UTF-8.
        InvalidEventType,
        /// The tenant has registered as many schemas as it may ever have.
        MaxSchemasExceeded,
    }

    impl<T> From<WeakKey> for Error<T> {
        fn from(weak: WeakKey) -> Self {
            match weak {
                WeakKey::NotAPoint => Self::KeyNotAPoint,
                WeakKey::NonCanonical => Self::KeyNonCanonical,
                WeakKey::SmallOrder => Self::KeySmallOrder,
                WeakKey::MixedOrder => Self::KeyMixedOrder,
            }
        }
    }

    impl<T> From<RevocationProblem> for Error<T> {
        fn from(problem: RevocationProblem) -> Self {
            match problem {
                RevocationProblem::AlreadyRevoked => Self::KeyRevoked,
                RevocationProblem::TooFarAhead => Self::RevocationTooFarAhead,
            }
        }
    }

    impl<T> From<GroupProblem> for Error<T> {
        fn from(problem: GroupProblem) -> Self {
            match problem {
                GroupProblem::Dissolved => Self::GroupDissolved,
                GroupProblem::Full => Self::GroupFull,
                GroupProblem::Unchanged => Self::GroupMemberUnchanged,
                GroupProblem::NotAMember => Self::NotAGroupMember,
            }
        }
    }

    impl<T> From<RotationRefusal> for Error<T> {
        fn from(refusal: RotationRefusal) -> Self {
            match refusal {
                RotationRefusal::Author(AuthorProblem::UnknownTenant) => Self::TenantNotFound,
                RotationRefusal::Author(AuthorProblem::TenantSuspended) => Self::TenantSuspended,
                RotationRefusal::Author(AuthorProblem::UnknownAgent) => Self::AgentNotFound,
                RotationRefusal::Author(AuthorProblem::AgentSuspended) => Self::AgentSuspended,
                RotationRefusal::Author(AuthorProblem::Key(KeyProblem::NotFound)) => {
                    Self::KeyNotFound
                }
                RotationRefusal::Author(AuthorProblem::Key(KeyProblem::Revoked)) => {
                    Self::KeyRevoked
                }
                // A rotation names no store, so the last reason does not arise.
                RotationRefusal::Author(
                    AuthorProblem::Key(KeyProblem::Expired | KeyProblem::NotYetValid)
                    | AuthorProblem::UnknownStore,
                ) => Self::KeyMayNotSign,
                RotationRefusal::NumberTaken => Self::KeyExists,
                RotationRefusal::HandedOver => Self::KeyHandedOver,
                RotationRefusal::NumbersExhausted => Self::MaxKeysExceeded,
                RotationRefusal::Grace => Self::GraceTooLong,
                RotationRefusal::WeakKey(weak) => weak.into(),
                RotationRefusal::InvalidPossession => Self::InvalidProofOfPossession,
                RotationRefusal::InvalidHandover => Self::InvalidHandover,
            }
        }
    }
}
