// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `groups …`

use super::{Context, admin};
use crate::{
    chain::{Chain, live::Live},
    cli::{AdminSigner, GroupRef, GroupsCommand},
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
            let group = resolve(context, tenant, &args.group).await?;
            let member = context.find_agent(&args.member).await?;
            let report = Report::new("ves.cli.groups.add-member")
                .field("group_id", group)
                .field("agent_id", member)
                .field("role", args.role)
                .line(format!(
                    "agent {} is {} of group {}",
                    member, args.role, group
                ));
            let call = AdminCall::SetGroupMember {
                tenant,
                group,
                agent: member,
                role: args.role,
            };
            change(context, &args.admin, call, report).await
        }
        GroupsCommand::RemoveMember(args) => {
            let group = resolve(context, tenant, &args.group).await?;
            let member = context.find_agent(&args.member).await?;
            let report = Report::new("ves.cli.groups.remove-member")
                .field("group_id", group)
                .field("agent_id", member)
                .line(format!(
                    "agent {} has left group {}; what it could read it still can",
                    member, group
                ));
            let call = AdminCall::RemoveGroupMember {
                tenant,
                group,
                agent: member,
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
            let group = resolve(context, tenant, &args.group).await?;
            let report = Report::new("ves.cli.groups.dissolve")
                .field("group_id", group)
                .line(format!("group {group} is dissolved"));
            let call = AdminCall::DissolveGroup { tenant, group };
            change(context, &args.admin, call, report).await
        }
        GroupsCommand::List => list(context, tenant).await,
        GroupsCommand::Show(args) => {
            let group = resolve(context, tenant, &args.group).await?;
            show(context, tenant, group).await
        }
        GroupsCommand::MyGroups => mine(context, tenant).await,
        GroupsCommand::RefreshKey(args) => {
            let group = resolve(context, tenant, &args.group).await?;
            refresh_key(context, tenant, group).await
        }
    }
}

/// Every group of the tenant, at the newest final block.
async fn groups_of(chain: &Live, tenant: TenantId) -> Result<Vec<GroupId>> {
    let at = BlockHash(chain.finalized().await?.hash);
    let groups = chain.client().groups(tenant, Some(at)).await;
    Ok(groups.map_err(crate::chain::ChainError::from)?)
}

/// A group by id, or by an unambiguous beginning of the id of one of the tenant's groups.
async fn resolve(context: &Context, tenant: TenantId, text: &str) -> Result<GroupId> {
    let named: GroupRef = text
        .parse()
        .map_err(|why: String| Failure::usage("group_id_invalid", format!("{text}: {why}")))?;
    find_ref(context, tenant, &named).await
}

async fn find_ref(context: &Context, tenant: TenantId, named: &GroupRef) -> Result<GroupId> {
    let digits = match named {
        GroupRef::Full(id) => return Ok(*id),
        GroupRef::Begins(digits) => digits,
    };
    let chain = context.connect().await?;
    let groups = groups_of(&chain, tenant).await?;
    let found: Vec<GroupId> = groups.into_iter().filter(|id| named.fits(*id)).collect();
    match found.as_slice() {
        [id] => Ok(*id),
        [] => Err(Failure::usage(
            "group_unknown",
            format!("tenant {tenant} has no group whose id begins with {digits}"),
        )
        .hint("`stateset-sync groups:list` lists the groups")),
        [first, second, ..] => Err(Failure::usage(
            "group_id_ambiguous",
            format!("several groups begin with {digits}: {first}, {second}"),
        )
        .hint("give more digits")),
    }
}

/// Looks groups up that are named by beginnings of their ids.
pub(super) async fn find_all(context: &Context, groups: &mut [GroupRef]) -> Result<()> {
    for group in groups {
        if group.id().is_none() {
            *group = GroupRef::Full(find_ref(context, context.config.tenant()?, group).await?);
        }
    }
    Ok(())
}

