// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The grammar of what stays on this machine: event types, parked events, the journal.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `types …`
#[derive(Debug, Subcommand)]
pub enum TypesCommand {
    /// List the event types that are described, and by which schema.
    List {
        /// Only the project's own.
        #[arg(long)]
        own: bool,
    },
    /// Print the schema of a type.
    Show(TypeArgs),
    /// Compare the project's schemas with the hashes that the chain has for the tenant.
    Check,
}

/// `types show`
#[derive(Debug, Args)]
pub struct TypeArgs {
    /// The event type.
    #[arg(value_name = "EVENT_TYPE")]
    pub event_type: String,
}

/// `parked …`
#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// List parked events, and whether their types are described by now.
    List,
    /// Print a parked event with its payload.
    Show(ParkedArgs),
    /// Put parked events into the outbox: these, or all whose types are described by now.
    #[command(after_help = "\
Examples:
  stateset-sync parked release                 # whatever fits a schema by now
  stateset-sync parked release 0192 --unchecked")]
    Release(ReleaseArgs),
    /// Throw parked events away. The journal keeps that they were there.
    Drop(DropArgs),
}

/// `parked show`
#[derive(Debug, Args)]
pub struct ParkedArgs {
    /// The event: its id or an unambiguous beginning.
    #[arg(value_name = "EVENT_ID")]
    pub event_id: String,
}

/// `parked release`
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The events: ids or unambiguous beginnings [default: all whose types are described by now]
    #[arg(value_name = "EVENT_ID")]
    pub event_ids: Vec<String>,
    /// Release them whatever the schemas say.
    #[arg(long, requires = "event_ids")]
    pub unchecked: bool,
}

/// `parked drop`
#[derive(Debug, Args)]
pub struct DropArgs {
    /// The events: ids or unambiguous beginnings.
    #[arg(value_name = "EVENT_ID", required = true)]
    pub event_ids: Vec<String>,
    /// Confirm.
    #[arg(long, short)]
    pub yes: bool,
}

/// `journal …`
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// List the newest entries.
    List(JournalListArgs),
    /// Write the whole journal, one JSON object per line.
    Export {
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Recompute the hashes that link the entries.
    Check {
        /// Hash of an entry, noted earlier, that must still be there: shows an end that was cut off.
        #[arg(long, value_name = "HASH")]
        noted: Option<String>,
    },
}

/// `journal list`
#[derive(Debug, Args)]
pub struct JournalListArgs {
    /// Only entries about this event: its id or an unambiguous beginning.
    #[arg(long, value_name = "EVENT_ID")]
    pub event: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: u32,
}
