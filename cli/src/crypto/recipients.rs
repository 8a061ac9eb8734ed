// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! To whose keys payloads are encrypted: what the registry is proven to have about them.
//!
//! A key or a group's members are used only if the trusted authorities finalized the state that holds
//! them, whatever node was asked. What was proven is kept, so that events are encrypted without a node
//! too, for as long as the configuration says.

use crate::{
    chain::{Chain, ChainError},
    db,
    error::{Exit, Failure, Result},
    finality::{self, Pinned},
    output::Ui,
};
use codec::{Decode, DecodeAll, Encode};
use sqlx::SqlitePool;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use ves_client::{
    BlockHash, Directory, Freshness, ProvenError, StateSource, Wanted,
    recipients::{self, ReaderRecord},
};
use ves_finality::TrackedSets;
use ves_primitives::{
    AgentId, GenesisHash, GroupId, RecipientKid, TenantId,
    registry::{Group, RecordedAt},
};

/// How old the newest final block may be when a node is asked, in minutes.
pub const STATE_MAX_AGE_MINUTES: u32 = 15;
/// For how many hours what was proven is used while no node answers.
pub const RECIPIENTS_MAX_AGE_HOURS: u32 = 24;
/// Who was not encrypted to for so long is not proven anew any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// What is kept is proven anew when this part of its time is over.
const DUE_AFTER_PART: u32 = 24;
/// How long a node may take to prove final what it calls final, or to come to a block known before.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);

/// How old what is proven may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The block at which a node proves it.
    pub state: Duration,
    /// What is kept, while no node answers. None of it is used if this is zero.
    pub kept: Duration,
    /// How long a node is given to catch up.
    pub patience: Duration,
}

impl Limits {
    /// With limits out of the configuration.
    pub fn new(state_minutes: Option<u32>, kept_hours: Option<u32>) -> Self {
        let minutes = u64::from(state_minutes.unwrap_or(STATE_MAX_AGE_MINUTES));
        let hours = u64::from(kept_hours.unwrap_or(RECIPIENTS_MAX_AGE_HOURS));
        Self {
            state: Duration::from_secs(minutes.saturating_mul(60)),
            kept: Duration::from_secs(hours.saturating_mul(3600)),
            patience: PATIENCE,
        }
    }
}

/// What the registry has about these at the node's newest final block, by proof. It is kept for whoever
/// reaches no node later.
///
/// # Errors
/// `recipients_not_final`, `recipients_not_proven`, `recipient_key_contradicted`,
/// `recipient_keys_withheld`, `recipients_stale`, `recipients_regressed` or `clock_behind` for what the
/// node does not prove; what [`finality::track`] says; the node's silence.
pub async fn ask<C: Chain + StateSource>(
    pool: &SqlitePool,
    chain: &C,
    pin: Option<&Pinned>,
    ui: &Ui,
    wanted: &Wanted,
    limits: Limits,
    now_ms: u64,
) -> Result<Directory> {
    let directory = prove(pool, chain, pin, ui, wanted, limits, now_ms).await?;
    keep(pool, chain.genesis_hash(), &directory, now_ms, true).await?;
    Ok(directory)
}

/// Has proven anew what is kept of those who were encrypted to lately, and of `also`, if some of it is no
/// longer new. Says whether that was due.
///
/// # Errors
/// As [`ask`].
pub async fn refresh<C: Chain + StateSource>(
    pool: &SqlitePool,
    chain: &C,
    pin: Option<&Pinned>,
    ui: &Ui,
    also: &Wanted,
    limits: Limits,
    now_ms: u64,
) -> Result<bool> {
    let genesis = chain.genesis_hash();
    let Some(wanted) = due(pool, genesis, also, limits, now_ms).await? else {
        return Ok(false);
    };
    let directory = prove(pool, chain, pin, ui, &wanted, limits, now_ms).await?;
    keep(pool, genesis, &directory, now_ms, false).await?;
    Ok(true)
}

