// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Agents that write all the while: each event is offered until some node shows it in its final place.

use crate::{
    history::{Ack, ClientEntry, EventDigest},
    network::NAMES,
};
use anyhow::{Context, Result};
use chrono::{SecondsFormat, Utc};
use ed25519_zebra::SigningKey;
use rand::{Rng, RngCore};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::task::JoinSet;
use ves_client::{AdminCall, BlockHash, ChainClient, Rpc, Signer, Wait};
use ves_primitives::{
    AgentId, Envelope, EventId, GenesisHash, KeyId, KeyPurpose, Payload, PayloadCipherHash,
    PayloadKind, PossessionStatement, Signature, SigningPublicKey, StoreId, StreamId,
    SubmittedEvent, TenantId, payload_plain_hash, registry::ValidityWindow, stream_id,
};

/// Tenant of the presets, administered by `//Alice`.
const TENANT: &str = "11111111-1111-4111-8111-111111111111";
/// Agents.
const AGENTS: u8 = 4;
/// Stores; every agent writes to all of them.
const STORES: u8 = 3;
/// Events of one submission.
const BATCH: usize = 10;
/// Events that may wait for finality before agents hold back.
const PENDING_MAX: usize = 6_000;
/// What is not final after this time is offered again.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait for a node's answer.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// A node that did not answer is left alone for this time.
const PAUSE: Duration = Duration::from_secs(2);
/// Largest page of events.
const PAGE: u32 = 1_000;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A way to a node, opened when it is needed.
pub(crate) struct Door {
    url: String,
    genesis: Option<GenesisHash>,
    open: tokio::sync::Mutex<Option<ChainClient>>,
    /// Not before this time again.
    shut: Mutex<Option<Instant>>,
}

impl Door {
    /// To this node.
    pub(crate) fn new(url: String, genesis: Option<GenesisHash>) -> Self {
        Self {
            url,
            genesis,
            open: tokio::sync::Mutex::default(),
            shut: Mutex::default(),
        }
    }

    /// The node; an error soon if it does not answer.
    pub(crate) async fn client(&self) -> Result<ChainClient> {
        let shut = *lock(&self.shut);
        anyhow::ensure!(shut.is_none_or(|until| Instant::now() > until), "shut");
        let connect = async {
            let mut open = self.open.lock().await;
            if let Some(client) = open.as_ref() {
                return Ok(client.clone());
            }
            let rpc = Rpc::connect_with(&self.url, ANSWER_MAX).await?;
            let client = ChainClient::new(rpc, self.genesis).await?;
            *open = Some(client.clone());
            Ok(client)
        };
        let client = tokio::time::timeout(ANSWER_MAX, connect)
            .await
            .context("no answer")
            .flatten();
        if client.is_err() {
            self.shut();
        }
        client
    }

    /// Leaves the node alone for a while.
    fn shut(&self) {
        *lock(&self.shut) = Some(Instant::now() + PAUSE);
    }
}

struct Waiting {
    event: SubmittedEvent,
    offered: Instant,
}

struct Shared {
    doors: Vec<Door>,
    streams: Vec<(StoreId, StreamId)>,
    tenant: TenantId,
    /// Events that no node has shown in a final place yet.
    waiting: Mutex<BTreeMap<(StreamId, EventId), Waiting>>,
    log: Mutex<Vec<ClientEntry>>,
    running: AtomicBool,
    refused: AtomicU64,
    retried: AtomicU64,
}

/// The agents.
pub(crate) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

/// Counts of the load.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Counts {
    /// Submissions that no node took at the first try.
    pub(crate) refused: u64,
    /// Events that were offered again.
    pub(crate) retried: u64,
    /// Events whose fate no client knows.
    pub(crate) waiting: usize,
}

struct Agent {
    key: SigningKey,
    id: AgentId,
    tenant: TenantId,
    rng: ChaCha8Rng,
}

