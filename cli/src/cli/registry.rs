// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The grammar of what changes the chain's registry.

use super::{AdminSigner, AgentRef};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use ves_primitives::{GroupId, registry::GroupRole};

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
    #[command(visible_alias = "delete")]
    Dissolve(GroupDissolveArgs),
    /// List the groups that this agent is a member of.
    MyGroups,
    /// Say which key senders to a group use for this agent now, and whether it is its newest.
    RefreshKey(GroupArgs),
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
    /// The group: its id or an unambiguous beginning.
    #[arg(value_name = "GROUP")]
    pub group: String,
}

/// `groups add-member`
#[derive(Debug, Args)]
pub struct GroupMemberArgs {
    /// The group: its id or an unambiguous beginning.
    #[arg(value_name = "GROUP")]
    pub group: String,
    /// The agent to admit.
    #[arg(long, value_name = "AGENT")]
    pub member: AgentRef,
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
    /// The group: its id or an unambiguous beginning.
    #[arg(value_name = "GROUP")]
    pub group: String,
    /// The agent to remove.
    #[arg(long, value_name = "AGENT")]
    pub member: AgentRef,
    /// Who administers.
    #[command(flatten)]
    pub admin: AdminSigner,
}

/// `groups dissolve`
#[derive(Debug, Args)]
pub struct GroupDissolveArgs {
    /// The group: its id or an unambiguous beginning.
    #[arg(value_name = "GROUP")]
    pub group: String,
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
    use crate::cli::Cli;
    use clap::Parser;

    fn parse(args: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(args.split(' '))
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
