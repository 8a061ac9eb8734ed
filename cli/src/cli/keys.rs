// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The grammar of the agent's keys.

use super::{AgentRef, parse_time_ms};
use crate::keys::{Enforcement, Purpose};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use ves_primitives::{SigningPublicKey, limits, registry::TypePattern};

/// `keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a signing key and an encryption key.
    Generate(GenerateArgs),
    /// List this agent's keys on this machine.
    List,
    /// Register keys on chain with a proof of possession.
    Register(RegisterArgs),
    /// Hand over from the agent's signing key to a new one, which needs no administrator, or replace its
    /// encryption keys, which does.
    Rotate(RotateArgs),
    /// Show or set how much and how long this agent's keys may be used, or with --key-id what the chain
    /// lets a signing key sign (setting that: tenant administrator).
    Policy(PolicyArgs),
    /// Revoke a key on chain.
    Revoke(RevokeArgs),
    /// Print the public halves.
    Export(KeysExportArgs),
    /// Pin another agent's public keys, as its `keys export --json` printed them.
    Import(KeysImportArgs),
    /// Use a signing key that another program holds.
    AddExternal(AddExternalArgs),
    /// Say which keys expire soon; exit code 8 if one has expired.
    Expiry(ExpiryArgs),
    /// Rotate the keys of several agents at once.
    BatchRotate(BatchRotateArgs),
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

/// Which keys to rotate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Rotated {
    /// The signing key hands over to a new one.
    #[default]
    Signing,
    /// A new encryption key takes the place of those before.
    Encryption,
    /// Both, the signing key first.
    All,
}

/// `keys rotate`
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Which keys. Encryption keys need an administrator; the old ones open what was encrypted to them,
    /// so keep them.
    #[arg(long, alias = "key-type", value_enum, default_value_t)]
    pub purpose: Rotated,
    /// Seconds for which the outgoing key may still sign what waits in outboxes; at most a week
    /// [default: the agent's policy, or 72 hours]
    #[arg(long, value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(..=i64::from(limits::MAX_ROTATION_GRACE_SECONDS)))]
    pub grace: Option<u32>,
    /// Store the new private key in the clear. For development only.
    #[arg(long)]
    pub insecure_plaintext_keys: bool,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `keys import`
#[derive(Debug, Args)]
pub struct KeysImportArgs {
    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `keys add-external`
#[derive(Debug, Args)]
pub struct AddExternalArgs {
    /// Its public half.
    #[arg(long, value_name = "KEY")]
    pub public_key: SigningPublicKey,
    /// The program and its arguments. It reads a request as JSON on standard input, and answers with
    /// `{\"signature\":\"0x…\"}` on standard output.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub command: Vec<String>,
}

/// `keys expiry`
#[derive(Debug, Args)]
pub struct ExpiryArgs {
    /// Warn so many hours before [default: the agent's policy, `key_warn_hours` of the configuration, or
    /// 24]
    #[arg(long, value_name = "HOURS")]
    pub warn: Option<u32>,
    /// A key older than so many hours is due, whatever the registry says
    /// [default: the agent's policy, or `key_max_age_hours` of the configuration]
    #[arg(long, value_name = "HOURS")]
    pub max_age: Option<u32>,
    /// Exit with 8 for warnings too.
    #[arg(long)]
    pub strict: bool,
}

/// `keys batch-rotate`
#[derive(Debug, Args)]
pub struct BatchRotateArgs {
    /// The agents [default: all that have signing keys on this machine]
    #[arg(long, value_name = "AGENT,…", value_delimiter = ',')]
    pub agents: Vec<AgentRef>,
    /// How to rotate.
    #[command(flatten)]
    pub rotate: RotateArgs,
}

/// How much and how long the agent's own keys may be used.
#[derive(Debug, Clone, Args)]
#[command(
    next_help_heading = "How much and how long this agent's keys may be used, on this machine"
)]
pub struct UsePolicyArgs {
    /// Which keys.
    #[arg(
        long,
        alias = "key-type",
        value_enum,
        default_value = "signing",
        conflicts_with = "key_id"
    )]
    pub purpose: Purpose,
    /// So many events each signing key may sign; 0 lifts the limit.
    #[arg(long, value_name = "N", conflicts_with_all = ["key_id", "reset"],
        value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    pub max_usage: Option<u64>,
    /// So old each key may become; 0 lifts the limit.
    #[arg(long, value_name = "HOURS", conflicts_with_all = ["key_id", "reset"])]
    pub max_age: Option<u32>,
    /// Warn so many hours before a key ends.
    #[arg(long, value_name = "HOURS", conflicts_with_all = ["key_id", "reset"])]
    pub warning: Option<u32>,
    /// So long the outgoing key may sign on after a rotation; at most a week.
    #[arg(long, value_name = "HOURS", conflicts_with_all = ["key_id", "reset"],
        value_parser = clap::value_parser!(u32).range(..=i64::from(limits::MAX_ROTATION_GRACE_SECONDS / 3600)))]
    pub grace_period: Option<u32>,
    /// Whether a key beyond its limits is only told of, or signs no new event.
    #[arg(long, value_enum, conflicts_with_all = ["key_id", "reset"])]
    pub enforcement: Option<Enforcement>,
    /// Forget the policy: what the configuration says counts again.
    #[arg(long, conflicts_with = "key_id")]
    pub reset: bool,
}

