// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! To whose keys payloads are encrypted, for the commands that encrypt.

use super::Context;
use crate::{
    chain::live::Live,
    config::ReaderName,
    crypto::recipients::{self, Limits},
    error::{Failure, Result},
    keys::Purpose,
    push::current_signing_key,
};
use sqlx::SqlitePool;
use ves_client::{Directory, Freshness, Wanted};
use ves_primitives::{AgentId, KeyId, TenantId};

/// What the registry is proven to have.
pub(super) struct Found {
    pub(super) directory: Directory,
    /// The node that proved it now; none if it was proven before.
    chain: Option<Live>,
}

impl Found {
    /// The key with which the agent signs what is encrypted: the newest that the registry accepts or,
    /// without a node, is known to have accepted.
    pub(super) async fn signing_key(
        &self,
        context: &Context,
        tenant: TenantId,
        agent: AgentId,
    ) -> Result<KeyId> {
        let keys = context.keys();
        match &self.chain {
            Some(chain) => current_signing_key(&keys, chain, tenant, agent).await,
            None => Ok(keys.preferred(agent, Purpose::Signing)?.key_id),
        }
    }
}

fn limits(context: &Context) -> Limits {
    let minutes = context.config.get(|c| &c.state_max_age_minutes);
    let hours = context.config.get(|c| &c.recipients_max_age_hours);
    Limits::new(
        minutes.map(|setting| setting.value),
        hours.map(|setting| setting.value),
    )
}

fn now_ms() -> u64 {
    Freshness::within(std::time::Duration::ZERO).now_ms
}

/// Whether no node answered, as opposed to one that says something wrong.
fn is_silence(failure: &Failure) -> bool {
    matches!(failure.code, "node_unreachable" | "node_timeout")
}

/// What the registry has about these: proven by the node or, while none answers, as it was proven before.
pub(super) async fn look_up(
    context: &Context,
    pool: &SqlitePool,
    wanted: &Wanted,
) -> Result<Found> {
    let silence = match ask(context, pool, wanted).await {
        Err(failure) if is_silence(&failure) => failure,
        answered => return answered,
    };
    let Some(genesis) = context.config.genesis() else {
        return Err(silence);
    };
    let kept = recipients::kept(pool, genesis, wanted, limits(context), now_ms()).await;
    let directory = match kept {
        Err(failure) if failure.code == "recipients_not_kept" => {
            let why = failure.message;
            return Err(Failure {
                message: format!("{}; {why}", silence.message),
                ..silence
            });
        }
        other => other?,
    };
    context.ui.note(&format!(
        "no node answers: encrypted to keys that were proven at block {} at the latest",
        directory.at.block
    ));
    Ok(Found {
        directory,
        chain: None,
    })
}

async fn ask(context: &Context, pool: &SqlitePool, wanted: &Wanted) -> Result<Found> {
    let chain = context.connect().await?;
    let pin = context.pinned_authorities();
    let (limits, now_ms) = (limits(context), now_ms());
    let asked = recipients::ask(
        pool,
        &chain,
        pin.as_ref(),
        &context.ui,
        wanted,
        limits,
        now_ms,
    );
    Ok(Found {
        directory: asked.await?,
        chain: Some(chain),
    })
}

/// Has proven anew what is kept for captures without a node, if it is time to. That the node does not prove
/// it is told: until it is used, nothing is lost.
pub(super) async fn refresh(context: &Context, pool: &SqlitePool, chain: &Live) {
    if let Err(failure) = try_refresh(context, pool, chain).await {
        context.ui.warn(&format!(
            "recipients are not proven anew: {}",
            failure.message
        ));
    }
}

async fn try_refresh(context: &Context, pool: &SqlitePool, chain: &Live) -> Result<()> {
    let tenant = context.config.tenant()?;
    let mut named = Wanted::default();
    let configured = context.config.get(|c| &c.default_recipients);
    for name in configured
        .iter()
        .flat_map(|found| found.value.values().flatten())
    {
        match name {
            ReaderName::Own => named.agents.push((tenant, context.config.agent()?)),
            ReaderName::Agent(agent) => named.agents.push((tenant, *agent)),
            ReaderName::Group(group) => named.groups.push((tenant, *group)),
        }
    }
    let pin = context.pinned_authorities();
    let (limits, now_ms) = (limits(context), now_ms());
    recipients::refresh(
        pool,
        chain,
        pin.as_ref(),
        &context.ui,
        &named,
        limits,
        now_ms,
    )
    .await?;
    Ok(())
}
