// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The amount commitment: one Rescue-Prime permutation over the amount and a 192-bit salt.
//!
//! winterfell's width-8 permutation (`RpJive64_256`: 7 rounds, capacity 4) with its constants.
//! Capacity lanes are `[domain, currency tag, 0, 0]`, rate lanes `[amount, salt]`; C is the rate
//! after the permutation. 256 bits of capacity bind, the salt hides.

use crate::{Felt, gadgets::HASH_WIDTH};
use ves_primitives::{AmountCommitment, AmountSalt, CurrencyTag, amount::COMMITMENT_DOMAIN};
use winter_crypto::hashers::RpJive64_256;
use winter_math::{FieldElement, StarkField};

/// First rate lane.
pub(crate) const RATE: usize = 4;

/// A commitment as the circuit sees it: four canonical field elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(pub [Felt; 4]);

/// A word of a commitment is not below the field's modulus: the bytes are no commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonCanonical;

impl core::fmt::Display for NonCanonical {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a word of the amount commitment is not below the field's modulus")
    }
}

impl core::error::Error for NonCanonical {}

impl TryFrom<AmountCommitment> for Commitment {
    type Error = NonCanonical;

    /// Four big-endian words, each below the modulus: one commitment has one encoding.
    fn try_from(bytes: AmountCommitment) -> Result<Self, NonCanonical> {
        let mut felts = [Felt::ZERO; 4];
        for (felt, word) in felts.iter_mut().zip(bytes.words()) {
            if word >= Felt::MODULUS {
                return Err(NonCanonical);
            }
            *felt = Felt::new(word);
        }
        Ok(Self(felts))
    }
}

impl From<Commitment> for AmountCommitment {
    fn from(commitment: Commitment) -> Self {
        Self::from_words(commitment.0.map(|felt| felt.as_int()))
    }
}

/// The salt as field elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [Felt; 3]);

impl From<&AmountSalt> for Salt {
    fn from(salt: &AmountSalt) -> Self {
        Self(salt.words().map(Felt::new))
    }
}

/// The permutation's input for an amount below the modulus.
pub fn initial_state(tag: CurrencyTag, amount: u64, salt: &Salt) -> [Felt; HASH_WIDTH] {
    let [s0, s1, s2] = salt.0;
    [
        Felt::new(COMMITMENT_DOMAIN),
        Felt::new(tag.as_u64()),
        Felt::ZERO,
        Felt::ZERO,
        Felt::new(amount),
        s0,
        s1,
        s2,
    ]
}

/// C of an amount. The amount must be below the modulus; [`Statement`](crate::Statement) limits
/// guarantee it for everything that can be proven.
pub fn commit(tag: CurrencyTag, amount: u64, salt: &Salt) -> Commitment {
    let mut state = initial_state(tag, amount, salt);
    RpJive64_256::apply_permutation(&mut state);
    let [_, _, _, _, c0, c1, c2, c3] = state;
    Commitment([c0, c1, c2, c3])
}

/// Where every budget in this currency begins: 0 under [`AmountSalt::ZERO`].
pub fn empty_total(tag: CurrencyTag) -> AmountCommitment {
    commit(tag, 0, &Salt::from(&AmountSalt::ZERO)).into()
}
