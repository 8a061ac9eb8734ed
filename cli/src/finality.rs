// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which authority sets this machine trusts to finalize blocks.
//!
//! The first set of a chain is pinned by the user or trusted on first sight. Every later one is
//! vouched for by the one before, so that no node's word counts after that. A set to which the chain
//! was forced is vouched for by the user alone ([`accept`]).

use crate::{
    capture::now_rfc3339,
    chain::{Chain, ChainError},
    db,
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
    AuthoritySet, AuthoritySetHash, FinalityProof, GenesisHash, wire::FinalityJson,
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
    let rows: Vec<(i64, Vec<u8>, bool)> = sqlx::query_as(
        "SELECT after_block, members, accepted_at IS NOT NULL FROM ves_authority_sets \
         LEFT JOIN ves_accepted_sets USING (genesis_hash, set_id) \
         WHERE genesis_hash = ?1 ORDER BY set_id",
    )
    .bind(genesis.0.as_slice())
    .fetch_all(pool)
    .await?;
    let mut eras = Vec::with_capacity(rows.len());
    for (after, members, forced) in rows {
        eras.push(Era {
            set: AuthoritySet::decode_all(&mut members.as_slice()).map_err(damaged)?,
            after: u32::try_from(after).map_err(damaged)?,
            forced,
        });
    }
    if eras.is_empty() {
        return Ok(None);
    }
    TrackedSets::resume(eras).map(Some).map_err(damaged)
}

