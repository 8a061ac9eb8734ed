// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `admin …`: what operators and tenant administrators do.

use super::Context;
use crate::{
    chain::live::{Live, admin_signer},
    cli::{AdminCommand, AdminSigner, QuotaArgs},
    config::process_env,
    error::{Exit, Failure, Result},
    home::read_bounded,
    output::Report,
};
use ves_client::{AdminCall, AdminReceipt, Signer, Wait};
use ves_primitives::{TenantId, limits, registry::Quota};
use zeroize::Zeroizing;

/// Longest secret file that is read.
const MAX_SECRET_BYTES: u64 = 4096;

/// Opens the signer the flags or the environment name. The secret itself is never a flag, except
/// for the well-known accounts of development chains, which are no secrets.
pub(super) fn signer(args: &AdminSigner) -> Result<Signer> {
    if let Some(name) = &args.dev_admin {
        let well_known = name.strip_prefix("//").is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if !well_known {
            return Err(Failure::usage(
                "dev_admin_invalid",
                "--dev-admin takes a development account such as //Alice, never a secret",
            )
            .hint("give a secret with --admin-suri-file or VES_ADMIN_SURI"));
        }
        return admin_signer(name);
    }
    if let Some(path) = &args.admin_suri_file {
        let bytes = Zeroizing::new(read_bounded(path, MAX_SECRET_BYTES)?);
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Failure::new(Exit::Key, "admin_secret_invalid", "not UTF-8"))?;
        return admin_signer(text.lines().next().unwrap_or_default().trim());
    }
    match process_env("VES_ADMIN_SURI").map(Zeroizing::new) {
        Some(secret) => admin_signer(&secret),
        None => Err(Failure::new(
            Exit::Key,
            "admin_secret_missing",
            "this change must be signed by an administrator",
        )
        .hint(
            "give --admin-suri-file, or set VES_ADMIN_SURI; on a development chain: --dev-admin",
        )),
    }
}

/// Executes calls and adds the receipt to a report.
pub(super) async fn execute(
    chain: &Live,
    args: &AdminSigner,
    signer: &Signer,
    calls: &[AdminCall],
) -> Result<(AdminReceipt, u32)> {
    let wait = if args.no_wait {
        Wait::InBlock
    } else {
        Wait::Finalized
    };
    let receipt = chain.administer(signer, calls, wait).await?;
    let block = chain.block(receipt.block).await?;
    Ok((receipt, block.number))
}

/// Executes calls, or in a dry run shows their bytes, and completes the report of their success.
pub(super) async fn submit(
    context: &Context,
    chain: &Live,
    args: &AdminSigner,
    calls: &[AdminCall],
    report: Report,
) -> Result<Report> {
    let signer = signer(args)?;
    if context.dry_run {
        let call = chain
            .client()
            .encode(calls)
            .await
            .map_err(crate::chain::ChainError::from)?;
        let call = format!("0x{}", hex::encode(call));
        return Ok(report
            .field("call", &call)
            .field("signed_by", signer.address())
            .pair("call", &call)
            .pair("signed by", signer.address())
            .dry());
    }
    context.check_runtime(chain).await?;
    let (receipt, block) = execute(chain, args, &signer, calls).await?;
    Ok(receipt_fields(report, args, &receipt, block))
}

pub(super) fn receipt_fields(
    report: Report,
    args: &AdminSigner,
    receipt: &AdminReceipt,
    block: u32,
) -> Report {
    report
        .field("extrinsic_hash", receipt.hash)
        .field("block_hash", receipt.block)
        .field("block_number", block)
        .field("finalized", !args.no_wait)
        .pair("block", block)
}

/// Who signs a command.
const fn signer_args(command: &AdminCommand) -> &AdminSigner {
    match command {
        AdminCommand::CreateTenant(args) => &args.admin,
        AdminCommand::SuspendTenant(args) | AdminCommand::SuspendAgent(args) => &args.admin,
        AdminCommand::TenantQuota(args) | AdminCommand::AgentQuota(args) => &args.admin,
        AdminCommand::ProposeAdmin(args) => &args.admin,
        AdminCommand::AcceptAdmin(args)
        | AdminCommand::CancelAdmin(args)
        | AdminCommand::CreateStore(args)
        | AdminCommand::RegisterAgent(args) => args,
    }
}

pub(super) async fn run(context: &Context, command: &AdminCommand) -> Result<Report> {
    let tenant = context.config.tenant()?;
    let args = signer_args(command);
    let signer = signer(args)?;
    let (call, report) = plan(context, tenant, command, &signer)?;
    let chain = context.connect().await?;
    let report = report
        .field("tenant_id", tenant)
        .field("signed_by", signer.address());
    submit(context, &chain, args, &[call], report).await
}

const fn suspended_word(suspended: bool) -> &'static str {
    if suspended {
        "suspended"
    } else {
        "active again"
    }
}

