// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The chain itself: genesis, finality, headers, and its runtime APIs at a block.

use crate::{BlockHash, ClientError, Header, Rpc, tx::Runtimes};
use codec::{Decode, DecodeAll, Encode};
use jsonrpsee::{core::client::Subscription, rpc_params};
use serde::Deserialize;
use std::sync::Arc;
use ves_primitives::{
    AgentId, Authority, AuthoritySet, BatchCommitment, EventId, GenesisHash, KeyId, RecipientKid,
    StoreId, StreamId, StreamTip, SubmittedEvent, TenantId,
    registry::{AuthorProblem, DirectoryEntry, RecordedAt, SigningKeyRecord},
    sequencer::{Admission, EventRecord, KeptBatches, SequencerLimits},
    wire::hex_bytes,
};

/// Which runtime a block ran.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeVersion {
    /// Name of the runtime.
    pub spec_name: String,
    /// Rises with every upgrade.
    pub spec_version: u32,
    /// Rises when signed transactions change their form.
    pub transaction_version: u32,
}

/// Newly finalized blocks, as the node tells of them.
#[derive(Debug)]
pub struct FinalizedHeads(Subscription<HeadNotice>);

/// What matters of a header in a subscription.
#[derive(Debug, Deserialize)]
struct HeadNotice {
    /// Hex.
    number: String,
}

impl FinalizedHeads {
    /// The next number; `None` once the subscription has ended.
    pub async fn next(&mut self) -> Option<u32> {
        let notice = self.0.next().await?.ok()?;
        u32::from_str_radix(notice.number.trim_start_matches("0x"), 16).ok()
    }
}

/// Bytes in hex, as the node sends them.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct HexBytes(#[serde(with = "hex_bytes")] pub(crate) Vec<u8>);

/// A header as `chain_getHeader` sends it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeaderJson {
    parent_hash: BlockHash,
    number: String,
    state_root: BlockHash,
    extrinsics_root: BlockHash,
    digest: DigestJson,
}

#[derive(Deserialize)]
struct DigestJson {
    logs: Vec<HexBytes>,
}

impl HeaderJson {
    fn into_header(self) -> Result<Header, ClientError> {
        let number = u32::from_str_radix(self.number.trim_start_matches("0x"), 16)
            .map_err(|error| ClientError::decode("chain_getHeader", error))?;
        let digest = self
            .digest
            .logs
            .iter()
            .map(|log| decode("chain_getHeader", &log.0))
            .collect::<Result<_, _>>()?;
        Ok(Header {
            parent_hash: self.parent_hash,
            number,
            state_root: self.state_root.0,
            extrinsics_root: self.extrinsics_root.0,
            digest,
        })
    }
}

/// A node of one chain. Cheap to clone; clones share the connection and cached metadata.
///
/// Questions with `at: None` are asked at the node's best block, which may still be reorganised;
/// whoever needs certainty passes a finalized hash.
#[derive(Clone, Debug)]
pub struct ChainClient {
    rpc: Rpc,
    genesis: GenesisHash,
    pub(crate) runtimes: Arc<Runtimes>,
}

impl ChainClient {
    /// Connects, and makes sure that the node runs the expected chain if one is named.
    ///
    /// # Errors
    /// [`ClientError::WrongChain`], or what [`Rpc::connect`] and the first call say.
    pub async fn connect(url: &str, expected: Option<GenesisHash>) -> Result<Self, ClientError> {
        Self::new(Rpc::connect(url).await?, expected).await
    }

    /// Like [`ChainClient::connect`] over an existing connection.
    ///
    /// # Errors
    /// [`ClientError::WrongChain`], or what the first call says.
    pub async fn new(rpc: Rpc, expected: Option<GenesisHash>) -> Result<Self, ClientError> {
        let genesis: BlockHash = rpc.call("chain_getBlockHash", rpc_params![0]).await?;
        let genesis = GenesisHash(genesis.0);
        if let Some(expected) = expected.filter(|expected| *expected != genesis) {
            return Err(ClientError::WrongChain {
                expected,
                found: genesis,
            });
        }
        Ok(Self {
            rpc,
            genesis,
            runtimes: Arc::default(),
        })
    }

