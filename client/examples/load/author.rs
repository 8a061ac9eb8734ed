// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Agents that write, each with a key and stores of its own, and the events they sign.

use crate::Failure;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use ed25519_zebra::SigningKey;
use std::time::{SystemTime, UNIX_EPOCH};
use ves_client::{AdminCall, ChainClient, Signer, Wait};
use ves_primitives::{
    AgentId, CommandId, Envelope, EventId, KeyId, KeyPurpose, Payload, PayloadCipherHash,
    PayloadKind, PossessionStatement, Signature, SigningPublicKey, StoreId, SubmittedEvent,
    TenantId, payload_plain_hash, registry::ValidityWindow,
};

/// Tenant of the development preset, administered by `//Alice`.
const TENANT: &str = "11111111-1111-4111-8111-111111111111";
/// Registrations of one transaction.
const CALLS_AT_ONCE: usize = 120;

/// One agent.
#[derive(Clone)]
pub(crate) struct Author {
    key: SigningKey,
    tenant: TenantId,
    agent: AgentId,
    /// Streams it writes to.
    pub(crate) stores: Vec<StoreId>,
}

/// What ids of events and commands look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ids {
    /// UUIDs of version 7, which begin with the time that the event is offered at.
    Time,
    /// As random as UUIDs of version 4.
    Random,
}

/// How an event is to be.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// What ids look like.
    pub(crate) ids: Ids,
    /// Bytes of the payload.
    pub(crate) payload: usize,
    /// Whether each event fulfils a command.
    pub(crate) commands: bool,
    /// Entities that the events are about; as many as there are events if 0.
    pub(crate) entities: u64,
}

fn now_ns() -> Result<u128, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())
}

impl Author {
    fn public(&self) -> SigningPublicKey {
        SigningPublicKey(ed25519_zebra::VerificationKeyBytes::from(&self.key).into())
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = (TenantId, StoreId)> {
        self.stores.iter().map(|store| (self.tenant, *store))
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }

    /// Registers new agents and stores, under ids that no earlier run has used; agents take turns
    /// with the stores.
    pub(crate) async fn register(
        chain: &ChainClient,
        agents: u32,
        streams: u32,
    ) -> Result<Vec<Self>, Failure> {
        let run = now_ns()?;
        let tenant: TenantId = TENANT.parse()?;
        let mut authors: Vec<_> = (0..agents)
            .map(|n| {
                let mut seed = [7; 32];
                seed[..4].copy_from_slice(&n.to_be_bytes());
                Self {
                    key: SigningKey::from(seed),
                    tenant,
                    agent: AgentId((run + u128::from(n)).to_be_bytes()),
                    stores: Vec::new(),
                }
            })
            .collect();
        let mut calls = Vec::new();
        for n in 0..streams.max(agents) {
            let store = StoreId((run + u128::from(n % streams)).to_be_bytes());
            if n < streams {
                calls.push(AdminCall::RegisterStore { tenant, store });
            }
            let turn = usize::try_from(n % agents)?;
            authors[turn].stores.push(store);
        }
        for author in &authors {
            calls.extend(author.registration(chain));
        }
        let admin = Signer::from_uri("//Alice")?;
        let rounds = calls.len().div_ceil(CALLS_AT_ONCE);
        for (round, part) in calls.chunks(CALLS_AT_ONCE).enumerate() {
            if rounds > 1 {
                eprintln!("registering, {} of {rounds}", round + 1);
            }
            let wait = if round + 1 == rounds {
                Wait::Finalized
            } else {
                Wait::InBlock
            };
            chain.execute(&admin, part, wait).await?;
        }
        Ok(authors)
    }

    fn registration(&self, chain: &ChainClient) -> [AdminCall; 2] {
        let (tenant, agent, key_id) = (self.tenant, self.agent, KeyId(1));
        let statement = PossessionStatement {
            genesis: chain.genesis_hash(),
            tenant,
            agent,
            key_id,
            purpose: KeyPurpose::Signing,
            public_key: self.public().0,
        };
        [
            AdminCall::RegisterAgent { tenant, agent },
            AdminCall::RegisterSigningKey {
                tenant,
                agent,
                key_id,
                public_key: self.public(),
                window: ValidityWindow::default(),
                proof: self.sign(&statement.hash()),
            },
        ]
    }

    /// A signed event of this time; its number makes it unlike any other.
    pub(crate) fn event(
        &self,
        number: u64,
        at: DateTime<Utc>,
        store: StoreId,
        shape: Shape,
    ) -> Result<SubmittedEvent, Failure> {
        let text = |text: &str| text.as_bytes().to_vec();
        let head = format!(r#"{{"n":{number},"pad":""#);
        let pad = "x".repeat(shape.payload.saturating_sub(head.len() + 2));
        let json = format!("{head}{pad}\"}}").into_bytes();
        let too_long = |_| "a text is too long";
        let entity = if shape.entities == 0 {
            number
        } else {
            number % shape.entities
        };
        let created_at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let id = match shape.ids {
            Ids::Time => timed(number, at.timestamp_millis()),
            Ids::Random => scattered(number),
        };
        let mut event = SubmittedEvent {
            envelope: Envelope {
                ves_version: 2,
                event_id: EventId(id),
                tenant_id: self.tenant,
                store_id: store,
                source_agent_id: self.agent,
                agent_key_id: KeyId(1),
                entity_type: text("order").try_into().map_err(too_long)?,
                entity_id: text(&format!("order-{entity}"))
                    .try_into()
                    .map_err(too_long)?,
                event_type: text("order.created").try_into().map_err(too_long)?,
                created_at: text(&created_at).try_into().map_err(too_long)?,
                payload_kind: PayloadKind::Plaintext,
                payload_plain_hash: payload_plain_hash(None, &json),
                payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
                command_id: shape.commands.then_some(CommandId(id)),
                base_version: None,
                agent_signature: Signature([0; 64]),
            },
            payload: Payload::Plain(json.try_into().map_err(too_long)?),
        };
        event.envelope.agent_signature = self.sign(&event.envelope.signing_hash()?.0);
        Ok(event)
    }
}

/// An id as random as a UUID of version 4.
fn scattered(number: u64) -> [u8; 16] {
    let high = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&high.to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

/// A UUID of version 7: 48 bits of milliseconds, then what is random in others.
fn timed(number: u64, ms: i64) -> [u8; 16] {
    let mut id = scattered(number);
    id.rotate_left(8);
    id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    id
}
