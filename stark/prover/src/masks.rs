// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Randomness of the masks.

use crate::{Opening, ProveError};
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use ves_primitives::amount::FIELD_MODULUS;
use ves_stark_air::{Felt, Statement};
use winter_math::ToElements;
use zeroize::Zeroize;

/// A stream of uniform field elements, for one proof.
///
/// Deliberately not `Clone`: masks used twice reveal the witness.
pub(crate) struct Masks(ChaCha20Rng);

impl Masks {
    /// ChaCha20 keyed with SHA-256 of 32 bytes of entropy, the witness and the statement: should
    /// the entropy ever repeat, another statement still gets other masks.
    pub(crate) fn from_entropy(
        statement: &Statement,
        openings: &[Opening],
    ) -> Result<Self, ProveError> {
        let mut entropy = [0u8; 32];
        OsRng
            .try_fill_bytes(&mut entropy)
            .map_err(|_| ProveError::Entropy)?;
        let masks = Self::from_seed(&entropy, statement, openings);
        entropy.zeroize();
        Ok(masks)
    }

    pub(crate) fn from_seed(
        entropy: &[u8; 32],
        statement: &Statement,
        openings: &[Opening],
    ) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"VES_PROOF_MASKS_V1");
        hasher.update(entropy);
        for opening in openings {
            for word in [opening.amount].iter().chain(&opening.salt) {
                hasher.update(word.to_be_bytes());
            }
        }
        for element in statement.to_elements() {
            hasher.update(element.inner().to_be_bytes());
        }
        let mut seed: [u8; 32] = hasher.finalize().into();
        let rng = ChaCha20Rng::from_seed(seed);
        seed.zeroize();
        Self(rng)
    }

    /// The next uniform element, by rejection.
    pub(crate) fn next(&mut self) -> Felt {
        loop {
            let word = self.0.next_u64();
            if word < FIELD_MODULUS {
                return Felt::new(word);
            }
        }
    }
}