    /// The connection.
    pub const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// Hash of block 0, read when connecting.
    pub const fn genesis_hash(&self) -> GenesisHash {
        self.genesis
    }

    /// Asks the node for its genesis again and compares: after a reconnect another chain may
    /// answer at the same address.
    ///
    /// # Errors
    /// [`ClientError::WrongChain`], or any transport error.
    pub async fn check_chain(&self) -> Result<(), ClientError> {
        Self::new(self.rpc.clone(), Some(self.genesis))
            .await
            .map(drop)
    }

    /// The runtime at a block.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn runtime_version(
        &self,
        at: Option<BlockHash>,
    ) -> Result<RuntimeVersion, ClientError> {
        self.rpc
            .call("state_getRuntimeVersion", rpc_params![at])
            .await
    }

    /// Hash of the newest finalized block.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn finalized_head(&self) -> Result<BlockHash, ClientError> {
        self.rpc.call("chain_getFinalizedHead", rpc_params![]).await
    }

    /// The numbers of newly finalized blocks, for as long as the connection lasts. Needs a WebSocket.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn finalized_heads(&self) -> Result<FinalizedHeads, ClientError> {
        self.rpc
            .subscribe(
                "chain_subscribeFinalizedHeads",
                rpc_params![],
                "chain_unsubscribeFinalizedHeads",
            )
            .await
            .map(FinalizedHeads)
    }

    /// The newest finalized header.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn finalized_header(&self) -> Result<Header, ClientError> {
        let hash = self.finalized_head().await?;
        self.header(hash).await?.ok_or_else(|| {
            ClientError::decode("chain_getHeader", "the finalized header is missing")
        })
    }

    /// Hash of the block at a height of the best chain; `None` above its tip. The answer is final
    /// only up to the finalized height.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn block_hash(&self, number: u32) -> Result<Option<BlockHash>, ClientError> {
        self.rpc
            .call("chain_getBlockHash", rpc_params![number])
            .await
    }

    /// The header with this hash; its bytes are checked against the hash.
    ///
    /// # Errors
    /// [`ClientError::Header`] if the node sends another header, or any transport or node error.
    pub async fn header(&self, hash: BlockHash) -> Result<Option<Header>, ClientError> {
        let json: Option<HeaderJson> = self.rpc.call("chain_getHeader", rpc_params![hash]).await?;
        let Some(json) = json else { return Ok(None) };
        Ok(Some(json.into_header()?.expect_hash(hash)?))
    }

    /// Calls a runtime API method with SCALE-encoded arguments.
    ///
    /// # Errors
    /// [`ClientError::Decode`] if the answer has another type, or any transport or node error.
    pub async fn runtime_call<R: Decode>(
        &self,
        method: &str,
        arguments: &impl Encode,
        at: Option<BlockHash>,
    ) -> Result<R, ClientError> {
        let arguments = format!("0x{}", hex::encode(arguments.encode()));
        let answer: HexBytes = self
            .rpc
            .call("state_call", rpc_params![method, arguments, at])
            .await?;
        decode(method, &answer.0)
    }

    /// The authority set that finalizes the blocks after this one, by the node's word.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`]; a node that keeps no old states does not know old sets.
    pub async fn authority_set(&self, at: BlockHash) -> Result<AuthoritySet, ClientError> {
        let authorities: Vec<Authority> = self
            .runtime_call("GrandpaApi_grandpa_authorities", &(), Some(at))
            .await?;
        let set_id = self
            .runtime_call("GrandpaApi_current_set_id", &(), Some(at))
            .await?;
        Ok(AuthoritySet {
            set_id,
            authorities,
        })
    }

    /// Where a stream stands.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn tip(
        &self,
        stream: StreamId,
        at: Option<BlockHash>,
    ) -> Result<StreamTip, ClientError> {
        self.runtime_call("VesSequencerApi_tip", &stream, at).await
    }

    /// A stream's batch by its number, from 0.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn batch(
        &self,
        stream: StreamId,
        index: u64,
        at: Option<BlockHash>,
    ) -> Result<Option<BatchCommitment>, ClientError> {
        self.runtime_call("VesSequencerApi_batch", &(stream, index), at)
            .await
    }

    /// The batch that holds a sequence.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn batch_of_sequence(
        &self,
        stream: StreamId,
        sequence: u64,
        at: Option<BlockHash>,
    ) -> Result<Option<BatchCommitment>, ClientError> {
        self.runtime_call("VesSequencerApi_batch_of_sequence", &(stream, sequence), at)
            .await
    }

    /// Which of a stream's batches the chain still holds, and how many are reported as anchored.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn kept_batches(
        &self,
        stream: StreamId,
        at: Option<BlockHash>,
    ) -> Result<KeptBatches, ClientError> {
        self.runtime_call("VesSequencerApi_kept_batches", &stream, at)
            .await
    }

    /// The batches that a block committed, in stream-id order; none once the state that is asked is
    /// `ANCHORED_RETENTION_BLOCKS` further.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn batches_in_block(
        &self,
        number: u32,
        at: Option<BlockHash>,
    ) -> Result<Vec<BatchCommitment>, ClientError> {
        self.runtime_call("VesSequencerApi_batches_in_block", &number, at)
            .await
    }

    /// What became of an event.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn event_status(
        &self,
        stream: StreamId,
        event: EventId,
        at: Option<BlockHash>,
    ) -> Result<Option<EventRecord>, ClientError> {
        self.runtime_call("VesSequencerApi_event_status", &(stream, event), at)
            .await
    }

    /// The version an entity has, 0 if it has no events.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn entity_version(
        &self,
        stream: StreamId,
        entity_type: &str,
        entity_id: &str,
        at: Option<BlockHash>,
    ) -> Result<u64, ClientError> {
        let arguments = (stream, entity_type.as_bytes(), entity_id.as_bytes());
        self.runtime_call("VesSequencerApi_entity_version", &arguments, at)
            .await
    }

    /// What would happen to each event if the list were submitted now, in order.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn can_submit(
        &self,
        events: &[SubmittedEvent],
        at: Option<BlockHash>,
    ) -> Result<Vec<Admission>, ClientError> {
        self.runtime_call("VesSequencerApi_can_submit", &events, at)
            .await
    }

    /// The limits a client must keep.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn limits(&self, at: Option<BlockHash>) -> Result<SequencerLimits, ClientError> {
        self.runtime_call("VesSequencerApi_limits", &(), at).await
    }

    /// An agent's signing key with its history.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
        at: Option<BlockHash>,
    ) -> Result<Option<SigningKeyRecord>, ClientError> {
        self.runtime_call("AgentRegistryApi_signing_key", &(tenant, agent, key), at)
            .await
    }

    /// Every signing key of an agent in key order.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn signing_keys(
        &self,
        tenant: TenantId,
        agent: AgentId,
        at: Option<BlockHash>,
    ) -> Result<Vec<(KeyId, SigningKeyRecord)>, ClientError> {
        self.runtime_call("AgentRegistryApi_signing_keys", &(tenant, agent), at)
            .await
    }

    /// Every encryption key of an agent in key order, revoked ones included.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn encryption_keys(
        &self,
        tenant: TenantId,
        agent: AgentId,
        at: Option<BlockHash>,
    ) -> Result<Vec<DirectoryEntry>, ClientError> {
        self.runtime_call("AgentRegistryApi_encryption_keys", &(tenant, agent), at)
            .await
    }

    /// The encryption key with this chain-wide recipient number.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn encryption_key_by_kid(
        &self,
        kid: RecipientKid,
        at: Option<BlockHash>,
    ) -> Result<Option<DirectoryEntry>, ClientError> {
        self.runtime_call("AgentRegistryApi_encryption_key_by_kid", &kid, at)
            .await
    }

    /// Whether this author may write to this store with this key at that block.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`]; a refusal is in the answer.
    pub async fn author_status(
        &self,
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
        at: Option<BlockHash>,
    ) -> Result<Result<(), AuthorProblem>, ClientError> {
        let arguments = (tenant, store, agent, key);
        self.runtime_call("AgentRegistryApi_author_status", &arguments, at)
            .await
    }

    /// The administrator account of a tenant; `None` if the tenant is not registered.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn tenant_admin(
        &self,
        tenant: TenantId,
        at: Option<BlockHash>,
    ) -> Result<Option<[u8; 32]>, ClientError> {
        self.runtime_call("AgentRegistryApi_tenant_admin", &tenant, at)
            .await
    }

    /// Number and chain time of a block.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn now(&self, at: Option<BlockHash>) -> Result<RecordedAt, ClientError> {
        self.runtime_call("AgentRegistryApi_now", &(), at).await
    }
}

