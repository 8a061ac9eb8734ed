// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The command line: its grammar and its help, which is the manual.

use crate::{
    config::{ConfigFile, Overrides},
    keys::Purpose,
    outbox::State,
    output::ColorChoice,
};
use clap::{ArgGroup, Args, Parser, Subcommand};
use std::path::PathBuf;

mod registry;

pub use registry::*;

use ves_client::BlockHash;
use ves_primitives::{
    AgentId, CommandId, CurrencyTag, EventId, EventsRoot, GenesisHash, GroupId, SigningPublicKey,
    StoreId, TenantId,
};

/// Commands whose peer name has a colon; `keys:generate` means `keys generate`.
const COLON_GROUPS: [&str; 5] = ["keys", "admin", "config", "groups", "schemas"];

/// Flags of every command that take a value: they may stand before the command's name.
const VALUE_FLAGS: [&str; 8] = [
    "--home",
    "--config",
    "--node",
    "--tenant",
    "--store",
    "--agent",
    "--passphrase-file",
    "--color",
];

/// Splits the command's name at its colon, so that both forms reach the same command.
pub fn split_colon_names(args: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut args: Vec<String> = args.into_iter().collect();
    let mut at = 1;
    while let Some(arg) = args.get(at) {
        if VALUE_FLAGS.contains(&arg.as_str()) {
            at += 2;
        } else if arg.starts_with('-') || arg == "help" {
            at += 1;
        } else {
            break;
        }
    }
    let halves = args.get(at).and_then(|name| {
        let (group, command) = name.split_once(':')?;
        COLON_GROUPS
            .contains(&group)
            .then(|| [group.to_owned(), command.to_owned()])
    });
    if let Some(halves) = halves {
        args.splice(at..=at, halves);
    }
    args
}

/// The table of `help exit-codes`.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  everything asked for was done
    1  unexpected failure
    2  wrong command line or input value
    3  no usable configuration: run `stateset-sync init`
    4  node or EVM endpoint unreachable, or no answer in time
    5  some or all events were rejected by the chain
    6  unresolved conflicts
    7  verification failed, or something was quarantined
    8  key locked, missing, revoked or expired
    9  local database busy, damaged or missing
   10  refused by policy, or not confirmed
  130  interrupted

With --json the outcome is one JSON object on stdout. An error is
`{\"error\":{\"code\":…,\"message\":…,\"hint\":…}}` inside that object; the exit code is the same.";

const EXAMPLES: &str = "\
Examples:
  stateset-sync init --node ws://127.0.0.1:9944 --tenant <uuid> --store <uuid>
  stateset-sync keys:generate
  stateset-sync keys:register --admin-suri-file admin.suri
  stateset-sync append --entity-type order --entity-id A-1 --event-type order.created \\
      --payload '{\"total\":12}'
  stateset-sync push
  stateset-sync pull
  stateset-sync export <event-id> --out bundle.json
  stateset-sync verify --bundle bundle.json

Settings: flag, then environment (VES_*), then .stateset/sync.json, then the user's
config.json, then the default. `stateset-sync config show` prints where each comes from.
`stateset-sync help exit-codes` lists the exit codes.";

/// Sign events, push them to the chain, pull and verify those of others, prove them offline.
#[derive(Debug, Parser)]
#[command(name = "stateset-sync", version, after_long_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Print the outcome as one JSON object.
    #[arg(long, global = true)]
    pub json: bool,
    /// State directory [default: the nearest .stateset upwards] [env: VES_HOME]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Project configuration file, .json or .toml [env: VES_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Node endpoint [env: VES_NODE_URL] [default: ws://127.0.0.1:9944]
    #[arg(long, global = true, value_name = "URL")]
    pub node: Option<String>,
    /// Tenant of the stream [env: VES_TENANT_ID]
    #[arg(long, global = true, value_name = "UUID")]
    pub tenant: Option<TenantId>,
    /// Store of the stream [env: VES_STORE_ID]
    #[arg(long, global = true, value_name = "UUID")]
    pub store: Option<StoreId>,
    /// The agent that signs [env: VES_AGENT_ID]
    #[arg(long, global = true, value_name = "UUID")]
    pub agent: Option<AgentId>,
    /// File whose first line is the passphrase of the keys [env: VES_PASSPHRASE_FILE; the
    /// passphrase itself: VES_PASSPHRASE]
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// No remarks on stderr.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// When to colour the text; NO_COLOR is honoured.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
}

