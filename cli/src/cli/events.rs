// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The grammar of events: capturing, pushing, pulling, looking.

use super::{AgentRef, GroupRef};
use crate::{conflicts::Strategy, outbox::State};
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use ves_primitives::{CommandId, CurrencyTag, EventId, registry::TypePattern};

/// `append`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["payload", "payload_file", "batch", "signed"])))]
pub struct AppendArgs {
    /// Kind of the entity, for instance `order`.
    #[arg(long, required_unless_present_any = ["batch", "signed"], value_name = "TEXT")]
    pub entity_type: Option<String>,
    /// Id of the entity.
    #[arg(long, required_unless_present_any = ["batch", "signed"], value_name = "TEXT")]
    pub entity_id: Option<String>,
    /// What happened, for instance `order.created`.
    #[arg(long, required_unless_present_any = ["batch", "signed"], value_name = "TEXT")]
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
    /// File with one event that is signed already, JSON as `show` prints it under `event`; `-` reads
    /// standard input. It is carried as it is.
    #[arg(long, value_name = "FILE", conflicts_with_all =
        ["entity_type", "entity_id", "event_type", "event_id", "command_id", "base_version",
         "created_at", "encrypt_to", "to_group", "encrypt_to_self", "public", "pad", "prove"])]
    pub signed: Option<PathBuf>,
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
    /// Encrypt the payload to these agents' registered keys. Asks the node. Known agents by an
    /// unambiguous beginning too.
    #[arg(long, value_name = "AGENT,…", value_delimiter = ',')]
    pub encrypt_to: Vec<AgentRef>,
    /// Encrypt the payload to the members of these groups. Asks the node. By an unambiguous beginning
    /// too.
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',')]
    pub to_group: Vec<GroupRef>,
    /// Leave out group members without a usable key instead of refusing.
    #[arg(long, requires = "to_group")]
    pub skip_keyless: bool,
    /// Let this agent read the encrypted payload too.
    #[arg(long)]
    pub encrypt_to_self: bool,
    /// Leave the payload in the clear although the configuration names recipients for this type.
    #[arg(long, conflicts_with_all = ["encrypt_to", "to_group", "encrypt_to_self"])]
    pub public: bool,
    /// Lengthen encrypted payloads to the next of these sizes in bytes, so that the length says less
    /// [default: `padding` of the configuration]
    #[arg(long, value_name = "BYTES,…", value_delimiter = ',')]
    pub pad: Vec<u32>,
    /// Capture the event whatever the schema of its type says, and if nobody described the type.
    #[arg(long)]
    pub unchecked: bool,
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

/// What one writes who writes no flags.
fn plain_amounts() -> (CurrencyTag, AmountArgs) {
    let currency = CurrencyTag::new("USD", 2).expect("three letters and two places; qed");
    let amount = AmountArgs {
        amount_field: "total".into(),
    };
    (currency, amount)
}

impl PushArgs {
    /// A push without any flags but its patience.
    pub fn plain(timeout: u64) -> Self {
        let (currency, amount) = plain_amounts();
        Self {
            no_wait: false,
            timeout,
            batch_size: 256,
            wishes: WishArgs {
                prove: Vec::new(),
                currency,
                amount,
            },
            require_proofs: false,
            testing_hooks: false,
        }
    }
}

impl PullArgs {
    /// A pull without any flags.
    pub fn plain() -> Self {
        let (_, amount) = plain_amounts();
        Self {
            decrypt: false,
            follow: false,
            filter: FilterArgs::default(),
            no_verify_proofs: false,
            amount,
        }
    }
}

/// `pull`
#[derive(Debug, Args)]
pub struct PullArgs {
    /// Decrypt what is encrypted to this agent and include it in the output.
    #[arg(long)]
    pub decrypt: bool,
    /// Go on with each newly finalized block until interrupted; with --json one object per line.
    #[arg(long)]
    pub follow: bool,
    /// What to list; everything is verified and stored all the same.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Do not fetch and verify the compliance proofs of encrypted events.
    #[arg(long)]
    pub no_verify_proofs: bool,
    /// Where the amount stands in the payload.
    #[command(flatten)]
    pub amount: AmountArgs,
}

/// Which pulled events to list.
#[derive(Clone, Debug, Default, Args)]
pub struct FilterArgs {
    /// Only events of these agents: ids or unambiguous beginnings.
    #[arg(long, value_name = "AGENT,…", value_delimiter = ',')]
    pub author: Vec<AgentRef>,
    /// Only events of these types: exact, `*` or `prefix.*`.
    #[arg(long = "event-type", value_name = "PATTERN,…", value_delimiter = ',')]
    pub event_types: Vec<TypePattern>,
    /// Only events of these entity types: exact, `*` or `prefix.*`.
    #[arg(long = "entity-type", value_name = "PATTERN,…", value_delimiter = ',')]
    pub entity_types: Vec<TypePattern>,
    /// Only events of this entity.
    #[arg(long, value_name = "TEXT")]
    pub entity_id: Option<String>,
}

/// `sync`
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Go on until interrupted: at each newly finalized block, and when a retry is due. With --json
    /// one object per line.
    #[arg(long)]
    pub watch: bool,
    /// Seconds without news after which to give up waiting for finality.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub timeout: u64,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Look at quarantined events again, and take those that verify now.
    #[arg(long)]
    pub promote: bool,
    /// Do not ask the node.
    #[arg(long, conflicts_with = "promote")]
    pub offline: bool,
}

/// `resolve`
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// The conflict: its event's id or an unambiguous beginning.
    #[arg(value_name = "EVENT_ID")]
    pub event_id: String,
    /// What to do.
    #[arg(long, value_enum)]
    pub strategy: Strategy,
}

/// `rebase`
#[derive(Debug, Args)]
pub struct RebaseArgs {
    /// What to do.
    #[arg(long, value_enum, default_value = "merge")]
    pub strategy: Strategy,
}

/// `retry`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).multiple(true)
    .args(["event_ids", "dead", "rejected"])))]
pub struct RetryArgs {
    /// The events: ids or unambiguous beginnings.
    #[arg(value_name = "EVENT_ID")]
    pub event_ids: Vec<String>,
    /// All dead events.
    #[arg(long)]
    pub dead: bool,
    /// All rejected events but those in conflict.
    #[arg(long)]
    pub rejected: bool,
}

/// `abandon`
#[derive(Debug, Args)]
pub struct AbandonArgs {
    /// The event: its id or an unambiguous beginning.
    #[arg(value_name = "EVENT_ID")]
    pub event_id: String,
    /// Confirm.
    #[arg(long, short)]
    pub yes: bool,
}

/// `state`
#[derive(Debug, Args)]
pub struct StateArgs {
    /// Only entities of this type.
    #[arg(value_name = "ENTITY_TYPE")]
    pub entity_type: Option<String>,
    /// Only this entity.
    #[arg(value_name = "ENTITY_ID", requires = "entity_type")]
    pub entity_id: Option<String>,
    /// As it was at this version.
    #[arg(long, value_name = "N", requires = "entity_id")]
    pub at_version: Option<u64>,
    /// Forget the projection and make it anew from the verified events.
    #[arg(long)]
    pub rebuild: bool,
    /// Read encrypted payloads too, asking for the passphrase if need be.
    #[arg(long)]
    pub decrypt: bool,
    /// How many to list.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub limit: u32,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Do not ask the node.
    #[arg(long)]
    pub offline: bool,
    /// Exit with the code of the first reason if the state is not healthy: 5, 6 or 7, 4 for a pull that
    /// is far behind.
    #[arg(long)]
    pub check: bool,
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