/// Keeps what is not kept yet, unless the database was opened to change nothing.
///
/// # Errors
/// The database's refusal.
pub async fn save(pool: &SqlitePool, genesis: GenesisHash, sets: &TrackedSets) -> Result<()> {
    if db::is_read_only(pool).await? {
        return Ok(());
    }
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
        if era.forced {
            sqlx::query(
                "INSERT INTO ves_accepted_sets (genesis_hash, set_id, accepted_at) \
                 VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )
            .bind(genesis.0.as_slice())
            .bind(i64::try_from(era.set.set_id).map_err(damaged)?)
            .bind(&now)
            .execute(&mut *tx)
            .await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Code of the failure that lasts until the user accepts the set to which the chain was forced.
pub const FORCED: &str = "authorities_forced";

/// A set to which the chain was forced: no set vouches for it.
#[derive(Debug)]
pub struct Forced {
    /// The set, and where it begins.
    pub era: Era,
    /// The header that says so.
    pub header: Header,
}

impl Forced {
    fn failure(&self, genesis: GenesisHash) -> Failure {
        let hash = self.era.set.hash(genesis);
        Failure::new(
            Exit::NotVerified,
            FORCED,
            format!(
                "block {} forces the chain to authority set {}, {hash}, which no trusted set vouches for",
                self.header.number, self.era.set.set_id
            ),
        )
        .hint(format!(
            "ask operators whom you trust; if it is theirs: stateset-sync authorities accept {hash}"
        ))
    }
}

/// How far the changes that a node knows lead.
#[derive(Debug)]
pub struct Followed {
    /// How many were followed.
    pub count: usize,
    /// The set at which they stop, if the chain was forced to it.
    pub forced: Option<Forced>,
}

impl Followed {
    /// How many were followed, for whom a part is not enough.
    ///
    /// # Errors
    /// [`FORCED`] if a set waits to be accepted.
    fn all(self, genesis: GenesisHash) -> Result<usize> {
        match self.forced {
            None => Ok(self.count),
            Some(forced) => Err(forced.failure(genesis)),
        }
    }
}

/// The trusted sets, brought up to date by the node as far as signatures lead. Without any, the
/// chain's first set is taken from the node, if it is the pinned one or none is pinned.
///
/// # Errors
/// `authorities_conflict` if the set is not the pinned one, `authorities_not_proven` if the node
/// cannot prove the present set from the trusted one, or the node's silence.
pub async fn ask<C: Chain>(
    pool: Option<&SqlitePool>,
    chain: &C,
    pin: Option<&Pinned>,
    ui: &Ui,
) -> Result<(TrackedSets, Followed)> {
    let mut sets = start(pool, chain, pin, ui).await?;
    let followed = advance(&mut sets, chain).await?;
    if let Some(pool) = pool {
        save(pool, chain.genesis_hash(), &sets).await?;
    }
    Ok((sets, followed))
}

/// As [`ask`], for whom a part is not enough.
///
/// # Errors
/// As there, and [`FORCED`].
pub async fn track<C: Chain>(
    pool: Option<&SqlitePool>,
    chain: &C,
    pin: Option<&Pinned>,
    ui: &Ui,
) -> Result<TrackedSets> {
    let (sets, followed) = ask(pool, chain, pin, ui).await?;
    followed.all(chain.genesis_hash())?;
    Ok(sets)
}

/// Takes the set with this hash, to which the chain was forced, on the user's word, and what follows
/// from it. Where it begins its own members have to prove.
///
/// # Errors
/// `authorities_conflict` if the chain was forced to another set, `authorities_unknown` if the node
/// knows no such set, `authorities_not_final` if the set has finalized nothing yet,
/// `authorities_not_proven` if it does not vouch for its own beginning, or the node's silence.
pub async fn accept<C: Chain>(
    pool: Option<&SqlitePool>,
    chain: &C,
    known: (TrackedSets, Followed),
    wanted: AuthoritySetHash,
) -> Result<(TrackedSets, Followed)> {
    let genesis = chain.genesis_hash();
    let (mut sets, followed) = known;
    let is_wanted = |era: &Era| era.set.hash(genesis) == wanted;
    if sets.eras().iter().any(|era| era.forced && is_wanted(era)) {
        return Ok((sets, followed));
    }
    let Some(forced) = followed.forced else {
        return Err(Failure::new(
            Exit::NotVerified,
            "authorities_unknown",
            format!("the node knows of no set {wanted} to which the chain was forced"),
        )
        .hint("`stateset-sync authorities list` shows whether one waits; ask another node"));
    };
    if !is_wanted(&forced.era) {
        let found = forced.era.set.hash(genesis);
        return Err(Failure::new(
            Exit::NotVerified,
            "authorities_conflict",
            format!(
                "the node says that the chain was forced to authority set {found}, not {wanted}"
            ),
        )
        .hint("nothing was taken; ask another node, and the operators again"));
    }
    let Some(proof) = chain.finality(forced.header.number).await? else {
        return Err(Failure::new(
            Exit::NotVerified,
            "authorities_not_final",
            "the set has not finalized the block that announces it",
        )
        .hint("try again later"));
    };
    sets.accept_proven(forced.era, &forced.header, &proof)
        .map_err(|error| not_proven(&error))?;
    let followed = advance(&mut sets, chain).await?;
    if let Some(pool) = pool {
        save(pool, genesis, &sets).await?;
    }
    Ok((sets, followed))
}

/// The sets that are trusted already, or the chain's first one.
async fn start<C: Chain>(
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
    let sets = match (known, pin) {
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
/// `authorities_not_proven`, [`FORCED`], or the node's silence.
pub async fn follow<C: Chain>(sets: &mut TrackedSets, chain: &C) -> Result<usize> {
    advance(sets, chain).await?.all(chain.genesis_hash())
}

async fn advance<C: Chain>(sets: &mut TrackedSets, chain: &C) -> Result<Followed> {
    let mut count = 0usize;
    loop {
        let changes = chain.set_changes(sets.latest().after).await?;
        if changes.is_empty() {
            let forced = None;
            return Ok(Followed { count, forced });
        }
        for change in &changes {
            let forced = sets.forced_by(change).map_err(|error| not_proven(&error))?;
            if let (Some(era), Some(header)) = (forced, change.headers.first()) {
                let header = Header::decode(header).map_err(|error| not_proven(&error.into()))?;
                let forced = Some(Forced { era, header });
                return Ok(Followed { count, forced });
            }
            sets.follow(change).map_err(|error| not_proven(&error))?;
            count = count.saturating_add(1);
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
    let start = sets.start_of_evidence(set_id);
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