async fn prove<C: Chain + StateSource>(
    pool: &SqlitePool,
    chain: &C,
    pin: Option<&Pinned>,
    ui: &Ui,
    wanted: &Wanted,
    limits: Limits,
    now_ms: u64,
) -> Result<Directory> {
    let genesis = chain.genesis_hash();
    let mut sets = finality::track(Some(pool), chain, pin, ui).await?;
    let fresh = Freshness {
        now_ms,
        max_age: limits.state,
    };
    let known = newest_block(pool, genesis).await?;
    let patience = Instant::now() + limits.patience;
    loop {
        let found = read(pool, chain, &mut sets, fresh, wanted).await?;
        let waits = match &found {
            Ok(directory) => directory.at.block < known,
            Err(ProvenError::NoEvidence(_)) => true,
            Err(_) => false,
        };
        if waits && Instant::now() < patience {
            tokio::time::sleep(POLL).await;
            continue;
        }
        let directory = found.map_err(refused)?;
        if directory.at.block < known {
            return Err(Failure::new(
                Exit::NotVerified,
                "recipients_regressed",
                format!(
                    "the node proves recipients at block {}, known here are some of block {known}",
                    directory.at.block
                ),
            )
            .hint("the node is behind, or hides what came later; ask another node"));
        }
        return Ok(directory);
    }
}

/// Reads once, or twice if the authority set changed since it was looked at.
async fn read<C: Chain + StateSource>(
    pool: &SqlitePool,
    chain: &C,
    sets: &mut TrackedSets,
    fresh: Freshness,
    wanted: &Wanted,
) -> Result<std::result::Result<Directory, ProvenError>> {
    let found = recipients::read(chain, sets, fresh, wanted).await;
    if !matches!(found, Err(ProvenError::NotFinal { .. })) {
        return Ok(found);
    }
    if finality::follow(sets, chain).await? == 0 {
        return Ok(found);
    }
    finality::save(pool, chain.genesis_hash(), sets).await?;
    Ok(recipients::read(chain, sets, fresh, wanted).await)
}

fn refused(error: ProvenError) -> Failure {
    let (code, hint) = match error {
        ProvenError::Node(error) => return ChainError::from(error).into(),
        ProvenError::NoEvidence(_) | ProvenError::NotFinal { .. } => (
            "recipients_not_final",
            "nothing was encrypted; ask another node",
        ),
        ProvenError::KeyContradicted { .. } => (
            "recipient_key_contradicted",
            "nothing was encrypted: the node shows a key that the registry does not have; use \
             another node, and tell its operator",
        ),
        ProvenError::KeysWithheld { .. } => (
            "recipient_keys_withheld",
            "nothing was encrypted; ask another node",
        ),
        ProvenError::Stale { .. } => (
            "recipients_stale",
            "the node is behind, or finality stands still: ask another node, or wait. \
             `stateset-sync config set state-max-age-minutes N` allows more",
        ),
        ProvenError::Ahead { .. } => ("clock_behind", "set this machine's clock"),
        _ => (
            "recipients_not_proven",
            "nothing was encrypted; ask another node. If it is of a newer release, use a newer \
             stateset-sync",
        ),
    };
    Failure::new(Exit::NotVerified, code, error.to_string()).hint(hint)
}

/// What is kept of an agent or a group.
#[derive(Clone, Copy)]
enum Kind {
    Agent,
    Group,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Group => "group",
        }
    }
}

/// The newest block at which something was proven.
async fn newest_block(pool: &SqlitePool, genesis: GenesisHash) -> Result<u32> {
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(block) FROM ves_proven_recipients WHERE genesis_hash = ?1")
            .bind(genesis.0.as_slice())
            .fetch_one(pool)
            .await?;
    newest.map_or(Ok(0), |block| u32::try_from(block).map_err(damaged))
}

fn damaged(why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("a kept recipient is damaged: {why}"),
    )
    .hint("restore the database from a backup")
}

