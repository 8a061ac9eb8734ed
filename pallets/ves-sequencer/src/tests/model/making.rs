// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events, rotations, policies and quotas as they are submitted, and the secrets behind them.

use super::{
    ops::{Fault, New, Plan, Tamper},
    reference::{Reference, Signed},
    registry::Policy,
};
use crate::mock::*;
use ed25519_zebra::SigningKey;
use std::{collections::BTreeMap, sync::LazyLock};
use ves_primitives::{
    AgentId, CommandId, EncryptedPayload, Envelope, EventId, KeyId, KeyPurpose, Payload,
    PayloadCipherHash, PayloadKind, PayloadPlainHash, PossessionStatement, Recipient, RecipientKid,
    Signature, SigningPublicKey, StoreId, SubmittedEvent, TenantId, limits, payload_plain_hash,
    registry::{KeyPolicy, KeyRotation, Quota},
};

/// Tenants, stores of each and agents of each that exist; one more is named and does not.
pub(super) const EACH: u8 = 2;
pub(super) const fn tenant(n: u8) -> TenantId {
    TenantId([0x10 + n; 16])
}

pub(super) const fn store(n: u8) -> StoreId {
    StoreId([0x20 + n; 16])
}

pub(super) const fn agent(n: u8) -> AgentId {
    AgentId([0x30 + n; 16])
}

pub(super) const fn admin(tenant: TenantId) -> u64 {
    tenant.0[0] as u64
}

pub(super) type KeyName = (TenantId, AgentId, KeyId);

pub(super) struct Secret {
    key: SigningKey,
    pub(super) public: SigningPublicKey,
}

impl Secret {
    pub(super) fn sign(&self, message: &[u8; 32]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }
}

/// The same name has the same secret, whether it is registered or not.
pub(super) fn secret((of_tenant, of_agent, number): KeyName) -> &'static Secret {
    static SECRETS: LazyLock<BTreeMap<[u8; 3], Secret>> = LazyLock::new(|| {
        let names = (0..=EACH).flat_map(|t| {
            (0..=EACH).flat_map(move |a| (1..=9).map(move |k| [tenant(t).0[0], agent(a).0[0], k]))
        });
        names
            .map(|name| {
                let mut seed = [7; 32];
                seed[..3].copy_from_slice(&name);
                let key = SigningKey::from(seed);
                let public = ed25519_zebra::VerificationKeyBytes::from(&key).into();
                let public = SigningPublicKey(public);
                (name, Secret { key, public })
            })
            .collect()
    });
    let number = u8::try_from(number.0).expect("few keys");
    &SECRETS[&[of_tenant.0[0], of_agent.0[0], number]]
}

/// The event of a plan; none if it would repeat one and there is none yet.
pub(super) fn make(plan: &Plan, reference: &Reference, history: &[Signed]) -> Option<Signed> {
    match plan {
        Plan::New(new) => Some(new_event(new, reference)),
        Plan::Again(which, tamper) => {
            let at = which.checked_rem(history.len())?;
            Some(tampered(history[at].clone(), *tamper))
        }
    }
}

