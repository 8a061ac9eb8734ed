// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A chain with registry, sequencer and proofs, and two agents who sign and prove.

use crate as pallet_stark_verifier;
use ed25519_zebra::SigningKey;
use polkadot_sdk::{
    frame_support::{
        self, derive_impl,
        pallet_prelude::{TransactionSource, TransactionValidityError, ValidTransaction},
        traits::Hooks,
    },
    frame_system::{self, EnsureRoot, EventRecord, Origin},
    pallet_timestamp, sp_io,
    sp_runtime::{BuildStorage, transaction_validity::InvalidTransaction},
};
use ves_primitives::{
    AgentId, AmountCommitment, AmountSalt, CurrencyTag, Envelope, EventId, GenesisHash, KeyId,
    KeyPurpose, Payload, PayloadCipherHash, PayloadKind, Policy, PossessionStatement, Signature,
    SigningPublicKey, StoreId, StreamId, SubmittedEvent, TenantId, endorsement_hash,
    payload_plain_hash,
    proof::{BatchEntry, BatchProofSubmission, BudgetStep, ProofRefusal, ProofSubmission},
    registry::ValidityWindow,
    sequencer::SequencedEvents,
    stream_id,
};
use ves_stark_air::{CIRCUIT_VERSION, Shape, Statement};
use ves_stark_prover::{Opening, prove};
use ves_stark_verifier::structure::Parts;

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
    #[runtime::pallet_index(4)]
    pub type Verifier = pallet_stark_verifier;
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

impl pallet_ves_sequencer::Config for Test {
    type GovernanceOrigin = EnsureRoot<u64>;
    type Authors = Registry;
    type Clock = Timestamp;
    type ByteWeight = ();
    type WeightInfo = pallet_ves_sequencer::weights::SubstrateWeight<Self>;
}

impl crate::Config for Test {
    type GovernanceOrigin = EnsureRoot<u64>;
    type Authors = Registry;
    type Events = Sequencer;
    type WeightInfo = crate::weights::SubstrateWeight<Self>;
}

pub(crate) const TENANT: TenantId = TenantId([1; 16]);
pub(crate) const STORE: StoreId = StoreId([3; 16]);
pub(crate) const OTHER_STORE: StoreId = StoreId([6; 16]);
pub(crate) const AGENT: AgentId = AgentId([4; 16]);
pub(crate) const OTHER_AGENT: AgentId = AgentId([5; 16]);
pub(crate) const KEY: KeyId = KeyId(1);
pub(crate) const ADMIN: u64 = 7;

fn key_of(agent: AgentId) -> SigningKey {
    SigningKey::from([agent.0[0]; 32])
}

pub(crate) fn public_key(agent: AgentId) -> SigningPublicKey {
    SigningPublicKey(ed25519_zebra::VerificationKeyBytes::from(&key_of(agent)).into())
}

pub(crate) fn sign(agent: AgentId, message: &[u8; 32]) -> Signature {
    Signature(key_of(agent).sign(message).to_bytes())
}

pub(crate) fn stream() -> StreamId {
    stream_id(TENANT, STORE)
}

pub(crate) fn usd() -> CurrencyTag {
    CurrencyTag::new("USD", 2).unwrap()
}

pub(crate) const fn cap(cap: u64) -> Policy {
    Policy::OrderTotalCap { cap }
}

pub(crate) fn genesis() -> GenesisHash {
    Registry::genesis_hash()
}

/// Runs the test in block 1 of a chain with two agents; ends the last block and checks the
/// invariants of all pallets afterwards.
pub(crate) fn chain(test: impl FnOnce()) {
    let storage = RuntimeGenesisConfig {
        registry: pallet_agent_registry::GenesisConfig {
            accounts: vec![],
            tenants: vec![(TENANT, ADMIN, vec![STORE, OTHER_STORE])],
        },
        ..Default::default()
    }
    .build_storage()
    .unwrap();
    sp_io::TestExternalities::new(storage).execute_with(|| {
        begin_block(1);
        for agent in [AGENT, OTHER_AGENT] {
            register(agent);
        }
        test();
        end_block();
        Verifier::do_try_state().unwrap();
        Sequencer::do_try_state().unwrap();
    });
}

