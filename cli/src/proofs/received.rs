// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs that the chain has of pulled events: verified here, with the verdicts kept.
//!
//! A proof comes after its event, so each pull asks again for the newest encrypted events, a page a
//! question. A proof that does not verify is set aside with the reason and looked at again by the
//! next pull; its event is untouched.

use super::{
    checks::{self, Finding, Flaw, Judge, PayloadVerdict},
    clear::Opener,
    making::Sequenced,
    policy,
};
use crate::{
    capture::now_rfc3339,
    chain::{BlockRef, proofs::ProofChain},
    db,
    error::{Exit, Failure, Result},
    inbox::{self, Stream},
    output::Ui,
    reading::NOT_ALLOWED,
    verify::record_event,
};
use codec::{DecodeAll, Encode};
use serde_json::{Value, json};
use sqlx::{FromRow, SqlitePool};
use std::collections::HashMap;
use ves_primitives::{
    EventId, PolicyHash, limits, proof::ProofRecord, stream_id, wire::SequencedEventJson,
};

/// Encrypted events, newest first, whose proofs each pull asks for again.
pub const WATCHED: u32 = 4_000;

/// A proof and what this machine found out about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What the chain says.
    pub record: ProofRecord,
    /// What is wrong with the proof, by name, and what exactly.
    pub problem: Option<(String, String)>,
    /// Whether it is about the payload's amount.
    pub payload: PayloadVerdict,
}

impl Received {
    /// Whether nothing speaks against it.
    pub const fn holds(&self) -> bool {
        self.problem.is_none()
    }

    /// For `--json`.
    pub fn json(&self) -> Value {
        let record = &self.record;
        let mut json = policy::json(&record.policy, record.currency);
        json["event_id"] = json!(record.event_id);
        json["commitment"] = json!(record.commitment);
        json["proof_hash"] = json!(record.proof_hash);
        json["bytes"] = json!(record.bytes);
        json["block"] = json!(record.block);
        json["proof"] = match &self.problem {
            None => json!("valid"),
            Some((name, detail)) => json!({ "invalid": name, "detail": detail }),
        };
        json["payload"] = json!(self.payload);
        if let Some(step) = &record.budget {
            json["budget"] = json!({
                "previous_commitment": step.previous,
                "new_commitment": step.new,
            });
        }
        json
    }

    /// For people.
    pub fn line(&self) -> String {
        let record = &self.record;
        let step = if record.budget.is_some() {
            "step of "
        } else {
            ""
        };
        let proof = match &self.problem {
            None => "holds".to_owned(),
            Some((name, detail)) => format!("FAILS: {name}, {detail}"),
        };
        let payload = match self.payload {
            PayloadVerdict::Matches => "matches",
            PayloadVerdict::Differs => "DIFFERS",
            PayloadVerdict::NoAmount => "has no amount at this path",
            PayloadVerdict::Unreadable => "not readable here",
            PayloadVerdict::Unchecked => "not looked at",
        };
        format!(
            "{step}{}  proof {proof}, payload {payload}",
            policy::describe(&record.policy, record.currency)
        )
    }
}

/// What a pull found out about proofs.
#[derive(Clone, Debug, Default)]
pub struct ProofsPulled {
    /// Proofs that verified, and were not known before.
    pub verified: Vec<Received>,
    /// Proofs that did not, and were not known to be bad before.
    pub quarantined: Vec<Received>,
    /// Proofs whose block the node no longer has.
    pub unavailable: usize,
    /// Why it stopped before all were looked at.
    pub stopped: Option<Failure>,
}

impl ProofsPulled {
    /// The failure to exit with: what stopped it, else proofs that do not hold.
    pub fn failure(&self) -> Option<Failure> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.clone());
        }
        let first = self.quarantined.first()?;
        let reason = first.problem.as_ref().map_or("", |(name, _)| name);
        Some(
            Failure::new(
                Exit::NotVerified,
                "proofs_quarantined",
                format!(
                    "{} proof(s) did not verify and were quarantined; the first is of event {}: \
                     {reason}",
                    self.quarantined.len(),
                    first.record.event_id,
                ),
            )
            .hint("the events are stored; do not rely on these proofs, and ask the authors"),
        )
    }
}

/// How to look at the payloads.
pub struct Reading<'a, 'b> {
    /// The keys to open them with; `None` leaves them alone.
    pub opener: Option<&'a mut Opener<'b>>,
    /// Where the amount stands.
    pub amount_field: &'a str,
}