impl Global {
    /// The settings among the flags.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            home: self.home.clone(),
            config: self.config.clone(),
            settings: ConfigFile {
                node_url: self.node.clone(),
                tenant_id: self.tenant,
                store_id: self.store,
                agent_id: self.agent,
                passphrase_file: self.passphrase_file.clone(),
                ..ConfigFile::default()
            },
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set this project up: state directory, configuration, empty outbox.
    Init(InitArgs),
    /// Make, list, register, rotate, limit, revoke and export the agent's keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Capture an event into the outbox.
    #[command(after_help = "\
Examples:
  stateset-sync append --entity-type order --entity-id A-1 --event-type order.created \\
      --payload '{\"total\":12}'
  stateset-sync append --entity-type order --entity-id A-2 --event-type order.created \\
      --payload-file order.json --encrypt-to <agent uuid>,<agent uuid> --encrypt-to-self")]
    Append(AppendArgs),
    /// Sign what the outbox holds, submit it, wait until it is final, and prove what is wished.
    #[command(after_help = "\
Examples:
  stateset-sync push
  stateset-sync push --prove aml.threshold=10000 --prove order_total.cap=20000

Wishes are kept with the events: after an interruption, or with --no-wait, the next push proves.
An amount that is over the limit is reported (exit code 10); the events go out all the same, unless
--require-proofs is given.")]
    Push(PushArgs),
    /// Fetch new events up to the finalized head, verifying each of them.
    Pull(PullArgs),
    /// Show where outbox, stream and node stand.
    Status(StatusArgs),
    /// Verify one event: signature, key, inclusion, batch, header, finality, anchor.
    #[command(after_help = "\
Examples:
  stateset-sync verify <event-id>
  stateset-sync verify --bundle bundle.json --agent-key 0x… --genesis 0x… --authorities 0x…
  stateset-sync verify --bundle bundle.json --l1-rpc http://127.0.0.1:8545 --registry 0x…")]
    Verify(VerifyArgs),
    /// Write a self-contained bundle that proves one event.
    Export(ExportArgs),
    /// Print a pulled or captured event.
    Show(EventArgs),
    /// Print the clear payload of an event encrypted to this agent.
    Decrypt(EventArgs),
    /// Prove that hidden amounts of own events obey a policy, and have the chain verify it.
    #[command(after_help = "\
Examples:
  stateset-sync prove <event-id> --policy aml.threshold --limit 10000.00
  stateset-sync prove <event-id> --policy order_total.cap --limit 500 --currency JPY:0 \\
      --amount-field order.total
  stateset-sync prove <event-id> --budget 5000.00
  stateset-sync prove --batch-of <event-id> --policy aml.threshold --limit 10000.00

A budget is a running total over the events that are proven with it, one step at a time; another
limit is another budget. A batch can be proven if all its events are this agent's own, and were
pulled.")]
    Prove(ProveArgs),
    /// Verify the proofs of an event and of its batch here: the proof itself, who endorsed the
    /// amount, and, if the payload can be read, that it is the payload's amount. Without an event:
    /// what push and pull noted about proofs so far.
    Proofs(ProofsArgs),
    /// List the newest events of the outbox, or of the pulled stream.
    #[command(visible_alias = "outbox")]
    History(HistoryArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Encryption groups: sets of agents that events are encrypted to.
    #[command(subcommand)]
    Groups(GroupsCommand),
    /// Schemas of payloads, registered on chain by hash.
    #[command(subcommand)]
    Schemas(SchemasCommand),
    /// For operators: tenants, stores, agents and quotas.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Serve these functions to a model over the Model Context Protocol.
    #[command(after_help = crate::mcp::EXAMPLES)]
    Mcp(crate::mcp::McpArgs),
    /// List the exit codes.
    #[command(long_about = EXIT_CODES)]
    ExitCodes,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Bind the project to the chain with this genesis hash.
    #[arg(long, value_name = "HASH")]
    pub genesis: Option<GenesisHash>,
    /// Trust this authority set to finalize blocks: its hash, or a file with the set in JSON
    /// [default: the one the node names, on first sight]
    #[arg(long, value_name = "HASH|FILE")]
    pub authorities: Option<String>,
    /// Do not ask the node; the first connection binds the project to its chain.
    #[arg(long)]
    pub offline: bool,
    /// Change an existing configuration. Keys, outbox and the agent id are kept.
    #[arg(long)]
    pub force: bool,
}

/// `keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a signing key and an encryption key.
    Generate(GenerateArgs),
    /// List this agent's keys on this machine.
    List,
    /// Register keys on chain with a proof of possession.
    Register(RegisterArgs),
    /// Hand over from the agent's signing key to a new one. Needs no administrator.
    Rotate(RotateArgs),
    /// Show or set what a signing key may be used for (setting: tenant administrator).
    Policy(PolicyArgs),
    /// Revoke a key on chain.
    Revoke(RevokeArgs),
    /// Print the public halves.
    Export(KeysExportArgs),
}

