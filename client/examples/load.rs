// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Loads a development node with signed events and counts what it finalizes.
//!
//! `cargo run -p ves-client --example load -- --url ws://127.0.0.1:9944 --seconds 60`
//!
//! Events are counted from chain data: the leaves of every batch between the first and the last
//! block of the measurement. The time from submission to finality is that of every tenth
//! submission, as the node reports it. Prints one JSON object.

use clap::Parser;
use ed25519_zebra::SigningKey;
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use ves_client::{AdminCall, ChainClient, Signer, Wait};
use ves_primitives::{
    AgentId, Envelope, EventId, KeyId, KeyPurpose, Payload, PayloadCipherHash, PayloadKind,
    PossessionStatement, Signature, SigningPublicKey, StoreId, SubmittedEvent, TenantId,
    payload_plain_hash, registry::ValidityWindow,
};

type Failure = Box<dyn Error + Send + Sync>;

/// Tenant of the development preset, administered by `//Alice`.
const TENANT: &str = "11111111-1111-4111-8111-111111111111";

#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// WebSocket of the node.
    #[arg(long, default_value = "ws://127.0.0.1:9944")]
    url: String,
    /// Length of the measurement.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Events of one submission, at most 256.
    #[arg(long, default_value_t = 128)]
    batch: u32,
    /// Bytes of each payload.
    #[arg(long, default_value_t = 256)]
    payload: usize,
    /// Streams that the submissions take turns with.
    #[arg(long, default_value_t = 4)]
    streams: u8,
    /// Events offered per second.
    #[arg(long, default_value_t = 4_000)]
    rate: u32,
}

struct Author {
    key: SigningKey,
    tenant: TenantId,
    agent: AgentId,
    stores: Vec<StoreId>,
}

impl Author {
    fn public(&self) -> SigningPublicKey {
        SigningPublicKey(ed25519_zebra::VerificationKeyBytes::from(&self.key).into())
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }

    /// Registers a new agent with a key and new stores, under ids that no earlier run has used.
    async fn register(chain: &ChainClient, arguments: &Arguments) -> Result<Self, Failure> {
        let run = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .as_nanos();
        let stores = (0..arguments.streams)
            .map(|n| StoreId((run + u128::from(n)).to_be_bytes()))
            .collect::<Vec<_>>();
        let author = Self {
            key: SigningKey::from([7; 32]),
            tenant: TENANT.parse()?,
            agent: AgentId(run.to_be_bytes()),
            stores,
        };
        let (tenant, agent, key_id) = (author.tenant, author.agent, KeyId(1));
        let statement = PossessionStatement {
            genesis: chain.genesis_hash(),
            tenant,
            agent,
            key_id,
            purpose: KeyPurpose::Signing,
            public_key: author.public().0,
        };
        let mut calls: Vec<_> = author
            .stores
            .iter()
            .map(|store| AdminCall::RegisterStore {
                tenant,
                store: *store,
            })
            .collect();
        calls.push(AdminCall::RegisterAgent { tenant, agent });
        calls.push(AdminCall::RegisterSigningKey {
            tenant,
            agent,
            key_id,
            public_key: author.public(),
            window: ValidityWindow::default(),
            proof: author.sign(&statement.hash()),
        });
        chain
            .execute(&Signer::from_uri("//Alice")?, &calls, Wait::Finalized)
            .await?;
        Ok(author)
    }