fn new_event(new: &New, reference: &Reference) -> Signed {
    let mut id = [0x40; 16];
    id[0] = new.event;
    let json = vec![b'1'; new.bytes.into()];
    let created_ms = new.moment.of(reference.now_ms);
    let event_type = ["order.created", "order.paid", "payment.made"][usize::from(new.event_type)];
    let entity_type = ["order", "order.line"][usize::from(new.entity % 2)];
    let mut envelope = Envelope {
        ves_version: new.version.into(),
        event_id: EventId(id),
        tenant_id: tenant(new.tenant),
        store_id: store(new.store),
        source_agent_id: agent(new.agent),
        agent_key_id: new.key.map_or_else(
            || reference.newest_key(tenant(new.tenant), agent(new.agent)),
            |number| KeyId(number.into()),
        ),
        entity_type: entity_type.as_bytes().to_vec().try_into().expect("short"),
        entity_id: vec![b'a' + new.entity].try_into().expect("short"),
        event_type: event_type.as_bytes().to_vec().try_into().expect("short"),
        created_at: created_at(created_ms),
        payload_kind: PayloadKind::Plaintext,
        payload_plain_hash: payload_plain_hash(None, &json),
        payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
        command_id: new.command.map(|n| CommandId([n; 16])),
        base_version: None,
        agent_signature: Signature([0; 64]),
    };
    envelope.base_version = new.base.of(reference.version(&envelope));
    let mut payload = Payload::Plain(json.try_into().expect("short"));
    if new.encrypted {
        let bundle = bundle(new.bytes, 1);
        envelope.payload_kind = PayloadKind::Encrypted;
        envelope.payload_cipher_hash = bundle.cipher_hash(&envelope.payload_aad());
        payload = Payload::Encrypted(bundle);
    }
    let mut created_ms = Some(created_ms);
    match new.fault {
        Some(Fault::Version) => envelope.ves_version = 3,
        Some(Fault::EntityType) => envelope.entity_type = Default::default(),
        Some(Fault::EntityId) => envelope.entity_id = vec![0xff].try_into().expect("short"),
        Some(Fault::EventType) => envelope.event_type = Default::default(),
        Some(Fault::CreatedAt) => {
            envelope.created_at = b"soon".to_vec().try_into().expect("short");
            created_ms = None;
        }
        Some(Fault::BaseVersion) => envelope.base_version = Some(limits::MAX_SEQUENCE + 1),
        Some(Fault::PayloadKind) => payload = Payload::Encrypted(bundle(1, 1)),
        Some(Fault::Recipients) => {
            envelope.payload_kind = PayloadKind::Encrypted;
            payload = Payload::Encrypted(bundle(1, 0));
        }
        Some(Fault::Empty) => payload = Payload::Plain(Default::default()),
        Some(Fault::PlainHash) => envelope.payload_plain_hash = PayloadPlainHash([9; 32]),
        Some(Fault::CipherHash) => envelope.payload_cipher_hash.0[3] ^= 1,
        Some(Fault::Signature | Fault::OthersKey) | None => {}
    }
    let name = (
        envelope.tenant_id,
        envelope.source_agent_id,
        envelope.agent_key_id,
    );
    let secret = match new.fault {
        Some(Fault::OthersKey) => secret((name.0, agent((new.agent + 1) % EACH), name.2)),
        _ => secret(name),
    };
    let mut signer = None;
    if let Ok(hash) = envelope.signing_hash() {
        envelope.agent_signature = secret.sign(&hash.0);
        signer = Some(secret.public);
    }
    if new.fault == Some(Fault::Signature) {
        envelope.agent_signature.0[40] ^= 4;
        signer = None;
    }
    Signed {
        event: SubmittedEvent { envelope, payload },
        created_ms,
        signer,
    }
}

fn bundle(bytes: u16, recipients: u32) -> EncryptedPayload {
    let recipients: Vec<_> = (1..=recipients)
        .map(|kid| Recipient {
            recipient_kid: RecipientKid(kid),
            enc: [4; 32],
            ct: [5; 48],
        })
        .collect();
    EncryptedPayload {
        nonce: [1; 12],
        ciphertext: vec![2; bytes.into()].try_into().expect("short"),
        tag: [3; 16],
        recipients: recipients.try_into().expect("few"),
    }
}

fn tampered(mut signed: Signed, tamper: Option<Tamper>) -> Signed {
    let envelope = &mut signed.event.envelope;
    match tamper {
        None => {}
        Some(Tamper::Payload) => {
            signed.event.payload = Payload::Plain(b"[]".to_vec().try_into().expect("short"));
        }
        Some(Tamper::Signature) => {
            // Never back to what it was.
            let byte = &mut envelope.agent_signature.0[3];
            *byte = byte.wrapping_add(1);
            signed.signer = None;
        }
        Some(Tamper::Command) => {
            envelope.command_id = Some(CommandId([0x77; 16]));
            if envelope.ves_version != 1 {
                signed.signer = None;
            }
        }
    }
    signed
}

pub(super) fn possession((tenant, agent, key_id): KeyName) -> PossessionStatement {
    PossessionStatement {
        genesis: Registry::genesis_hash(),
        tenant,
        agent,
        key_id,
        purpose: KeyPurpose::Signing,
        public_key: secret((tenant, agent, key_id)).public.0,
    }
}

pub(super) fn rotation(outgoing: KeyName, heir: KeyName, grace_seconds: u32) -> KeyRotation {
    let mut rotation = KeyRotation {
        tenant_id: outgoing.0,
        agent_id: outgoing.1,
        outgoing: outgoing.2,
        successor: heir.2,
        public_key: secret(heir).public,
        grace_seconds,
        possession: secret(heir).sign(&possession(heir).hash()),
        handover: Signature([0; 64]),
    };
    let statement = rotation.statement(Registry::genesis_hash());
    rotation.handover = secret(outgoing).sign(&statement.hash());
    rotation
}

pub(super) fn quota_of((events, payload_bytes): (u8, u16)) -> Quota {
    Quota {
        events: events.into(),
        payload_bytes: payload_bytes.into(),
    }
}

pub(super) fn policy_of(policy: &Policy) -> KeyPolicy {
    let patterns = |texts: &[&str]| {
        let patterns: Vec<_> = texts
            .iter()
            .map(|text| text.parse().expect("a pattern"))
            .collect();
        patterns.try_into().expect("few")
    };
    KeyPolicy {
        enabled: policy.enabled,
        event_types: patterns(policy.events),
        entity_types: patterns(policy.entities),
        require_base_version: policy.base_version,
        max_payload_bytes: policy.bytes,
    }
}