/// The groups that this agent is a member of.
async fn mine(context: &Context, tenant: TenantId) -> Result<Report> {
    let agent = context.config.agent()?;
    let chain = context.connect().await?;
    let groups = groups_of(&chain, tenant).await?;
    let mut report = Report::new("ves.cli.groups.my-groups")
        .field("tenant_id", tenant)
        .field("agent_id", agent);
    let mut listed = Vec::new();
    for group in groups {
        let found = find(&chain, tenant, group).await?;
        let own = found.members.iter().find(|r| r.member.agent_id == agent);
        let Some(own) = own else { continue };
        let kid = own.key.as_ref().map(|key| key.record.kid);
        let key = kid.map_or_else(
            || "no usable encryption key".to_owned(),
            |kid| format!("recipient number {kid}"),
        );
        report = report.line(format!("{group}  {:<8} {key}", own.member.role));
        listed.push(json!({
            "group_id": group,
            "role": own.member.role,
            "recipient_kid": kid,
            "epoch": found.epoch,
        }));
    }
    if listed.is_empty() {
        report = report.line("this agent is in no group");
    }
    Ok(report.field("groups", listed))
}

/// Senders take a member's newest usable key from the registry each time, so nothing has to be sent: this
/// says whether that key is the newest one here.
async fn refresh_key(context: &Context, tenant: TenantId, group: GroupId) -> Result<Report> {
    let agent = context.config.agent()?;
    let newest = context
        .keys()
        .list(agent, crate::keys::Purpose::Encryption)?
        .pop();
    let chain = context.connect().await?;
    let found = find(&chain, tenant, group).await?;
    let own = found.members.iter().find(|r| r.member.agent_id == agent);
    let Some(own) = own else {
        return Err(Failure::new(
            Exit::Refused,
            "not_a_member",
            format!("agent {agent} is not a member of group {group}"),
        )
        .hint("the tenant's administrator admits it with `stateset-sync groups:add-member`"));
    };
    let used = own.key.as_ref();
    let is_newest = match (used, &newest) {
        (Some(used), Some(newest)) => used.record.public_key.0 == newest.public_key,
        _ => false,
    };
    let failure = (!is_newest).then(|| {
        Failure::new(
            Exit::Key,
            "group_key_outdated",
            "senders to the group do not use this agent's newest encryption key",
        )
        .hint("run `stateset-sync keys:register --purpose encryption`")
    });
    let report = Report::new("ves.cli.groups.refresh-key")
        .field("group_id", group)
        .field("agent_id", agent)
        .field("recipient_kid", used.map(|key| key.record.kid))
        .field("public_key", used.map(|key| key.record.public_key))
        .field("is_newest", is_newest);
    let report = match used {
        Some(key) => report.pair("recipient", key.record.kid),
        None => report.pair("recipient", "none"),
    };
    Ok(report.failing(failure))
}

async fn change(
    context: &Context,
    args: &AdminSigner,
    call: AdminCall,
    report: Report,
) -> Result<Report> {
    // Before the node is asked for anything.
    admin::signer(args)?;
    let chain = context.connect().await?;
    admin::submit(context, &chain, args, &[call], report).await
}

pub(super) fn unknown(tenant: TenantId, group: GroupId) -> Failure {
    Failure::usage(
        "group_unknown",
        format!("tenant {tenant} has no group {group}"),
    )
    .hint("`stateset-sync groups:list` lists the groups")
}

/// A group of the tenant at the finalized state, as the node shows it. Nothing is encrypted to what is
/// only shown.
async fn find(chain: &Live, tenant: TenantId, group: GroupId) -> Result<GroupRecipients> {
    let at = BlockHash(chain.finalized().await?.hash);
    let found = chain
        .client()
        .group(tenant, group, Some(at))
        .await
        .map_err(crate::chain::ChainError::from)?;
    found.ok_or_else(|| unknown(tenant, group))
}

async fn list(context: &Context, tenant: TenantId) -> Result<Report> {
    let chain = context.connect().await?;
    let groups = groups_of(&chain, tenant).await?;
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
