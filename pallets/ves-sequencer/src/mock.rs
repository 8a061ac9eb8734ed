// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A chain with the registry and the sequencer, and an agent who signs.

use crate as pallet_ves_sequencer;
use ed25519_zebra::SigningKey;
use polkadot_sdk::{
    frame_support::{self, derive_impl, parameter_types, traits::Hooks, weights::Weight},
    frame_system::{self, EnsureRoot, EventRecord, Origin, Phase},
    pallet_timestamp, sp_io,
    sp_runtime::BuildStorage,
};
use std::collections::BTreeSet;
use ves_primitives::{
    AgentId, CommandId, CreatedAt, Envelope, EventId, KeyId, KeyPurpose, Payload,
    PayloadCipherHash, PayloadKind, PossessionStatement, Signature, SigningPublicKey, StoreId,
    StreamId, SubmittedEvent, TenantId, limits, payload_plain_hash, registry::ValidityWindow,
    stream_id,
};

type Block = frame_system::mocking::MockBlock<Test>;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask
    )]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(2)]
    pub type Registry = pallet_agent_registry;
    #[runtime::pallet_index(3)]
    pub type Sequencer = pallet_ves_sequencer;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

impl pallet_agent_registry::Config for Test {
    type GovernanceOrigin = EnsureRoot<u64>;
    type Clock = Timestamp;
    type WeightInfo = pallet_agent_registry::weights::SubstrateWeight<Self>;
}

parameter_types! {
    pub const ByteWeight: Weight = Weight::from_parts(12_000, 0);
}

impl crate::Config for Test {
    type GovernanceOrigin = EnsureRoot<u64>;
    type Authors = Registry;
    type Clock = Timestamp;
    type ByteWeight = ByteWeight;
    type WeightInfo = crate::weights::SubstrateWeight<Self>;
}

pub(crate) const TENANT: TenantId = TenantId([1; 16]);
pub(crate) const STORE: StoreId = StoreId([3; 16]);
pub(crate) const OTHER_STORE: StoreId = StoreId([6; 16]);
pub(crate) const AGENT: AgentId = AgentId([4; 16]);
pub(crate) const KEY: KeyId = KeyId(1);
pub(crate) const ADMIN: u64 = 7;
/// Chain time of block 1, milliseconds: 2026-11-23T18:15:00Z.
pub(crate) const NOW_MS: u64 = 1_795_457_700_000;

/// The agent's key.
pub(crate) fn key() -> SigningKey {
    SigningKey::from([42; 32])
}

pub(crate) fn stream() -> StreamId {
    stream_id(TENANT, STORE)
}

pub(crate) fn other_stream() -> StreamId {
    stream_id(TENANT, OTHER_STORE)
}

/// A chain with these tenants, each with its admin and stores, before block 1.
pub(crate) fn new_chain(tenants: Vec<(TenantId, u64, Vec<StoreId>)>) -> sp_io::TestExternalities {
    let accounts = vec![];
    let storage = RuntimeGenesisConfig {
        registry: pallet_agent_registry::GenesisConfig { accounts, tenants },
        ..Default::default()
    }
    .build_storage()
    .expect("genesis is well formed");
    sp_io::TestExternalities::new(storage)
}

/// The agent, with its key, in a block that has begun.
pub(crate) fn enrol() {
    let admin = || RuntimeOrigin::signed(ADMIN);
    Registry::register_agent(admin(), TENANT, AGENT).expect("agent is new");
    let public = SigningPublicKey(ed25519_zebra::VerificationKeyBytes::from(&key()).into());
    let statement = PossessionStatement {
        genesis: Registry::genesis_hash(),
        tenant: TENANT,
        agent: AGENT,
        key_id: KEY,
        purpose: KeyPurpose::Signing,
        public_key: public.0,
    };
    let proof = sign(&statement.hash());
    let window = ValidityWindow::default();
    Registry::register_signing_key(admin(), TENANT, AGENT, KEY, public, window, proof)
        .expect("key is admissible");
}

/// Runs the test in block 1 of a chain with one tenant, two stores and an agent with a key; ends
/// the last block and checks the invariants of both pallets afterwards.
pub(crate) fn chain(test: impl FnOnce()) {
    let tenants = vec![(TENANT, ADMIN, vec![STORE, OTHER_STORE])];
    new_chain(tenants).execute_with(|| {
        begin_block(1);
        enrol();
        test();
        end_block();
        Sequencer::do_try_state().expect("the sequencer's invariants hold");
        Registry::do_try_state().expect("the registry's invariants hold");
    });
}

pub(crate) fn begin_block(number: u64) {
    System::reset_events();
    System::initialize(&number, &Default::default(), &Default::default());
    pallet_timestamp::Now::<Test>::put(NOW_MS + (number - 1) * 2_000);
    Sequencer::on_initialize(number);
}

/// Ends the current block.
pub(crate) fn end_block() {
    let number = System::block_number();
    Sequencer::on_finalize(number);
}

/// Ends the current block and begins the next.
pub(crate) fn next_block() {
    end_block();
    let number = System::block_number();
    System::finalize();
    begin_block(number + 1);
}

/// Ends the current block and begins one much later; those between are empty. Of their hooks, those
/// run that have something to do.
pub(crate) fn skip_to_block(number: u64) {
    end_block();
    System::finalize();
    let between = System::block_number() + 1..number;
    let forgotten = crate::Memory::<Test>::iter_keys().map(|(at, _)| at + limits::DEDUPE_BLOCKS);
    let unlisted =
        crate::BlockBatches::<Test>::iter_keys().map(|at| at + limits::ANCHORED_RETENTION_BLOCKS);
    let due: BTreeSet<_> = forgotten.chain(unlisted).map(u64::from).collect();
    for block in due.into_iter().filter(|block| between.contains(block)) {
        pass_empty_blocks_until(block);
        System::set_block_number(block);
        Sequencer::on_initialize(block);
    }
    pass_empty_blocks_until(number);
    System::set_block_number(number - 1);
    begin_block(number);
}

