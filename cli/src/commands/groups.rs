// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `groups …`

use super::{Context, admin};
use crate::{
    chain::{Chain, live::Live},
    cli::{AdminSigner, GroupsCommand},
    error::{Exit, Failure, Result},
    output::Report,
};
use serde_json::json;
use ves_client::{AdminCall, BlockHash};
use ves_primitives::{GroupId, TenantId, registry::GroupRecipients};

pub(super) async fn run(context: &Context, command: &GroupsCommand) -> Result<Report> {
    let tenant = context.config.tenant()?;
    match command {
        GroupsCommand::Create(args) => {
            let group = args
                .group
                .unwrap_or_else(|| GroupId(uuid::Uuid::new_v4().into_bytes()));
            let report = Report::new("ves.cli.groups.create")
                .field("group_id", group)
                .line(format!("group {group} created"));
            let call = AdminCall::CreateGroup { tenant, group };
            change(context, &args.admin, call, report).await
        }
        GroupsCommand::AddMember(args) => {
            let report = Report::new("ves.cli.groups.add-member")
                .field("group_id", args.group)
                .field("agent_id", args.member)
                .field("role", args.role)
                .line(format!(
                    "agent {} is {} of group {}",
                    args.member, args.role, args.group
                ));
            let call = AdminCall::SetGroupMember {
                tenant,
                group: args.group,
                agent: args.member,
                role: args.role,
            };
            change(context, &args.admin, call, report).await
        }
        GroupsCommand::RemoveMember(args) => {
            let report = Report::new("ves.cli.groups.remove-member")
                .field("group_id", args.group)
                .field("agent_id", args.member)
                .line(format!(
                    "agent {} has left group {}; what it could read it still can",
                    args.member, args.group
                ));
            let call = AdminCall::RemoveGroupMember {
                tenant,
                group: args.group,
                agent: args.member,
            };
            change(context, &args.admin, call, report).await
        }
        GroupsCommand::Dissolve(args) => {
            if !args.yes {
                return Err(Failure::new(
                    Exit::Refused,
                    "not_confirmed",
                    "a dissolved group has no members for good, and its id is used up",
                )
                .hint("repeat the command with --yes"));
            }
            let report = Report::new("ves.cli.groups.dissolve")
                .field("group_id", args.group)
                .line(format!("group {} is dissolved", args.group));
            let call = AdminCall::DissolveGroup {
                tenant,
                group: args.group,
            };
            change(context, &args.admin, call, report).await
        }
        GroupsCommand::List => list(context, tenant).await,
        GroupsCommand::Show(args) => show(context, tenant, args.group).await,
    }
}

async fn change(
    context: &Context,
    args: &AdminSigner,
    call: AdminCall,
    report: Report,
) -> Result<Report> {
    let signer = admin::signer(args)?;
    let chain = context.connect().await?;
    let (receipt, block) = admin::execute(&chain, args, &signer, &[call]).await?;
    Ok(admin::receipt_fields(report, args, &receipt, block))
}

/// A group of the tenant at the finalized state.
pub(super) async fn find(
    chain: &Live,
    tenant: TenantId,
    group: GroupId,
) -> Result<GroupRecipients> {
    let at = BlockHash(chain.finalized().await?.hash);
    let found = chain
        .client()
        .group(tenant, group, Some(at))
        .await
        .map_err(crate::chain::ChainError::from)?;
    found.ok_or_else(|| {
        Failure::usage(
            "group_unknown",
            format!("tenant {tenant} has no group {group}"),
        )
        .hint("`stateset-sync groups:list` lists the groups")
    })
}

async fn list(context: &Context, tenant: TenantId) -> Result<Report> {
    let chain = context.connect().await?;
    let at = BlockHash(chain.finalized().await?.hash);
    let groups = chain
        .client()
        .groups(tenant, Some(at))
        .await
        .map_err(crate::chain::ChainError::from)?;
    let mut report = Report::new("ves.cli.groups.list").field("tenant_id", tenant);
    let mut listed = Vec::new();
    for group in groups {
        let found = find(&chain, tenant, group).await?;
        let state = if found.dissolved {
            "dissolved".to_owned()
        } else {
            format!("{} member(s)", found.members.len())
        };
        report = report.line(format!("{group}  epoch {:>3}  {state}", found.epoch));
        listed.push(json!({
            "group_id": group,
            "epoch": found.epoch,
            "dissolved": found.dissolved,
            "members": found.members.len(),
        }));
    }
    if listed.is_empty() {
        report = report.line("no groups; next: stateset-sync groups:create");
    }
    Ok(report.field("groups", listed))
}

async fn show(context: &Context, tenant: TenantId, group: GroupId) -> Result<Report> {
    let chain = context.connect().await?;
    let found = find(&chain, tenant, group).await?;
    let report = Report::new("ves.cli.groups.show")
        .field("tenant_id", tenant)
        .field("group_id", group)
        .field("epoch", found.epoch)
        .field("dissolved", found.dissolved)
        .field("members", &found.members)
        .pair("group", group)
        .pair("epoch", found.epoch);
    let report = if found.dissolved {
        report.line("dissolved")
    } else {
        report
    };
    Ok(found.members.iter().fold(report, |report, recipient| {
        let key = recipient.key.as_ref().map_or_else(
            || "no usable encryption key".to_owned(),
            |key| format!("recipient number {}", key.record.kid),
        );
        report.line(format!(
            "{}  {:<8} {key}",
            recipient.member.agent_id, recipient.member.role
        ))
    }))
}
