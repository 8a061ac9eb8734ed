// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The command line: its grammar and its help, which is the manual.

use crate::{
    config::{ConfigFile, Overrides},
    output::{ColorChoice, Format},
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use ves_primitives::{GenesisHash, StoreId, TenantId};

mod agent_ref;
mod beginning;
mod events;
mod evidence;
mod group_ref;
mod keys;
mod local;
mod registry;

pub use agent_ref::AgentRef;
pub use events::*;
pub use evidence::*;
pub use group_ref::GroupRef;
pub use keys::*;
pub use local::*;
pub use registry::*;

/// Commands whose peer name has a colon; `keys:generate` means `keys generate`.
const COLON_GROUPS: [&str; 10] = [
    "keys",
    "admin",
    "config",
    "groups",
    "schemas",
    "bundles",
    "types",
    "parked",
    "journal",
    "authorities",
];

/// Flags of every command that take a value: they may stand before the command's name.
const VALUE_FLAGS: [&str; 11] = [
    "--home",
    "--config",
    "--profile",
    "--node",
    "--tenant",
    "--store",
    "--agent",
    "--passphrase-file",
    "--color",
    "--output",
    "--output-format",
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
`{\"error\":{\"code\":…,\"message\":…,\"hint\":…}}` inside that object; the exit code is the same.
With --output-format jsonl each event of a list is an object on a line of its own, and the outcome, or
the error, is the last line.";

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
config.json, then the default; in each file the chosen profile first. `stateset-sync config show` prints where each comes from.
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
    #[arg(long, global = true, conflicts_with = "output_format")]
    pub json: bool,
    /// Form of the outcome; jsonl prints each event of a list on a line of its own, the summary or the
    /// error last.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub output_format: Option<Format>,
    /// Write that object to this file instead; implies --json.
    #[arg(long, global = true, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Show what would be done and change nothing, here or on chain.
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// State directory [default: the nearest .stateset upwards] [env: VES_HOME]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Project configuration file, .json or .toml [env: VES_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Named set of settings of the configuration files [env: VES_PROFILE] [default: the files'
    /// `profile`]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Node endpoint [env: VES_NODE_URL] [default: ws://127.0.0.1:9944]
    #[arg(long, global = true, value_name = "URL")]
    pub node: Option<String>,
    /// Tenant of the stream [env: VES_TENANT_ID]
    #[arg(long, global = true, value_name = "UUID")]
    pub tenant: Option<TenantId>,
    /// Store of the stream [env: VES_STORE_ID]
    #[arg(long, global = true, value_name = "UUID")]
    pub store: Option<StoreId>,
    /// The agent that signs: its id, or an unambiguous beginning of one that has keys here [env:
    /// VES_AGENT_ID]
    #[arg(long, global = true, value_name = "AGENT")]
    pub agent: Option<AgentRef>,
    /// File whose first line is the passphrase of the keys [env: VES_PASSPHRASE_FILE; the
    /// passphrase itself: VES_PASSPHRASE]
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// No remarks on stderr.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log to stderr what happens; twice: in detail. RUST_LOG says more exactly what.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to colour the text; NO_COLOR is honoured.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
}

impl Global {
    /// The form of what is printed.
    pub fn format(&self) -> Format {
        match self.output_format {
            Some(Format::Jsonl) => Format::Jsonl,
            _ if self.json || self.output.is_some() => Format::Json,
            asked => asked.unwrap_or_default(),
        }
    }

    /// The settings among the flags.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            home: self.home.clone(),
            config: self.config.clone(),
            settings: ConfigFile {
                profile: self.profile.clone(),
                node_url: self.node.clone(),
                tenant_id: self.tenant,
                store_id: self.store,
                agent_id: self.agent.as_ref().and_then(|agent| agent.id().ok()),
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
    /// Push, then pull; with --watch again and again.
    #[command(after_help = "\
Examples:
  stateset-sync sync
  stateset-sync sync --watch --json | while read -r line; do …; done")]
    Sync(SyncArgs),
    /// Show where outbox, stream and node stand.
    Status(StatusArgs),
    /// Look for what is wrong, each finding with its cure.
    Doctor(DoctorArgs),
    /// List events whose entity has moved on.
    Conflicts,
    /// Decide about one conflict, with a preview field by field.
    #[command(after_help = "\
Examples:
  stateset-sync resolve 0192 --strategy merge --dry-run
  stateset-sync resolve 0192 --strategy local-wins")]
    Resolve(ResolveArgs),
    /// Decide about all conflicts by one strategy; those with clashes are left.
    Rebase(RebaseArgs),
    /// Put dead or rejected events back on their way, with the bytes they have.
    Retry(RetryArgs),
    /// Give up an event that was not handed over, or that the chain rejected.
    Abandon(AbandonArgs),
    /// Show what the verified events say about entities, with hashes of their states.
    State(StateArgs),
    /// Verify one event: signature, key, inclusion, batch, header, finality, anchor.
    #[command(after_help = "\
Examples:
  stateset-sync verify <event-id>
  stateset-sync verify --bundle bundle.json --agent-key 0x… --genesis 0x… --authorities 0x…
  stateset-sync verify --bundle bundle.json --l1-rpc http://127.0.0.1:8545 --registry 0x…")]
    Verify(VerifyArgs),
    /// Write a self-contained bundle that proves one event.
    Export(ExportArgs),
    /// Verify a bundle and keep it.
    Import(ImportArgs),
    /// List, verify again and write out the bundles that were imported.
    #[command(subcommand)]
    Bundles(BundlesCommand),
    /// The sets of validators that this project trusts to finalize blocks.
    ///
    /// Each set vouches for the next one. If validators are lost for good, the consortium may force
    /// the chain to another set, which no signatures lead to. Reading stops there until the set is
    /// accepted here.
    #[command(
        subcommand,
        after_help = "\
Examples:
  stateset-sync authorities list
  stateset-sync authorities accept 0x… --dry-run"
    )]
    Authorities(AuthoritiesCommand),
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
    /// Look at the configuration, or change it.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Encryption groups: sets of agents that events are encrypted to.
    #[command(subcommand)]
    Groups(GroupsCommand),
    /// Schemas of payloads, registered on chain by hash.
    #[command(subcommand)]
    Schemas(SchemasCommand),
    /// Event types and what their payloads look like: the project's schemas and the built-in ones.
    #[command(
        subcommand,
        after_help = "\
Examples:
  stateset-sync types list
  stateset-sync types show order.created
  stateset-sync types check                    # with the hashes on the chain

A file `<event type>.json` in the project's schemas (`schemas_dir`, else schemas in the state
directory) describes a type. Payloads are judged when they are captured."
    )]
    Types(TypesCommand),
    /// Events of types that nobody described: captured, but on no way to the chain.
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// What failed, and what was decided about it: appended, never changed.
    #[command(
        subcommand,
        after_help = "\
Examples:
  stateset-sync journal list --event 0192
  stateset-sync journal export --out journal.jsonl
  stateset-sync journal check --noted 0x…"
    )]
    Journal(JournalCommand),
    /// For operators: tenants, stores, agents and quotas.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Serve these functions to a model over the Model Context Protocol.
    #[command(after_help = crate::mcp::EXAMPLES)]
    Mcp(crate::mcp::McpArgs),
    /// Print a script that completes command lines in a shell.
    #[command(after_help = "\