/// Where blocks without events have moved the place of forgetting, a few at a time, when this block
/// begins.
fn pass_empty_blocks_until(number: u64) {
    let window_begins = u32::try_from(number).expect("short chain") - 1;
    let Some(window_begins) = window_begins.checked_sub(limits::DEDUPE_BLOCKS - 1) else {
        return;
    };
    let (block, run) = crate::Memory::<Test>::iter_keys()
        .min()
        .map_or((window_begins, 0), |oldest| oldest.min((window_begins, 0)));
    crate::Forgotten::<Test>::put(crate::ForgetNext { block, run });
}

pub(crate) fn sign(message: &[u8]) -> Signature {
    Signature(key().sign(message).to_bytes())
}

/// An event of the agent about an order, unsigned; `n` makes it unlike any other.
pub(crate) fn draft(n: u16) -> SubmittedEvent {
    let json = format!(r#"{{"n":{n}}}"#).into_bytes();
    let mut event_id = [0u8; 16];
    event_id[..2].copy_from_slice(&n.to_be_bytes());
    SubmittedEvent {
        envelope: Envelope {
            ves_version: 2,
            event_id: EventId(event_id),
            tenant_id: TENANT,
            store_id: STORE,
            source_agent_id: AGENT,
            agent_key_id: KEY,
            entity_type: b"order".to_vec().try_into().expect("short"),
            entity_id: n.to_string().into_bytes().try_into().expect("short"),
            event_type: b"order.created".to_vec().try_into().expect("short"),
            created_at: b"2026-11-23T18:14:41Z".to_vec().try_into().expect("short"),
            payload_kind: PayloadKind::Plaintext,
            payload_plain_hash: payload_plain_hash(None, &json),
            payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
            command_id: None,
            base_version: None,
            agent_signature: Signature([0; 64]),
        },
        payload: Payload::Plain(json.try_into().expect("short")),
    }
}

/// Signs a draft; a version without signing hash stays unsigned.
pub(crate) fn signed(mut event: SubmittedEvent) -> SubmittedEvent {
    if let Ok(hash) = event.envelope.signing_hash() {
        event.envelope.agent_signature = sign(&hash.0);
    }
    event
}

/// A signed event.
pub(crate) fn event(n: u16) -> SubmittedEvent {
    signed(draft(n))
}

/// A signed event changed before signing.
pub(crate) fn event_with(n: u16, change: impl FnOnce(&mut Envelope)) -> SubmittedEvent {
    let mut draft = draft(n);
    change(&mut draft.envelope);
    signed(draft)
}

/// A signed event of the current block's time.
pub(crate) fn event_now(n: u16) -> SubmittedEvent {
    event_with(n, |e| e.created_at = created_at(now_ms()))
}

/// Chain time of the current block.
pub(crate) fn now_ms() -> u64 {
    pallet_timestamp::Now::<Test>::get()
}

/// The text of a moment, in the zone of the epoch.
pub(crate) fn created_at(ms: u64) -> CreatedAt {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut day) = (1970, ms / DAY_MS);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let (seconds, millis) = (ms % DAY_MS / 1_000, ms % 1_000);
    let text = format!(
        "{year:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        month + 1,
        day + 1,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
    );
    text.into_bytes().try_into().expect("short")
}

pub(crate) fn command(n: u8) -> Option<CommandId> {
    Some(CommandId([n; 16]))
}

/// Submits as an authorised transaction does.
pub(crate) fn submit(events: &[SubmittedEvent]) {
    let events = events.to_vec().try_into().expect("within the limit");
    Sequencer::submit_events(Origin::<Test>::Authorized.into(), events).expect("never fails");
}

/// Ends the current extrinsic of the block and begins the next.
pub(crate) fn next_extrinsic() {
    System::note_applied_extrinsic(&Ok(().into()), Default::default());
}

/// The sequencer's events of this block so far.
pub(crate) fn outcomes() -> Vec<crate::Event<Test>> {
    System::events()
        .into_iter()
        .filter_map(|EventRecord { event, .. }| match event {
            RuntimeEvent::Sequencer(event) => Some(event),
            _ => None,
        })
        .collect()
}

/// As [`outcomes`], with the extrinsic index of their phase.
pub(crate) fn outcomes_by_extrinsic() -> Vec<(u32, crate::Event<Test>)> {
    System::events()
        .into_iter()
        .filter_map(|EventRecord { phase, event, .. }| match (phase, event) {
            (Phase::ApplyExtrinsic(at), RuntimeEvent::Sequencer(event)) => Some((at, event)),
            _ => None,
        })
        .collect()
}

/// The reason of the only rejection in this block so far.
pub(crate) fn only_rejection() -> ves_primitives::sequencer::Rejection {
    let reasons: Vec<_> = outcomes()
        .into_iter()
        .filter_map(|event| match event {
            crate::Event::EventRejected { reason, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 1, "exactly one event is rejected");
    reasons[0]
}

/// Sequences given out in this block so far, replays left out.
pub(crate) fn sequenced() -> Vec<u64> {
    outcomes()
        .into_iter()
        .flat_map(|event| match event {
            crate::Event::EventsSequenced {
                first_sequence,
                event_ids,
                ..
            } => (first_sequence..).take(event_ids.len()).collect(),
            _ => vec![],
        })
        .collect()
}