/// `keys generate`
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Only a key for this purpose.
    #[arg(long, value_enum)]
    pub purpose: Option<Purpose>,
    /// Store the private keys in the clear. For development only.
    #[arg(long)]
    pub insecure_plaintext_keys: bool,
}

/// Who administers.
#[derive(Debug, Clone, Args)]
pub struct AdminSigner {
    /// File whose first line is the administrator's secret phrase or seed
    /// [env, the secret itself: VES_ADMIN_SURI]
    #[arg(long, value_name = "FILE")]
    pub admin_suri_file: Option<PathBuf>,
    /// Use a well-known development account. Works on development chains only.
    #[arg(long, value_name = "//NAME", num_args = 0..=1, default_missing_value = "//Alice",
        conflicts_with = "admin_suri_file")]
    pub dev_admin: Option<String>,
    /// Return once the change is in a block, without waiting for finality.
    #[arg(long)]
    pub no_wait: bool,
}

/// `keys register`
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// Only a key for this purpose [default: both, the signing key first]
    #[arg(long, value_enum)]
    pub purpose: Option<Purpose>,
    /// Which key [default: the newest]
    #[arg(long, requires = "purpose")]
    pub key_id: Option<u32>,
    /// First moment of validity, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_time_ms)]
    pub valid_from: Option<u64>,
    /// Last moment of validity, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_time_ms)]
    pub valid_to: Option<u64>,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `keys export`
#[derive(Debug, Args)]
pub struct KeysExportArgs {
    /// Only keys for this purpose.
    #[arg(long, value_enum)]
    pub purpose: Option<Purpose>,
}

/// `append`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["payload", "payload_file", "batch"])))]
pub struct AppendArgs {
    /// Kind of the entity, for instance `order`.
    #[arg(long, required_unless_present = "batch", value_name = "TEXT")]
    pub entity_type: Option<String>,
    /// Id of the entity.
    #[arg(long, required_unless_present = "batch", value_name = "TEXT")]
    pub entity_id: Option<String>,
    /// What happened, for instance `order.created`.
    #[arg(long, required_unless_present = "batch", value_name = "TEXT")]
    pub event_type: Option<String>,
    /// Payload, JSON.
    #[arg(long, value_name = "JSON")]
    pub payload: Option<String>,
    /// File with the payload; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub payload_file: Option<PathBuf>,
    /// File with one JSON object per line, all captured in one transaction; `-` reads standard
    /// input. Fields: entity_type, entity_id, event_type, payload, and optionally event_id,
    /// command_id, base_version, created_at.
    #[arg(long, value_name = "FILE", conflicts_with_all =
        ["entity_type", "entity_id", "event_type", "event_id", "command_id", "base_version",
         "created_at"])]
    pub batch: Option<PathBuf>,
    /// Id of the event [default: a new UUIDv7]
    #[arg(long, value_name = "UUID")]
    pub event_id: Option<EventId>,
    /// Intent that this event fulfils; fulfilled once.
    #[arg(long, value_name = "UUID")]
    pub command_id: Option<CommandId>,
    /// Version of the entity that this event builds on; the chain refuses it if the entity has
    /// moved on.
    #[arg(long, value_name = "N")]
    pub base_version: Option<u64>,
    /// When it happened, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub created_at: Option<String>,
    /// Encrypt the payload to these agents' registered keys. Asks the node.
    #[arg(long, value_name = "UUID,…", value_delimiter = ',')]
    pub encrypt_to: Vec<AgentId>,
    /// Encrypt the payload to the members of these groups. Asks the node.
    #[arg(long, value_name = "UUID,…", value_delimiter = ',')]
    pub to_group: Vec<GroupId>,
    /// Leave out group members without a usable key instead of refusing.
    #[arg(long, requires = "to_group")]
    pub skip_keyless: bool,
    /// Let this agent read the encrypted payload too.
    #[arg(long)]
    pub encrypt_to_self: bool,
    /// Proofs to make once the event is final; needs --encrypt-to-self.
    #[command(flatten)]
    pub wishes: WishArgs,
}

