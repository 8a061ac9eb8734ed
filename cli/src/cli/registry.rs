// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The grammar of what changes the chain's registry.

use super::AdminSigner;
use crate::keys::Purpose;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use ves_primitives::{
    AgentId, GroupId, limits,
    registry::{GroupRole, TypePattern},
};

/// Seconds for which the outgoing key still signs unless told otherwise: 72 hours.
const DEFAULT_GRACE_SECONDS: u32 = 72 * 60 * 60;

/// `keys rotate`
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Seconds for which the outgoing key may still sign what waits in outboxes; at most a week.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_GRACE_SECONDS,
        value_parser = clap::value_parser!(u32).range(..=i64::from(limits::MAX_ROTATION_GRACE_SECONDS)))]
    pub grace: u32,
    /// Store the new private key in the clear. For development only.
    #[arg(long)]
    pub insecure_plaintext_keys: bool,
    /// Return once the rotation is in a block, without waiting for finality.
    #[arg(long)]
    pub no_wait: bool,
}

/// `keys policy`
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Which signing key.
    #[arg(long)]
    pub key_id: u32,
    /// Event types the key may sign: exact, `*` or `prefix.*`. Sets a policy.
    #[arg(
        long,
        value_name = "PATTERN,…",
        value_delimiter = ',',
        requires = "entity_types"
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
    #[arg(long, conflicts_with = "event_types")]
    pub lift: bool,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
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

/// `groups …`
#[derive(Debug, Subcommand)]
pub enum GroupsCommand {
    /// Create a group without members (tenant administrator).
    Create(GroupCreateArgs),
    /// List the tenant's groups.
    List,
    /// Show a group's members and the keys that events are encrypted to.
    Show(GroupArgs),
    /// Admit an agent to a group, or change its role (tenant administrator).
    AddMember(GroupMemberArgs),
    /// Remove an agent: it reads nothing encrypted to the group from now on (tenant
    /// administrator).
    RemoveMember(GroupRemoveArgs),
    /// Remove every member for good (tenant administrator).
    Dissolve(GroupDissolveArgs),
}