/// Keeps what was proven, unless the database was opened to change nothing or has it from a later block.
/// `used`: somebody encrypts to it now.
async fn keep(
    pool: &SqlitePool,
    genesis: GenesisHash,
    directory: &Directory,
    now_ms: u64,
    used: bool,
) -> Result<()> {
    if db::is_read_only(pool).await? {
        return Ok(());
    }
    let agents = directory.readers.iter().map(|((tenant, agent), reader)| {
        let record = reader.as_ref().map(Encode::encode);
        (Kind::Agent, tenant, agent.0, record)
    });
    let groups = directory.groups.iter().map(|((tenant, group), found)| {
        let record = found.as_ref().map(Encode::encode);
        (Kind::Group, tenant, group.0, record)
    });
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for (kind, tenant, id, record) in agents.chain(groups) {
        sqlx::query(
            "INSERT INTO ves_proven_recipients (genesis_hash, tenant_id, kind, id, block, \
             block_hash, time_ms, record, used_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (genesis_hash, tenant_id, kind, id) DO UPDATE SET \
             block = excluded.block, block_hash = excluded.block_hash, \
             time_ms = excluded.time_ms, record = excluded.record, \
             used_ms = CASE WHEN ?10 THEN excluded.used_ms ELSE used_ms END \
             WHERE excluded.block >= ves_proven_recipients.block",
        )
        .bind(genesis.0.as_slice())
        .bind(tenant.0.as_slice())
        .bind(kind.name())
        .bind(id.as_slice())
        .bind(i64::from(directory.at.block))
        .bind(directory.hash.0.as_slice())
        .bind(i64::try_from(directory.at.time_ms).map_err(damaged)?)
        .bind(record)
        .bind(i64::try_from(now_ms).map_err(damaged)?)
        .bind(used)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// One kept entry.
struct Entry<T> {
    at: RecordedAt,
    hash: BlockHash,
    record: Option<T>,
    used_ms: u64,
}

type Columns = (Vec<u8>, Vec<u8>, i64, Vec<u8>, i64, Option<Vec<u8>>, i64);
const COLUMNS: &str = "tenant_id, id, block, block_hash, time_ms, record, used_ms";

/// An entry, with tenant and id.
type Named<T> = (TenantId, [u8; 16], Entry<T>);

fn entry<T: Decode>(columns: Columns) -> Result<Named<T>> {
    let (tenant, id, block, hash, time_ms, record, used_ms) = columns;
    let sixteen = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes).map_err(|_| damaged("an id"));
    let entry = Entry {
        at: RecordedAt {
            block: u32::try_from(block).map_err(damaged)?,
            time_ms: u64::try_from(time_ms).map_err(damaged)?,
        },
        hash: BlockHash(hash.try_into().map_err(|_| damaged("a block hash"))?),
        record: record
            .map(|bytes| T::decode_all(&mut bytes.as_slice()))
            .transpose()
            .map_err(damaged)?,
        used_ms: u64::try_from(used_ms).map_err(damaged)?,
    };
    Ok((TenantId(sixteen(tenant)?), sixteen(id)?, entry))
}

async fn all<T: Decode>(
    pool: &SqlitePool,
    genesis: GenesisHash,
    kind: Kind,
) -> Result<Vec<Named<T>>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM ves_proven_recipients WHERE genesis_hash = ?1 AND kind = ?2"
    );
    let rows: Vec<Columns> = sqlx::query_as(&sql)
        .bind(genesis.0.as_slice())
        .bind(kind.name())
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(entry).collect()
}

/// What was proven before about these, for whoever reaches no node.
///
/// # Errors
/// `recipients_not_kept` for what was never proven here, `recipients_outdated` for what was too long ago,
/// `clock_behind`, or the database's refusal.
pub async fn kept(
    pool: &SqlitePool,
    genesis: GenesisHash,
    wanted: &Wanted,
    limits: Limits,
    now_ms: u64,
) -> Result<Directory> {
    let mut agents: BTreeMap<_, _> = all::<ReaderRecord>(pool, genesis, Kind::Agent)
        .await?
        .into_iter()
        .map(|(tenant, id, entry)| ((tenant, AgentId(id)), entry))
        .collect();
    let mut groups: BTreeMap<_, _> = all::<Group>(pool, genesis, Kind::Group)
        .await?
        .into_iter()
        .map(|(tenant, id, entry)| ((tenant, GroupId(id)), entry))
        .collect();
    let mut taking = Taking {
        limits,
        now_ms,
        directory: Directory {
            at: RecordedAt {
                block: 0,
                time_ms: now_ms,
            },
            hash: BlockHash(genesis.0),
            readers: BTreeMap::new(),
            groups: BTreeMap::new(),
        },
    };
    let mut names: BTreeSet<_> = wanted.agents.iter().copied().collect();
    for (tenant, group) in wanted.groups.iter().copied().collect::<BTreeSet<_>>() {
        let what = format!("group {group}");
        let found = taking.take(&what, groups.remove(&(tenant, group)))?;
        let members = found.iter().flat_map(|group| group.members.iter());
        names.extend(members.map(|member| (tenant, member.agent_id)));
        taking.directory.groups.insert((tenant, group), found);
    }
    for kid in &wanted.numbers {
        let owner = agents.iter().find(|(_, entry)| has_number(entry, *kid));
        let (name, _) = owner.ok_or_else(|| not_kept(&format!("recipient number {kid}")))?;
        names.insert(*name);
    }
    for (tenant, agent) in names {
        let what = format!("agent {agent}");
        let found = taking.take(&what, agents.remove(&(tenant, agent)))?;
        taking.directory.readers.insert((tenant, agent), found);
    }
    Ok(taking.directory)
}

