// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A chain on which each role is somebody else's, and how each of them makes a call.

use super::examples::{self, example};
use crate::blocks::{FOUNDERS, keys, signed_at};
use codec::Encode;
use polkadot_sdk::{
    frame_system::{
        self,
        offchain::{CreateAuthorizedTransaction, CreateBare},
    },
    pallet_collective,
    sp_consensus_aura::{AURA_ENGINE_ID, Slot},
    sp_core::{
        Pair, sr25519,
        traits::{ReadRuntimeVersion, ReadRuntimeVersionExt},
    },
    sp_io::TestExternalities,
    sp_keyring::Sr25519Keyring,
    sp_runtime::{
        BuildStorage, Digest, DigestItem, DispatchError, TransactionOutcome,
        traits::Dispatchable,
        transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
    },
};
use ves_runtime::{
    AccountId, AgentRegistryConfig, ConsortiumConfig, CouncilConfig, Executive, Header, Runtime,
    RuntimeCall, RuntimeGenesisConfig, RuntimeOrigin, SessionConfig, System, UncheckedExtrinsic,
    configs::CouncilCollective,
};

/// Of the council of four: neither validators nor admins.
pub(super) const COUNCIL: [Sr25519Keyring; 4] = [
    Sr25519Keyring::Eve,
    Sr25519Keyring::Ferdie,
    Sr25519Keyring::One,
    Sr25519Keyring::Two,
];
/// Slot of the block in which calls are made: 2027-01-15T08:00:04Z.
pub(super) const SLOT: u64 = 900_000_002;

/// Errors by which a call says that it is somebody else's to make.
const REFUSALS: [&str; 5] = [
    "CallFiltered",
    "NotMember",
    "NotTenantAdmin",
    "NotProposedAdmin",
    "NotARelay",
];

/// Who makes a call, and how. The order is that of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Who {
    /// Nobody: as a bare transaction that comes from the network.
    Network,
    /// The author of a block, who puts it there as a bare transaction.
    Author,
    /// An agent, or whoever carries what it signed: as a general transaction, which the call itself authorises.
    Agent,
    /// The origin that this gives, whatever the call would say to what it carries.
    Own,
    /// The admin of another tenant, by signature. A transaction in hand is offered to it.
    Other,
    /// The admin of the tenant that the call is about.
    Admin,
    /// A relay.
    Relay,
    /// A validator.
    Validator,
    /// A member of the council, by signature.
    Member,
    /// The same, by `Council.execute`, which carries out a call in the name of one member.
    Execute,
    /// Two of four members, by a motion.
    Half,
    /// Three of four members, by a motion.
    TwoThirds,
    /// Root, which nobody is.
    Root,
}

impl Who {
    pub(super) const ALL: [Self; 13] = [
        Self::Network,
        Self::Author,
        Self::Agent,
        Self::Own,
        Self::Other,
        Self::Admin,
        Self::Relay,
        Self::Validator,
        Self::Member,
        Self::Execute,
        Self::Half,
        Self::TwoThirds,
        Self::Root,
    ];

    /// The head of its column.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Author => "author",
            Self::Agent => "agent",
            Self::Own => "own",
            Self::Other => "other",
            Self::Admin => "admin",
            Self::Relay => "relay",
            Self::Validator => "validator",
            Self::Member => "member",
            Self::Execute => "execute",
            Self::Half => "half",
            Self::TwoThirds => "two-thirds",
            Self::Root => "root",
        }
    }

    /// Those who sign.
    pub(super) fn pair(self) -> Option<sr25519::Pair> {
        Some(match self {
            Self::Other => sr25519::Pair::from_seed(&[21; 32]),
            Self::Admin => sr25519::Pair::from_seed(&[22; 32]),
            Self::Relay => sr25519::Pair::from_seed(&[23; 32]),
            Self::Validator => FOUNDERS[1].0.pair(),
            Self::Member => COUNCIL[1].pair(),
            _ => return None,
        })
    }

    /// Their account.
    pub(super) fn account(self) -> AccountId {
        AccountId::from(self.pair().unwrap().public().0)
    }
}

/// Says of whatever code that it is the next version.
struct NextVersion;

impl ReadRuntimeVersion for NextVersion {
    fn read_runtime_version(
        &self,
        _: &[u8],
        _: &mut dyn polkadot_sdk::sp_core::traits::Externalities,
    ) -> Result<Vec<u8>, String> {
        let mut next = ves_runtime::VERSION;
        next.spec_version += 1;
        Ok(next.encode())
    }
}

/// The chain, in its second block.
pub(super) struct Scene {
    state: TestExternalities,
    /// The block before.
    head: Header,
}

fn header(number: u32, parent: &Header, slot: u64) -> Header {
    Header {
        parent_hash: parent.hash(),
        number,
        state_root: Default::default(),
        extrinsics_root: Default::default(),
        digest: Digest {
            logs: vec![DigestItem::PreRuntime(
                AURA_ENGINE_ID,
                Slot::from(slot).encode(),
            )],
        },
    }
}