impl Reading<'_, '_> {
    /// Whether the record is about the payload's amount.
    ///
    /// # Errors
    /// A locked key.
    pub fn compare(&mut self, subject: &Sequenced, record: &ProofRecord) -> Result<PayloadVerdict> {
        let Some(opener) = &mut self.opener else {
            return Ok(PayloadVerdict::Unchecked);
        };
        match opener.clear(&subject.event) {
            Ok(clear) => checks::payload(
                &clear,
                &record.commitment,
                record.currency,
                self.amount_field,
            ),
            Err(failure) if matches!(failure.code, "not_a_recipient" | "payload_public") => {
                Ok(PayloadVerdict::Unreadable)
            }
            Err(failure) if failure.code == NOT_ALLOWED => Ok(PayloadVerdict::Unchecked),
            Err(failure) if failure.exit == Exit::NotVerified => Ok(PayloadVerdict::Unreadable),
            Err(failure) => Err(failure),
        }
    }
}

/// Verifies one proof about an event. `None` if the node no longer has its block.
///
/// # Errors
/// The node's silence, a locked key, or the database's refusal.
pub async fn look_at<C: ProofChain>(
    judge: &mut Judge<'_, C>,
    reading: &mut Reading<'_, '_>,
    subject: &Sequenced,
    record: &ProofRecord,
) -> Result<Option<Received>> {
    let Some(verdict) = judge.event(subject, record).await? else {
        return Ok(None);
    };
    let payload = reading.compare(subject, record)?;
    let verdict = verdict.and_then(|()| match payload {
        PayloadVerdict::Differs => Err(Finding {
            flaw: Flaw::AmountMismatch,
            detail: "the committed amount is not the payload's".into(),
        }),
        _ => Ok(()),
    });
    Ok(Some(Received {
        record: record.clone(),
        problem: verdict
            .err()
            .map(|finding| (finding.flaw.name().to_owned(), finding.detail)),
        payload,
    }))
}

/// Verifies the proofs of the `fresh` newest events of a stream and of the watched ones. What was
/// found out before something went wrong is kept.
pub async fn pull<C: ProofChain>(
    pool: &SqlitePool,
    chain: &C,
    stream: Stream,
    fresh: usize,
    reading: &mut Reading<'_, '_>,
    ui: &Ui,
) -> ProofsPulled {
    let mut report = ProofsPulled::default();
    let outcome = pull_into(pool, chain, stream, fresh, reading, ui, &mut report).await;
    report.stopped = outcome.err();
    ui.progress_done();
    report
}

async fn pull_into<C: ProofChain>(
    pool: &SqlitePool,
    chain: &C,
    stream: Stream,
    fresh: usize,
    reading: &mut Reading<'_, '_>,
    ui: &Ui,
    report: &mut ProofsPulled,
) -> Result<()> {
    let finalized = chain.finalized().await?;
    let fresh = u32::try_from(fresh).unwrap_or(u32::MAX);
    let events = inbox::encrypted(pool, stream, fresh.max(WATCHED)).await?;
    let known = known(pool, stream).await?;
    let mut judge = Judge::new(pool, chain, finalized);
    for page in events.chunks(limits::MAX_LISTED_PROOF_EVENTS as usize) {
        page_of(
            pool, stream, page, &known, &mut judge, reading, finalized, chain, report,
        )
        .await?;
        ui.progress(&format!(
            "{} proofs verified, {} quarantined",
            report.verified.len(),
            report.quarantined.len()
        ));
    }
    Ok(())
}

type Known = HashMap<(EventId, PolicyHash, [u8; 32]), Received>;

#[expect(clippy::too_many_arguments, reason = "one step of a loop")]
async fn page_of<C: ProofChain>(
    pool: &SqlitePool,
    stream: Stream,
    page: &[EventId],
    known: &Known,
    judge: &mut Judge<'_, C>,
    reading: &mut Reading<'_, '_>,
    finalized: BlockRef,
    chain: &C,
    report: &mut ProofsPulled,
) -> Result<()> {
    let id = stream_id(stream.tenant, stream.store);
    let records = chain.proofs_of_events(id, page, finalized).await?;
    let mut subject: Option<Sequenced> = None;
    for record in records
        .iter()
        .filter(|record| page.contains(&record.event_id))
    {
        let key = (record.event_id, record.policy.hash(), record.commitment.0);
        let before = known.get(&key).filter(|known| known.record == *record);
        let settled = |known: &Received| {
            known.holds()
                && (known.payload != PayloadVerdict::Unchecked || reading.opener.is_none())
        };
        if before.is_some_and(settled) {
            continue;
        }
        if subject
            .as_ref()
            .is_none_or(|subject| subject.event.envelope.event_id != record.event_id)
        {
            subject = inbox::find_in(pool, stream, record.event_id)
                .await?
                .map(|event| sequenced(&event))
                .transpose()?;
        }
        let Some(subject) = &subject else { continue };
        let Some(received) = look_at(judge, reading, subject, record).await? else {
            report.unavailable = report.unavailable.saturating_add(1);
            continue;
        };
        store(pool, stream, &received).await?;
        if before == Some(&received) {
            continue;
        }
        if received.holds() {
            report.verified.push(received);
        } else {
            report.quarantined.push(received);
        }
    }
    Ok(())
}