fn has_number(entry: &Entry<ReaderRecord>, kid: RecipientKid) -> bool {
    let mut keys = entry.record.iter().flat_map(|reader| &reader.keys);
    keys.any(|(_, record)| record.kid == kid)
}

/// Entries taken so far. Keys are judged by this machine's clock: the chain's stood still for it.
struct Taking {
    limits: Limits,
    now_ms: u64,
    directory: Directory,
}

impl Taking {
    fn take<T>(&mut self, what: &str, entry: Option<Entry<T>>) -> Result<Option<T>> {
        let entry = entry.ok_or_else(|| not_kept(what))?;
        let fresh = Freshness {
            now_ms: self.now_ms,
            max_age: self.limits.kept,
        };
        match fresh.check(&entry.at) {
            Ok(()) => {}
            Err(ProvenError::Stale { block, age, .. }) => {
                return Err(Failure::new(
                    Exit::Unreachable,
                    "recipients_outdated",
                    format!(
                        "no node answers, and {what} was proven last at block {block}, {} min ago; \
                         at most {} h are taken",
                        age.as_secs() / 60,
                        self.limits.kept.as_secs() / 3600
                    ),
                )
                .hint(
                    "start the node or give another with --node: `stateset-sync pull` has it all \
                     proven anew. `stateset-sync config set recipients-max-age-hours N` allows more",
                ));
            }
            Err(error) => return Err(refused(error)),
        }
        if entry.at.block > self.directory.at.block {
            self.directory.at.block = entry.at.block;
            self.directory.hash = entry.hash;
        }
        self.directory.at.time_ms = self.directory.at.time_ms.max(entry.at.time_ms);
        Ok(entry.record)
    }
}

fn not_kept(what: &str) -> Failure {
    Failure::new(
        Exit::Unreachable,
        "recipients_not_kept",
        format!("no node answers, and nothing was proven here about {what} before"),
    )
    .hint("start the node or give another with --node: what it proves is then kept for a while")
}

/// Those whose entries are kept up to date, if it is time to.
async fn due(
    pool: &SqlitePool,
    genesis: GenesisHash,
    also: &Wanted,
    limits: Limits,
    now_ms: u64,
) -> Result<Option<Wanted>> {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (forgotten, old) = (ms(FORGOTTEN_AFTER), ms(limits.kept / DUE_AFTER_PART));
    let (mut agents, mut groups) = (BTreeSet::new(), BTreeSet::new());
    let mut is_due = false;
    let mut is_current = |at: &RecordedAt, used_ms: u64| {
        let current = now_ms.saturating_sub(used_ms) <= forgotten;
        is_due |= current && now_ms.saturating_sub(at.time_ms) > old;
        current
    };
    for (tenant, id, entry) in all::<ReaderRecord>(pool, genesis, Kind::Agent).await? {
        if is_current(&entry.at, entry.used_ms) {
            agents.insert((tenant, AgentId(id)));
        }
    }
    for (tenant, id, entry) in all::<Group>(pool, genesis, Kind::Group).await? {
        if is_current(&entry.at, entry.used_ms) {
            groups.insert((tenant, GroupId(id)));
        }
    }
    for agent in &also.agents {
        is_due |= agents.insert(*agent);
    }
    for group in &also.groups {
        is_due |= groups.insert(*group);
    }
    Ok(is_due.then(|| Wanted {
        agents: agents.into_iter().collect(),
        groups: groups.into_iter().collect(),
        numbers: Vec::new(),
    }))
}

#[cfg(test)]
mod tests;