/// Admits an agent and its key.
pub(crate) fn register(agent: AgentId) {
    let admin = || RuntimeOrigin::signed(ADMIN);
    Registry::register_agent(admin(), TENANT, agent).unwrap();
    let public = public_key(agent);
    let statement = PossessionStatement {
        genesis: genesis(),
        tenant: TENANT,
        agent,
        key_id: KEY,
        purpose: KeyPurpose::Signing,
        public_key: public.0,
    };
    let proof = sign(agent, &statement.hash());
    let window = ValidityWindow::default();
    Registry::register_signing_key(admin(), TENANT, agent, KEY, public, window, proof).unwrap();
}

fn begin_block(number: u64) {
    System::reset_events();
    System::initialize(&number, &Default::default(), &Default::default());
    // 2026-11-23T18:15:00Z and on.
    pallet_timestamp::Now::<Test>::put(1_795_457_700_000 + (number - 1) * 2_000);
    Sequencer::on_initialize(number);
    Verifier::on_initialize(number);
}

fn end_block() {
    let number = System::block_number();
    Verifier::on_finalize(number);
    Sequencer::on_finalize(number);
}

/// Ends the current block and begins the next.
pub(crate) fn next_block() {
    end_block();
    let number = System::block_number();
    System::finalize();
    begin_block(number + 1);
}

