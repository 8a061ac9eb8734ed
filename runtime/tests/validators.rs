// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The runtime's validators and council, block by block: real transactions, motions and signatures.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::{Decode, Encode};
use polkadot_sdk::{
    frame_support::{
        dispatch::GetDispatchInfo,
        traits::{Contains, Get},
    },
    frame_system::{
        self,
        offchain::{CreateAuthorizedTransaction, CreateBare},
    },
    pallet_grandpa,
    sp_consensus_aura::{AURA_ENGINE_ID, Slot},
    sp_consensus_grandpa::{
        AuthorityId, ConsensusLog, Equivocation, EquivocationProof, GRANDPA_ENGINE_ID,
        OpaqueKeyOwnershipProof, localized_payload, runtime_decl_for_grandpa_api::GrandpaApi,
    },
    sp_core::{Pair, ed25519, sr25519},
    sp_io::TestExternalities,
    sp_keyring::Sr25519Keyring,
    sp_runtime::{
        BuildStorage, Digest, DigestItem, DispatchError, MultiAddress, MultiSignature,
        generic::{Era, SignedPayload},
        traits::{BlakeTwo256, Hash},
        transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
    },
};
use ves_finality::{
    TrackedSets,
    testing::{self, Validator},
};
use ves_runtime::{
    AccountId, AgentRegistryConfig, ConsortiumConfig, Council, CouncilConfig, Executive, Header,
    Runtime, RuntimeCall, RuntimeEvent, RuntimeGenesisConfig, RuntimeOrigin, Session,
    SessionConfig, System, TxExtension, UncheckedExtrinsic, opaque::SessionKeys,
};

/// Blocks of a session.
const LENGTH: u32 = 10;
/// Votes for the validator that is none yet.
const NEWCOMER: Validator = Validator(4);

const FOUNDERS: [(Sr25519Keyring, Validator); 4] = [
    (Sr25519Keyring::Alice, Validator(0)),
    (Sr25519Keyring::Bob, Validator(1)),
    (Sr25519Keyring::Charlie, Validator(2)),
    (Sr25519Keyring::Dave, Validator(3)),
];

/// The pair of a reader's made validator, which signs as GRANDPA does.
fn votes(of: Validator) -> ed25519::Pair {
    let mut seed = [0x5e; 32];
    seed[..4].copy_from_slice(&of.0.to_le_bytes());
    let pair = ed25519::Pair::from_seed(&seed);
    assert_eq!(pair.public().0, of.key().0);
    pair
}

fn keys(of: (Sr25519Keyring, Validator)) -> SessionKeys {
    SessionKeys {
        aura: of.0.public().into(),
        grandpa: votes(of.1).public().into(),
    }
}

/// Four validators, who are the council too.
struct Chain {
    state: TestExternalities,
    slot: u64,
    head: Header,
    nonces: std::collections::BTreeMap<AccountId, u32>,
}

impl Chain {
    fn new() -> Self {
        let council: Vec<_> = FOUNDERS.map(|(who, _)| who.to_account_id()).into();
        let storage = RuntimeGenesisConfig {
            session: SessionConfig {
                keys: FOUNDERS
                    .map(|who| (who.0.to_account_id(), who.0.to_account_id(), keys(who)))
                    .into(),
                non_authority_keys: vec![],
            },
            consortium: ConsortiumConfig {
                session_length: LENGTH,
                minimum: 4,
            },
            council: CouncilConfig {
                members: council.clone(),
                ..Default::default()
            },
            agent_registry: AgentRegistryConfig {
                accounts: council,
                tenants: vec![],
            },
            ..Default::default()
        }
        .build_storage()
        .unwrap();
        let mut chain = Self {
            state: TestExternalities::new(storage),
            slot: 900_000_000,
            head: Header {
                parent_hash: Default::default(),
                number: 0,
                state_root: Default::default(),
                extrinsics_root: Default::default(),
                digest: Digest::default(),
            },
            nonces: Default::default(),
        };
        chain.block(vec![]);
        chain
    }

