// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Event submissions: building the extrinsic, handing it to the pool, following it.
//!
//! A submission is a V5 *general* transaction without account or nonce; its envelopes' signatures
//! authorise it. Pallet, call and extensions are looked up in the node's metadata by name, so an
//! upgrade that moves them needs no new client.

use crate::{
    BlockHash, ChainClient, ClientError, RuntimeVersion, chain::HexBytes, header::blake2_256,
    rpc::REQUEST_BYTES_MAX,
};
use codec::{Compact, Encode};
use jsonrpsee::{core::client::Subscription, rpc_params};
use scale_info::{PortableRegistry, TypeDef};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use subxt::metadata::{ArcMetadata, Metadata};
use ves_primitives::SubmittedEvent;

/// Hash of a transaction's bytes.
pub type TxHash = BlockHash;

/// First byte of a V5 general transaction.
const GENERAL_V5: u8 = 0x45;
/// The extension version that every runtime has.
const EXTENSION_VERSION: u8 = 0;
/// Metadata versions to ask for, best first.
const METADATA_VERSIONS: [u32; 2] = [16, 15];
/// Runtimes whose metadata is kept.
const RUNTIMES_MAX: usize = 4;
/// Depth to which a type is searched for content.
const TYPE_DEPTH_MAX: u8 = 16;

/// Metadata by spec version.
#[derive(Debug, Default)]
pub(crate) struct Runtimes(Mutex<BTreeMap<u32, ArcMetadata>>);

/// What the node says about a watched transaction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum TxStatus {
    /// In the pool, waiting for another transaction.
    Future,
    /// In the pool, ready for a block.
    Ready,
    /// Sent to these peers.
    Broadcast(Vec<String>),
    /// In this block, which is not final yet.
    InBlock(BlockHash),
    /// The block it was in is no longer part of the best chain.
    Retracted(BlockHash),
    /// Its block did not become final in the time the node watches.
    FinalityTimeout(BlockHash),
    /// In this final block.
    Finalized(BlockHash),
    /// Replaced by this transaction.
    Usurped(TxHash),
    /// Left the pool because the pool is full.
    Dropped,
    /// Left the pool because it is no longer valid.
    Invalid,
}

impl TxStatus {
    /// Whether the node sends nothing after this status.
    pub const fn is_last(&self) -> bool {
        matches!(
            self,
            Self::Finalized(_)
                | Self::FinalityTimeout(_)
                | Self::Usurped(_)
                | Self::Dropped
                | Self::Invalid
        )
    }
}

/// A transaction that the node reports on.
#[derive(Debug)]
pub struct TxWatch {
    hash: TxHash,
    updates: Subscription<TxStatus>,
}

impl TxWatch {
    /// Hash of the transaction.
    pub const fn hash(&self) -> TxHash {
        self.hash
    }

    /// The next status; `None` after the last one.
    ///
    /// # Errors
    /// [`ClientError::Decode`] for a status this client does not know.
    pub async fn next(&mut self) -> Option<Result<TxStatus, ClientError>> {
        let update = self.updates.next().await?;
        Some(update.map_err(|error| ClientError::decode("transaction status", error)))
    }

    /// Waits until the transaction is in a block, final or not.
    ///
    /// # Errors
    /// [`ClientError::LeftPool`], [`ClientError::WatchEnded`] or [`ClientError::Timeout`].
    pub async fn in_block(&mut self, limit: Duration) -> Result<BlockHash, ClientError> {
        self.wait("inclusion", limit, |status| match status {
            TxStatus::InBlock(block) | TxStatus::Finalized(block) => Some(*block),
            _ => None,
        })
        .await
    }

    /// Waits until the transaction is in a final block.
    ///
    /// # Errors
    /// [`ClientError::LeftPool`], [`ClientError::WatchEnded`] or [`ClientError::Timeout`].
    pub async fn finalized(&mut self, limit: Duration) -> Result<BlockHash, ClientError> {
        self.wait("finality", limit, |status| match status {
            TxStatus::Finalized(block) => Some(*block),
            _ => None,
        })
        .await
    }

