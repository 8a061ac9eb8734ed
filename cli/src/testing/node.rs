// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the chain in memory answers.

use super::{FakeChain, GENESIS, validators_of};
use crate::chain::{BlockRef, Chain, ChainError, ChainResult, RejectionRecord};
use codec::Encode;
use ves_finality::testing as validators;
use ves_primitives::{
    AgentId, AuthoritySet, EventId, FinalityProof, GenesisHash, KeyId, StoreId, StreamId,
    StreamTip, SubmittedEvent, TenantId,
    registry::{DirectoryEntry, RecordedAt, SigningKeyRecord},
    sequencer::{Admission, EventRecord, SequencerLimits},
    stream_id,
    wire::{BundleJson, EventsPageJson, HeadJson, InclusionJson, SequencedEventJson},
};

impl Chain for FakeChain {
    fn genesis_hash(&self) -> GenesisHash {
        GENESIS
    }

    async fn finalized(&self) -> ChainResult<BlockRef> {
        let mut state = self.lock();
        if state.auto && !state.pool.is_empty() {
            state.make_block();
        } else if state.auto && state.finalized + 1 < state.blocks.len() {
            state.finalized = state.blocks.len() - 1;
        } else if state.auto {
            state.make_block();
        }
        Ok(state.finalized_ref())
    }

    async fn best(&self) -> ChainResult<BlockRef> {
        let state = self.lock();
        let number = state.blocks.len() - 1;
        Ok(BlockRef {
            number: u32::try_from(number).unwrap(),
            hash: state.blocks[number].hash,
        })
    }

    async fn now(&self, at: BlockRef) -> ChainResult<RecordedAt> {
        let state = self.lock();
        Ok(RecordedAt {
            block: at.number,
            time_ms: state.blocks[at.number as usize].time_ms,
        })
    }

    async fn first_authorities(&self) -> ChainResult<AuthoritySet> {
        Ok(validators::set(0, &validators_of(0)))
    }

    async fn finality(&self, number: u32) -> ChainResult<Option<FinalityProof>> {
        let mut proof = self.lock().proof(number);
        if let (Some(proof), Some(lie)) = (&mut proof, &self.finality_lie) {
            lie(number, proof);
        }
        Ok(proof)
    }

    async fn set_changes(&self, above: u32) -> ChainResult<Vec<FinalityProof>> {
        let state = self.lock();
        let finalized = u32::try_from(state.finalized).unwrap();
        let ends = state.set_ends.iter().copied();
        // One at a time, as a node with many would.
        let next = ends
            .filter(|end| (above + 1..=finalized).contains(end))
            .min();
        let change = next.and_then(|end| match state.forced {
            Some((forced, by)) if forced == end => (by <= finalized).then(|| {
                let mut change = state.justified(by, by);
                change.justification.clear();
                change
            }),
            _ => Some(state.justified(end, end)),
        });
        Ok(change.into_iter().collect())
    }

    async fn block_hash(&self, number: u32) -> ChainResult<Option<[u8; 32]>> {
        Ok(self
            .lock()
            .blocks
            .get(number as usize)
            .map(|block| block.hash))
    }

    async fn limits(&self, _: BlockRef) -> ChainResult<SequencerLimits> {
        Ok(SequencerLimits {
            events_per_submission: 4,
            events_per_block: 1000,
            streams_per_block: 10,
            payload_bytes: 65536,
            recipients: 64,
            submission_bytes: 1 << 20,
        })
    }

    async fn can_submit(
        &self,
        events: &[SubmittedEvent],
        at: BlockRef,
    ) -> ChainResult<Vec<Admission>> {
        let state = self.lock();
        let hidden = |event: &SubmittedEvent| !state.known_at(event, at);
        Ok(state
            .judge_all(events)
            .into_iter()
            .zip(events)
            .map(|(verdict, event)| {
                if hidden(event) {
                    Admission::Acceptable
                } else {
                    verdict
                }
            })
            .collect())
    }

    async fn event_status(
        &self,
        _: StreamId,
        event: EventId,
        at: BlockRef,
    ) -> ChainResult<Option<EventRecord>> {
        let state = self.lock();
        let record = state.events.get(&event).map(|(_, record)| *record);
        Ok(record.filter(|record| record.block_number <= at.number))
    }

    async fn signing_key(
        &self,
        _: TenantId,
        agent: AgentId,
        key: KeyId,
        _: BlockRef,
    ) -> ChainResult<Option<SigningKeyRecord>> {
        Ok(self.lock().keys.get(&(agent, key)).cloned())
    }

