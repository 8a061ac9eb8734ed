// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Newtypes of every identity and hash, so that a swap does not compile.

use crate::{domain, hash::Preimage};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{fmt, str::FromStr};
use scale_info::TypeInfo;

/// Why a textual id or hash was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseIdError {
    /// A UUID is 32 hex digits, optionally in the 8-4-4-4-12 hyphen layout.
    Uuid,
    /// A hash or key is an exact number of hex digits, `0x` optional.
    Hex,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uuid => "not a UUID (expected 8-4-4-4-12 hex digits)",
            Self::Hex => "not hex of the expected length (0x prefix optional)",
        })
    }
}

impl core::error::Error for ParseIdError {}

/// The 16 bytes of a textual UUID in the order they are printed.
fn parse_uuid(text: &str) -> Result<[u8; 16], ParseIdError> {
    let mut digits = [0u8; 32];
    let mut n = 0usize;
    let hyphens = match text.len() {
        36 => true,
        32 => false,
        _ => return Err(ParseIdError::Uuid),
    };
    for (i, c) in text.bytes().enumerate() {
        if hyphens && matches!(i, 8 | 13 | 18 | 23) {
            if c != b'-' {
                return Err(ParseIdError::Uuid);
            }
            continue;
        }
        *digits.get_mut(n).ok_or(ParseIdError::Uuid)? = c;
        n = n.saturating_add(1);
    }
    let mut out = [0u8; 16];
    hex::decode_to_slice(digits, &mut out).map_err(|_| ParseIdError::Uuid)?;
    Ok(out)
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut out = [0u8; N];
    hex::decode_to_slice(digits, &mut out).map_err(|_| ParseIdError::Hex)?;
    Ok(out)
}

fn write_uuid(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("0x")?;
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

macro_rules! byte_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal, $write:ident, $parse:path) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode,
            DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
        )]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $write(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $write(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $parse(text).map(Self)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! uuid_newtype {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        byte_newtype!($(#[$doc])* $name, 16, write_uuid, parse_uuid);

        impl $name {
            /// `bytes32` form for the EVM: the UUID left-aligned, 16 zero bytes on the right
            /// (VES v1 §7.1).
            pub fn to_bytes32(self) -> [u8; 32] {
                uuid_to_bytes32(&self.0)
            }
        }
    )*};
}

macro_rules! hash_newtype {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        byte_newtype!($(#[$doc])* $name, 32, write_hex, parse_hex::<32>);
    )*};
}

uuid_newtype! {
    /// A merchant organisation.
    TenantId;
    /// A store of a tenant.
    StoreId;
    /// An event, unique within its stream.
    EventId;
    /// An agent of a tenant.
    AgentId;
    /// An intent; consumed by at most one event of a stream.
    CommandId;
    /// An encryption group of a tenant.
    GroupId;
}

hash_newtype! {
    /// Commitment to an amount: four field elements, big-endian.
    AmountCommitment;
    /// `H("VES_STREAM_V1" || tenant || store)`.
    StreamId;
    /// Hash of the canonical payload, salted when the payload is encrypted.
    PayloadPlainHash;
    /// Hash of the encrypted bundle; zero for plaintext events.
    PayloadCipherHash;
    /// Additional authenticated data of an encrypted payload.
    PayloadAad;
    /// Hash of the recipient list.
    RecipientsHash;
    /// The 32 bytes an agent signs.
    EventSigningHash;
    /// Leaf of a stream's batch tree.
    LeafHash;
    /// Merkle root over one batch's leaves.
    EventsRoot;
    /// Link of a stream's hash chain over batches; zero before the first batch.
    StateRoot;
    /// Content-derived id of one batch.
    BatchId;
    /// Receipt of one sequenced event.
    ReceiptHash;
    /// Hash of a compliance policy and its parameters.
    PolicyHash;
    /// Hash of proof bytes.
    ProofHash;
    /// SHA-256 of a payload schema's canonical JSON.
    SchemaHash;
    /// Hash of block 0 of a chain.
    GenesisHash;
    /// Root over the batches of one block, carried in the block's digest.
    BlockRoot;
    /// Name of a GRANDPA authority set of a chain.
    AuthoritySetHash;
}

byte_newtype!(
    /// An Ed25519 verification key.
    SigningPublicKey, 32, write_hex, parse_hex::<32>
);
byte_newtype!(
    /// An Ed25519 key with which a GRANDPA authority votes.
    AuthorityKey, 32, write_hex, parse_hex::<32>
);
byte_newtype!(
    /// An X25519 public key.
    EncryptionPublicKey, 32, write_hex, parse_hex::<32>
);
byte_newtype!(
    /// An Ed25519 signature, `R || S`.
    Signature, 64, write_hex, parse_hex::<64>
);

/// Number of an agent's key. Numbers are never reused, keys never overwritten.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Chain-wide number of an encryption key, the `recipient_kid` of VES-ENC-1.
///
/// The chain hands out each number once, so that two agents who both call their key "1" can both
/// be recipients of one event.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct RecipientKid(pub u32);

impl fmt::Display for RecipientKid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `uuid -> bytes32`: the UUID left-aligned, 16 zero bytes on the right (VES v1 §7.1).
pub fn uuid_to_bytes32(uuid: &[u8; 16]) -> [u8; 32] {
    let mut out = [0u8; 32];
    out[..16].copy_from_slice(uuid);
    out
}

/// Identifier of the stream of one (tenant, store): `H("VES_STREAM_V1" || tenant || store)`
/// (VES v1 §3.1).
pub fn stream_id(tenant: TenantId, store: StoreId) -> StreamId {
    StreamId(
        Preimage::new(domain::STREAM)
            .bytes(&tenant.0)
            .bytes(&store.0)
            .finish(),
    )
}

impl StateRoot {
    /// The state root before the first batch.
    pub const GENESIS: Self = Self([0; 32]);
}

impl PayloadCipherHash {
    /// The cipher hash of a plaintext event.
    pub const PLAINTEXT: Self = Self([0; 32]);
}
