// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What sequencing means, in plain maps. Nothing here is the pallets': of the project it uses names,
//! limits and the hashes that the vectors of VES v1 pin.

use super::registry::{Agent, Key, Tenant, Used, default_quota, within};
use std::collections::{BTreeMap, BTreeSet};
use ves_primitives::{
    AgentId, BatchCommitment, CommandId, Envelope, EventId, Field, LeafHash, Payload,
    PayloadCipherHash, SigningPublicKey, StateRoot, StoreId, StreamId, SubmittedEvent, TenantId,
    batch_id, events_root, limits, payload_plain_hash,
    registry::{AuthorProblem, KeyProblem, PolicyBreach},
    sequencer::{EventRecord, Rejection},
    state_root,
};

/// An event, with what its maker knows of it.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) event: SubmittedEvent,
    /// The moment that `created_at` names, if it names one.
    pub(super) created_ms: Option<u64>,
    /// Whose signature over what the envelope says it carries, if it carries one.
    pub(super) signer: Option<SigningPublicKey>,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Sequenced(u64),
    Replayed(u64),
    Rejected(Rejection),
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    /// What the agent signed, and the signature.
    statement: Envelope,
    pub(super) record: EventRecord,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    tenant: TenantId,
    store: StoreId,
    /// The sequence given out last.
    pub(super) sequence: u64,
    pub(super) state_root: StateRoot,
    pub(super) batch_count: u64,
    pub(super) batches: BTreeMap<u64, BatchCommitment>,
    pub(super) anchored: u64,
    leaves: Vec<LeafHash>,
    pub(super) events: BTreeMap<EventId, Known>,
    pub(super) commands: BTreeMap<CommandId, (EventId, u32)>,
    pub(super) versions: BTreeMap<(Vec<u8>, Vec<u8>), u64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    pub(super) block: u32,
    pub(super) now_ms: u64,
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    pub(super) listed: BTreeMap<u32, Vec<(StreamId, u64)>>,
    /// Every statement ever sequenced. Never forgotten: none may be sequenced twice.
    ever: BTreeSet<(StreamId, LeafHash)>,
}

/// What a signature covers: version 1 leaves out command and base version.
fn statement(envelope: &Envelope) -> Envelope {
    let mut statement = envelope.clone();
    if statement.ves_version == 1 {
        statement.command_id = None;
        statement.base_version = None;
    }
    statement
}

fn payload_objection(event: &SubmittedEvent) -> Result<(), Rejection> {
    let envelope = &event.envelope;
    match &event.payload {
        Payload::Plain(json)
            if envelope.payload_cipher_hash == PayloadCipherHash::PLAINTEXT
                && envelope.payload_plain_hash == payload_plain_hash(None, json) =>
        {
            Ok(())
        }
        Payload::Plain(_) => Err(Rejection::InvalidPayloadHash),
        Payload::Encrypted(bundle)
            if envelope.payload_cipher_hash == bundle.cipher_hash(&envelope.payload_aad()) =>
        {
            Ok(())
        }
        Payload::Encrypted(_) => Err(Rejection::InvalidCipherHash),
    }
}

fn form_objection(signed: &Signed) -> Result<(), Rejection> {
    let envelope = &signed.event.envelope;
    let faulty = |field| Err(Rejection::SchemaValidation(field));
    let is_text = |bytes: &[u8]| !bytes.is_empty() && String::from_utf8(bytes.to_vec()).is_ok();
    if envelope.ves_version != 1 && envelope.ves_version != 2 {
        return Err(Rejection::UnsupportedVersion);
    }
    if !is_text(&envelope.entity_type) {
        return faulty(Field::EntityType);
    }
    if !is_text(&envelope.entity_id) {
        return faulty(Field::EntityId);
    }
    if !is_text(&envelope.event_type) {
        return faulty(Field::EventType);
    }
    if signed.created_ms.is_none() {
        return faulty(Field::CreatedAt);
    }
    if envelope.base_version >= Some(1 << 63) {
        return faulty(Field::BaseVersion);
    }
    if envelope.payload_kind != signed.event.payload.kind() {
        return faulty(Field::PayloadKind);
    }
    match &signed.event.payload {
        Payload::Plain(json) if json.is_empty() => faulty(Field::Payload),
        Payload::Encrypted(bundle) if bundle.recipients.is_empty() => faulty(Field::Recipients),
        _ => Ok(()),
    }
}

impl Stream {
    const fn new(tenant: TenantId, store: StoreId) -> Self {
        Self {
            tenant,
            store,
            sequence: 0,
            state_root: StateRoot([0; 32]),
            batch_count: 0,
            batches: BTreeMap::new(),
            anchored: 0,
            leaves: Vec::new(),
            events: BTreeMap::new(),
            commands: BTreeMap::new(),
            versions: BTreeMap::new(),
        }
    }

    pub(super) fn oldest(&self) -> u64 {
        self.batches.keys().next().map_or(self.batch_count, |n| *n)
    }

