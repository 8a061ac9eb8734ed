// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the pallet keeps.

use crate::{polkadot_sdk, sp_session};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use polkadot_sdk::sp_core::crypto::{KeyTypeId, key_types};
use scale_info::TypeInfo;
use sp_staking::SessionIndex;

/// A validator that the council has admitted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Member<AccountId> {
    /// Its account, which registers its keys.
    pub account: AccountId,
    /// First session whose offences it answers for.
    pub answers_from: SessionIndex,
    /// The council has removed it; it goes when the set can do without it.
    pub leaving: bool,
    /// It was proven to have signed twice.
    pub expelled: bool,
}

impl<AccountId> Member<AccountId> {
    /// A new one, which answers for what it does from now on.
    pub(crate) const fn new(account: AccountId, answers_from: SessionIndex) -> Self {
        Self {
            account,
            answers_from,
            leaving: false,
            expelled: false,
        }
    }

    /// Whether it belongs into the set, once it has keys.
    pub(crate) const fn belongs(&self) -> bool {
        !self.leaving && !self.expelled
    }
}

/// With which keys a validator signed in a session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct KeysInUse<AccountId> {
    /// Whose keys they are.
    pub validator: AccountId,
    /// Seals blocks: sr25519.
    pub blocks: [u8; 32],
    /// Votes for finality: Ed25519.
    pub votes: [u8; 32],
}

impl<AccountId> KeysInUse<AccountId> {
    /// The key of this kind.
    pub(crate) fn of(&self, kind: KeyTypeId) -> Option<&[u8; 32]> {
        match kind {
            key_types::AURA => Some(&self.blocks),
            key_types::GRANDPA => Some(&self.votes),
            _ => None,
        }
    }
}

/// Names the session in which somebody had a key. Nothing is to be proven: the chain remembers the keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct KeyOwnership {
    /// The session.
    pub session: SessionIndex,
    /// Validators it had.
    pub validators: u32,
}

impl sp_session::GetSessionNumber for KeyOwnership {
    fn session(&self) -> SessionIndex {
        self.session
    }
}

impl sp_session::GetValidatorCount for KeyOwnership {
    fn validator_count(&self) -> u32 {
        self.validators
    }
}

/// The council's order to go on with a new set without the votes of the old one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Recovery<BlockNumber> {
    /// Blocks between the change's announcement and its effect.
    pub delay: BlockNumber,
    /// The highest block that every validator of the new set has finalized.
    pub best_finalized: BlockNumber,
    /// The new set is planned; the next session begins with it.
    pub planned: bool,
}

/// How many of `validators` must vote for a block to become final: all that may fail are fewer than a
/// third, as GRANDPA counts.
pub(crate) const fn threshold(validators: usize) -> usize {
    validators.saturating_sub(tolerated(validators))
}

/// How many of `validators` may fail.
pub(crate) const fn tolerated(validators: usize) -> usize {
    validators.saturating_sub(1) / 3
}
