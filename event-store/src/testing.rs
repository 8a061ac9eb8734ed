// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A chain made of primitives alone: blocks with events, batches and commitments that hold. For tests.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

use crate::{PreparedBlock, RawBlock, Store, StoreConfig};
use std::{collections::BTreeMap, path::Path};
use ves_primitives::{
    AgentId, BatchCommitment, BlockCommitment, EncryptedPayload, Envelope, EventId, GenesisHash,
    KeyId, Payload, PayloadCipherHash, PayloadKind, Recipient, RecipientKid, Signature, StoreId,
    StreamId, StreamTip, SubmittedEvent, TenantId, payload_plain_hash,
    sequencer::{BlockIndex, IndexedEvent, IndexedRejection, Rejection},
    stream_id,
};

pub const GENESIS: GenesisHash = GenesisHash([9; 32]);
pub const TENANT: TenantId = TenantId([0x11; 16]);
pub const STORE: StoreId = StoreId([0x22; 16]);
pub const OTHER_STORE: StoreId = StoreId([0x33; 16]);

pub fn event_id(n: u64) -> EventId {
    let mut bytes = [0xee; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    EventId(bytes)
}

pub fn event(store: StoreId, n: u64, payload: &str) -> SubmittedEvent {
    let text = |text: &str| text.as_bytes().to_vec();
    SubmittedEvent {
        envelope: Envelope {
            ves_version: 1,
            event_id: event_id(n),
            tenant_id: TENANT,
            store_id: store,
            source_agent_id: AgentId([0x44; 16]),
            agent_key_id: KeyId(1),
            entity_type: text("order").try_into().unwrap(),
            entity_id: text("o-1").try_into().unwrap(),
            event_type: text("order.created").try_into().unwrap(),
            created_at: text("2026-01-01T00:00:00Z").try_into().unwrap(),
            payload_kind: PayloadKind::Plaintext,
            payload_plain_hash: payload_plain_hash(None, payload.as_bytes()),
            payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
            command_id: None,
            base_version: None,
            agent_signature: Signature([0x55; 64]),
        },
        payload: Payload::Plain(payload.as_bytes().to_vec().try_into().unwrap()),
    }
}

/// An event whose payload only its recipient can read, as far as forms go.
pub fn encrypted_event(store: StoreId, n: u64) -> SubmittedEvent {
    let mut event = event(store, n, "{}");
    let bundle = EncryptedPayload {
        nonce: [1; 12],
        ciphertext: vec![2; 40].try_into().unwrap(),
        tag: [3; 16],
        recipients: vec![Recipient {
            recipient_kid: RecipientKid(7),
            enc: [4; 32],
            ct: [5; 48],
        }]
        .try_into()
        .unwrap(),
    };
    event.envelope.payload_kind = PayloadKind::Encrypted;
    event.envelope.payload_cipher_hash = bundle.cipher_hash(&event.envelope.payload_aad());
    event.payload = Payload::Encrypted(bundle);
    event
}

/// Grows block by block and remembers where each stream stands.
#[derive(Clone, Default)]
pub struct Chain {
    number: u32,
    hash: Option<[u8; 32]>,
    tips: BTreeMap<StreamId, StreamTip>,
    next_event: u64,
}

impl Chain {
    /// Another history that starts after block `number` with empty streams.
    pub fn at(number: u32) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// A block with this many events per store, each with this payload.
    pub fn block(&mut self, stores: &[(StoreId, u64)], payload: &str) -> RawBlock {
        let events = stores.iter().map(|(store, count)| {
            let events = (0..*count)
                .map(|_| {
                    self.next_event += 1;
                    event(*store, self.next_event, payload)
                })
                .collect();
            (*store, events)
        });
        let events: Vec<_> = events.collect();
        self.block_of(events)
    }

    pub fn block_of(&mut self, stores: Vec<(StoreId, Vec<SubmittedEvent>)>) -> RawBlock {
        self.number += 1;
        let mut index = BlockIndex {
            time_ms: u64::from(self.number) * 2_000,
            ..Default::default()
        };
        for (store, events) in stores {
            let stream = stream_id(TENANT, store);
            let tip = self.tips.entry(stream).or_insert(StreamTip::EMPTY);
            let mut leaves = Vec::new();
            for (sequence, event) in (tip.sequence + 1..).zip(events) {
                let signing_hash = event.envelope.signing_hash().unwrap();
                let leaf = event.envelope.leaf_hash(sequence, &signing_hash);
                leaves.push(leaf);
                index.events.push(IndexedEvent {
                    stream_id: stream,
                    sequence,
                    extrinsic_index: 1,
                    leaf,
                    receipt: event.envelope.receipt_hash(sequence, &signing_hash),
                    event,
                });
            }
            let batch = BatchCommitment::commit(TENANT, store, self.number, tip, &leaves).unwrap();
            *tip = batch.tip();
            index.batches.push(batch);
        }
        index.batches.sort_by_key(BatchCommitment::stream_id);
        let parent_hash = self.hash.unwrap_or(GENESIS.0);
        let mut hash = [0xb0; 32];
        hash[..4].copy_from_slice(&self.number.to_be_bytes());
        self.hash = Some(hash);
        RawBlock {
            number: self.number,
            hash,
            parent_hash,
            header: vec![0xcd; 100],
            commitment: BlockCommitment::commit(&index.batches),
            index,
            refused_proofs: Vec::new(),
        }
    }

    pub fn rejection(&mut self, n: u64, reason: Rejection) -> RawBlock {
        let mut block = self.block(&[], "");
        block.index.rejections.push(IndexedRejection {
            stream_id: stream_id(TENANT, STORE),
            event_id: event_id(n),
            extrinsic_index: 2,
            reason,
        });
        block
    }
}

pub fn prepared(raw: RawBlock) -> PreparedBlock {
    PreparedBlock::check(raw).unwrap()
}

/// The store of a test that needs no more than one, in a file.
pub async fn open(folder: &Path) -> Store {
    let config = StoreConfig::Sqlite(folder.join("events.sqlite"));
    Store::open(&config, GENESIS).await.unwrap()
}
