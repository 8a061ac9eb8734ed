// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs of every kind: inclusion, finality, bundles of both, compliance, anchors.

use super::{
    VesRpc, blocking,
    errors::{invalid, unavailable},
    events::check_sequences,
};
use crate::{ProofSubject, StoreError};
use jsonrpsee::core::RpcResult;
use std::sync::Arc;
use ves_primitives::{
    AgentId, EventId, FinalityProof, KeyId, StoreId, TenantId,
    limits::{MAX_MULTI_PROOF_LEAVES, MAX_SET_CHANGES},
    registry::SigningKeyRecord,
    stream_id,
    wire::{
        AnchoredJson, BatchProofJson, BundleJson, ComplianceProofJson, InclusionJson,
        MultiInclusionJson, RefusedProofJson,
    },
};

impl VesRpc {
    /// The way from an event's leaf to the header of its block.
    pub(super) async fn inclusion_proof(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        sequence: u64,
    ) -> RpcResult<Option<InclusionJson>> {
        self.found(self.store.inclusion(tenant_id, store_id, sequence).await?)
    }

    /// One proof for several events of a batch.
    pub(super) async fn multi_proof(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        sequences: Vec<u64>,
    ) -> RpcResult<Option<MultiInclusionJson>> {
        check_sequences(&sequences, MAX_MULTI_PROOF_LEAVES)?;
        let proof = self
            .store
            .multi_inclusion(tenant_id, store_id, &sequences)
            .await?;
        match self.found(proof)? {
            Some(None) => Err(invalid("sequences", "not all in the batch of the first")),
            Some(proof) => Ok(proof),
            None => Ok(None),
        }
    }

    async fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
    ) -> RpcResult<SigningKeyRecord> {
        let chain = Arc::clone(&self.chain);
        blocking(move || chain.signing_key(tenant, agent, key))
            .await?
            .ok_or_else(|| {
                unavailable(format!(
                    "the registry has no key {key} of agent {agent} at the newest finalized block"
                ))
            })
    }

    /// Everything needed to verify one event without any server, except an anchor.
    pub(super) async fn bundle(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        event_id: EventId,
    ) -> RpcResult<Option<BundleJson>> {
        let event = self.store.event(tenant_id, store_id, event_id).await?;
        let Some(event) = self.found(event)? else {
            return Ok(None);
        };
        let inclusion = self
            .store
            .inclusion(tenant_id, store_id, event.sequence)
            .await?
            .ok_or(StoreError::Corrupt { what: "batches" })?;
        let json = event.to_json()?;
        if json.leaf_hash != inclusion.leaf_hash {
            return Err(StoreError::Corrupt { what: "leaves" }.into());
        }
        let envelope = &event.envelope;
        let signing_key = self
            .signing_key(tenant_id, envelope.source_agent_id, envelope.agent_key_id)
            .await?;
        // A bundle without it is still one: anchors and pinned blocks prove finality too.
        let finality = self
            .finality(event.block_number)
            .await
            .unwrap_or_else(|error| {
                log::warn!(target: "ves-store", "a bundle lacks its justification: {error}");
                None
            });
        Ok(Some(BundleJson {
            schema: BundleJson::SCHEMA.into(),
            version: BundleJson::VERSION,
            genesis_hash: self.store.genesis(),
            event: json,
            inclusion,
            signing_key,
            finality: finality.map(Into::into),
            anchor: None,
            proofs: Vec::new(),
        }))
    }

    /// That the canonical block at this height is final: headers and a justification.
    pub(super) async fn finality(&self, block_number: u32) -> RpcResult<Option<FinalityProof>> {
        let chain = Arc::clone(&self.chain);
        blocking(move || chain.prove(block_number)).await
    }

    /// The changes of the authority set above a height, oldest first; `limit` 1 to 64, 64 if absent.
    pub(super) async fn set_changes(
        &self,
        above: u32,
        limit: Option<u32>,
    ) -> RpcResult<Vec<FinalityProof>> {
        let limit = limit.unwrap_or(MAX_SET_CHANGES);
        if limit == 0 || limit > MAX_SET_CHANGES {
            return Err(invalid(
                "limit",
                format!("expected 1 to {MAX_SET_CHANGES}, found {limit}"),
            ));
        }
        let chain = Arc::clone(&self.chain);
        blocking(move || chain.set_changes(above, limit as usize)).await
    }

    /// How far a stream is reported to be anchored.
    pub(super) async fn anchored(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
    ) -> RpcResult<AnchoredJson> {
        let stream_id = stream_id(tenant_id, store_id);
        let chain = Arc::clone(&self.chain);
        let kept = blocking(move || chain.kept_batches(stream_id)).await?;
        let head = self.store.head(tenant_id, store_id).await?;
        let last_anchored = match kept.anchored.checked_sub(1) {
            Some(last) => self.store.batch(tenant_id, store_id, last).await?,
            None => None,
        };
        Ok(AnchoredJson {
            stream_id,
            anchored_batches: kept.anchored,
            last_anchored,
            oldest_kept_batch: kept.oldest,
            batch_count: head.batch_count,
        })
    }

    /// What is proven about an event, with the chain's verdict.
    pub(super) async fn compliance_proofs(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        event_id: EventId,
    ) -> RpcResult<Vec<ComplianceProofJson>> {
        let stream = stream_id(tenant_id, store_id);
        let chain = Arc::clone(&self.chain);
        let records = blocking(move || chain.proofs_of_event(stream, event_id)).await?;
        Ok(records.iter().map(Into::into).collect())
    }

    /// The proofs about an event that the chain refused, oldest first.
    pub(super) async fn refused_proofs(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        event_id: EventId,
    ) -> RpcResult<Vec<RefusedProofJson>> {
        self.refused(tenant_id, store_id, ProofSubject::Event(event_id))
            .await
    }

    /// The proofs about a batch that the chain refused, oldest first.
    pub(super) async fn refused_batch_proofs(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        batch_index: u64,
    ) -> RpcResult<Vec<RefusedProofJson>> {
        self.refused(tenant_id, store_id, ProofSubject::Batch(batch_index))
            .await
    }

    async fn refused(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        subject: ProofSubject,
    ) -> RpcResult<Vec<RefusedProofJson>> {
        let found = self
            .store
            .refused_proofs(tenant_id, store_id, subject)
            .await?;
        let some = (!found.is_empty()).then_some(found);
        Ok(self.found(some)?.unwrap_or_default())
    }

    /// What is proven about a batch, with the chain's verdict.
    pub(super) async fn batch_proof(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        batch_index: u64,
    ) -> RpcResult<Option<BatchProofJson>> {
        let stream = stream_id(tenant_id, store_id);
        let chain = Arc::clone(&self.chain);
        let record = blocking(move || chain.batch_proof(stream, batch_index)).await?;
        Ok(record.as_ref().map(Into::into))
    }
}