impl Agent {
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }

    fn registration(&self, genesis: GenesisHash) -> [AdminCall; 2] {
        let (tenant, agent, key_id) = (self.tenant, self.id, KeyId(1));
        let public = ed25519_zebra::VerificationKeyBytes::from(&self.key).into();
        let statement = PossessionStatement {
            genesis,
            tenant,
            agent,
            key_id,
            purpose: KeyPurpose::Signing,
            public_key: public,
        };
        [
            AdminCall::RegisterAgent { tenant, agent },
            AdminCall::RegisterSigningKey {
                tenant,
                agent,
                key_id,
                public_key: SigningPublicKey(public),
                window: ValidityWindow::default(),
                proof: self.sign(&statement.hash()),
            },
        ]
    }

    fn event(&mut self, store: StoreId) -> Result<SubmittedEvent> {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        let (number, length) = (self.rng.r#gen::<u32>(), self.rng.gen_range(0..600));
        let json = format!(r#"{{"n":{number},"pad":"{}"}}"#, "x".repeat(length)).into_bytes();
        let created = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let entity = format!("order-{}", self.rng.gen_range(0..500));
        let mut event = SubmittedEvent {
            envelope: Envelope {
                ves_version: 2,
                event_id: EventId(id),
                tenant_id: self.tenant,
                store_id: store,
                source_agent_id: self.id,
                agent_key_id: KeyId(1),
                entity_type: bounded("order")?,
                entity_id: bounded(&entity)?,
                event_type: bounded("order.updated")?,
                created_at: bounded(&created)?,
                payload_kind: PayloadKind::Plaintext,
                payload_plain_hash: payload_plain_hash(None, &json),
                payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
                command_id: None,
                base_version: None,
                agent_signature: Signature([0; 64]),
            },
            payload: Payload::Plain(json.try_into().map_err(|_| anyhow::anyhow!("too long"))?),
        };
        event.envelope.agent_signature = self.sign(&event.envelope.signing_hash()?.0);
        Ok(event)
    }
}

fn bounded<T: TryFrom<Vec<u8>>>(text: &str) -> Result<T> {
    let bytes = text.as_bytes().to_vec();
    bytes.try_into().map_err(|_| anyhow::anyhow!("too long"))
}

impl Load {
    /// Registers agents and lets them write so many events a second, to all nodes in turn.
    pub(crate) async fn start(urls: Vec<String>, seed: u64, rate: u32) -> Result<Self> {
        let chain = ChainClient::connect(urls.first().context("no node")?, None).await?;
        let genesis = chain.genesis_hash();
        let tenant: TenantId = TENANT.parse().map_err(|e| anyhow::anyhow!("{e}"))?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut fresh = || {
            let mut id = [0; 16];
            rng.fill_bytes(&mut id);
            id
        };
        let stores: Vec<_> = (0..STORES).map(|_| StoreId(fresh())).collect();
        let ids: Vec<_> = (0..AGENTS).map(|_| AgentId(fresh())).collect();
        let agents: Vec<_> = (1u8..)
            .zip(ids)
            .map(|(n, id)| Agent {
                key: SigningKey::from([n; 32]),
                id,
                tenant,
                rng: ChaCha8Rng::seed_from_u64(seed ^ u64::from(n) << 32),
            })
            .collect();
        let register = |store: &StoreId| AdminCall::RegisterStore {
            tenant,
            store: *store,
        };
        let mut calls: Vec<_> = stores.iter().map(register).collect();
        calls.extend(agents.iter().flat_map(|agent| agent.registration(genesis)));
        let admin = Signer::from_uri("//Alice")?;
        chain.execute(&admin, &calls, Wait::Finalized).await?;

        let door = |url| Door::new(url, Some(genesis));
        let streams = stores.iter().map(|s| (*s, stream_id(tenant, *s)));
        let shared = Arc::new(Shared {
            doors: urls.into_iter().map(door).collect(),
            streams: streams.collect(),
            tenant,
            waiting: Mutex::default(),
            log: Mutex::default(),
            running: AtomicBool::new(true),
            refused: AtomicU64::new(0),
            retried: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        let per_agent = f64::from(rate.max(1)) / f64::from(AGENTS);
        let interval = Duration::from_secs_f64(BATCH as f64 / per_agent);
        for agent in agents {
            tasks.spawn(Arc::clone(&shared).write(agent, interval));
        }
        tasks.spawn(Arc::clone(&shared).settle(seed));
        Ok(Self { shared, tasks })
    }

    /// Tenant and stores that are written to.
    pub(crate) fn streams(&self) -> (TenantId, &[(StoreId, StreamId)]) {
        (self.shared.tenant, &self.shared.streams)
    }

    /// Lets agents write, or hold back.
    pub(crate) fn run(&self, running: bool) {
        self.shared.running.store(running, Ordering::Relaxed);
    }

    /// Holds agents back and waits until the fate of all events is known.
    pub(crate) async fn quiet(&self, limit: Duration) -> Counts {
        self.run(false);
        let deadline = Instant::now() + limit;
        while self.counts().waiting > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.counts()
    }

    /// What it came to.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            refused: self.shared.refused.load(Ordering::Relaxed),
            retried: self.shared.retried.load(Ordering::Relaxed),
            waiting: lock(&self.shared.waiting).len(),
        }
    }

    /// Everything that clients were told so far.
    pub(crate) fn log(&self) -> Vec<ClientEntry> {
        lock(&self.shared.log).clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

impl Shared {
    fn note(&self, event: &SubmittedEvent, ack: Ack) {
        lock(&self.log).push(ClientEntry {
            at_ms: now_ms(),
            stream: event.envelope.stream_id(),
            event: event.envelope.event_id,
            ack,
        });
    }

    async fn write(self: Arc<Self>, mut agent: Agent, interval: Duration) {
        let mut clock = tokio::time::interval(interval);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let full = lock(&self.waiting).len() > PENDING_MAX;
            if full || !self.running.load(Ordering::Relaxed) {
                continue;
            }
            let turn = agent.rng.gen_range(0..self.streams.len());
            let Some((store, _)) = self.streams.get(turn) else {
                return;
            };
            let made: Result<Vec<_>> = (0..BATCH).map(|_| agent.event(*store)).collect();
            let Ok(events) = made else { return };
            for event in &events {
                let digest = EventDigest::of(event);
                self.note(event, Ack::Offered { digest });
                let key = (event.envelope.stream_id(), event.envelope.event_id);
                let waiting = Waiting {
                    event: event.clone(),
                    offered: Instant::now(),
                };
                lock(&self.waiting).insert(key, waiting);
            }
            let first = agent.rng.gen_range(0..self.doors.len());
            // Not waited for: a node that hangs must not hold up the next submission.
            tokio::spawn(Arc::clone(&self).submit(events, first));
        }
    }

    /// Offers events to one node after the other until one takes them.
    async fn submit(self: Arc<Self>, events: Vec<SubmittedEvent>, first: usize) {
        for turn in 0..self.doors.len() {
            let at = (first + turn) % self.doors.len();
            let Some(door) = self.doors.get(at) else {
                return;
            };
            let Ok(client) = door.client().await else {
                continue;
            };
            match client.submit_events(&events).await {
                Ok(_) => {
                    let node = NAMES.get(at).copied().unwrap_or_default();
                    for event in &events {
                        self.note(event, Ack::Accepted { node: node.into() });
                    }
                    return;
                }
                // Some or all of them are on chain already, which settling will find out.
                Err(ves_client::ClientError::Stale) => return,
                Err(error) => {
                    if matches!(
                        error,
                        ves_client::ClientError::Unreachable { .. }
                            | ves_client::ClientError::Timeout { .. }
                    ) {
                        door.shut();
                    }
                }
            }
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Follows what nodes show as final, asking one after the other.
    async fn settle(self: Arc<Self>, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5e77);
        let mut next: BTreeMap<StreamId, u64> = BTreeMap::new();
        loop {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let at = rng.gen_range(0..self.doors.len());
            let Some(door) = self.doors.get(at) else {
                return;
            };
            if let Ok(client) = door.client().await {
                let name = NAMES.get(at).copied().unwrap_or_default();
                for (store, stream) in &self.streams {
                    let from = next.entry(*stream).or_insert(1);
                    if self.read(&client, name, *store, from).await.is_err() {
                        door.shut();
                        break;
                    }
                }
            }
            self.offer_again(&mut rng);
        }
    }

    async fn read(
        &self,
        client: &ChainClient,
        node: &str,
        store: StoreId,
        from: &mut u64,
    ) -> Result<()> {
        loop {
            let page = client.store_events(self.tenant, store, *from, Some(PAGE));
            let page = tokio::time::timeout(ANSWER_MAX, page).await??;
            for event in &page.events {
                let key = (event.stream_id, event.event.event_id);
                if let Some(known) = lock(&self.waiting).remove(&key) {
                    let ack = Ack::Finalized {
                        node: node.into(),
                        sequence: event.sequence,
                        block_number: event.block_number,
                        block_hash: BlockHash(event.block_hash),
                    };
                    self.note(&known.event, ack);
                }
                *from = event.sequence + 1;
            }
            if page.next_sequence.is_none() || page.events.is_empty() {
                return Ok(());
            }
        }
    }

    fn offer_again(self: &Arc<Self>, rng: &mut ChaCha8Rng) {
        let mut late: BTreeMap<StreamId, Vec<SubmittedEvent>> = BTreeMap::new();
        for ((stream, _), waiting) in lock(&self.waiting).iter_mut() {
            if waiting.offered.elapsed() > PATIENCE {
                waiting.offered = Instant::now();
                late.entry(*stream).or_default().push(waiting.event.clone());
            }
        }
        for events in late.values().flat_map(|events| events.chunks(4 * BATCH)) {
            let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
            self.retried.fetch_add(count, Ordering::Relaxed);
            let first = rng.gen_range(0..self.doors.len());
            tokio::spawn(Arc::clone(self).submit(events.to_vec(), first));
        }
    }
}