    /// Whether the validator with this turn may make blocks.
    fn may_author(&mut self, slot: u64) -> bool {
        self.state.execute_with(|| {
            let turn = slot % Session::validators().len() as u64;
            !Session::disabled_validators().contains(&(turn as u32))
        })
    }

    /// Makes the next block of these transactions, each of which must be valid.
    fn block(&mut self, transactions: Vec<UncheckedExtrinsic>) -> Vec<RuntimeEvent> {
        self.slot += 1;
        while !self.may_author(self.slot) {
            self.slot += 1;
        }
        let slot = self.slot;
        let header = Header {
            parent_hash: self.head.hash(),
            number: self.head.number + 1,
            state_root: Default::default(),
            extrinsics_root: Default::default(),
            digest: Digest {
                logs: vec![DigestItem::PreRuntime(
                    AURA_ENGINE_ID,
                    Slot::from(slot).encode(),
                )],
            },
        };
        let (head, events) = self.state.execute_with(|| {
            Executive::initialize_block(&header);
            let now = slot * ves_runtime::SLOT_DURATION_MS;
            let time = ves_runtime::pallet_timestamp::Call::set { now };
            let inherent = UncheckedExtrinsic::new_bare(time.into());
            for transaction in std::iter::once(inherent).chain(transactions) {
                Executive::apply_extrinsic(transaction).unwrap().unwrap();
            }
            let events = System::events();
            let head = Executive::finalize_block();
            (
                head,
                events.into_iter().map(|record| record.event).collect(),
            )
        });
        self.head = head;
        events
    }

    fn signed(&mut self, who: Sr25519Keyring, call: impl Into<RuntimeCall>) -> UncheckedExtrinsic {
        self.signed_by(&who.pair(), call)
    }

    fn signed_by(
        &mut self,
        who: &sr25519::Pair,
        call: impl Into<RuntimeCall>,
    ) -> UncheckedExtrinsic {
        let account = AccountId::from(who.public().0);
        let nonce = self.nonces.entry(account.clone()).or_default();
        let extension: TxExtension = (
            frame_system::AuthorizeCall::new(),
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckSpecVersion::new(),
            frame_system::CheckTxVersion::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckMortality::from(Era::Immortal),
            frame_system::CheckNonce::from(*nonce),
            frame_system::CheckWeight::new(),
        );
        *nonce += 1;
        let call = call.into();
        let payload = self
            .state
            .execute_with(|| SignedPayload::new(call.clone(), extension.clone()).unwrap());
        let signature = payload.using_encoded(|bytes| who.sign(bytes));
        UncheckedExtrinsic::new_signed(
            call,
            MultiAddress::Id(account),
            MultiSignature::Sr25519(signature),
            extension,
        )
    }

    /// Has the council decide with the votes of the first `ayes` members.
    fn decide(&mut self, ayes: usize, call: impl Into<RuntimeCall>) -> Vec<RuntimeEvent> {
        use ves_runtime::pallet_collective::Call;
        let call: RuntimeCall = call.into();
        let proposal_hash = BlakeTwo256::hash_of(&call);
        let length_bound = call.encoded_size() as u32;
        let weight = call.get_dispatch_info().call_weight;
        let index = self.state.execute_with(|| {
            polkadot_sdk::pallet_collective::ProposalCount::<
                Runtime,
                ves_runtime::configs::CouncilCollective,
            >::get()
        });
        let mut transactions = vec![self.signed(
            FOUNDERS[0].0,
            Call::propose {
                threshold: ayes as u32,
                proposal: Box::new(call),
                length_bound,
            },
        )];
        for (who, _) in &FOUNDERS[..ayes] {
            transactions.push(self.signed(
                *who,
                Call::vote {
                    proposal: proposal_hash,
                    index,
                    approve: true,
                },
            ));
        }
        transactions.push(self.signed(
            FOUNDERS[0].0,
            Call::close {
                proposal_hash,
                index,
                proposal_weight_bound: weight,
                length_bound,
            },
        ));
        self.block(transactions)
    }

