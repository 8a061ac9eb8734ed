// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The destination's side: one EVM chain, one registry, one key.

mod chain;
mod contract;
mod endpoints;
mod fees;
mod gate;
mod key;
mod latest;
mod outgoing;
mod probe;
mod reorg;
mod resend;
mod revert;
mod sender;
mod witness;

pub use chain::{Block, Chain, ChainError, Confirmation, Identity};
pub use contract::{
    GAS_OF_FURTHER_BATCH, Payload, SetRegistry, commit_call, proof_call, same_proof, same_record,
};
pub use endpoints::EndpointStats;
pub use fees::{FeeLimits, Fees, bump, suggest};
pub use gate::{Gate, Park};
pub use key::{
    DEV_KEY_VARIABLE, Key, KeyError, KeySource, PASSPHRASE_VARIABLE, SignError, read_private,
    secret_from_hex, write_keystore,
};
pub use resend::ResendReport;
pub use revert::Refusal;
pub use sender::{SendError, SendPolicy, SendReport, Sender, SubmitOutcome};