/// Decodes all of `bytes`, naming what they were if they are not a `T`.
pub(crate) fn decode<T: Decode>(what: &str, bytes: &[u8]) -> Result<T, ClientError> {
    T::decode_all(&mut &*bytes).map_err(|error| ClientError::decode(what, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DigestItem;
    use ves_primitives::{BatchId, StateRoot};

    #[test]
    fn a_header_in_json_has_the_hash_of_its_scale_bytes() {
        let header = Header {
            parent_hash: BlockHash([1; 32]),
            number: 0x1234,
            state_root: [2; 32],
            extrinsics_root: [3; 32],
            digest: vec![DigestItem::PreRuntime(*b"aura", vec![9; 8])],
        };
        let json = serde_json::json!({
            "parentHash": BlockHash([1; 32]).to_string(),
            "number": "0x1234",
            "stateRoot": BlockHash([2; 32]).to_string(),
            "extrinsicsRoot": BlockHash([3; 32]).to_string(),
            "digest": { "logs": [format!("0x{}", hex::encode(header.digest[0].encode()))] },
        });
        let read: HeaderJson = serde_json::from_value(json).unwrap();
        assert_eq!(read.into_header().unwrap().hash(), header.hash());
    }

    #[test]
    fn a_header_with_a_malformed_digest_is_an_error() {
        let zero = BlockHash([0; 32]).to_string();
        for (number, log) in [("0x1", "0x03"), ("0x1ffffffff", "0x08"), ("zz", "0x08")] {
            let json = serde_json::json!({
                "parentHash": zero, "number": number, "stateRoot": zero,
                "extrinsicsRoot": zero, "digest": { "logs": [log] },
            });
            let read: HeaderJson = serde_json::from_value(json).unwrap();
            assert!(matches!(
                read.into_header(),
                Err(ClientError::Decode { .. })
            ));
        }
    }

    #[test]
    fn an_answer_with_bytes_left_over_is_an_error() {
        let tip = StreamTip {
            sequence: 1,
            state_root: StateRoot([1; 32]),
            batch_count: 1,
        };
        let mut bytes = tip.encode();
        assert_eq!(decode::<StreamTip>("tip", &bytes).unwrap(), tip);
        bytes.push(0);
        assert!(decode::<StreamTip>("tip", &bytes).is_err());
        assert!(decode::<BatchId>("batch id", &[0; 31]).is_err());
    }

    #[test]
    fn a_slice_of_events_encodes_like_the_list_the_runtime_expects() {
        let events: &[SubmittedEvent] = &[];
        assert_eq!((&events).encode(), Vec::<SubmittedEvent>::new().encode());
        assert_eq!(
            ("order".as_bytes(), "1".as_bytes()).encode(),
            (b"order".to_vec(), b"1".to_vec()).encode()
        );
    }
}
