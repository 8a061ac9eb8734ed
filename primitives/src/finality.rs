// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Who finalizes: GRANDPA authority sets and their names; and what proves a block final.

use crate::{
    AuthorityKey, AuthoritySetHash, GenesisHash, domain, hash::Preimage, limits::MAX_AUTHORITIES,
};
use alloc::{collections::BTreeMap, vec::Vec};
use codec::{Decode, Encode};
use core::fmt;

/// One GRANDPA authority. SCALE layout as in the chain's own lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Authority {
    /// The key it votes with.
    pub key: AuthorityKey,
    /// How much its vote counts.
    pub weight: u64,
}

/// The authorities that finalize blocks until the set changes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AuthoritySet {
    /// 0 at genesis, one more with each change. Part of what every vote signs.
    pub set_id: u64,
    /// In the chain's order.
    pub authorities: Vec<Authority>,
}

/// Why a list of authorities is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthoritySetError {
    /// Nobody is in it.
    Empty,
    /// More than [`MAX_AUTHORITIES`].
    TooMany,
    /// An authority whose vote counts nothing.
    WithoutWeight,
    /// The weights do not fit into 64 bits together.
    TotalWeight,
}

impl fmt::Display for AuthoritySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the authority set is empty"),
            Self::TooMany => write!(f, "more than {MAX_AUTHORITIES} authorities"),
            Self::WithoutWeight => f.write_str("an authority without weight"),
            Self::TotalWeight => f.write_str("the weights exceed 64 bits"),
        }
    }
}

impl core::error::Error for AuthoritySetError {}

/// An authority set that was checked: who votes, and how much is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Electorate {
    /// Weight by key; a key that is listed twice has the sum.
    pub weights: BTreeMap<AuthorityKey, u64>,
    /// Sum of the weights.
    pub total: u64,
    /// Weight from which a block is final: more than two thirds, by GRANDPA's own formula.
    pub threshold: u64,
}

impl AuthoritySet {
    /// The name of the set on the chain with this genesis, short enough to be compared by eye or
    /// pinned in a file: `H("VES_AUTHORITY_SET_V1" || genesis || U64(set id) || U32(count) ||
    /// (key || U64(weight))*)`.
    pub fn hash(&self, genesis: GenesisHash) -> AuthoritySetHash {
        let count = u32::try_from(self.authorities.len()).unwrap_or(u32::MAX);
        let start = Preimage::new(domain::AUTHORITY_SET)
            .bytes(&genesis.0)
            .u64(self.set_id)
            .u32(count);
        let all = self.authorities.iter().fold(start, |preimage, authority| {
            preimage.bytes(&authority.key.0).u64(authority.weight)
        });
        AuthoritySetHash(all.finish())
    }

    /// Checks the set as GRANDPA would before using it.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn electorate(&self) -> Result<Electorate, AuthoritySetError> {
        if self.authorities.is_empty() {
            return Err(AuthoritySetError::Empty);
        }
        if self.authorities.len() > MAX_AUTHORITIES as usize {
            return Err(AuthoritySetError::TooMany);
        }
        let mut weights = BTreeMap::new();
        let mut total = 0u64;
        for Authority { key, weight } in &self.authorities {
            if *weight == 0 {
                return Err(AuthoritySetError::WithoutWeight);
            }
            total = total
                .checked_add(*weight)
                .ok_or(AuthoritySetError::TotalWeight)?;
            // At most the total, which did not overflow.
            let sum: &mut u64 = weights.entry(*key).or_default();
            *sum = sum.saturating_add(*weight);
        }
        let tolerated = total.saturating_sub(1) / 3;
        Ok(Electorate {
            weights,
            total,
            threshold: total.saturating_sub(tolerated),
        })
    }
}

/// That a block is final: headers on its chain and the justification of the last of them.
///
/// Of a block: the headers that follow it, none if it was justified itself. Of a change of the
/// authority set: the headers from the one that announces the change to the last of the old set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct FinalityProof {
    /// SCALE-encoded headers, each the child of the one before.
    #[cfg_attr(feature = "wire", serde(with = "crate::wire::hex_bytes_list"))]
    pub headers: Vec<Vec<u8>>,
    /// SCALE-encoded GRANDPA justification.
    #[cfg_attr(feature = "wire", serde(with = "crate::wire::hex_bytes"))]
    pub justification: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn set(weights: &[u64]) -> AuthoritySet {
        AuthoritySet {
            set_id: 7,
            authorities: (1..=u8::MAX)
                .cycle()
                .zip(weights)
                .map(|(n, weight)| Authority {
                    key: AuthorityKey([n; 32]),
                    weight: *weight,
                })
                .collect(),
        }
    }

    #[test]
    fn more_than_two_thirds_are_needed() {
        for (weights, threshold) in [
            (vec![1], 1),
            (vec![1; 2], 2),
            (vec![1; 3], 3),
            (vec![1; 4], 3),
            (vec![1; 64], 43),
            (vec![5, 3, 2], 7),
            (vec![u64::MAX], u64::MAX - (u64::MAX - 1) / 3),
        ] {
            assert_eq!(set(&weights).electorate().unwrap().threshold, threshold);
        }
    }

    #[test]
    fn a_set_that_grandpa_would_not_use_is_refused() {
        use AuthoritySetError::*;
        for (weights, error) in [
            (vec![], Empty),
            (vec![1; MAX_AUTHORITIES as usize + 1], TooMany),
            (vec![1, 0], WithoutWeight),
            (vec![u64::MAX, 1], TotalWeight),
        ] {
            assert_eq!(set(&weights).electorate(), Err(error));
        }
    }

    #[test]
    fn a_key_that_is_listed_twice_has_the_sum() {
        let mut twice = set(&[2, 3]);
        twice.authorities[1].key = twice.authorities[0].key;
        let electorate = twice.electorate().unwrap();
        assert_eq!((electorate.weights.len(), electorate.total), (1, 5));
        assert_eq!(electorate.weights[&AuthorityKey([1; 32])], 5);
    }

    #[test]
    fn the_name_depends_on_everything() {
        let genesis = GenesisHash([9; 32]);
        let name = set(&[1, 2]).hash(genesis);
        let mut other = set(&[1, 2]);
        other.set_id = 8;
        assert_ne!(other.hash(genesis), name);
        let mut other = set(&[1, 2]);
        other.authorities.reverse();
        assert_ne!(other.hash(genesis), name);
        assert_ne!(set(&[1, 3]).hash(genesis), name);
        assert_ne!(set(&[1]).hash(genesis), name);
        assert_ne!(set(&[1, 2]).hash(GenesisHash([8; 32])), name);
    }
}