    /// Makes blocks until a session has begun.
    fn session(&mut self) -> Vec<RuntimeEvent> {
        loop {
            let events = self.block(vec![]);
            if self.head.number.is_multiple_of(LENGTH) {
                return events;
            }
        }
    }

    fn set(&mut self) -> Vec<AccountId> {
        self.state.execute_with(Session::validators)
    }

    /// What the pool of the node that made it says to a transaction.
    fn pool(
        &mut self,
        source: TransactionSource,
        transaction: &UncheckedExtrinsic,
    ) -> Result<(), TransactionValidityError> {
        let head = self.head.hash();
        // What validation changes is forgotten.
        self.state.execute_with(|| {
            polkadot_sdk::frame_support::storage::with_transaction(|| {
                let verdict =
                    Executive::validate_transaction(source, transaction.clone(), head).map(|_| ());
                polkadot_sdk::sp_runtime::TransactionOutcome::Rollback(Ok::<_, DispatchError>(
                    verdict,
                ))
            })
            .unwrap()
        })
    }
}

/// Whether the council's motion was carried out with success.
fn executed(events: &[RuntimeEvent]) -> bool {
    events.iter().any(|event| {
        matches!(
            event,
            RuntimeEvent::Council(polkadot_sdk::pallet_collective::Event::Executed {
                result: Ok(()),
                ..
            })
        )
    })
}

fn expelled(events: &[RuntimeEvent]) -> Option<AccountId> {
    events.iter().find_map(|event| match event {
        RuntimeEvent::Consortium(pallet_consortium::Event::ValidatorExpelled {
            validator, ..
        }) => Some(validator.clone()),
        _ => None,
    })
}

/// The authorities that the head announces to GRANDPA.
fn announced(head: &Header) -> Option<Vec<AuthorityId>> {
    head.digest.logs().iter().find_map(|log| match log {
        DigestItem::Consensus(GRANDPA_ENGINE_ID, data) => {
            let log = ConsensusLog::<u32>::decode(&mut &data[..]).unwrap();
            let change = log.try_into_change()?;
            Some(
                change
                    .next_authorities
                    .into_iter()
                    .map(|(key, _)| key)
                    .collect(),
            )
        }
        _ => None,
    })
}

/// Keys of a validator that is none yet, with the proof that it has them.
fn newcomer() -> (sr25519::Pair, SessionKeys, Vec<u8>) {
    let account = sr25519::Pair::from_seed(&[5; 32]);
    let (blocks, votes) = (sr25519::Pair::from_seed(&[6; 32]), votes(NEWCOMER));
    let statement = [b"POP_".to_vec(), account.public().encode()].concat();
    let proof = (blocks.sign(&statement), votes.sign(&statement)).encode();
    let keys = SessionKeys {
        aura: blocks.public().into(),
        grandpa: votes.public().into(),
    };
    (account, keys, proof)
}

fn add(chain: &mut Chain) -> AccountId {
    let (account, keys, proof) = newcomer();
    let validator = AccountId::from(account.public().0);
    let events = chain.decide(
        3,
        pallet_consortium::Call::add_validator {
            validator: validator.clone(),
        },
    );
    assert!(executed(&events));
    let call = ves_runtime::pallet_session::Call::set_keys { keys, proof };
    let transaction = chain.signed_by(&account, call);
    chain.block(vec![transaction]);
    validator
}

