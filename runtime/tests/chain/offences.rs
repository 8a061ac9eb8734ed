// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Validators that sign twice.

use crate::blocks::{Chain, FOUNDERS, add, announced, executed, expelled, votes};
use codec::{Decode, Encode};
use polkadot_sdk::{
    frame_system::offchain::{CreateAuthorizedTransaction, CreateBare},
    pallet_grandpa,
    sp_consensus_aura::{AURA_ENGINE_ID, Slot},
    sp_consensus_grandpa::{
        Equivocation, EquivocationProof, localized_payload,
        runtime_decl_for_grandpa_api::GrandpaApi,
    },
    sp_core::{H256, Pair, ed25519},
    sp_keyring::Sr25519Keyring,
    sp_runtime::{
        Digest, DigestItem,
        transaction_validity::{InvalidTransaction, TransactionSource},
    },
};
use ves_runtime::{
    Executive, Header, Runtime, RuntimeCall, RuntimeEvent, Session, UncheckedExtrinsic,
};

/// Proof that a key was an account's.
type KeyOwnerProof = <Runtime as pallet_grandpa::Config>::KeyOwnerProof;

/// Two votes of one voter in one round.
pub(crate) fn double_vote(
    voter: &ed25519::Pair,
    set_id: u64,
    round_number: u64,
    [first, second]: [u8; 2],
) -> EquivocationProof<H256, u32> {
    let vote = |target: u8| {
        let prevote = finality_grandpa::Prevote {
            target_hash: [target; 32].into(),
            target_number: 3,
        };
        let message = finality_grandpa::Message::Prevote(prevote.clone());
        let signature = voter.sign(&localized_payload(round_number, set_id, &message));
        (prevote, signature.into())
    };
    EquivocationProof::new(
        set_id,
        Equivocation::Prevote(finality_grandpa::Equivocation {
            round_number,
            identity: voter.public().into(),
            first: vote(first),
            second: vote(second),
        }),
    )
}

/// A sealed block for a slot of its author, by its parent's hash and its own number; the salt makes another
/// one of it.
pub(crate) fn double_block(
    author: Sr25519Keyring,
    slot: u64,
    (parent_hash, number): (H256, u32),
    salt: u8,
) -> Header {
    let mut header = Header {
        parent_hash,
        number,
        state_root: [salt; 32].into(),
        extrinsics_root: Default::default(),
        digest: Digest {
            logs: vec![DigestItem::PreRuntime(
                AURA_ENGINE_ID,
                Slot::from(slot).encode(),
            )],
        },
    };
    let seal = author.pair().sign(header.hash().as_ref());
    header
        .digest
        .push(DigestItem::Seal(AURA_ENGINE_ID, seal.0.to_vec()));
    header
}

/// The ownership of a double voter's key, as the runtime tells it. Within the chain's state.
pub(crate) fn ownership(proof: &EquivocationProof<H256, u32>) -> Option<KeyOwnerProof> {
    Runtime::generate_key_ownership_proof(proof.set_id(), proof.offender().clone())?.decode()
}

/// As a node reports it.
fn report(chain: &mut Chain, proof: EquivocationProof<H256, u32>) -> Option<UncheckedExtrinsic> {
    let key_owner_proof = chain.state.execute_with(|| ownership(&proof))?;
    let call = pallet_grandpa::Call::report_equivocation_unsigned {
        equivocation_proof: Box::new(proof),
        key_owner_proof,
    };
    Some(<Runtime as CreateBare<pallet_grandpa::Call<Runtime>>>::create_bare(call.into()))
}

#[test]
fn two_votes_in_one_round_remove_the_voter_from_the_set() {
    let mut chain = Chain::new();
    add(&mut chain);
    chain.session();
    chain.session();
    let charlie = FOUNDERS[2];
    let proof = double_vote(&votes(charlie.1), 1, 7, [1, 2]);
    let transaction = report(&mut chain, proof).unwrap();
    // A node reports what it has seen itself; others' reports are not taken from the network.
    assert_eq!(
        chain.pool(TransactionSource::External, &transaction),
        Err(InvalidTransaction::Call.into())
    );
    assert_eq!(chain.pool(TransactionSource::Local, &transaction), Ok(()));
    let events = chain.block(vec![transaction.clone()]);
    assert_eq!(expelled(&events), Some(charlie.0.to_account_id()));
    assert_eq!(
        chain.state.execute_with(Session::disabled_validators),
        [2],
        "no more blocks at once"
    );
    // Replayed, and for another round: the validator is out already.
    assert_eq!(
        chain.pool(TransactionSource::Local, &transaction),
        Err(InvalidTransaction::Stale.into())
    );
    let another = double_vote(&votes(charlie.1), 1, 8, [1, 2]);
    let another = report(&mut chain, another).unwrap();
    assert_eq!(
        chain.pool(TransactionSource::Local, &another),
        Err(InvalidTransaction::Stale.into())
    );
    chain.session();
    assert_eq!(chain.set().len(), 5);
    chain.session();
    assert_eq!(chain.set().len(), 4);
    assert!(!chain.set().contains(&charlie.0.to_account_id()));
    let authorities = announced(&chain.head).unwrap();
    assert!(!authorities.contains(&votes(charlie.1).public().into()));
}