    fn prune(&mut self, now: u32, most: usize) {
        for _ in 0..most {
            let Some(oldest) = self.batches.first_entry() else {
                return;
            };
            let age = now - oldest.get().block_number;
            let needed = if *oldest.key() < self.anchored {
                43_200
            } else {
                30 * 43_200
            };
            if age < needed {
                return;
            }
            oldest.remove();
        }
    }

    fn commit(&mut self, id: StreamId, block: u32) -> BatchCommitment {
        let leaves = std::mem::take(&mut self.leaves);
        let leaf_count = u32::try_from(leaves.len()).expect("few");
        let sequence_start = self.sequence + 1 - u64::from(leaf_count);
        let root = events_root(&leaves).expect("there are leaves");
        let before = self.state_root;
        let after = state_root(id, before, root, sequence_start, self.sequence, leaf_count);
        let batch = BatchCommitment {
            batch_id: batch_id(id, sequence_start, self.sequence, root, before),
            tenant_id: self.tenant,
            store_id: self.store,
            batch_index: self.batch_count,
            block_number: block,
            sequence_start,
            sequence_end: self.sequence,
            leaf_count,
            events_root: root,
            prev_state_root: before,
            new_state_root: after,
        };
        self.state_root = after;
        self.batches.insert(self.batch_count, batch.clone());
        self.batch_count += 1;
        batch
    }
}

impl Reference {
    // Blocks.

    pub(super) fn begin_block(&mut self, block: u32, now_ms: u64) {
        (self.block, self.now_ms) = (block, now_ms);
        for stream in self.streams.values_mut() {
            let is_known = |at: u32| at + limits::DEDUPE_BLOCKS > block;
            stream
                .events
                .retain(|_, known| is_known(known.record.block_number));
            stream.commands.retain(|_, (_, at)| is_known(*at));
        }
        self.listed.retain(|at, _| *at + 43_200 > block);
    }

    pub(super) fn end_block(&mut self) -> Vec<BatchCommitment> {
        let block = self.block;
        let mut batches = Vec::new();
        for (id, stream) in &mut self.streams {
            if !stream.leaves.is_empty() {
                let batch = stream.commit(*id, block);
                stream.prune(block, 2);
                self.listed
                    .entry(block)
                    .or_default()
                    .push((*id, batch.batch_index));
                batches.push(batch);
            }
        }
        batches
    }

    // Events.

    pub(super) fn submit(&mut self, events: &[Signed]) -> Vec<Verdict> {
        let mut payer = None;
        let mut rejected = 0;
        let mut verdicts = Vec::new();
        for signed in events {
            let verdict = self.judge(signed);
            let names = (
                signed.event.envelope.tenant_id,
                signed.event.envelope.source_agent_id,
            );
            match verdict {
                Verdict::Sequenced(_) => {
                    self.sequence(signed);
                    self.debit(names, 1, signed.event.payload.len());
                    payer = payer.or(Some(names));
                }
                Verdict::Rejected(_) => rejected += 1,
                Verdict::Replayed(_) => {}
            }
            verdicts.push(verdict);
        }
        if let (Some(names), 1..) = (payer, rejected) {
            self.debit(names, rejected, 0);
        }
        verdicts
    }

    pub(super) fn judge(&self, signed: &Signed) -> Verdict {
        let envelope = &signed.event.envelope;
        let stream = self.streams.get(&envelope.stream_id());
        if let Some(known) = stream.and_then(|stream| stream.events.get(&envelope.event_id)) {
            let same = known.statement == statement(envelope);
            return if same && payload_objection(&signed.event).is_ok() {
                Verdict::Replayed(known.record.sequence)
            } else {
                Verdict::Rejected(Rejection::DuplicateEventId)
            };
        }
        match self.objection(signed, stream) {
            Err(reason) => Verdict::Rejected(reason),
            Ok(()) => Verdict::Sequenced(stream.map_or(0, |stream| stream.sequence) + 1),
        }
    }

    fn objection(&self, signed: &Signed, stream: Option<&Stream>) -> Result<(), Rejection> {
        form_objection(signed)?;
        let envelope = &signed.event.envelope;
        let created = signed.created_ms.unwrap_or_default();
        if created + limits::EVENT_WINDOW_MS < self.now_ms {
            return Err(Rejection::CreatedAtTooOld);
        }
        if created > self.now_ms + limits::EVENT_SKEW_MS {
            return Err(Rejection::CreatedAtInFuture);
        }
        let (tenant, agent, key) = self.author(envelope).map_err(Rejection::Author)?;
        if let Some(policy) = key.policy.filter(|policy| policy.enabled) {
            let breach = |breach| Err(Rejection::Policy(breach));
            if !within(policy.events, &envelope.event_type) {
                return breach(PolicyBreach::EventType);
            }
            if !within(policy.entities, &envelope.entity_type) {
                return breach(PolicyBreach::EntityType);
            }
            if policy.base_version
                && (envelope.ves_version == 1 || envelope.base_version.is_none())
                && !envelope.event_type.ends_with(b".created")
            {
                return breach(PolicyBreach::BaseVersion);
            }
            if signed.event.payload.len() > policy.bytes as usize {
                return breach(PolicyBreach::PayloadBytes);
            }
        }
        let bytes = signed.event.payload.len() as u64;
        let quota = tenant.quota.unwrap_or(default_quota());
        if !tenant.used.in_block(self.block).allows(quota, bytes) {
            return Err(Rejection::TenantQuotaExhausted);
        }
        let quota = agent.quota.unwrap_or(default_quota());
        if !agent.used.in_block(self.block).allows(quota, bytes) {
            return Err(Rejection::AgentQuotaExhausted);
        }
        payload_objection(&signed.event)?;
        if signed.signer != Some(key.public) {
            return Err(Rejection::InvalidSignature);
        }
        let command = envelope.command_id;
        if command.is_some_and(|id| stream.is_some_and(|s| s.commands.contains_key(&id))) {
            return Err(Rejection::DuplicateCommandId);
        }
        let actual = self.version(envelope);
        match envelope.base_version {
            Some(expected) if expected != actual => {
                Err(Rejection::VersionConflict { expected, actual })
            }
            _ => Ok(()),
        }
    }

