// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Block headers from their SCALE bytes. Needs no connection, so that exported bundles can be
//! verified offline. Total: any bytes in, a header or an error out.

use blake2::{Blake2b, Digest, digest::consts::U32};
use codec::{Decode, DecodeAll, Encode};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use ves_primitives::{
    BlockCommitment, UnreadableCommitment, limits::MAX_HEADER_BYTES, wire::hex32,
};

/// BLAKE2b-256, the chain's hash of headers and transactions.
pub fn blake2_256(bytes: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(bytes).into()
}

/// Hash of a block header.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BlockHash(#[serde(with = "hex32")] pub [u8; 32]);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlockHash {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut out = [0u8; 32];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut out)?;
        Ok(Self(out))
    }
}

impl From<[u8; 32]> for BlockHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Why bytes are not the header asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// More bytes than any header has.
    #[error("header has {0} bytes, more than {MAX_HEADER_BYTES}")]
    TooLong(usize),
    /// The bytes are not the SCALE form of a header.
    #[error("not a block header: {0}")]
    Malformed(String),
    /// The bytes are a header, but not its one canonical form.
    #[error("not the canonical form of a block header")]
    NonCanonical,
    /// The header has another hash than asked for: the node is faulty or lies.
    #[error("expected the header of block {expected}, found {found}")]
    HashMismatch {
        /// The hash asked for.
        expected: BlockHash,
        /// The hash of what came.
        found: BlockHash,
    },
}

/// One entry of a header's digest. The indexes are the chain's (sp-runtime `DigestItem`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum DigestItem {
    /// Free-form data.
    #[codec(index = 0)]
    Other(Vec<u8>),
    /// Message of the runtime to an engine; the block commitment is one.
    #[codec(index = 4)]
    Consensus([u8; 4], Vec<u8>),
    /// The author's signature.
    #[codec(index = 5)]
    Seal([u8; 4], Vec<u8>),
    /// Message of an engine to the runtime.
    #[codec(index = 6)]
    PreRuntime([u8; 4], Vec<u8>),
    /// The runtime's code or heap size changed.
    #[codec(index = 8)]
    RuntimeEnvironmentUpdated,
}

/// A block header.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// Hash of the block before.
    pub parent_hash: BlockHash,
    /// Height.
    #[codec(compact)]
    pub number: u32,
    /// Root of the state after the block.
    pub state_root: [u8; 32],
    /// Root over the block's extrinsics.
    pub extrinsics_root: [u8; 32],
    /// Digest entries in order.
    pub digest: Vec<DigestItem>,
}

