// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The grammar of evidence: verifying, exporting, proving.

use super::AmountArgs;
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;
use ves_client::BlockHash;
use ves_primitives::{AuthoritySetHash, CurrencyTag, EventsRoot, GenesisHash, SigningPublicKey};

/// Where the contract is.
#[derive(Debug, Clone, Args)]
pub struct ContractArgs {
    /// EVM endpoint of the anchoring contract [env: VES_L1_RPC_URL]
    #[arg(long, value_name = "URL")]
    pub l1_rpc: Option<String>,
    /// Address of the SetRegistry contract [env: VES_L1_REGISTRY]
    #[arg(long, value_name = "ADDRESS")]
    pub registry: Option<String>,
    /// Ask the contract named in the configuration.
    #[arg(long)]
    pub anchor: bool,
}

/// `verify`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("subject").required(true).args(["event_id", "bundle"])))]
pub struct VerifyArgs {
    /// Event to fetch from the node and verify: its id or an unambiguous beginning.
    #[arg(value_name = "EVENT_ID")]
    pub event_id: Option<String>,
    /// Verify this bundle without asking any node.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Trusted chain [default: the one this project is bound to]
    #[arg(long, value_name = "HASH")]
    pub genesis: Option<GenesisHash>,
    /// Trusted authority set, which must have finalized the block or lead to the one that did: its
    /// hash, or a file with the set in JSON [default: the one this project trusts]
    #[arg(long, value_name = "HASH|FILE")]
    pub authorities: Option<String>,
    /// Trusted key of the author.
    #[arg(long, value_name = "KEY")]
    pub agent_key: Option<SigningPublicKey>,
    /// Trusted events root of the batch, for instance from the contract.
    #[arg(long, value_name = "HASH")]
    pub events_root: Option<EventsRoot>,
    /// Trusted hash of the block, for instance from another node.
    #[arg(long, value_name = "HASH")]
    pub block_hash: Option<BlockHash>,
    /// Where the contract is.
    #[command(flatten)]
    pub contract: ContractArgs,
}

/// `export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The event: its id or an unambiguous beginning.
    #[arg(value_name = "EVENT_ID")]
    pub event_id: String,
    /// File to write [default: <event id>.bundle.json]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long)]
    pub force: bool,
    /// Make the bundle from what the last pull kept, without asking the node.
    #[arg(long)]
    pub offline: bool,
    /// Where the contract is.
    #[command(flatten)]
    pub contract: ContractArgs,
}

/// `import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The bundle.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Trusted authority set, as for `verify` [default: the one this project trusts]
    #[arg(long, value_name = "HASH|FILE")]
    pub authorities: Option<String>,
    /// Trusted key of the author.
    #[arg(long, value_name = "KEY")]
    pub agent_key: Option<SigningPublicKey>,
}

/// `bundles …`
#[derive(Debug, Subcommand)]
pub enum BundlesCommand {
    /// List the imported bundles, newest first.
    List,
    /// Verify an imported bundle again, and write it out with --out.
    Show(BundleShowArgs),
}

/// `bundles show`
#[derive(Debug, Args)]
pub struct BundleShowArgs {
    /// The bundle: the id of its event or an unambiguous beginning.
    #[arg(value_name = "BUNDLE_ID")]
    pub event_id: String,
    /// File to write the bundle to.
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// `prove`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("subject").required(true).args(["event_id", "batch", "batch_of"])))]
#[command(group(ArgGroup::new("claim").required(true).args(["policy", "budget"])))]
pub struct ProveArgs {
    /// The event: its id or an unambiguous beginning.
    #[arg(value_name = "EVENT_ID")]
    pub event_id: Option<String>,
    /// Prove all events of the batch with this number within its stream, by one proof.
    #[arg(long, value_name = "INDEX")]
    pub batch: Option<u64>,
    /// Prove all events of the batch that holds this event, by one proof.
    #[arg(long, value_name = "EVENT_ID")]
    pub batch_of: Option<String>,
    /// aml.threshold (below), order_total.cap (at most) or agent.authorization.v1 (at most).
    #[arg(long, value_name = "ID", requires = "limit")]
    pub policy: Option<String>,
    /// The policy's limit in the currency's units, as in 10000 or 9999.99.
    #[arg(long, value_name = "AMOUNT", requires = "policy")]
    pub limit: Option<String>,
    /// Add the event to this agent's budget of so much (agent.budget.v1).
    #[arg(long, value_name = "MAX_TOTAL", conflicts_with_all = ["batch", "batch_of", "intent_hash"])]
    pub budget: Option<String>,
    /// Hash of the intent, for agent.authorization.v1.
    #[arg(long, value_name = "HEX")]
    pub intent_hash: Option<String>,
    /// Currency code and decimal places of the amount.
    #[arg(long, value_name = "CODE:PLACES", default_value = "USD:2")]
    pub currency: CurrencyTag,
    /// Where the amount stands in the payload.
    #[command(flatten)]
    pub amount: AmountArgs,
    /// Seconds to wait for finality.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
}

/// `authorities …`
#[derive(Debug, Subcommand)]
pub enum AuthoritiesCommand {
    /// List the sets, why each is trusted, and one that waits to be accepted.
    List,
    /// Trust a set to which the chain was forced.
    Accept {
        /// Hash of the set, as operators whom you trust name it.
        #[arg(value_name = "HASH")]
        set: AuthoritySetHash,
    },
}

/// `proofs`
#[derive(Debug, Args)]
pub struct ProofsArgs {
    /// The event: its id or an unambiguous beginning.
    #[arg(value_name = "EVENT_ID")]
    pub event_id: Option<String>,
    /// Where the amount stands in the payload.
    #[command(flatten)]
    pub amount: AmountArgs,
}