/// A pulled event at its place.
///
/// # Errors
/// A record that is no event, which pull does not store.
pub fn sequenced(record: &SequencedEventJson) -> Result<Sequenced> {
    Ok(Sequenced {
        event: record_event(record)?,
        signing_hash: record.event_signing_hash,
        sequence: record.sequence,
    })
}

#[derive(FromRow)]
struct RawRow {
    record: Vec<u8>,
    problem: Option<String>,
    detail: Option<String>,
    payload: String,
}

fn damaged(column: &str) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("a kept verdict about a proof is damaged: {column}"),
    )
    .hint("restore the database from a backup")
}

impl TryFrom<RawRow> for Received {
    type Error = Failure;

    fn try_from(row: RawRow) -> Result<Self> {
        let payload = PayloadVerdict::ALL
            .into_iter()
            .find(|verdict| verdict.name() == row.payload)
            .ok_or_else(|| damaged("payload"))?;
        Ok(Self {
            record: ProofRecord::decode_all(&mut row.record.as_slice())
                .map_err(|_| damaged("record"))?,
            problem: row.problem.zip(row.detail),
            payload,
        })
    }
}

async fn known(pool: &SqlitePool, stream: Stream) -> Result<Known> {
    let all = select(pool, stream, "").await?;
    Ok(all
        .into_iter()
        .map(|received| {
            let record = &received.record;
            let key = (record.event_id, record.policy.hash(), record.commitment.0);
            (key, received)
        })
        .collect())
}

async fn select(pool: &SqlitePool, stream: Stream, rest: &str) -> Result<Vec<Received>> {
    let sql = format!(
        "SELECT record, problem, detail, payload FROM ves_proofs \
         WHERE tenant_id = ?1 AND store_id = ?2 {rest}"
    );
    let rows: Vec<RawRow> = sqlx::query_as(&sql)
        .bind(stream.tenant.0.as_slice())
        .bind(stream.store.0.as_slice())
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(Received::try_from).collect()
}

/// Keeps what was found out about a proof; a newer finding replaces an older one. A database that was
/// opened to change nothing stays as it is.
///
/// # Errors
/// The database's refusal.
pub async fn store(pool: &SqlitePool, stream: Stream, received: &Received) -> Result<()> {
    if db::is_read_only(pool).await? {
        return Ok(());
    }
    let record = &received.record;
    let (problem, detail) = received.problem.clone().unzip();
    sqlx::query(
        "INSERT INTO ves_proofs (tenant_id, store_id, event_id, policy_hash, commitment, record, \
         problem, detail, payload, checked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT (tenant_id, store_id, event_id, policy_hash, commitment) DO UPDATE SET \
         record = excluded.record, problem = excluded.problem, detail = excluded.detail, \
         payload = excluded.payload, checked_at = excluded.checked_at",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(record.event_id.0.as_slice())
    .bind(record.policy.hash().0.as_slice())
    .bind(record.commitment.0.as_slice())
    .bind(record.encode())
    .bind(problem)
    .bind(detail)
    .bind(received.payload.name())
    .bind(now_rfc3339())
    .execute(pool)
    .await?;
    Ok(())
}

/// Verified and quarantined proofs of a stream.
///
/// # Errors
/// The database's refusal.
pub async fn counts(pool: &SqlitePool, stream: Stream) -> Result<(i64, i64)> {
    Ok(sqlx::query_as(
        "SELECT count(*) - count(problem), count(problem) FROM ves_proofs \
         WHERE tenant_id = ?1 AND store_id = ?2",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .fetch_one(pool)
    .await?)
}

/// The proofs looked at last, those in quarantine first.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn latest(pool: &SqlitePool, stream: Stream, limit: u32) -> Result<Vec<Received>> {
    let rest = format!("ORDER BY problem IS NULL, rowid DESC LIMIT {limit}");
    select(pool, stream, &rest).await
}

#[cfg(test)]
mod tests;