/// Two votes of one voter in one round.
fn double_vote(
    voter: &ed25519::Pair,
    set_id: u64,
    round_number: u64,
    [first, second]: [u8; 2],
) -> EquivocationProof<polkadot_sdk::sp_core::H256, u32> {
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

/// As a node reports it, with the ownership that the runtime tells.
fn report(
    chain: &mut Chain,
    proof: EquivocationProof<polkadot_sdk::sp_core::H256, u32>,
) -> Option<UncheckedExtrinsic> {
    let ownership: OpaqueKeyOwnershipProof = chain.state.execute_with(|| {
        Runtime::generate_key_ownership_proof(proof.set_id(), proof.offender().clone())
    })?;
    let call = pallet_grandpa::Call::report_equivocation_unsigned {
        equivocation_proof: Box::new(proof),
        key_owner_proof: ownership.decode()?,
    };
    Some(<Runtime as CreateBare<pallet_grandpa::Call<Runtime>>>::create_bare(call.into()))
}

#[test]
fn a_validator_joins_by_three_of_four_votes_and_its_own_keys() {
    let mut chain = Chain::new();
    let newcomer = add(&mut chain);
    chain.session();
    assert_eq!(announced(&chain.head), None);
    chain.session();
    assert_eq!(chain.set().len(), 5);
    assert!(chain.set().contains(&newcomer));
    assert_eq!(announced(&chain.head).map(|set| set.len()), Some(5));
    let set_id = chain.state.execute_with(Runtime::current_set_id);
    assert_eq!(set_id, 1);
}

#[test]
fn readers_follow_the_change_by_header_and_votes_alone() {
    let mut chain = Chain::new();
    add(&mut chain);
    let header = |chain: &Chain| ves_finality::Header::decode(&chain.head.encode()).unwrap();
    chain.session();
    chain.session();
    let change = header(&chain);
    assert_eq!(change.hash().0, chain.head.hash().0);
    chain.block(vec![]);
    let after = header(&chain);

    let first: Vec<_> = FOUNDERS.map(|(_, votes)| votes).into();
    let second: Vec<_> = first.iter().copied().chain([NEWCOMER]).collect();
    let mut sets = TrackedSets::new(testing::set(0, &first), 0).unwrap();
    let by = |target, set_id, voters| testing::justify(target, 5, set_id, voters);
    // The old set's votes for the block that announces the new one; two of four are too few.
    let too_few = testing::proof(std::slice::from_ref(&change), &by(&change, 0, &first[..2]));
    assert!(sets.follow(&too_few).is_err());
    let enough = testing::proof(std::slice::from_ref(&change), &by(&change, 0, &first[..3]));
    sets.follow(&enough).unwrap();
    assert_eq!(sets.latest().set, testing::set(1, &second));
    assert_eq!(sets.latest().after, change.number);
    // From then on four of five, under the new number.
    for (set_id, voters, holds) in [
        (1, &second[1..], true),
        (1, &second[2..], false),
        (0, &first[..], false),
    ] {
        let proof = testing::proof(&[], &by(&after, set_id, voters));
        assert_eq!(sets.prove(&after, &proof).is_ok(), holds, "set {set_id}");
    }
}

/// More than half, but less than two thirds, however long they wait for the others' votes.
#[test]
fn who_does_not_vote_has_not_agreed() {
    use polkadot_sdk::pallet_collective;
    use ves_runtime::configs::CouncilCollective;

    let mut chain = Chain::new();
    let mut members: Vec<AccountId> = FOUNDERS.map(|(who, _)| who.to_account_id()).into();
    members.push(Sr25519Keyring::Eve.to_account_id());
    let call: RuntimeCall = pallet_consortium::Call::set_council {
        members: members.try_into().unwrap(),
    }
    .into();
    assert!(executed(&chain.decide(3, call)), "a council of five");
    let call: RuntimeCall = pallet_consortium::Call::authorize_upgrade {
        code_hash: Default::default(),
    }
    .into();
    chain.state.execute_with(|| {
        let hash = BlakeTwo256::hash_of(&call);
        let length = call.encoded_size() as u32;
        let weight = call.get_dispatch_info().call_weight;
        let index = pallet_collective::ProposalCount::<Runtime, CouncilCollective>::get();
        let signed = |who: Sr25519Keyring| RuntimeOrigin::signed(who.to_account_id());
        let three = [0, 1, 2].map(|n: usize| FOUNDERS[n].0);
        Council::propose(signed(three[0]), 4, Box::new(call), length).unwrap();
        for who in three {
            Council::vote(signed(who), hash, index, true).unwrap();
        }
        let end = System::block_number()
            + <Runtime as pallet_collective::Config<CouncilCollective>>::MotionDuration::get();
        System::set_block_number(end);
        Council::close(signed(three[0]), hash, index, weight, length).unwrap();
        let events = System::events();
        let disapproved = pallet_collective::Event::Disapproved {
            proposal_hash: hash,
        };
        let wanted = RuntimeEvent::Council(disapproved);
        assert!(
            events.iter().any(|record| record.event == wanted),
            "{events:?}"
        );
    });
}

#[test]
fn half_of_the_council_decides_nothing() {
    let mut chain = Chain::new();
    let calls: [RuntimeCall; 6] = [
        pallet_consortium::Call::add_validator {
            validator: [9; 32].into(),
        }
        .into(),
        pallet_consortium::Call::set_council {
            members: vec![[9; 32].into()].try_into().unwrap(),
        }
        .into(),
        pallet_consortium::Call::authorize_upgrade {
            code_hash: Default::default(),
        }
        .into(),
        pallet_consortium::Call::recover_finality {
            delay: 1,
            best_finalized: 1,
        }
        .into(),
        // The root's own calls are nobody's, whoever votes for them.
        frame_system::Call::set_code { code: vec![] }.into(),
        pallet_grandpa::Call::note_stalled {
            delay: 1,
            best_finalized_block_number: 1,
        }
        .into(),
    ];
    for (n, call) in calls.into_iter().enumerate() {
        let by_two = chain.decide(2, call.clone());
        assert!(!executed(&by_two), "two of four: {call:?}");
        let by_three = chain.decide(3, call.clone());
        // The second one makes another council, so that it stands for the others that it could.
        assert_eq!(executed(&by_three), n < 4, "three of four: {call:?}");
        if n == 1 {
            chain = Chain::new();
        }
    }
}

#[test]
fn the_council_replaces_its_members() {
    let mut chain = Chain::new();
    let members: Vec<AccountId> = vec![[9; 32].into(), FOUNDERS[1].0.to_account_id()];
    let events = chain.decide(
        3,
        pallet_consortium::Call::set_council {
            members: members.clone().try_into().unwrap(),
        },
    );
    assert!(executed(&events));
    let mut now = chain
        .state
        .execute_with(<<Runtime as pallet_consortium::Config>::CouncilMembers as Get<_>>::get);
    now.sort();
    let mut expected = members;
    expected.sort();
    assert_eq!(now, expected);
    // Alice still validates, so that her account lives, but she decides nothing any more.
    let call = ves_runtime::pallet_collective::Call::propose {
        threshold: 1,
        proposal: Box::new(
            pallet_consortium::Call::add_validator {
                validator: [8; 32].into(),
            }
            .into(),
        ),
        length_bound: 100,
    };
    let by_alice = chain.signed(FOUNDERS[0].0, call);
    let refused = chain.state.execute_with(|| {
        Executive::initialize_block(&Header {
            parent_hash: chain.head.hash(),
            number: chain.head.number + 1,
            state_root: Default::default(),
            extrinsics_root: Default::default(),
            digest: Digest::default(),
        });
        Executive::apply_extrinsic(by_alice).unwrap()
    });
    assert_eq!(
        refused,
        Err(polkadot_sdk::pallet_collective::Error::<
            Runtime,
            ves_runtime::configs::CouncilCollective,
        >::NotMember
            .into())
    );
}

#[test]
fn an_upgrade_takes_a_motion_and_then_the_code_from_anybody() {
    let mut chain = Chain::new();
    let code = vec![1; 64];
    let bring = |chain: &mut Chain, code: Vec<u8>| {
        let call = frame_system::Call::<Runtime>::apply_authorized_upgrade { code };
        let transaction =
            <Runtime as CreateBare<frame_system::Call<Runtime>>>::create_bare(call.into());
        chain.pool(TransactionSource::External, &transaction)
    };
    assert!(bring(&mut chain, code.clone()).is_err());
    let code_hash = BlakeTwo256::hash(&code);
    assert!(executed(&chain.decide(
        3,
        pallet_consortium::Call::authorize_upgrade { code_hash }
    )));
    assert!(bring(&mut chain, vec![2; 64]).is_err());
    // That it is no runtime at all is found when it is applied.
    assert_eq!(bring(&mut chain, code), Ok(()));
    let authorized = chain.state.execute_with(System::authorized_upgrade);
    assert_eq!(*authorized.unwrap().code_hash(), code_hash);
}

#[test]
fn keys_of_a_validator_cannot_be_withdrawn() {
    let call = ves_runtime::pallet_session::Call::<Runtime>::purge_keys {};
    type Filter = <Runtime as frame_system::Config>::BaseCallFilter;
    assert!(!Filter::contains(&call.into()));
    let mut chain = Chain::new();
    let purge = chain.signed(
        FOUNDERS[1].0,
        ves_runtime::pallet_session::Call::purge_keys {},
    );
    let refused = chain.state.execute_with(|| {
        Executive::initialize_block(&Header {
            parent_hash: chain.head.hash(),
            number: chain.head.number + 1,
            state_root: Default::default(),
            extrinsics_root: Default::default(),
            digest: Digest::default(),
        });
        Executive::apply_extrinsic(purge).unwrap()
    });
    assert_eq!(
        refused,
        Err(frame_system::Error::<Runtime>::CallFiltered.into())
    );
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
fn a_report_of_a_session_that_the_council_has_forgiven_is_refused() {
    let mut chain = Chain::new();
    let proof = double_vote(&votes(FOUNDERS[2].1), 0, 7, [1, 2]);
    let transaction = report(&mut chain, proof).unwrap();
    chain.block(vec![transaction.clone()]);
    assert!(executed(&chain.decide(
        3,
        pallet_consortium::Call::reinstate_validator {
            validator: FOUNDERS[2].0.to_account_id()
        }
    )));
    assert_eq!(
        chain.pool(TransactionSource::Local, &transaction),
        Err(InvalidTransaction::BadProof.into())
    );
    chain.session();
    assert_eq!(
        chain.pool(TransactionSource::Local, &transaction),
        Err(InvalidTransaction::BadProof.into())
    );
    assert!(
        chain
            .state
            .execute_with(Session::disabled_validators)
            .is_empty()
    );
}

#[test]
fn two_blocks_for_one_slot_are_reported_by_anybody_and_expel_their_author() {
    let mut chain = Chain::new();
    chain.session();
    let slot = chain.slot + 50;
    let turn = FOUNDERS[(slot % 4) as usize].0;
    let double = |chain: &Chain, salt: u8| {
        let mut header = Header {
            parent_hash: chain.head.hash(),
            number: chain.head.number + 1,
            state_root: [salt; 32].into(),
            extrinsics_root: Default::default(),
            digest: Digest {
                logs: vec![DigestItem::PreRuntime(
                    AURA_ENGINE_ID,
                    Slot::from(slot).encode(),
                )],
            },
        };
        let seal = turn.pair().sign(header.hash().as_ref());
        header
            .digest
            .push(DigestItem::Seal(AURA_ENGINE_ID, seal.0.to_vec()));
        header
    };
    let [first, second] = [double(&chain, 1), double(&chain, 2)];
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

#[test]
fn the_councils_calls_are_the_only_way_to_root_powers() {
    // Nobody is root: neither the council nor anybody else dispatches as it.
    let mut chain = Chain::new();
    let root_only: [RuntimeCall; 2] =
        [
            frame_system::Call::kill_storage { keys: vec![] }.into(),
            polkadot_sdk::pallet_collective::Call::<
                Runtime,
                ves_runtime::configs::CouncilCollective,
            >::set_members {
                new_members: vec![],
                prime: None,
                old_count: 4,
            }
            .into(),
        ];
    for call in root_only {
        assert!(!executed(&chain.decide(4, call.clone())), "{call:?}");
    }
    let members = chain.state.execute_with(|| {
        polkadot_sdk::pallet_collective::Members::<
            Runtime,
            ves_runtime::configs::CouncilCollective,
        >::get()
        .len()
    });
    assert_eq!(members, 4);
}