/// `--prove` of `append` and `push`
#[derive(Debug, Args)]
pub struct WishArgs {
    /// Prove this policy of each encrypted event once it is final, and submit the proof:
    /// aml.threshold=LIMIT or order_total.cap=LIMIT. May be given several times.
    #[arg(long, value_name = "POLICY=LIMIT")]
    pub prove: Vec<String>,
    /// Currency code and decimal places of the amounts.
    #[arg(long, value_name = "CODE:PLACES", default_value = "USD:2")]
    pub currency: CurrencyTag,
    /// Where the amount stands in the payload.
    #[command(flatten)]
    pub amount: AmountArgs,
}

/// `push`
#[derive(Debug, Args)]
pub struct PushArgs {
    /// Return once the events are handed over.
    #[arg(long)]
    pub no_wait: bool,
    /// Seconds without news after which to give up waiting.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub timeout: u64,
    /// Most events in one submission; the chain's limit caps it.
    #[arg(long, default_value_t = 256, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Proofs to make of the events that are on their way now.
    #[command(flatten)]
    pub wishes: WishArgs,
    /// Send nothing unless every proof that is wished for can be made.
    #[arg(long)]
    pub require_proofs: bool,
    /// Honour VES_TEST_CRASH_AT (after-sign, before-submit, after-submit, before-finality,
    /// before-prove, after-prove).
    #[arg(long, hide = true)]
    pub testing_hooks: bool,
}

/// `pull`
#[derive(Debug, Args)]
pub struct PullArgs {
    /// Decrypt what is encrypted to this agent and include it in the output.
    #[arg(long)]
    pub decrypt: bool,
    /// Do not fetch and verify the compliance proofs of encrypted events.
    #[arg(long)]
    pub no_verify_proofs: bool,
    /// Where the amount stands in the payload.
    #[command(flatten)]
    pub amount: AmountArgs,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Do not ask the node.
    #[arg(long)]
    pub offline: bool,
}

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
    /// Where the contract is.
    #[command(flatten)]
    pub contract: ContractArgs,
}

/// `show` and `decrypt`
#[derive(Debug, Args)]
pub struct EventArgs {
    /// The event: its id or an unambiguous beginning.
    #[arg(value_name = "EVENT_ID")]
    pub event_id: String,
}

/// Where the amount stands in the payload.
#[derive(Debug, Args)]
pub struct AmountArgs {
    /// Member of the payload that holds the amount, with dots between names.
    #[arg(long, value_name = "PATH", default_value = "total")]
    pub amount_field: String,
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

/// `history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only events in this state.
    #[arg(long, value_enum)]
    pub state: Option<State>,
    /// How many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: u32,
    /// The verified stream and the quarantine instead of the outbox.
    #[arg(long, conflicts_with = "state")]
    pub pulled: bool,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting and where its value comes from.
    Show,
}

fn parse_time_ms(text: &str) -> Result<u64, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|e| e.to_string())
        .and_then(|t| u64::try_from(t.timestamp_millis()).map_err(|_| "before 1970".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn colon_and_spaced_names_are_one() {
        let split = |args: &[&str]| split_colon_names(args.iter().map(ToString::to_string));
        assert_eq!(
            split(&["x", "keys:generate", "--json"]),
            ["x", "keys", "generate", "--json"]
        );
        assert_eq!(
            split(&["x", "--json", "admin:create-tenant"]),
            ["x", "--json", "admin", "create-tenant"]
        );
        assert_eq!(
            split(&["x", "groups:add-member"]),
            ["x", "groups", "add-member"]
        );
        assert_eq!(
            split(&["x", "help", "keys:list"]),
            ["x", "help", "keys", "list"]
        );
        // Values with colons stay whole.
        let value = ["x", "append", "--entity-id", "keys:list"];
        assert_eq!(split(&value), value);
        assert_eq!(
            split(&["x", "append", "--entity-id", "order:1"]),
            ["x", "append", "--entity-id", "order:1"]
        );
        assert_eq!(
            split(&["x", "push", "--node", "ws://h:1"]),
            ["x", "push", "--node", "ws://h:1"]
        );
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        for (exit, meaning) in Exit::TABLE {
            let line = format!("{:>5}  {meaning}", exit.code());
            assert!(EXIT_CODES.contains(&line), "{line}");
        }
    }
}
