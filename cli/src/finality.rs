// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which authority sets this machine trusts to finalize blocks.
//!
//! The first set of a chain is pinned by the user or trusted on first sight. Every later one is
//! vouched for by the one before, so that no node's word counts after that.

use crate::{
    capture::now_rfc3339,
    chain::{Chain, ChainError},
    error::{Exit, Failure, Result},
    home::read_bounded,
    output::Ui,
};
use codec::{DecodeAll, Encode};
use sqlx::SqlitePool;
use std::path::Path;
use ves_client::{FinalityError, Header};
use ves_finality::{Era, TrackedSets};
use ves_primitives::{
    AuthoritySet, AuthoritySetHash, FinalityProof, GenesisHash, limits::MAX_SET_CHANGES,
    wire::FinalityJson,
};

/// Largest file with an authority set that is read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// An authority set that a user pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// By its name; the members have to come with the evidence.
    Named(AuthoritySetHash),
    /// Itself.
    Set(AuthoritySet),
}

impl Pinned {
    /// Reads what `--authorities` names: a hash, or a file with a set in JSON.
    ///
    /// # Errors
    /// `authorities_invalid`, or the file system's refusal.
    pub fn read(text: &str) -> Result<Self> {
        if let Ok(hash) = text.parse() {
            return Ok(Self::Named(hash));
        }
        let invalid = |why: String| {
            Failure::usage("authorities_invalid", format!("{text}: {why}")).hint(
                "give the hash of an authority set, or a file with \
                 {\"set_id\": …, \"authorities\": [{\"key\": …, \"weight\": …}]}",
            )
        };
        let bytes = read_bounded(Path::new(text), MAX_FILE_BYTES)?;
        let set: AuthoritySet =
            serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        set.electorate()
            .map_err(|error| invalid(error.to_string()))?;
        Ok(Self::Set(set))
    }

    /// The name of the set on this chain.
    pub fn hash(&self, genesis: GenesisHash) -> AuthoritySetHash {
        match self {
            Self::Named(hash) => *hash,
            Self::Set(set) => set.hash(genesis),
        }
    }
}

fn damaged(why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("the stored authority sets are damaged: {why}"),
    )
    .hint("restore the database from a backup")
}

/// The sets of this chain that are trusted here; none before the first contact.
///
/// # Errors
/// The database's refusal, or rows this program did not write.
pub async fn load(pool: &SqlitePool, genesis: GenesisHash) -> Result<Option<TrackedSets>> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT after_block, members FROM ves_authority_sets WHERE genesis_hash = ?1 \
         ORDER BY set_id",
    )
    .bind(genesis.0.as_slice())
    .fetch_all(pool)
    .await?;
    let mut eras = Vec::with_capacity(rows.len());
    for (after, members) in rows {
        eras.push(Era {
            set: AuthoritySet::decode_all(&mut members.as_slice()).map_err(damaged)?,
            after: u32::try_from(after).map_err(damaged)?,
        });
    }
    if eras.is_empty() {
        return Ok(None);
    }
    TrackedSets::resume(eras).map(Some).map_err(damaged)
}

