// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! An event, alone in its batch and its block, as a bundle.

use codec::Encode;
use ed25519_zebra::SigningKey;
use ves_finality::{DigestItem, Header};
use ves_primitives::{
    AgentId, BLOCK_COMMITMENT_ENGINE, BatchCommitment, BlockCommitment, CommandId, Envelope,
    EventId, EventSigningHash, GenesisHash, InclusionProof, KeyId, LeafHash, Payload,
    PayloadCipherHash, PayloadKind, Signature, SigningPublicKey, StoreId, StreamTip,
    SubmittedEvent, TenantId, block_leaves, payload_plain_hash,
    registry::{RecordedAt, SigningKeyRecord, ValidityWindow},
    wire::{BatchJson, BundleJson, EventJson, InclusionJson, SequencedEventJson},
};

pub(crate) const GENESIS: GenesisHash = GenesisHash([0xaa; 32]);
const TENANT: TenantId = TenantId([0x11; 16]);
const STORE: StoreId = StoreId([0x22; 16]);

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from([number; 32])
}

pub(crate) fn sign(key: &SigningKey, message: &[u8; 32]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

pub(crate) fn record_of(key: &SigningKey) -> SigningKeyRecord {
    SigningKeyRecord {
        public_key: SigningPublicKey(ed25519_zebra::VerificationKey::from(key).into()),
        window: ValidityWindow::default(),
        registered_at: RecordedAt {
            block: 0,
            time_ms: 0,
        },
        revocation: None,
    }
}

pub(crate) fn event(id: u8) -> SubmittedEvent {
    let json = br#"{"total":"980.00"}"#.to_vec();
    let mut envelope = Envelope {
        ves_version: 2,
        event_id: EventId([id; 16]),
        tenant_id: TENANT,
        store_id: STORE,
        source_agent_id: AgentId([0x33; 16]),
        agent_key_id: KeyId(1),
        entity_type: b"order".to_vec().try_into().unwrap(),
        entity_id: b"A-1".to_vec().try_into().unwrap(),
        event_type: b"order.created".to_vec().try_into().unwrap(),
        created_at: b"2026-01-01T00:00:00Z".to_vec().try_into().unwrap(),
        payload_kind: PayloadKind::Plaintext,
        payload_plain_hash: payload_plain_hash(None, &json),
        payload_cipher_hash: PayloadCipherHash([0; 32]),
        command_id: Some(CommandId([id; 16])),
        base_version: None,
        agent_signature: Signature([0; 64]),
    };
    envelope.agent_signature = sign(&key(5), &envelope.signing_hash().unwrap().0);
    SubmittedEvent {
        envelope,
        payload: Payload::Plain(json.try_into().unwrap()),
    }
}

/// The first event in a batch of its own in this block.
fn batch(block: u32) -> (SubmittedEvent, EventSigningHash, LeafHash, BatchCommitment) {
    let event = event(1);
    let hash = event.envelope.signing_hash().unwrap();
    let leaf = event.envelope.leaf_hash(1, &hash);
    let batch = BatchCommitment::commit(TENANT, STORE, block, &StreamTip::EMPTY, &[leaf]).unwrap();
    (event, hash, leaf, batch)
}

/// What the header of the block with that batch carries.
pub(crate) fn commitment(block: u32) -> DigestItem {
    let (.., batch) = batch(block);
    let commitment = BlockCommitment::commit(std::slice::from_ref(&batch)).unwrap();
    DigestItem::Consensus(BLOCK_COMMITMENT_ENGINE, commitment.encode())
}

/// The bundle of the event in the block with this header, without finality and proofs.
pub(crate) fn bundle(header: &Header) -> BundleJson {
    let (event, hash, leaf, batch) = batch(header.number);
    let block_hash = header.hash().0;
    let tree: Vec<LeafHash> = block_leaves(std::slice::from_ref(&batch))
        .into_iter()
        .map(LeafHash)
        .collect();
    BundleJson {
        schema: BundleJson::SCHEMA.into(),
        version: BundleJson::VERSION,
        genesis_hash: GENESIS,
        event: SequencedEventJson {
            stream_id: batch.stream_id(),
            sequence: 1,
            block_number: header.number,
            block_hash,
            block_time_ms: 14_000,
            extrinsic_index: 1,
            event_signing_hash: hash,
            leaf_hash: leaf,
            receipt_hash: event.envelope.receipt_hash(1, &hash),
            event: EventJson::from(&event),
        },
        inclusion: InclusionJson {
            leaf_hash: leaf,
            proof: InclusionProof::build(&[leaf], 0).unwrap(),
            batch: BatchJson {
                stream_id: batch.stream_id(),
                block_hash,
                batch,
            },
            block_proof: InclusionProof::build(&tree, 0).unwrap(),
            header: header.bytes(),
        },
        signing_key: record_of(&key(5)),
        finality: None,
        anchor: None,
        proofs: Vec::new(),
    }
}