    fn author(&self, envelope: &Envelope) -> Result<(&Tenant, &Agent, &Key), AuthorProblem> {
        let tenant = self.tenants.get(&envelope.tenant_id);
        let tenant = tenant.ok_or(AuthorProblem::UnknownTenant)?;
        if tenant.suspended {
            return Err(AuthorProblem::TenantSuspended);
        }
        if !tenant.stores.contains(&envelope.store_id) {
            return Err(AuthorProblem::UnknownStore);
        }
        let agent = tenant.agents.get(&envelope.source_agent_id);
        let agent = agent.ok_or(AuthorProblem::UnknownAgent)?;
        if agent.suspended {
            return Err(AuthorProblem::AgentSuspended);
        }
        let key = agent.keys.get(&envelope.agent_key_id);
        let key = key.ok_or(AuthorProblem::Key(KeyProblem::NotFound))?;
        key.objection(self.block, self.now_ms)
            .map_err(AuthorProblem::Key)?;
        Ok((tenant, agent, key))
    }

    pub(super) fn version(&self, envelope: &Envelope) -> u64 {
        let entity = (envelope.entity_type.to_vec(), envelope.entity_id.to_vec());
        let stream = self.streams.get(&envelope.stream_id());
        stream
            .and_then(|stream| stream.versions.get(&entity).copied())
            .unwrap_or(0)
    }

    fn sequence(&mut self, signed: &Signed) {
        let envelope = &signed.event.envelope;
        let id = envelope.stream_id();
        let stream = self
            .streams
            .entry(id)
            .or_insert_with(|| Stream::new(envelope.tenant_id, envelope.store_id));
        stream.sequence += 1;
        let hash = envelope.signing_hash().expect("a known version");
        let leaf = envelope.leaf_hash(stream.sequence, &hash);
        let unplaced = envelope.leaf_hash(0, &hash);
        assert!(self.ever.insert((id, unplaced)), "sequenced twice");
        stream.leaves.push(leaf);
        let record = EventRecord {
            sequence: stream.sequence,
            block_number: self.block,
            leaf,
        };
        let statement = statement(envelope);
        stream
            .events
            .insert(envelope.event_id, Known { statement, record });
        if let Some(command) = envelope.command_id {
            stream
                .commands
                .insert(command, (envelope.event_id, self.block));
        }
        let entity = (envelope.entity_type.to_vec(), envelope.entity_id.to_vec());
        *stream.versions.entry(entity).or_default() += 1;
    }

    fn debit(&mut self, (tenant, agent): (TenantId, AgentId), events: u32, bytes: usize) {
        let tenant = self.tenants.get_mut(&tenant).expect("it may write");
        let agent = tenant.agents.get_mut(&agent).expect("it may write");
        for used in [&mut tenant.used, &mut agent.used] {
            *used = used.in_block(self.block);
            used.events += events;
            used.bytes += bytes as u64;
        }
    }

    /// What the two have used in the current window.
    pub(super) fn used(&self, tenant: TenantId, agent: AgentId) -> (Used, Used) {
        let tenant = &self.tenants[&tenant];
        let agent = &tenant.agents[&agent];
        (
            tenant.used.in_block(self.block),
            agent.used.in_block(self.block),
        )
    }

    /// Thousandths of the scarcer quota that are left.
    pub(super) fn quota_left(&self, tenant: TenantId, agent: AgentId) -> u64 {
        let (of_tenant, of_agent) = self.used(tenant, agent);
        let tenant = &self.tenants[&tenant];
        let quota = tenant.agents[&agent].quota.unwrap_or(default_quota());
        of_tenant
            .left(tenant.quota.unwrap_or(default_quota()))
            .min(of_agent.left(quota))
    }

    pub(super) fn note_anchored(&mut self, stream: StreamId, count: u64) -> bool {
        let block = self.block;
        let found = self.streams.get_mut(&stream);
        let Some(stream) =
            found.filter(|s| s.batch_count > 0 && (s.anchored..=s.batch_count).contains(&count))
        else {
            return false;
        };
        stream.anchored = count;
        stream.prune(block, 32);
        true
    }
}
