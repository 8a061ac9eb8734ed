// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A chain of four validators, who are the council too, and its blocks.

use codec::{Decode, Encode};
use polkadot_sdk::{
    frame_support::dispatch::GetDispatchInfo,
    frame_system,
    sp_consensus_aura::{AURA_ENGINE_ID, Slot},
    sp_consensus_grandpa::{AuthorityId, ConsensusLog, GRANDPA_ENGINE_ID},
    sp_core::{Pair, ed25519, sr25519},
    sp_io::TestExternalities,
    sp_keyring::Sr25519Keyring,
    sp_runtime::{
        BuildStorage, Digest, DigestItem, DispatchError, MultiAddress, MultiSignature,
        generic::{Era, SignedPayload},
        traits::{BlakeTwo256, Hash},
        transaction_validity::{TransactionSource, TransactionValidityError},
    },
};
use ves_finality::testing::Validator;
use ves_runtime::{
    AccountId, AgentRegistryConfig, ConsortiumConfig, CouncilConfig, Executive, Header, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeGenesisConfig, Session, SessionConfig, System, TxExtension,
    UncheckedExtrinsic, opaque::SessionKeys,
};

/// Blocks of a session.
pub(crate) const LENGTH: u32 = 10;
/// Votes for the validator that is none yet.
pub(crate) const NEWCOMER: Validator = Validator(4);

pub(crate) const FOUNDERS: [(Sr25519Keyring, Validator); 4] = [
    (Sr25519Keyring::Alice, Validator(0)),
    (Sr25519Keyring::Bob, Validator(1)),
    (Sr25519Keyring::Charlie, Validator(2)),
    (Sr25519Keyring::Dave, Validator(3)),
];

/// The pair of a reader's made validator, which signs as GRANDPA does.
pub(crate) fn votes(of: Validator) -> ed25519::Pair {
    let mut seed = [0x5e; 32];
    seed[..4].copy_from_slice(&of.0.to_le_bytes());
    let pair = ed25519::Pair::from_seed(&seed);
    assert_eq!(pair.public().0, of.key().0);
    pair
}

pub(crate) fn keys(of: (Sr25519Keyring, Validator)) -> SessionKeys {
    SessionKeys {
        aura: of.0.public().into(),
        grandpa: votes(of.1).public().into(),
    }
}

/// Four validators, who are the council too.
pub(crate) struct Chain {
    pub(crate) state: TestExternalities,
    pub(crate) slot: u64,
    pub(crate) head: Header,
    nonces: std::collections::BTreeMap<AccountId, u32>,
    /// Validators that make no blocks.
    pub(crate) gone: Vec<AccountId>,
    /// Slots from one block to the next at least.
    pub(crate) pace: u64,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::with_sessions(LENGTH)
    }

    /// With sessions of so many blocks.
    pub(crate) fn with_sessions(session_length: u32) -> Self {
        let council: Vec<_> = FOUNDERS.map(|(who, _)| who.to_account_id()).into();
        let storage = RuntimeGenesisConfig {
            session: SessionConfig {
                keys: FOUNDERS
                    .map(|who| (who.0.to_account_id(), who.0.to_account_id(), keys(who)))
                    .into(),
                non_authority_keys: vec![],
            },
            consortium: ConsortiumConfig {
                session_length,
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
            gone: vec![],
            pace: 1,
        };
        chain.block(vec![]);
        chain
    }

    /// Whether the validator with this turn may make blocks.
    pub(crate) fn may_author(&mut self, slot: u64) -> bool {
        self.state.execute_with(|| {
            let validators = Session::validators();
            let turn = slot % validators.len() as u64;
            let disabled = Session::disabled_validators().contains(&(turn as u32));
            !disabled && !self.gone.contains(&validators[turn as usize])
        })
    }

    /// Makes the next block of these transactions, each of which must be valid.
    pub(crate) fn block(&mut self, transactions: Vec<UncheckedExtrinsic>) -> Vec<RuntimeEvent> {
        self.slot += self.pace;
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

    pub(crate) fn signed(
        &mut self,
        who: Sr25519Keyring,
        call: impl Into<RuntimeCall>,
    ) -> UncheckedExtrinsic {
        self.signed_by(&who.pair(), call)
    }

    pub(crate) fn signed_by(
        &mut self,
        who: &sr25519::Pair,
        call: impl Into<RuntimeCall>,
    ) -> UncheckedExtrinsic {
        let nonce = self
            .nonces
            .entry(AccountId::from(who.public().0))
            .or_default();
        let at = *nonce;
        *nonce += 1;
        let call = call.into();
        self.state.execute_with(|| signed_at(who, at, call))
    }

    /// Has the council decide with the votes of the first `ayes` members.
    pub(crate) fn decide(
        &mut self,
        ayes: usize,
        call: impl Into<RuntimeCall>,
    ) -> Vec<RuntimeEvent> {
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
    pub(crate) fn session(&mut self) -> Vec<RuntimeEvent> {
        loop {
            let events = self.block(vec![]);
            if self.head.number.is_multiple_of(LENGTH) {
                return events;
            }
        }
    }

    pub(crate) fn set(&mut self) -> Vec<AccountId> {
        self.state.execute_with(Session::validators)
    }

    /// What the pool of the node that made it says to a transaction.
    pub(crate) fn pool(
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

/// A transaction as its account signs it. Within the chain's state, which is part of what is signed.
pub(crate) fn signed_at(who: &sr25519::Pair, nonce: u32, call: RuntimeCall) -> UncheckedExtrinsic {
    let extension: TxExtension = (
        frame_system::AuthorizeCall::new(),
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckMortality::from(Era::Immortal),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
    );
    let payload = SignedPayload::new(call.clone(), extension.clone()).unwrap();
    let signature = payload.using_encoded(|bytes| who.sign(bytes));
    UncheckedExtrinsic::new_signed(
        call,
        MultiAddress::Id(AccountId::from(who.public().0)),
        MultiSignature::Sr25519(signature),
        extension,
    )
}

/// Whether the council's motion was carried out with success.
pub(crate) fn executed(events: &[RuntimeEvent]) -> bool {
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

pub(crate) fn expelled(events: &[RuntimeEvent]) -> Option<AccountId> {
    events.iter().find_map(|event| match event {
        RuntimeEvent::Consortium(pallet_consortium::Event::ValidatorExpelled {
            validator, ..
        }) => Some(validator.clone()),
        _ => None,
    })
}

/// The authorities that the head announces to GRANDPA.
pub(crate) fn announced(head: &Header) -> Option<Vec<AuthorityId>> {
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
fn newcomer(who: Validator) -> (sr25519::Pair, SessionKeys, Vec<u8>) {
    let seed = who.0 as u8;
    let account = sr25519::Pair::from_seed(&[seed, 1].repeat(16).try_into().unwrap());
    let (blocks, votes) = (
        sr25519::Pair::from_seed(&[seed, 2].repeat(16).try_into().unwrap()),
        votes(who),
    );
    let statement = [b"POP_".to_vec(), account.public().encode()].concat();
    let proof = (blocks.sign(&statement), votes.sign(&statement)).encode();
    let keys = SessionKeys {
        aura: blocks.public().into(),
        grandpa: votes.public().into(),
    };
    (account, keys, proof)
}

/// The council admits the newcomer, which registers its keys.
pub(crate) fn add(chain: &mut Chain) -> AccountId {
    add_as(chain, NEWCOMER)
}

/// The same for one with these votes.
pub(crate) fn add_as(chain: &mut Chain, who: Validator) -> AccountId {
    let (account, keys, proof) = newcomer(who);
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