fn quota(args: &QuotaArgs) -> Option<Quota> {
    Some(Quota {
        events: args.events?,
        payload_bytes: args.payload_bytes?,
    })
}

fn quota_text(quota: Option<Quota>) -> String {
    quota.map_or_else(
        || "the default quota".to_owned(),
        |quota| {
            format!(
                "{} events and {} payload bytes in {} blocks",
                quota.events,
                quota.payload_bytes,
                limits::EVENT_QUOTA_WINDOW_BLOCKS
            )
        },
    )
}

/// The call behind a command, and the report of its success.
fn plan(
    context: &Context,
    tenant: TenantId,
    command: &AdminCommand,
    signer: &Signer,
) -> Result<(AdminCall, Report)> {
    let config = &context.config;
    Ok(match command {
        AdminCommand::CreateTenant(args) => {
            let admin = match &args.admin_account {
                Some(text) => parse_account(text)?,
                None => signer.account_id(),
            };
            let report = Report::new("ves.cli.admin.create-tenant")
                .field("admin_account", format!("0x{}", hex::encode(admin)))
                .line(format!("tenant {tenant} registered"));
            (AdminCall::RegisterTenant { tenant, admin }, report)
        }
        AdminCommand::SuspendTenant(args) => {
            let suspended = !args.lift;
            let report = Report::new("ves.cli.admin.suspend-tenant")
                .field("suspended", suspended)
                .line(format!("tenant {tenant} is {}", suspended_word(suspended)));
            (AdminCall::SetTenantSuspended { tenant, suspended }, report)
        }
        AdminCommand::TenantQuota(args) => {
            let quota = quota(args);
            let report = Report::new("ves.cli.admin.tenant-quota")
                .field("quota", quota)
                .line(format!("tenant {tenant} has {}", quota_text(quota)));
            (AdminCall::SetTenantQuota { tenant, quota }, report)
        }
        AdminCommand::ProposeAdmin(args) => {
            let proposed = parse_account(&args.account)?;
            let report = Report::new("ves.cli.admin.propose-admin")
                .field("proposed_account", format!("0x{}", hex::encode(proposed)))
                .line(format!("tenant {tenant} is offered to {}", args.account))
                .line("next, signed by that account: stateset-sync admin:accept-admin");
            (AdminCall::ProposeTenantAdmin { tenant, proposed }, report)
        }
        AdminCommand::AcceptAdmin(_) => {
            let report = Report::new("ves.cli.admin.accept-admin").line(format!(
                "{} administers tenant {tenant} now",
                signer.address()
            ));
            (AdminCall::AcceptTenantAdmin { tenant }, report)
        }
        AdminCommand::CancelAdmin(_) => {
            let report = Report::new("ves.cli.admin.cancel-admin")
                .line(format!("the offer of tenant {tenant} is taken back"));
            (AdminCall::CancelTenantAdmin { tenant }, report)
        }
        AdminCommand::CreateStore(_) => {
            let store = config.store()?;
            let report = Report::new("ves.cli.admin.create-store")
                .field("store_id", store)
                .line(format!("store {store} registered"));
            (AdminCall::RegisterStore { tenant, store }, report)
        }
        AdminCommand::RegisterAgent(_) => {
            let agent = config.agent()?;
            let report = Report::new("ves.cli.admin.register-agent")
                .field("agent_id", agent)
                .line(format!("agent {agent} registered"));
            (AdminCall::RegisterAgent { tenant, agent }, report)
        }
        AdminCommand::SuspendAgent(args) => {
            let (agent, suspended) = (config.agent()?, !args.lift);
            let report = Report::new("ves.cli.admin.suspend-agent")
                .field("agent_id", agent)
                .field("suspended", suspended)
                .line(format!("agent {agent} is {}", suspended_word(suspended)));
            let call = AdminCall::SetAgentSuspended {
                tenant,
                agent,
                suspended,
            };
            (call, report)
        }
        AdminCommand::AgentQuota(args) => {
            let (agent, quota) = (config.agent()?, quota(args));
            let report = Report::new("ves.cli.admin.agent-quota")
                .field("agent_id", agent)
                .field("quota", quota)
                .line(format!("agent {agent} has {}", quota_text(quota)));
            let call = AdminCall::SetAgentQuota {
                tenant,
                agent,
                quota,
            };
            (call, report)
        }
    })
}

/// An account as 0x hex or SS58.
fn parse_account(text: &str) -> Result<[u8; 32]> {
    let invalid = || {
        Failure::usage("account_invalid", format!("{text} is not an account"))
            .hint("give 0x and 64 hex digits, or an SS58 address")
    };
    if let Some(digits) = text.strip_prefix("0x") {
        let mut out = [0u8; 32];
        hex::decode_to_slice(digits, &mut out).map_err(|_| invalid())?;
        return Ok(out);
    }
    text.parse::<subxt::utils::AccountId32>()
        .map(|account| account.0)
        .map_err(|_| invalid())
}