/// Keeps what is not kept yet.
///
/// # Errors
/// The database's refusal.
pub async fn save(pool: &SqlitePool, genesis: GenesisHash, sets: &TrackedSets) -> Result<()> {
    let now = now_rfc3339();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for era in sets.eras() {
        sqlx::query(
            "INSERT INTO ves_authority_sets (genesis_hash, set_id, after_block, members, \
             trusted_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )
        .bind(genesis.0.as_slice())
        .bind(i64::try_from(era.set.set_id).map_err(damaged)?)
        .bind(i64::from(era.after))
        .bind(era.set.encode())
        .bind(&now)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// The trusted sets, brought up to date by the node. Without any, the chain's first set is taken from
/// the node, if it is the pinned one or none is pinned.
///
/// # Errors
/// `authorities_conflict` if the set is not the pinned one, `authorities_not_proven` if the node
/// cannot prove the present set from the trusted one, or the node's silence.
pub async fn track<C: Chain>(
    pool: Option<&SqlitePool>,
    chain: &C,
    pin: Option<&Pinned>,
    ui: &Ui,
) -> Result<TrackedSets> {
    let genesis = chain.genesis_hash();
    let known = match pool {
        Some(pool) => load(pool, genesis).await?,
        None => None,
    };
    let mut sets = match (known, pin) {
        (Some(sets), _) => sets,
        (None, Some(Pinned::Set(set))) => first(set.clone())?,
        (None, pin) => {
            let set = chain.first_authorities().await?;
            if pin.is_none() {
                ui.note(&format!(
                    "trusting the node's first authority set, {}",
                    set.hash(genesis)
                ));
            }
            first(set)?
        }
    };
    if let Some(pin) = pin {
        let (wanted, found) = (pin.hash(genesis), sets.first().set.hash(genesis));
        if wanted != found {
            return Err(Failure::new(
                Exit::NotVerified,
                "authorities_conflict",
                format!("pinned is authority set {wanted}, found {found}"),
            )
            .hint(
                "the node may be of another chain with the same genesis hash; ask its operator",
            ));
        }
    }
    follow(&mut sets, chain).await?;
    if let Some(pool) = pool {
        save(pool, genesis, &sets).await?;
    }
    Ok(sets)
}

/// Starts with a set that is trusted from the chain's beginning.
///
/// # Errors
/// `authorities_not_proven` if it is no set.
pub fn first(set: AuthoritySet) -> Result<TrackedSets> {
    TrackedSets::new(set, 0).map_err(|error| not_proven(&error))
}

/// Follows the changes that the node knows, and says how many there were.
///
/// # Errors
/// `authorities_not_proven`, or the node's silence.
pub async fn follow<C: Chain>(sets: &mut TrackedSets, chain: &C) -> Result<usize> {
    let mut followed = 0usize;
    loop {
        let changes = chain.set_changes(sets.latest().after).await?;
        if changes.is_empty() {
            return Ok(followed);
        }
        for change in &changes {
            sets.follow(change).map_err(|error| not_proven(&error))?;
            followed = followed.saturating_add(1);
        }
    }
}

fn not_proven(error: &FinalityError) -> Failure {
    Failure::new(
        Exit::NotVerified,
        "authorities_not_proven",
        format!("the node does not prove a change of the authority set: {error}"),
    )
    .hint("nothing was taken; ask another node")
}

/// The evidence for a bundle: what the node proves about the block, with the sets that a reader needs
/// who trusts the same first set. Nothing if the node has no proof.
///
/// # Errors
/// The node's silence.
pub async fn evidence<C: Chain>(
    chain: &C,
    sets: &TrackedSets,
    header: &Header,
    ui: &Ui,
) -> Result<Option<FinalityJson>> {
    let proof = match chain.finality(header.number).await {
        Ok(proof) => proof,
        Err(ChainError::Node(why)) => {
            ui.warn(&format!("no justification in the bundle: {why}"));
            None
        }
        Err(error) => return Err(error.into()),
    };
    let Some(proof) = proof else { return Ok(None) };
    // A proof that does not hold goes into the bundle as it is, where verification names it.
    let set_id = sets
        .prove(header, &proof)
        .map_or_else(|_| sets.first().set.set_id, |proven| proven.tally.set_id);
    let reach = u64::from(MAX_SET_CHANGES);
    let start = sets
        .eras()
        .iter()
        .find(|era| set_id.saturating_sub(era.set.set_id) <= reach)
        .unwrap_or_else(|| sets.latest());
    let needed = usize::try_from(set_id.saturating_sub(start.set.set_id)).unwrap_or(usize::MAX);
    let mut set_changes: Vec<FinalityProof> = Vec::new();
    let mut above = start.after;
    while set_changes.len() < needed {
        let more = chain.set_changes(above).await?;
        if more.is_empty() {
            break;
        }
        set_changes.extend(more);
        let reached = start.set.set_id.saturating_add(set_changes.len() as u64);
        let era = sets.eras().iter().find(|era| era.set.set_id == reached);
        match era {
            Some(era) => above = era.after,
            None => break,
        }
    }
    set_changes.truncate(needed);
    Ok(Some(FinalityJson {
        authorities: Some(start.set.clone()),
        set_changes,
        proof,
    }))
}

#[cfg(test)]
mod tests;