    async fn wait(
        &mut self,
        what: &str,
        limit: Duration,
        reached: impl Fn(&TxStatus) -> Option<BlockHash>,
    ) -> Result<BlockHash, ClientError> {
        let waiting = async {
            while let Some(status) = self.next().await {
                let status = status?;
                if let Some(block) = reached(&status) {
                    return Ok(block);
                }
                if status.is_last() {
                    return Err(ClientError::LeftPool {
                        status: format!("{status:?}"),
                    });
                }
            }
            Err(ClientError::WatchEnded)
        };
        tokio::time::timeout(limit, waiting)
            .await
            .unwrap_or_else(|_| {
                Err(ClientError::Timeout {
                    method: what.into(),
                    limit,
                })
            })
    }
}

impl ChainClient {
    /// Hands events to the pool as one submission, and returns once the pool has taken it.
    ///
    /// Harmless to repeat: the same bytes already in the pool count as taken.
    ///
    /// # Errors
    /// [`ClientError::PoolRejected`] with the reason of the first event that is new and not
    /// acceptable, [`ClientError::Stale`] if every event is on chain already,
    /// [`ClientError::TemporarilyBanned`] if the pool has seen the same bytes before,
    /// [`ClientError::PoolBusy`] and transport errors if it is worth trying again.
    pub async fn submit_events(&self, events: &[SubmittedEvent]) -> Result<TxHash, ClientError> {
        let extrinsic = self.submission(events).await?;
        self.submit(&extrinsic).await
    }

    /// Like [`ChainClient::submit_events`], and follows the transaction. Needs a WebSocket.
    ///
    /// # Errors
    /// As [`ChainClient::submit_events`], and [`ClientError::AlreadyInPool`] if the same bytes wait
    /// there already: the node does not let two watch one transaction.
    pub async fn submit_events_and_watch(
        &self,
        events: &[SubmittedEvent],
    ) -> Result<TxWatch, ClientError> {
        let extrinsic = self.submission(events).await?;
        self.submit_and_watch(&extrinsic).await
    }

    /// The extrinsic that submits these events to the node's current runtime.
    ///
    /// # Errors
    /// [`ClientError::Metadata`] if the runtime has no such call, or any transport error.
    pub async fn submission(&self, events: &[SubmittedEvent]) -> Result<Vec<u8>, ClientError> {
        let (metadata, _) = self.runtime(None).await?;
        let mut call = call_prefix(&metadata, "VesSequencer", "submit_events", &["events"])?;
        events.encode_to(&mut call);
        general_extrinsic(&metadata, &call)
    }

    /// Hands an extrinsic to the pool.
    ///
    /// # Errors
    /// As [`ChainClient::submit_events`]; [`ClientError::Invalid`] if it is too large to send.
    pub async fn submit(&self, extrinsic: &[u8]) -> Result<TxHash, ClientError> {
        let params = rpc_params![extrinsic_hex(extrinsic)?];
        match self.rpc().call("author_submitExtrinsic", params).await {
            Err(ClientError::AlreadyInPool) => Ok(BlockHash(blake2_256(extrinsic))),
            other => other,
        }
    }

    /// Hands an extrinsic to the pool and follows it. Needs a WebSocket.
    ///
    /// # Errors
    /// As [`ChainClient::submit_events_and_watch`].
    pub async fn submit_and_watch(&self, extrinsic: &[u8]) -> Result<TxWatch, ClientError> {
        let updates = self
            .rpc()
            .subscribe(
                "author_submitAndWatchExtrinsic",
                rpc_params![extrinsic_hex(extrinsic)?],
                "author_unwatchExtrinsic",
            )
            .await?;
        Ok(TxWatch {
            hash: BlockHash(blake2_256(extrinsic)),
            updates,
        })
    }

    /// The runtime at a block and its metadata, kept per spec version.
    pub(crate) async fn runtime(
        &self,
        at: Option<BlockHash>,
    ) -> Result<(ArcMetadata, RuntimeVersion), ClientError> {
        let version = self.runtime_version(at).await?;
        let cached = self.runtimes.get(version.spec_version);
        let metadata = match cached {
            Some(metadata) => metadata,
            None => {
                let metadata = self.fetch_metadata(at).await?;
                self.runtimes.insert(version.spec_version, metadata.clone());
                metadata
            }
        };
        Ok((metadata, version))
    }

    async fn fetch_metadata(&self, at: Option<BlockHash>) -> Result<ArcMetadata, ClientError> {
        const METHOD: &str = "Metadata_metadata_at_version";
        for version in METADATA_VERSIONS {
            // Opaque metadata is a length-prefixed blob within the option.
            let bytes: Option<Vec<u8>> = self.runtime_call(METHOD, &version, at).await?;
            if let Some(bytes) = bytes {
                return Metadata::decode_from(&bytes)
                    .map(Metadata::arc)
                    .map_err(|error| ClientError::decode(METHOD, error));
            }
        }
        Err(ClientError::metadata(
            "it offers neither metadata version 16 nor 15",
        ))
    }