    fn event(
        &self,
        number: u64,
        store: StoreId,
        payload: usize,
    ) -> Result<SubmittedEvent, Failure> {
        let text = |text: &str| text.as_bytes().to_vec();
        let head = format!(r#"{{"n":{number},"pad":""#);
        let pad = "x".repeat(payload.saturating_sub(head.len() + 2));
        let json = format!("{head}{pad}\"}}").into_bytes();
        let too_long = |_| "a text is too long";
        let mut event = SubmittedEvent {
            envelope: Envelope {
                ves_version: 2,
                event_id: EventId(u128::from(number).to_be_bytes()),
                tenant_id: self.tenant,
                store_id: store,
                source_agent_id: self.agent,
                agent_key_id: KeyId(1),
                entity_type: text("order").try_into().map_err(too_long)?,
                entity_id: text(&format!("order-{number}"))
                    .try_into()
                    .map_err(too_long)?,
                event_type: text("order.created").try_into().map_err(too_long)?,
                created_at: text("2026-11-23T00:00:00Z").try_into().map_err(too_long)?,
                payload_kind: PayloadKind::Plaintext,
                payload_plain_hash: payload_plain_hash(None, &json),
                payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
                command_id: None,
                base_version: None,
                agent_signature: Signature([0; 64]),
            },
            payload: Payload::Plain(json.try_into().map_err(too_long)?),
        };
        event.envelope.agent_signature = self.sign(&event.envelope.signing_hash()?.0);
        Ok(event)
    }
}

/// Signs everything before the clock starts, so that the generator does not compete with the node.
async fn prepare(
    chain: &ChainClient,
    author: &Author,
    arguments: &Arguments,
) -> Result<Vec<Vec<u8>>, Failure> {
    let submissions = u64::from(arguments.rate) * arguments.seconds / u64::from(arguments.batch);
    let mut extrinsics = Vec::new();
    let mut number = 0;
    for index in 0..submissions {
        let store = author.stores[usize::try_from(index)? % author.stores.len()];
        let mut events = Vec::new();
        for _ in 0..arguments.batch {
            number += 1;
            events.push(author.event(number, store, arguments.payload)?);
        }
        extrinsics.push(chain.submission(&events).await?);
    }
    Ok(extrinsics)
}

fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let chain = ChainClient::connect(&arguments.url, None).await?;
    let author = Author::register(&chain, &arguments).await?;
    eprintln!(
        "signing {} events",
        u64::from(arguments.rate) * arguments.seconds
    );
    let extrinsics = prepare(&chain, &author, &arguments).await?;

    let first = chain.finalized_header().await?.number + 1;
    let started = Instant::now();
    let interval = Duration::from_secs_f64(f64::from(arguments.batch) / f64::from(arguments.rate));
    let in_flight = Arc::new(Semaphore::new(64));
    let mut watches = Vec::new();
    let (mut offered, mut refused) = (0u64, 0u64);
    let mut sends = tokio::task::JoinSet::new();
    for (index, extrinsic) in (0u32..).zip(extrinsics) {
        tokio::time::sleep_until((started + interval * index).into()).await;
        if started.elapsed() > Duration::from_secs(arguments.seconds) {
            break;
        }
        offered += u64::from(arguments.batch);
        let chain = chain.clone();
        let permit = in_flight.clone().acquire_owned().await?;
        if index % 10 == 0 {
            watches.push(tokio::spawn(async move {
                let begun = Instant::now();
                let mut watch = chain.submit_and_watch(&extrinsic).await.ok()?;
                drop(permit);
                watch.finalized(Duration::from_secs(60)).await.ok()?;
                Some(begun.elapsed().as_secs_f64())
            }));
        } else {
            sends.spawn(async move {
                let result = chain.submit(&extrinsic).await;
                drop(permit);
                result.is_ok()
            });
        }
    }
    let offering = started.elapsed().as_secs_f64();
    while let Some(sent) = sends.join_next().await {
        refused += u64::from(!sent?);
    }
    let mut latencies = Vec::new();
    let mut unfinalized = 0u32;
    for watch in watches {
        match watch.await? {
            Some(seconds) => latencies.push(seconds),
            None => unfinalized += 1,
        }
    }
    latencies.sort_by(f64::total_cmp);

    let head = chain.finalized_header().await?;
    let (mut finalized, mut largest, mut last_with_events) = (0u64, 0u64, first);
    let (mut opened, mut closed) = (None, 0u64);
    for number in first..=head.number {
        let batches = chain.batches_in_block(number, None).await?;
        let events: u64 = batches
            .iter()
            .map(|batch| u64::from(batch.leaf_count))
            .sum();
        if events > 0 {
            let hash = chain
                .block_hash(number)
                .await?
                .ok_or("a finalized block has no hash")?;
            let time = chain.now(Some(hash)).await?.time_ms;
            opened.get_or_insert(time);
            closed = time;
            last_with_events = number;
        }
        finalized += events;
        largest = largest.max(events);
    }
    // From the slot before the first block with events to the slot of the last one.
    let span = (closed + 2_000 - opened.unwrap_or(closed)) as f64 / 1_000.0;
    println!(
        "{}",
        serde_json::json!({
            "batch": arguments.batch,
            "payload_bytes": arguments.payload,
            "streams": arguments.streams,
            "offered_events": offered,
            "offered_per_second": offered as f64 / offering,
            "refused_submissions": refused,
            "finalized_events": finalized,
            "finalized_per_second": finalized as f64 / span,
            "seconds_of_chain_time": span,
            "blocks": last_with_events - first + 1,
            "largest_block_events": largest,
            "submit_to_finalized_s": {
                "samples": latencies.len(),
                "unfinalized": unfinalized,
                "p50": percentile(&latencies, 0.50),
                "p99": percentile(&latencies, 0.99),
            },
        })
    );
    Ok(())
}