Examples:
  stateset-sync completions bash > ~/.local/share/bash-completion/completions/stateset-sync
  stateset-sync completions zsh > ~/.zfunc/_stateset-sync")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one page for each command.
    Man {
        /// Directory for all pages.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// List the exit codes.
    #[command(long_about = EXIT_CODES)]
    ExitCodes,
    /// Ids and names that the last of these words may stand for; for completion scripts.
    #[command(hide = true)]
    CompleteIds {
        /// The words of the command line, without the program's name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
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
    /// Ask nothing. Taken for scripts that say so; init never asks, with or without it.
    #[arg(long)]
    pub non_interactive: bool,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting and where its value comes from.
    Show,
    /// Change a setting of this project's file, or with --profile of that profile; an empty value
    /// removes it.
    #[command(after_help = "\
Examples:
  stateset-sync config set --profile live node-url wss://node.example
  stateset-sync config set profile live
  stateset-sync config set node-url ws://node:9944
  stateset-sync config set default-recipients '{\"order\":[\"self\",\"group:<uuid>\"]}'
  stateset-sync config set padding '[256,1024,4096]'")]
    Set {
        /// Name of the setting, as `config show` prints it.
        name: String,
        /// Its value.
        value: String,
    },
    /// Take the runtime that the node runs now as the one to sign for, after an upgrade that changed the
    /// form of transactions.
    #[command(after_help = "\
Examples:
  stateset-sync config accept-runtime --dry-run      # what the node runs
  stateset-sync config accept-runtime

A later runtime whose transactions keep their form needs no command: it is noted and remembered. Events
are signed for the protocol and not for a runtime; see docs/adr/0022-runtime-before-signing.md.")]
    AcceptRuntime,
    /// Check the files of project and user.
    Validate,
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