    /// The extrinsics of a block, as bytes.
    pub(crate) async fn block_extrinsics(
        &self,
        block: BlockHash,
    ) -> Result<Vec<HexBytes>, ClientError> {
        self.find_block_extrinsics(block)
            .await?
            .ok_or_else(|| ClientError::decode("chain_getBlock", "the node lacks the block"))
    }

    /// The extrinsics of a block, if the node has it.
    pub(crate) async fn find_block_extrinsics(
        &self,
        block: BlockHash,
    ) -> Result<Option<Vec<HexBytes>>, ClientError> {
        #[derive(Deserialize)]
        struct SignedBlock {
            block: Block,
        }
        #[derive(Deserialize)]
        struct Block {
            extrinsics: Vec<HexBytes>,
        }
        let answer: Option<SignedBlock> = self
            .rpc()
            .call("chain_getBlock", rpc_params![block])
            .await?;
        Ok(answer.map(|answer| answer.block.extrinsics))
    }
}

impl Runtimes {
    fn get(&self, spec_version: u32) -> Option<ArcMetadata> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&spec_version)
            .cloned()
    }

    fn insert(&self, spec_version: u32, metadata: ArcMetadata) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() >= RUNTIMES_MAX {
            kept.pop_first();
        }
        kept.insert(spec_version, metadata);
    }
}

/// Pallet and call index, after checking that the call takes these arguments.
pub(crate) fn call_prefix(
    metadata: &Metadata,
    pallet: &str,
    call: &str,
    arguments: &[&str],
) -> Result<Vec<u8>, ClientError> {
    let pallet_metadata = metadata
        .pallet_by_name(pallet)
        .ok_or_else(|| ClientError::metadata(format!("no pallet {pallet}")))?;
    let variant = pallet_metadata
        .call_variant_by_name(call)
        .ok_or_else(|| ClientError::metadata(format!("no call {pallet}.{call}")))?;
    let found: Vec<&str> = variant
        .fields
        .iter()
        .map(|field| field.name.as_deref().unwrap_or_default())
        .collect();
    if found != arguments {
        return Err(ClientError::metadata(format!(
            "{pallet}.{call} takes {found:?}, expected {arguments:?}"
        )));
    }
    Ok(vec![pallet_metadata.call_index(), variant.index])
}

/// Wraps a call into a general transaction: preamble, extension version, the extensions' explicit
/// parts, call, all behind a length prefix.
pub(crate) fn general_extrinsic(metadata: &Metadata, call: &[u8]) -> Result<Vec<u8>, ClientError> {
    let extensions = metadata
        .extrinsic()
        .transaction_extensions_by_version(EXTENSION_VERSION)
        .ok_or_else(|| ClientError::metadata("no transaction extensions of version 0"))?;
    let mut body = vec![GENERAL_V5, EXTENSION_VERSION];
    for extension in extensions {
        let (name, explicit) = (extension.identifier(), extension.extra_ty());
        body.extend(unsigned_explicit(name, explicit, metadata.types())?);
    }
    body.extend_from_slice(call);
    let length = u32::try_from(body.len()).map_err(|_| too_large(body.len()))?;
    let mut extrinsic = Compact(length).encode();
    extrinsic.append(&mut body);
    Ok(extrinsic)
}

/// What an extension wants to see in a transaction without signer.
fn unsigned_explicit(
    name: &str,
    explicit: u32,
    types: &PortableRegistry,
) -> Result<Vec<u8>, ClientError> {
    if is_empty(explicit, types, TYPE_DEPTH_MAX) {
        return Ok(Vec::new());
    }
    match name {
        // Immortal era; nonce 0 in compact form; metadata hash mode `Disabled`.
        "CheckMortality" | "CheckEra" | "CheckNonce" | "CheckMetadataHash" => Ok(vec![0]),
        _ if is_option(explicit, types) => Ok(vec![0]),
        _ => Err(ClientError::metadata(format!(
            "transaction extension {name} wants data that this client does not know"
        ))),
    }
}