#[test]
fn of_four_that_are_needed_the_voter_stays_without_blocks() {
    let mut chain = Chain::new();
    let proof = double_vote(&votes(FOUNDERS[2].1), 0, 7, [1, 2]);
    let transaction = report(&mut chain, proof).unwrap();
    chain.block(vec![transaction]);
    let events = chain.session();
    assert!(events.iter().any(|event| matches!(
        event,
        RuntimeEvent::Consortium(pallet_consortium::Event::ChangeHeldBack { .. })
    )));
    chain.session();
    assert_eq!(chain.set().len(), 4);
    assert_eq!(chain.state.execute_with(Session::disabled_validators), [2]);
    assert_eq!(announced(&chain.head), None);
}

#[test]
fn votes_that_prove_nothing_expel_nobody() {
    let mut chain = Chain::new();
    let bob = votes(FOUNDERS[1].1);
    // The same vote twice; a vote for another set than the one it is reported for; a forged one.
    let same = double_vote(&bob, 0, 7, [1, 1]);
    let mut other_set = report(&mut chain, double_vote(&bob, 0, 7, [1, 2])).unwrap();
    if let RuntimeCall::Grandpa(pallet_grandpa::Call::report_equivocation_unsigned {
        equivocation_proof,
        ..
    }) = &mut other_set.function
    {
        **equivocation_proof = double_vote(&bob, 3, 7, [1, 2]);
    }
    let forged = {
        let by_bob = double_vote(&bob, 0, 7, [1, 2]);
        let by_dave = double_vote(&votes(FOUNDERS[3].1), 0, 7, [1, 2]);
        let mut bytes = by_bob.encode();
        // Set, kind, round, identity.
        bytes[17..49].copy_from_slice(&by_dave.encode()[17..49]);
        EquivocationProof::decode(&mut &bytes[..]).unwrap()
    };
    assert_eq!(forged.offender(), &votes(FOUNDERS[3].1).public().into());
    let same = report(&mut chain, same).unwrap();
    let forged = report(&mut chain, forged).unwrap();
    for (number, transaction) in (chain.head.number + 1..).zip([same, other_set, forged]) {
        let outcome = chain.state.execute_with(|| {
            Executive::initialize_block(&Header {
                parent_hash: Default::default(),
                number,
                state_root: Default::default(),
                extrinsics_root: Default::default(),
                digest: Digest::default(),
            });
            Executive::apply_extrinsic(transaction)
        });
        assert!(matches!(outcome, Ok(Err(_)) | Err(_)), "{outcome:?}");
    }
    // A stranger owns no key.
    let stranger = double_vote(&ed25519::Pair::from_seed(&[1; 32]), 0, 7, [1, 2]);
    assert!(report(&mut chain, stranger).is_none());
    let members = chain
        .state
        .execute_with(pallet_consortium::Members::<Runtime>::get);
    assert!(members.iter().all(|member| !member.expelled));
}

#[test]
fn what_the_council_has_forgiven_is_refused_under_whatever_session_and_new_double_votes_count() {
    let mut chain = Chain::new();
    let charlie = votes(FOUNDERS[2].1);
    let proof = double_vote(&charlie, 0, 7, [1, 2]);
    let transaction = report(&mut chain, proof.clone()).unwrap();
    chain.block(vec![transaction.clone()]);
    assert!(executed(&chain.decide(
        3,
        pallet_consortium::Call::reinstate_validator {
            validator: FOUNDERS[2].0.to_account_id()
        }
    )));
    assert!(
        chain
            .state
            .execute_with(Session::disabled_validators)
            .is_empty()
    );
    let refused = Err(InvalidTransaction::BadProof.into());
    for _ in 0..3 {
        assert_eq!(chain.pool(TransactionSource::Local, &transaction), refused);
        // The same votes, said to be of the session at hand. Votes name their set only.
        let again = report(&mut chain, proof.clone()).unwrap();
        assert_eq!(chain.pool(TransactionSource::InBlock, &again), refused);
        chain.session();
    }
    // Another set of the same validators has begun: what it votes in that counts.
    assert_eq!(chain.set().len(), 4);
    let today = report(&mut chain, double_vote(&charlie, 1, 7, [1, 2])).unwrap();
    let events = chain.block(vec![today]);
    assert_eq!(expelled(&events), Some(FOUNDERS[2].0.to_account_id()));
}

#[test]
fn two_blocks_for_one_slot_are_reported_by_anybody_and_expel_their_author() {
    let mut chain = Chain::new();
    chain.session();
    let slot = chain.slot + 50;
    let turn = FOUNDERS[(slot % 4) as usize].0;
    let place = (chain.head.hash(), chain.head.number + 1);
    let double = |salt| double_block(turn, slot, place, salt);
    let [first, second] = [double(1), double(2)];
    let transaction = |first: &Header, second: &Header| {
        <Runtime as CreateAuthorizedTransaction<
            pallet_consortium::Call<Runtime>,
        >>::create_authorized_transaction(
            pallet_consortium::Call::report_double_block {
                offender: turn.public(),
                first: Box::new(first.clone()),
                second: Box::new(second.clone()),
            }
            .into(),
        )
    };
    let once = transaction(&first, &first);
    assert_eq!(
        chain.pool(TransactionSource::External, &once),
        Err(InvalidTransaction::BadProof.into())
    );
    chain.block(vec![]);
    let twice = transaction(&first, &second);
    assert_eq!(chain.pool(TransactionSource::External, &twice), Ok(()));
    let events = chain.block(vec![twice.clone()]);
    assert_eq!(expelled(&events), Some(turn.to_account_id()));
    assert_eq!(
        chain.pool(TransactionSource::External, &twice),
        Err(InvalidTransaction::Stale.into())
    );
}