impl UsePolicyArgs {
    /// Whether anything is to be changed.
    pub const fn is_change(&self) -> bool {
        self.reset
            || self.max_usage.is_some()
            || self.max_age.is_some()
            || self.warning.is_some()
            || self.grace_period.is_some()
            || self.enforcement.is_some()
    }
}

/// `keys policy`
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Show or set what the chain lets this signing key sign.
    #[arg(long)]
    pub key_id: Option<u32>,
    /// Event types the key may sign: exact, `*` or `prefix.*`. Sets a policy.
    #[arg(
        long,
        value_name = "PATTERN,…",
        value_delimiter = ',',
        requires = "entity_types",
        requires = "key_id"
    )]
    pub event_types: Vec<TypePattern>,
    /// Entity types the key may sign.
    #[arg(
        long,
        value_name = "PATTERN,…",
        value_delimiter = ',',
        requires = "event_types"
    )]
    pub entity_types: Vec<TypePattern>,
    /// Demand a signed base version of all events but `….created`.
    #[arg(long, requires = "event_types")]
    pub require_base_version: bool,
    /// Longest payload, bytes [default: the chain's limit]
    #[arg(long, value_name = "N", requires = "event_types",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::MAX_PAYLOAD_BYTES)))]
    pub max_payload_bytes: Option<u32>,
    /// Register the policy without enforcing it.
    #[arg(long, requires = "event_types")]
    pub disabled: bool,
    /// Lift the policy: the key may be used for anything.
    #[arg(long, conflicts_with = "event_types", requires = "key_id")]
    pub lift: bool,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
    /// How much and how long the keys may be used.
    #[command(flatten)]
    pub usage: UsePolicyArgs,
}

/// `keys revoke`
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// What the key is for.
    #[arg(long, value_enum, default_value = "signing")]
    pub purpose: Purpose,
    /// Which key.
    #[arg(long)]
    pub key_id: u32,
    /// First block whose events the key may not sign; can be brought forward later, not put off
    /// [default: the next block]
    #[arg(long, value_name = "BLOCK")]
    pub effective_from: Option<u32>,
    /// Confirm: a revocation cannot be undone.
    #[arg(long, short)]
    pub yes: bool,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

#[cfg(test)]
mod tests {
    use crate::cli::{Cli, Command, KeysCommand};
    use clap::Parser;

    fn parse(args: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(args.split(' '))
    }

    #[test]
    fn a_policy_names_event_and_entity_types_or_is_only_shown_or_lifted() {
        for good in [
            "x keys policy",
            "x keys policy --max-usage 10000 --max-age 720 --enforcement refuse",
            "x keys policy --key-type encryption --max-age 720 --warning 48 --grace-period 72",
            "x keys policy --reset",
            "x keys policy --key-id 1",
            "x keys policy --key-id 1 --lift --dev-admin",
            "x keys policy --key-id 1 --event-types order.*,* --entity-types order",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "x keys policy --key-id 1 --max-usage 5",
            "x keys policy --reset --max-usage 5",
            "x keys policy --grace-period 169",
            "x keys policy --enforcement maybe",
            "x keys policy --lift",
            "x keys policy --event-types * --entity-types *",
            "x keys policy --key-id 1 --event-types order.*",
            "x keys policy --key-id 1 --event-types or*r --entity-types *",
            "x keys policy --key-id 1 --lift --event-types * --entity-types *",
            "x keys policy --key-id 1 --max-payload-bytes 5",
            "x keys policy --key-id 1 --event-types * --entity-types * --max-payload-bytes 0",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_grace_is_at_most_a_week() {
        let cli = parse("x keys rotate --grace 604800").unwrap();
        assert!(matches!(
            cli.command,
            Command::Keys(KeysCommand::Rotate(args)) if args.grace == Some(604_800)
        ));
        assert!(parse("x keys rotate --grace 604801").is_err());
    }
}