impl Scene {
    pub(super) fn new() -> Self {
        let council: Vec<_> = COUNCIL.map(|member| member.to_account_id()).into();
        let validators = FOUNDERS.map(|(who, _)| who.to_account_id());
        let storage = RuntimeGenesisConfig {
            session: SessionConfig {
                keys: FOUNDERS
                    .map(|who| (who.0.to_account_id(), who.0.to_account_id(), keys(who)))
                    .into(),
                non_authority_keys: vec![],
            },
            consortium: ConsortiumConfig {
                session_length: 10,
                // So that one may go.
                minimum: 3,
            },
            council: CouncilConfig {
                members: council.clone(),
                ..Default::default()
            },
            agent_registry: AgentRegistryConfig {
                accounts: council.into_iter().chain(validators).collect(),
                tenants: vec![
                    (
                        examples::TENANT,
                        Who::Admin.account(),
                        vec![examples::STORE],
                    ),
                    (
                        examples::OTHER_TENANT,
                        Who::Other.account(),
                        vec![examples::STORE],
                    ),
                ],
            },
            ..Default::default()
        }
        .build_storage()
        .unwrap();
        let mut state = TestExternalities::new(storage);
        state.register_extension(ReadRuntimeVersionExt::new(NextVersion));
        let genesis = Header {
            parent_hash: Default::default(),
            number: 0,
            state_root: Default::default(),
            extrinsics_root: Default::default(),
            digest: Digest::default(),
        };
        let head = state.execute_with(|| {
            Executive::initialize_block(&header(1, &genesis, SLOT - 1));
            let now = (SLOT - 1) * ves_runtime::SLOT_DURATION_MS;
            let time = ves_runtime::pallet_timestamp::Call::set { now };
            let inherent = UncheckedExtrinsic::new_bare(time.into());
            Executive::apply_extrinsic(inherent).unwrap().unwrap();
            let head = Executive::finalize_block();
            Executive::initialize_block(&header(2, &head, SLOT));
            examples::prepare();
            head
        });
        Self { state, head }
    }

    /// Looks at something in the chain, and forgets what it changed.
    fn once<T>(&mut self, look: impl FnOnce(&Header) -> T) -> T {
        let head = &self.head;
        self.state.execute_with(|| {
            polkadot_sdk::frame_support::storage::with_transaction(|| {
                TransactionOutcome::Rollback(Ok::<_, DispatchError>(look(head)))
            })
            .unwrap()
        })
    }

    /// The example of a call.
    pub(super) fn call(&mut self, name: &str) -> RuntimeCall {
        self.once(|_| example(name))
    }

    /// What comes of a call, in the words of the table.
    pub(super) fn outcome(&mut self, who: Who, make: impl Fn() -> RuntimeCall) -> String {
        let transaction = |call: RuntimeCall| match who {
            Who::Network | Who::Author => {
                Some(<Runtime as CreateBare<frame_system::Call<Runtime>>>::create_bare(call))
            }
            Who::Agent => Some(<Runtime as CreateAuthorizedTransaction<
                frame_system::Call<Runtime>,
            >>::create_authorized_transaction(call)),
            _ => who.pair().map(|pair| signed_at(&pair, 0, call)),
        };
        let pool = self.once(|head| {
            let transaction = transaction(make())?;
            let by_network = who != Who::Author;
            by_network.then(|| {
                let source = TransactionSource::External;
                Executive::validate_transaction(source, transaction, head.hash())
            })
        });
        if let Some(Err(refused)) = pool {
            return refused_by_the_pool(refused).to_owned();
        }
        let dispatched = self.once(|_| {
            let call = make();
            if let Some(transaction) = transaction(call.clone()) {
                return Executive::apply_extrinsic(transaction);
            }
            let members =
                |n| pallet_collective::RawOrigin::<AccountId, CouncilCollective>::Members(n, 4);
            let origin: RuntimeOrigin = match who {
                Who::Own => frame_system::RawOrigin::Authorized.into(),
                Who::Execute => {
                    let member = COUNCIL[1].to_account_id();
                    pallet_collective::RawOrigin::<AccountId, CouncilCollective>::Member(member)
                        .into()
                }
                Who::Half => members(2).into(),
                Who::TwoThirds => members(3).into(),
                _ => RuntimeOrigin::root(),
            };
            Ok(call.dispatch(origin).map(drop).map_err(|error| error.error))
        });
        match dispatched {
            Ok(Ok(())) => "yes".to_owned(),
            Ok(Err(error)) => word(error),
            Err(refused) => refused_by_the_pool(refused).to_owned(),
        }
    }
}

fn refused_by_the_pool(error: TransactionValidityError) -> &'static str {
    match error {
        // Reasons of the calls' own authorisation; that of a report is that it proves nothing.
        TransactionValidityError::Invalid(
            InvalidTransaction::Custom(_)
            | InvalidTransaction::BadProof
            | InvalidTransaction::Stale,
        ) => "content",
        TransactionValidityError::Invalid(
            // From the network, or of the block's own class; or a call that authorises itself for nobody.
            InvalidTransaction::Call
            | InvalidTransaction::MandatoryValidation
            | InvalidTransaction::UnknownOrigin,
        )
        | TransactionValidityError::Unknown(_) => "-",
        other => panic!("the transaction itself is wrong: {other:?}"),
    }
}

fn word(error: DispatchError) -> String {
    match error {
        DispatchError::BadOrigin => "-".to_owned(),
        DispatchError::Module(module) => {
            let name = module.message.unwrap_or("unnamed");
            let refused = REFUSALS.contains(&name);
            if refused {
                "-".to_owned()
            } else {
                name.to_owned()
            }
        }
        other => format!("{other:?}"),
    }
}

/// Number of the block in which calls are made, for what is bound to it.
pub(super) fn now() -> u32 {
    System::block_number()
}