impl Header {
    /// Reads a header from its SCALE bytes.
    ///
    /// # Errors
    /// What is wrong with the bytes; they must be the header's one canonical form and no more.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() > MAX_HEADER_BYTES as usize {
            return Err(HeaderError::TooLong(bytes.len()));
        }
        let header = <Self as DecodeAll>::decode_all(&mut &*bytes)
            .map_err(|error| HeaderError::Malformed(error.to_string()))?;
        if header.encode() != bytes {
            return Err(HeaderError::NonCanonical);
        }
        Ok(header)
    }

    /// The header's SCALE bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.encode()
    }

    /// The block hash: BLAKE2b-256 of [`Header::bytes`].
    pub fn hash(&self) -> BlockHash {
        BlockHash(blake2_256(&self.encode()))
    }

    /// Fails unless the header has this hash.
    ///
    /// # Errors
    /// [`HeaderError::HashMismatch`].
    pub fn expect_hash(self, expected: BlockHash) -> Result<Self, HeaderError> {
        let found = self.hash();
        if found != expected {
            return Err(HeaderError::HashMismatch { expected, found });
        }
        Ok(self)
    }

    /// The commitment to the block's batches; `None` if the block has none. Its version is not
    /// judged, see [`BlockCommitment::read`].
    ///
    /// # Errors
    /// [`UnreadableCommitment`]: such a header proves nothing about batches.
    pub fn block_commitment(&self) -> Result<Option<BlockCommitment>, UnreadableCommitment> {
        BlockCommitment::read(self.digest.iter().filter_map(|item| match item {
            DigestItem::Consensus(engine, data) => Some((*engine, data.as_slice())),
            _ => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ves_primitives::BlockRoot;

    fn commitment() -> BlockCommitment {
        BlockCommitment {
            version: 1,
            batch_count: 2,
            root: BlockRoot([7; 32]),
        }
    }

    fn header(digest: Vec<DigestItem>) -> Header {
        Header {
            parent_hash: BlockHash([1; 32]),
            number: 70_000,
            state_root: [2; 32],
            extrinsics_root: [3; 32],
            digest,
        }
    }

    fn vesb() -> DigestItem {
        DigestItem::Consensus(*b"VESB", commitment().encode())
    }

    #[test]
    fn the_layout_is_the_chains() {
        let mut expected = vec![1; 32];
        expected.extend([0xc2, 0x45, 0x04, 0x00]); // compact 70,000
        expected.extend([2; 32]);
        expected.extend([3; 32]);
        expected.push(4 << 2);
        expected.extend([6, b'a', b'u', b'r', b'a', 8 << 2, 1, 2, 3, 4, 5, 6, 7, 8]);
        expected.extend([4, b'V', b'E', b'S', b'B', 37 << 2, 1, 2, 0, 0, 0]);
        expected.extend([7; 32]);
        expected.push(8);
        expected.extend([0, 1 << 2, 9]);
        let header = header(vec![
            DigestItem::PreRuntime(*b"aura", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            vesb(),
            DigestItem::RuntimeEnvironmentUpdated,
            DigestItem::Other(vec![9]),
        ]);
        assert_eq!(header.bytes(), expected);
        assert_eq!(Header::decode(&expected).unwrap(), header);
        assert_eq!(header.hash().0, blake2_256(&expected));
        assert_eq!(header.block_commitment(), Ok(Some(commitment())));
    }

    #[test]
    fn the_hash_is_blake2b_256() {
        let expected = "0x0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8";
        assert_eq!(BlockHash(blake2_256(b"")).to_string(), expected);
    }

    #[test]
    fn a_block_without_batches_is_told_from_one_that_cannot_be_read() {
        let absent = [
            vec![],
            vec![DigestItem::Seal(*b"VESB", commitment().encode())],
            vec![DigestItem::PreRuntime(*b"VESB", commitment().encode())],
            vec![DigestItem::Consensus(*b"FRNK", commitment().encode())],
        ];
        for digest in absent {
            assert_eq!(header(digest).block_commitment(), Ok(None));
        }
        let empty = DigestItem::Consensus(*b"VESB", vec![]);
        for digest in [vec![empty], vec![vesb(), vesb()]] {
            assert_eq!(header(digest).block_commitment(), Err(UnreadableCommitment));
        }
    }

    #[test]
    fn truncated_extended_and_altered_bytes_never_panic_and_never_pass_for_the_same_header() {
        let original = header(vec![vesb(), DigestItem::Seal(*b"aura", vec![5; 64])]);
        let bytes = original.bytes();
        for end in 0..bytes.len() {
            assert!(Header::decode(&bytes[..end]).is_err());
        }
        let mut extended = bytes.clone();
        extended.push(0);
        assert!(Header::decode(&extended).is_err());
        for position in 0..bytes.len() {
            for flip in 1..=255u8 {
                let mut altered = bytes.clone();
                altered[position] ^= flip;
                if let Ok(header) = Header::decode(&altered) {
                    assert_ne!(header.hash(), original.hash());
                }
            }
        }
    }

    #[test]
    fn a_length_prefix_beyond_the_input_allocates_nothing_and_fails() {
        let mut bytes = header(vec![]).bytes();
        bytes.pop();
        bytes.extend([0xfe, 0xff, 0xff, 0xff]);
        assert!(matches!(
            Header::decode(&bytes),
            Err(HeaderError::Malformed(_))
        ));
        assert!(matches!(
            Header::decode(&vec![0; MAX_HEADER_BYTES as usize + 1]),
            Err(HeaderError::TooLong(_))
        ));
    }

    #[test]
    fn another_hash_than_asked_for_is_an_error() {
        let header = header(vec![]);
        let hash = header.hash();
        assert!(header.clone().expect_hash(hash).is_ok());
        let error = header.expect_hash(BlockHash([0; 32])).unwrap_err();
        assert!(matches!(error, HeaderError::HashMismatch { found, .. } if found == hash));
    }
}
