// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What keeps the relay from sending, in words for the operator.

use alloy::primitives::{Address, B256, U256};
use serde::Serialize;
use std::fmt;

/// What keeps the relay from sending. It waits, asks again and goes on by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Park {
    /// No answer.
    Unreachable {
        /// The error.
        error: String,
    },
    /// Another chain answers.
    WrongChain {
        /// Configured.
        expected: u64,
        /// Reported.
        found: u64,
    },
    /// Nothing is deployed at the address.
    NoCode {
        /// Configured address.
        registry: Address,
    },
    /// Something else is deployed at the address.
    NotARegistry {
        /// Configured address.
        registry: Address,
    },
    /// The journal is of another deployment.
    ForeignJournal {
        /// The error.
        error: String,
    },
    /// Our key may not write.
    NotAuthorised {
        /// Our address.
        sender: Address,
    },
    /// The contract is paused.
    Paused,
    /// We cannot pay.
    EmptyBalance {
        /// Our address.
        sender: Address,
        /// Wei we have.
        balance: String,
        /// Wei we need.
        needed: String,
    },
    /// The budget of 24 hours is spent.
    BudgetSpent {
        /// Gwei spent in the last 24 hours.
        spent_gwei: u64,
        /// Gwei that may be spent.
        budget_gwei: u64,
    },
    /// The registry runs code that the operator has not approved.
    UnknownImplementation {
        /// Its address; none if the registry is no proxy.
        found: Option<Address>,
        /// Its Keccak-256; none if it could not be read.
        code_hash: Option<B256>,
    },
    /// The chain's base fee is above our limit.
    FeeAboveLimit {
        /// Wei per gas.
        base_fee: String,
    },
    /// The second endpoint does not answer, so nothing counts as done.
    WitnessAway {
        /// The error.
        error: String,
    },
    /// The two endpoints are on different chains.
    WitnessDisagrees {
        /// Height of a block that one of them calls confirmed.
        number: u64,
        /// Its hash at the endpoint in use.
        here: B256,
        /// Its hash at the witness.
        there: B256,
    },
}

impl fmt::Display for Park {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { error } => {
                write!(
                    f,
                    "{error}. Start the L2 node or correct destination.rpc_url"
                )
            }
            Self::WrongChain { expected, found } => write!(
                f,
                "the L2 has chain id {found}, expected {expected}. Correct destination.rpc_url or \
                 destination.chain_id"
            ),
            Self::NoCode { registry } => write!(
                f,
                "there is no contract at {registry}. Deploy the registry or correct \
                 destination.registry"
            ),
            Self::NotARegistry { registry } => write!(
                f,
                "the contract at {registry} is not a SetRegistry. Correct destination.registry"
            ),
            Self::ForeignJournal { error } => f.write_str(error),
            Self::NotAuthorised { sender } => write!(
                f,
                "{sender} is not an authorised sequencer. The registry's owner must call \
                 setSequencerAuthorization({sender}, true)"
            ),
            Self::Paused => {
                f.write_str("the registry is paused. Its owner must call unpause() to go on")
            }
            Self::EmptyBalance {
                sender,
                balance,
                needed,
            } => write!(
                f,
                "{sender} has {balance} wei and needs at least {needed} for one transaction. \
                 Send it funds"
            ),
            Self::BudgetSpent {
                spent_gwei,
                budget_gwei,
            } => write!(
                f,
                "{spent_gwei} gwei were spent in 24 hours, send.daily_budget_gwei is \
                 {budget_gwei}. Wait or raise it"
            ),
            Self::UnknownImplementation { found, code_hash } => {
                match found {
                    Some(address) => write!(f, "the registry's implementation is {address}")?,
                    None => f.write_str("the registry is no proxy")?,
                }
                if let Some(hash) = code_hash {
                    write!(f, " and its code has Keccak-256 {hash}")?;
                }
                f.write_str(
                    "; destination.implementations does not name it. Review the code, then add its \
                     address or hash",
                )
            }
            Self::FeeAboveLimit { base_fee } => write!(
                f,
                "the L2's base fee of {base_fee} wei is above send.max_fee_wei. Wait or raise it"
            ),
            Self::WitnessAway { error } => write!(
                f,
                "the witness of the L2: {error}. Start it or correct destination.witness_url"
            ),
            Self::WitnessDisagrees {
                number,
                here,
                there,
            } => write!(
                f,
                "block {number} of the L2 is {here} at destination.rpc_url and {there} at \
                 destination.witness_url. One of them is not on the L2's chain: compare both with \
                 others"
            ),
        }
    }
}

/// May we send?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// Why not; empty when we may.
    pub parked: Vec<Park>,
    /// Does the contract enforce chained batches?
    pub strict: Option<bool>,
    /// Does it enforce where a stream begins? The peer's contract does not.
    pub strict_genesis: bool,
    /// The code behind the registry's proxy.
    pub implementation: Option<Address>,
    /// Keccak-256 of that code, or of the registry's own if it is no proxy.
    pub code_hash: Option<B256>,
    /// When the code was replaced, as far as the relay has seen, Unix milliseconds; 0: never.
    pub upgraded_ms: u64,
    /// Our balance, wei.
    #[serde(serialize_with = "as_text")]
    pub balance: U256,
}

fn as_text<S: serde::Serializer>(value: &U256, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}

impl Gate {
    /// May we send?
    pub const fn is_open(&self) -> bool {
        self.parked.is_empty()
    }
}