fn is_empty(id: u32, types: &PortableRegistry, depth: u8) -> bool {
    let Some(ty) = types.resolve(id) else {
        return false;
    };
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match &ty.type_def {
        TypeDef::Composite(composite) => composite
            .fields
            .iter()
            .all(|field| is_empty(field.ty.id, types, depth)),
        TypeDef::Tuple(tuple) => tuple.fields.iter().all(|ty| is_empty(ty.id, types, depth)),
        TypeDef::Array(array) => array.len == 0 || is_empty(array.type_param.id, types, depth),
        _ => false,
    }
}

fn is_option(id: u32, types: &PortableRegistry) -> bool {
    types
        .resolve(id)
        .is_some_and(|ty| ty.path.segments == ["Option"])
}

fn extrinsic_hex(extrinsic: &[u8]) -> Result<String, ClientError> {
    // Two digits per byte and some room for the JSON around them.
    let hex_len = extrinsic.len().saturating_mul(2).saturating_add(256);
    if u32::try_from(hex_len).map_or(true, |len| len > REQUEST_BYTES_MAX) {
        return Err(too_large(extrinsic.len()));
    }
    Ok(format!("0x{}", hex::encode(extrinsic)))
}

fn too_large(bytes: usize) -> ClientError {
    ClientError::Invalid {
        what: "submission",
        reason: format!(
            "{bytes} bytes are more than one request carries ({REQUEST_BYTES_MAX} bytes in hex); \
             split it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: &str) -> TxStatus {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_nodes_statuses_are_understood() {
        let hash = BlockHash([0xab; 32]);
        assert_eq!(status(r#""future""#), TxStatus::Future);
        assert_eq!(status(r#""ready""#), TxStatus::Ready);
        assert_eq!(
            status(r#"{"broadcast":["a"]}"#),
            TxStatus::Broadcast(vec!["a".into()])
        );
        assert_eq!(
            status(&format!(r#"{{"inBlock":"{hash}"}}"#)),
            TxStatus::InBlock(hash)
        );
        assert_eq!(
            status(&format!(r#"{{"retracted":"{hash}"}}"#)),
            TxStatus::Retracted(hash)
        );
        assert_eq!(
            status(&format!(r#"{{"finalityTimeout":"{hash}"}}"#)),
            TxStatus::FinalityTimeout(hash)
        );
        assert_eq!(
            status(&format!(r#"{{"finalized":"{hash}"}}"#)),
            TxStatus::Finalized(hash)
        );
        assert_eq!(
            status(&format!(r#"{{"usurped":"{hash}"}}"#)),
            TxStatus::Usurped(hash)
        );
        assert_eq!(status(r#""dropped""#), TxStatus::Dropped);
        assert_eq!(status(r#""invalid""#), TxStatus::Invalid);
    }

    #[test]
    fn a_submission_that_no_request_can_carry_is_refused_before_sending() {
        let limit = REQUEST_BYTES_MAX as usize / 2 - 128;
        assert!(extrinsic_hex(&vec![0; limit]).is_ok());
        let error = extrinsic_hex(&vec![0; limit + 1]).unwrap_err();
        assert!(matches!(
            error,
            ClientError::Invalid {
                what: "submission",
                ..
            }
        ));
        assert!(!error.is_retryable());
    }

    #[test]
    fn a_type_without_content_needs_no_bytes() {
        #[derive(scale_info::TypeInfo)]
        struct Unit;
        #[derive(scale_info::TypeInfo)]
        struct Wrapper((Unit, [u8; 0]));
        let mut registry = scale_info::Registry::new();
        let empty = registry
            .register_type(&scale_info::meta_type::<Wrapper>())
            .id;
        let nonce = registry
            .register_type(&scale_info::meta_type::<Compact<u32>>())
            .id;
        let option = registry
            .register_type(&scale_info::meta_type::<Option<u8>>())
            .id;
        let types: PortableRegistry = registry.into();
        assert_eq!(
            unsigned_explicit("AuthorizeCall", empty, &types).unwrap(),
            Vec::<u8>::new()
        );
        assert_eq!(
            unsigned_explicit("CheckNonce", nonce, &types).unwrap(),
            vec![0]
        );
        assert_eq!(
            unsigned_explicit("Whatever", option, &types).unwrap(),
            vec![0]
        );
        let error = unsigned_explicit("Quota", nonce, &types).unwrap_err();
        assert!(matches!(error, ClientError::Metadata { .. }));
        assert!(!is_empty(u32::MAX, &types, TYPE_DEPTH_MAX));
    }
}