/// A signed event of an agent; `n` makes it unlike any other.
pub(crate) fn event_of(agent: AgentId, store: StoreId, n: u16) -> SubmittedEvent {
    let json = format!(r#"{{"n":{n}}}"#).into_bytes();
    let mut event_id = [0u8; 16];
    event_id[..2].copy_from_slice(&n.to_be_bytes());
    let mut envelope = Envelope {
        ves_version: 2,
        event_id: EventId(event_id),
        tenant_id: TENANT,
        store_id: store,
        source_agent_id: agent,
        agent_key_id: KEY,
        entity_type: b"order".to_vec().try_into().unwrap(),
        entity_id: n.to_string().into_bytes().try_into().unwrap(),
        event_type: b"order.created".to_vec().try_into().unwrap(),
        created_at: b"2026-11-23T18:14:41Z".to_vec().try_into().unwrap(),
        payload_kind: PayloadKind::Plaintext,
        payload_plain_hash: payload_plain_hash(None, &json),
        payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
        command_id: None,
        base_version: None,
        agent_signature: Signature([0; 64]),
    };
    envelope.agent_signature = sign(agent, &envelope.signing_hash().unwrap().0);
    SubmittedEvent {
        envelope,
        payload: Payload::Plain(json.try_into().unwrap()),
    }
}

/// Makes the event's signature fit the rest.
pub(crate) fn resign_event(event: &mut SubmittedEvent) {
    let hash = event.envelope.signing_hash().unwrap();
    event.envelope.agent_signature = sign(event.envelope.source_agent_id, &hash.0);
}

pub(crate) fn event(n: u16) -> SubmittedEvent {
    event_of(AGENT, STORE, n)
}

/// Sequences the events as one batch and begins the next block.
pub(crate) fn sequence(events: &[SubmittedEvent]) {
    let events = events.to_vec().try_into().unwrap();
    Sequencer::submit_events(Origin::<Test>::Authorized.into(), events).unwrap();
    next_block();
}

pub(crate) fn opening(amount: u64, salt: u64) -> Opening {
    Opening::new(amount, AmountSalt::from_words([salt; 3]).unwrap())
}

pub(crate) fn committed(opening: &Opening) -> AmountCommitment {
    opening.commit(usd()).unwrap().into()
}

/// Makes the endorsement fit the rest.
pub(crate) fn endorse(submission: &mut ProofSubmission) {
    let event = submission.envelope.signing_hash().unwrap();
    let hash = endorsement_hash(&event, &submission.commitment, submission.currency);
    submission.endorsement = sign(submission.envelope.source_agent_id, &hash);
}

fn context(submission: &ProofSubmission) -> [u8; 32] {
    let event = submission.envelope.event_id;
    // An unknown event has no place; the submission is refused before anyone asks for it.
    let sequence = Sequencer::event_record(submission.stream_id(), event).map_or(0, |r| r.sequence);
    submission
        .context(&genesis(), CIRCUIT_VERSION, sequence)
        .unwrap()
}

/// Makes the submission's signature fit the rest.
pub(crate) fn resign(submission: &mut ProofSubmission) {
    let hash = submission.signing_hash(&context(submission));
    submission.signature = sign(submission.envelope.source_agent_id, &hash);
}

fn unproven(event: &SubmittedEvent, policy: Policy, amount: &Opening) -> ProofSubmission {
    ProofSubmission {
        envelope: event.envelope.clone(),
        policy,
        commitment: committed(amount),
        currency: usd(),
        endorsement: Signature([0; 64]),
        key_id: KEY,
        budget: None,
        authorization_receipt_hash: None,
        amount_binding_hash: None,
        signature: Signature([0; 64]),
        proof: Default::default(),
    }
}

fn proof_of(statement: &Statement, openings: &[Opening]) -> Vec<u8> {
    prove(statement, openings, &mut |_| ()).unwrap()
}

pub(crate) fn statement(submission: &ProofSubmission) -> Statement {
    Statement::in_context(submission, context(submission)).unwrap()
}

/// A good submission about a sequenced event.
pub(crate) fn proven_with(
    event: &SubmittedEvent,
    policy: Policy,
    amount: &Opening,
) -> ProofSubmission {
    let mut submission = unproven(event, policy, amount);
    let proof = proof_of(&statement(&submission), std::slice::from_ref(amount));
    submission.proof = proof.try_into().unwrap();
    endorse(&mut submission);
    resign(&mut submission);
    submission
}

/// A good submission about a sequenced event: 50 of at most 100.
pub(crate) fn proven(event: &SubmittedEvent) -> ProofSubmission {
    proven_with(event, cap(100), &opening(50, 9))
}

/// A good step of a budget from one total to the next.
pub(crate) fn step(
    event: &SubmittedEvent,
    budget_limit: u64,
    previous: &Opening,
    amount: &Opening,
    new: &Opening,
) -> ProofSubmission {
    let policy = Policy::AgentBudget { budget_limit };
    let mut submission = unproven(event, policy, amount);
    submission.budget = Some(BudgetStep {
        previous: committed(previous),
        new: committed(new),
    });
    let openings = [previous.clone(), amount.clone(), new.clone()];
    let proof = proof_of(&statement(&submission), &openings);
    submission.proof = proof.try_into().unwrap();
    endorse(&mut submission);
    resign(&mut submission);
    submission
}

/// Changes one bit of an opened row: the form stays, the proof breaks.
pub(crate) fn break_proof(proof: &[u8], statement: &Statement) -> Vec<u8> {
    let parts = Parts::split(proof, &Shape::of(statement)).unwrap();
    let at = parts.trace_values.as_ptr() as usize - proof.as_ptr() as usize;
    let mut broken = proof.to_vec();
    broken[at] ^= 1;
    broken
}

/// Makes the submitter's signature fit the rest.
pub(crate) fn resign_batch(submission: &mut BatchProofSubmission) {
    let batch = Sequencer::batch(submission.stream_id(), submission.batch_index).unwrap();
    let context = submission.context(&genesis(), CIRCUIT_VERSION, &batch);
    submission.signature = sign(submission.agent_id, &submission.signing_hash(&context));
}

pub(crate) fn batch_statement(submission: &BatchProofSubmission) -> Statement {
    let batch = Sequencer::batch(submission.stream_id(), submission.batch_index).unwrap();
    Statement::of_batch(submission, &genesis(), &batch).unwrap()
}

/// A good submission of a batch whose amounts are 10 and more, each at most 100.
pub(crate) fn proven_batch(events: &[SubmittedEvent], batch_index: u64) -> BatchProofSubmission {
    proven_batch_in(events, batch_index, |_| usd())
}

/// As [`proven_batch`], with a currency for each place.
pub(crate) fn proven_batch_in(
    events: &[SubmittedEvent],
    batch_index: u64,
    currency: impl Fn(usize) -> CurrencyTag,
) -> BatchProofSubmission {
    let openings: Vec<_> = (0..events.len() as u64)
        .map(|n| opening(10 + n % 50, n))
        .collect();
    let entries: Vec<_> = events
        .iter()
        .zip(&openings)
        .enumerate()
        .map(|(place, (event, opening))| {
            let currency = currency(place);
            let hash = event.envelope.signing_hash().unwrap();
            let agent_id = event.envelope.source_agent_id;
            let commitment = opening.commit(currency).unwrap().into();
            BatchEntry {
                event: hash,
                agent_signature: event.envelope.agent_signature,
                agent_id,
                key_id: KEY,
                commitment,
                currency,
                endorsement: sign(agent_id, &endorsement_hash(&hash, &commitment, currency)),
            }
        })
        .collect();
    let mut submission = BatchProofSubmission {
        tenant_id: TENANT,
        store_id: events[0].envelope.store_id,
        batch_index,
        policy: cap(100),
        entries: entries.try_into().unwrap(),
        agent_id: AGENT,
        key_id: KEY,
        signature: Signature([0; 64]),
        proof: Default::default(),
    };
    let proof = proof_of(&batch_statement(&submission), &openings);
    submission.proof = proof.try_into().unwrap();
    resign_batch(&mut submission);
    submission
}

pub(crate) fn ask(
    source: TransactionSource,
    submission: &ProofSubmission,
) -> Result<ValidTransaction, TransactionValidityError> {
    Verifier::authorize_proof(source, submission).map(|(valid, _)| valid)
}

pub(crate) fn pool(
    submission: &ProofSubmission,
) -> Result<ValidTransaction, TransactionValidityError> {
    ask(TransactionSource::External, submission)
}

pub(crate) fn batch_pool(
    submission: &BatchProofSubmission,
) -> Result<ValidTransaction, TransactionValidityError> {
    Verifier::authorize_batch_proof(TransactionSource::External, submission).map(|(valid, _)| valid)
}

pub(crate) fn custom(reason: ProofRefusal) -> TransactionValidityError {
    InvalidTransaction::Custom(reason.pool_code()).into()
}

/// Submits as an authorised transaction does.
pub(crate) fn submit(submission: &ProofSubmission) {
    let boxed = Box::new(submission.clone());
    Verifier::submit_proof(Origin::<Test>::Authorized.into(), boxed).unwrap();
}

pub(crate) fn submit_batch(submission: &BatchProofSubmission) {
    let boxed = Box::new(submission.clone());
    Verifier::submit_batch_proof(Origin::<Test>::Authorized.into(), boxed).unwrap();
}

/// This pallet's last event.
pub(crate) fn outcome() -> crate::Event<Test> {
    System::events()
        .into_iter()
        .rev()
        .find_map(|EventRecord { event, .. }| match event {
            RuntimeEvent::Verifier(event) => Some(event),
            _ => None,
        })
        .expect("an event of this pallet")
}

pub(crate) fn spent(agent: AgentId) -> u32 {
    Verifier::quota(TENANT, agent).spent
}