/// `groups create`
#[derive(Debug, Args)]
pub struct GroupCreateArgs {
    /// Id of the group [default: a new UUID]
    #[arg(value_name = "GROUP")]
    pub group: Option<GroupId>,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `groups show`
#[derive(Debug, Args)]
pub struct GroupArgs {
    /// The group.
    #[arg(value_name = "GROUP")]
    pub group: GroupId,
}

/// `groups add-member`
#[derive(Debug, Args)]
pub struct GroupMemberArgs {
    /// The group.
    #[arg(value_name = "GROUP")]
    pub group: GroupId,
    /// The agent to admit.
    #[arg(long, value_name = "UUID")]
    pub member: AgentId,
    /// reader or manager.
    #[arg(long, value_name = "ROLE", default_value = "reader")]
    pub role: GroupRole,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `groups remove-member`
#[derive(Debug, Args)]
pub struct GroupRemoveArgs {
    /// The group.
    #[arg(value_name = "GROUP")]
    pub group: GroupId,
    /// The agent to remove.
    #[arg(long, value_name = "UUID")]
    pub member: AgentId,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `groups dissolve`
#[derive(Debug, Args)]
pub struct GroupDissolveArgs {
    /// The group.
    #[arg(value_name = "GROUP")]
    pub group: GroupId,
    /// Confirm: a dissolved group stays dissolved.
    #[arg(long, short)]
    pub yes: bool,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `schemas …`
#[derive(Debug, Subcommand)]
pub enum SchemasCommand {
    /// Print the hash under which a schema file is registered.
    Hash(SchemaFileArgs),
    /// Register a version of a schema (tenant administrator).
    Register(SchemaRegisterArgs),
    /// List the tenant's schemas.
    List,
    /// Compare a schema file with the hash in the registry.
    Check(SchemaCheckArgs),
    /// Deprecate a version of a schema, or take that back (tenant administrator).
    Deprecate(SchemaDeprecateArgs),
}

/// `schemas hash`
#[derive(Debug, Args)]
pub struct SchemaFileArgs {
    /// The schema, a JSON file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Which schema.
#[derive(Debug, Clone, Args)]
pub struct SchemaName {
    /// Event type whose payloads it describes.
    #[arg(long, value_name = "TEXT")]
    pub event_type: String,
    /// Version of the schema.
    #[arg(long, value_name = "N")]
    pub schema_version: u32,
}

/// `schemas register`
#[derive(Debug, Args)]
pub struct SchemaRegisterArgs {
    /// The schema, a JSON file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which schema.
    #[command(flatten)]
    pub name: SchemaName,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `schemas check`
#[derive(Debug, Args)]
pub struct SchemaCheckArgs {
    /// The schema, a JSON file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which schema.
    #[command(flatten)]
    pub name: SchemaName,
}

/// `schemas deprecate`
#[derive(Debug, Args)]
pub struct SchemaDeprecateArgs {
    /// Which schema.
    #[command(flatten)]
    pub name: SchemaName,
    /// Take the deprecation back.
    #[arg(long)]
    pub lift: bool,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `admin …`
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Register a tenant and its administrator (governance).
    CreateTenant(CreateTenantArgs),
    /// Suspend a tenant, or lift the suspension (governance).
    SuspendTenant(SuspendArgs),
    /// Set what the tenant may have sequenced in a window (governance).
    TenantQuota(QuotaArgs),
    /// Offer the tenant to a new administrator (tenant administrator).
    ProposeAdmin(ProposeAdminArgs),
    /// Take over a tenant that was offered to the signer (the proposed administrator).
    AcceptAdmin(AdminSigner),
    /// Take the offer back (tenant administrator).
    CancelAdmin(AdminSigner),
    /// Register a store of the tenant (tenant administrator).
    CreateStore(AdminSigner),
    /// Register an agent of the tenant (tenant administrator).
    RegisterAgent(AdminSigner),
    /// Suspend an agent, or lift the suspension (tenant administrator).
    SuspendAgent(SuspendArgs),
    /// Set what an agent may have sequenced in a window (tenant administrator).
    AgentQuota(QuotaArgs),
}

/// `admin tenant-quota` and `admin agent-quota`
#[derive(Debug, Args)]
pub struct QuotaArgs {
    /// Most events.
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "unset",
        requires = "payload_bytes"
    )]
    pub events: Option<u32>,
    /// Most payload bytes of those events.
    #[arg(long, value_name = "N", requires = "events")]
    pub payload_bytes: Option<u64>,
    /// Return to the default.
    #[arg(long, conflicts_with_all = ["events", "payload_bytes"])]
    pub unset: bool,
    /// Who signs.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `admin propose-admin`
#[derive(Debug, Args)]
pub struct ProposeAdminArgs {
    /// Account of the new administrator, SS58 or 0x hex.
    #[arg(value_name = "ACCOUNT")]
    pub account: String,
    /// Who signs.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `admin create-tenant`
#[derive(Debug, Args)]
pub struct CreateTenantArgs {
    /// Account of the tenant's administrator, SS58 or 0x hex [default: the signer's own]
    #[arg(long, value_name = "ACCOUNT")]
    pub admin_account: Option<String>,
    /// Who signs.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `admin suspend-agent` and `admin suspend-tenant`
#[derive(Debug, Args)]
pub struct SuspendArgs {
    /// Lift the suspension.
    #[arg(long)]
    pub lift: bool,
    /// Who signs.
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
            "x keys policy --key-id 1",
            "x keys policy --key-id 1 --lift --dev-admin",
            "x keys policy --key-id 1 --event-types order.*,* --entity-types order",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "x keys policy",
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
            Command::Keys(KeysCommand::Rotate(args)) if args.grace == 604_800
        ));
        assert!(parse("x keys rotate --grace 604801").is_err());
    }

    #[test]
    fn a_quota_is_two_numbers_or_none() {
        for (args, good) in [
            ("x admin agent-quota --events 5 --payload-bytes 6", true),
            ("x admin agent-quota --unset", true),
            ("x admin agent-quota", false),
            ("x admin agent-quota --events 5", false),
            ("x admin agent-quota --payload-bytes 5", false),
            (
                "x admin agent-quota --events 5 --payload-bytes 6 --unset",
                false,
            ),
        ] {
            assert_eq!(parse(args).is_ok(), good, "{args}");
        }
    }

    #[test]
    fn keyless_members_are_skipped_only_when_a_group_is_addressed() {
        let append =
            "x append --entity-type a --entity-id b --event-type c --payload {} --skip-keyless";
        assert!(parse(append).is_err());
        let group = "--to-group 00000000-0000-4000-8000-000000000001";
        assert!(parse(&format!("{append} {group}")).is_ok());
    }
}