    async fn encryption_keys(
        &self,
        _: TenantId,
        _: AgentId,
        _: BlockRef,
    ) -> ChainResult<Vec<DirectoryEntry>> {
        Ok(Vec::new())
    }

    async fn submit(&self, events: &[SubmittedEvent]) -> ChainResult<[u8; 32]> {
        let mut state = self.lock();
        if let Some(error) = state.refuse.pop() {
            return Err(error);
        }
        let verdicts = state.judge_all(events);
        let first_new = verdicts
            .iter()
            .find(|v| !matches!(v, Admission::AlreadySequenced { .. }));
        match first_new {
            None => return Err(ChainError::AllSequenced),
            Some(Admission::Rejected(reason)) => {
                return Err(ChainError::PoolRefused(reason.pool_code()));
            }
            Some(_) => {}
        }
        state.submissions += 1;
        if !state.lossy {
            state.pool.push(events.to_vec());
        }
        Ok(ves_client::blake2_256(&events.encode()))
    }

    async fn head(&self, tenant: TenantId, store: StoreId) -> ChainResult<HeadJson> {
        let state = self.lock();
        let last = state.blocks[..=state.finalized]
            .iter()
            .rev()
            .find_map(|block| block.inclusions.first())
            .map_or(StreamTip::EMPTY, |inclusion| inclusion.batch.batch.tip());
        let finalized = state.finalized_ref();
        Ok(HeadJson {
            stream_id: stream_id(tenant, store),
            sequence: last.sequence,
            state_root: last.state_root,
            batch_count: last.batch_count,
            finalized_block_number: finalized.number,
            finalized_block_hash: finalized.hash,
        })
    }

    async fn events(
        &self,
        _: TenantId,
        _: StoreId,
        from: u64,
        limit: u32,
    ) -> ChainResult<EventsPageJson> {
        let state = self.lock();
        let mut events: Vec<_> = state
            .final_records()
            .filter(|record| record.sequence >= from)
            .take(limit.min(7) as usize)
            .cloned()
            .collect();
        for record in &mut events {
            if let Some(lie) = &self.record_lie {
                lie(record);
            }
        }
        let head_sequence = state
            .final_records()
            .last()
            .map_or(0, |record| record.sequence);
        Ok(EventsPageJson {
            events,
            head_sequence,
            next_sequence: None,
        })
    }

    async fn event(
        &self,
        _: TenantId,
        _: StoreId,
        event: EventId,
    ) -> ChainResult<Option<SequencedEventJson>> {
        let state = self.lock();
        let found = state
            .final_records()
            .find(|record| record.event.event_id == event)
            .cloned();
        Ok(found)
    }

    async fn inclusion(
        &self,
        _: TenantId,
        _: StoreId,
        sequence: u64,
    ) -> ChainResult<Option<InclusionJson>> {
        let state = self.lock();
        let mut found = state.blocks[..=state.finalized].iter().find_map(|block| {
            let at = block
                .records
                .iter()
                .position(|record| record.sequence == sequence)?;
            block.inclusions.get(at).cloned()
        });
        if let (Some(inclusion), Some(lie)) = (&mut found, &self.inclusion_lie) {
            lie(inclusion);
        }
        Ok(found)
    }

    async fn bundle(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> ChainResult<Option<BundleJson>> {
        let Some(record) = self.event(tenant, store, event).await? else {
            return Ok(None);
        };
        let inclusion = self
            .inclusion(tenant, store, record.sequence)
            .await?
            .unwrap();
        let key = (record.event.source_agent_id, record.event.agent_key_id);
        let signing_key = self.lock().keys[&key].clone();
        let finality = self.finality(record.block_number).await?.map(Into::into);
        Ok(Some(BundleJson {
            schema: BundleJson::SCHEMA.into(),
            version: BundleJson::VERSION,
            genesis_hash: GENESIS,
            event: record,
            inclusion,
            signing_key,
            finality,
            anchor: None,
            proofs: Vec::new(),
        }))
    }

    async fn rejections(
        &self,
        _: TenantId,
        _: StoreId,
        event: EventId,
    ) -> ChainResult<Vec<RejectionRecord>> {
        let state = self.lock();
        let mut out = Vec::new();
        for (number, block) in state.blocks[..=state.finalized].iter().enumerate() {
            for (id, reason) in &block.rejections {
                if *id == event {
                    out.push(RejectionRecord {
                        block_number: u32::try_from(number).unwrap(),
                        reason: reason.clone(),
                    });
                }
            }
        }
        Ok(out)
    }
}
