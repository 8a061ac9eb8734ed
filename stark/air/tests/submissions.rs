// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a submission states, and which submissions state nothing.

use ves_primitives::{
    AgentId, AmountCommitment, AmountSalt, BatchCommitment, CurrencyTag, Envelope, EventId,
    EventSigningHash, GenesisHash, KeyId, LeafHash, PayloadCipherHash, PayloadKind,
    PayloadPlainHash, Policy, Signature, StoreId, StreamTip, TenantId,
    amount::{MAX_AMOUNT, MAX_BUDGET_LIMIT},
    proof::{BatchEntry, BatchProofSubmission, BudgetStep, ProofSubmission},
};
use ves_stark_air::{Kind, Salt, Statement, StatementError, commit, empty_total};

const GENESIS: GenesisHash = GenesisHash([9; 32]);
const TENANT: TenantId = TenantId([1; 16]);
const STORE: StoreId = StoreId([2; 16]);

fn usd() -> CurrencyTag {
    CurrencyTag::new("USD", 2).expect("valid")
}

fn committed(amount: u64) -> AmountCommitment {
    let salt = AmountSalt::from_words([amount, 2, 3]).expect("canonical");
    commit(usd(), amount, &Salt::from(&salt)).into()
}

fn submission(policy: Policy) -> ProofSubmission {
    let text = |text: &str| text.as_bytes().to_vec();
    ProofSubmission {
        envelope: Envelope {
            ves_version: 2,
            event_id: EventId([3; 16]),
            tenant_id: TENANT,
            store_id: STORE,
            source_agent_id: AgentId([4; 16]),
            agent_key_id: KeyId(1),
            entity_type: text("order").try_into().expect("short"),
            entity_id: text("A-1").try_into().expect("short"),
            event_type: text("order.created").try_into().expect("short"),
            created_at: text("2026-01-01T00:00:00Z").try_into().expect("short"),
            payload_kind: PayloadKind::Encrypted,
            payload_plain_hash: PayloadPlainHash([5; 32]),
            payload_cipher_hash: PayloadCipherHash([6; 32]),
            command_id: None,
            base_version: None,
            agent_signature: Signature([0; 64]),
        },
        policy,
        commitment: committed(50),
        currency: usd(),
        endorsement: Signature([0; 64]),
        key_id: KeyId(1),
        budget: None,
        authorization_receipt_hash: None,
        amount_binding_hash: None,
        signature: Signature([0; 64]),
        proof: Default::default(),
    }
}

fn step() -> Option<BudgetStep> {
    Some(BudgetStep {
        previous: empty_total(usd()),
        new: committed(51),
    })
}

fn of(submission: &ProofSubmission) -> Result<Statement, StatementError> {
    Statement::of(submission, &GENESIS, 7)
}

#[test]
fn a_submission_states_its_commitment_under_its_policys_limit() {
    let submission = submission(Policy::AmlThreshold { threshold: 100 });
    let statement = of(&submission).expect("states something");
    assert_eq!((statement.kind(), statement.limit()), (Kind::Single, 99));
    let commitment: AmountCommitment = statement.entries()[0].commitment.into();
    assert_eq!(commitment, submission.commitment);
    let context = submission.context(&GENESIS, ves_stark_air::CIRCUIT_VERSION, 7);
    assert_eq!(Ok(*statement.context()), context);
    assert_eq!(
        Statement::in_context(&submission, *statement.context()),
        Ok(statement)
    );
}

#[test]
fn a_step_of_a_budget_states_both_totals_around_the_amount() {
    let submission = ProofSubmission {
        budget: step(),
        ..submission(Policy::AgentBudget { budget_limit: 500 })
    };
    let statement = of(&submission).expect("states something");
    assert_eq!((statement.kind(), statement.limit()), (Kind::Budget, 500));
    let commitments: Vec<AmountCommitment> = statement
        .entries()
        .iter()
        .map(|entry| entry.commitment.into())
        .collect();
    assert_eq!(
        commitments,
        [empty_total(usd()), committed(50), committed(51)]
    );
}

#[test]
fn budget_and_step_come_together_or_not_at_all() {
    let without = submission(Policy::AgentBudget { budget_limit: 500 });
    assert_eq!(of(&without), Err(StatementError::BudgetStep));
    let with = ProofSubmission {
        budget: step(),
        ..submission(Policy::OrderTotalCap { cap: 500 })
    };
    assert_eq!(of(&with), Err(StatementError::BudgetStep));
}

#[test]
fn what_no_circuit_can_state_is_refused_by_name() {
    let good = submission(Policy::OrderTotalCap { cap: 500 });
    let mut zero = good.clone();
    zero.policy = Policy::AmlThreshold { threshold: 0 };
    assert_eq!(of(&zero), Err(StatementError::Policy));
    let mut currency = good.clone();
    currency.currency = CurrencyTag::NONE;
    assert_eq!(of(&currency), Err(StatementError::Currency));
    let mut commitment = good.clone();
    commitment.commitment = AmountCommitment([0xff; 32]);
    assert_eq!(of(&commitment), Err(StatementError::Commitment));
    let mut version = good.clone();
    version.envelope.ves_version = 9;
    assert_eq!(of(&version), Err(StatementError::Envelope));
    let mut budget = submission(Policy::AgentBudget {
        budget_limit: MAX_BUDGET_LIMIT + 1,
    });
    budget.budget = step();
    assert_eq!(of(&budget), Err(StatementError::BudgetTooLarge));
}

#[test]
fn a_limit_beyond_the_field_is_the_fields_own() {
    let statement = of(&submission(Policy::OrderTotalCap { cap: u64::MAX }));
    assert_eq!(statement.map(|statement| statement.limit()), Ok(MAX_AMOUNT));
}

fn batch(policy: Policy, amounts: &[u64]) -> Result<Statement, StatementError> {
    let entries: Vec<BatchEntry> = amounts
        .iter()
        .map(|amount| BatchEntry {
            event: EventSigningHash([7; 32]),
            agent_signature: Signature([0; 64]),
            agent_id: AgentId([4; 16]),
            key_id: KeyId(1),
            commitment: committed(*amount),
            currency: usd(),
            endorsement: Signature([0; 64]),
        })
        .collect();
    let submission = BatchProofSubmission {
        tenant_id: TENANT,
        store_id: STORE,
        batch_index: 0,
        policy,
        entries: entries.try_into().expect("few"),
        agent_id: AgentId([4; 16]),
        key_id: KeyId(1),
        signature: Signature([0; 64]),
        proof: Default::default(),
    };
    let leaves = [LeafHash([1; 32])];
    let batch = BatchCommitment::commit(TENANT, STORE, 1, &StreamTip::EMPTY, &leaves);
    Statement::of_batch(&submission, &GENESIS, &batch.expect("one leaf"))
}

#[test]
fn a_batch_states_every_entry_in_order_and_no_budget() {
    let statement = batch(Policy::OrderTotalCap { cap: 60 }, &[5, 6]).expect("states something");
    assert_eq!((statement.kind(), statement.limit()), (Kind::Batch, 60));
    let first: AmountCommitment = statement.entries()[0].commitment.into();
    assert_eq!((statement.entries().len(), first), (2, committed(5)));
    assert_eq!(
        batch(Policy::OrderTotalCap { cap: 60 }, &[]),
        Err(StatementError::Empty)
    );
    let budget = Policy::AgentBudget { budget_limit: 60 };
    assert_eq!(batch(budget, &[5]), Err(StatementError::BudgetStep));
}
