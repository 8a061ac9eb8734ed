// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A decision about a conflict: planned as a preview, committed in one transaction.

use super::{Conflict, Field, Strategy, merge};
use crate::{
    capture::{self, Audience, Captured, Draft},
    entities::{self, Content, content_of, merge_patch},
    error::{Exit, Failure, Result},
    inbox::Stream,
    outbox::{self, Entry, State},
};
use serde_json::Value;
use sqlx::SqlitePool;
use ves_primitives::{EventId, Payload, wire::SequencedEventJson};

/// What becomes of one event.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The event.
    pub entry: Entry,
    /// Field by field.
    pub fields: Vec<Field>,
    /// The event to capture instead, public; who may read it is the caller's to say. [`commit`] takes no
    /// public one in place of an encrypted one.
    pub draft: Option<Draft>,
}

/// A planned decision.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// The rule.
    pub strategy: Strategy,
    /// Each event of the conflict, oldest first.
    pub events: Vec<Planned>,
}

impl Resolution {
    /// Fields that the strategy has no answer for.
    pub fn clashes(&self) -> Vec<String> {
        self.events
            .iter()
            .flat_map(|event| &event.fields)
            .filter(|field| field.clash)
            .map(|field| field.path.clone())
            .collect()
    }

    /// The failure that keeps it from being committed.
    pub fn failure(&self) -> Option<Failure> {
        let clashes = self.clashes();
        (!clashes.is_empty()).then(|| {
            Failure::new(
                Exit::Conflicts,
                "fields_clash",
                format!("both sides changed: {}", clashes.join(", ")),
            )
            .hint("look with --dry-run, then take --strategy remote-wins or local-wins")
        })
    }
}

/// Plans what a strategy would do. `read` gives the content of verified events, `clear` the payload of
/// an event of the outbox.
///
/// # Errors
/// `pull_first` if the newer version is not here, `state_incomplete` if a merge would need a payload
/// that cannot be read or an event that is in quarantine, or what `read` and `clear` say.
pub async fn plan(
    pool: &SqlitePool,
    stream: Stream,
    conflict: &Conflict,
    strategy: Strategy,
    read: &mut (dyn FnMut(&SequencedEventJson) -> Result<Content> + Send),
    clear: &mut (dyn FnMut(&Entry) -> Result<Value> + Send),
) -> Result<Resolution> {
    let replaces = !matches!(strategy, Strategy::RemoteWins | Strategy::Skip);
    if replaces && !conflict.pulled && !conflict.quarantined {
        return Err(Failure::new(
            Exit::Conflicts,
            "pull_first",
            format!(
                "the entity is at version {}, which is not pulled yet",
                conflict.remote_version
            ),
        )
        .hint("run `stateset-sync pull`, then try again"));
    }
    let (entity_type, entity_id) = conflict.entity();
    let name = (entity_type.as_str(), entity_id.as_str());
    let (base, since) =
        entities::at_version(pool, stream, name, conflict.base_version, read).await?;
    let mut remote = base.clone();
    for record in &since {
        let content = content_of(record, read)?;
        remote.apply(&record.event.event_type, record.sequence, content);
    }
    let merges = matches!(strategy, Strategy::Merge | Strategy::Reapply);
    if merges && conflict.incomplete {
        return Err(Failure::new(
            Exit::Key,
            "state_incomplete",
            "an event of the entity may be in quarantine, so its state is not known",
        )
        .hint(
            "run `stateset-sync doctor --promote`, or take --strategy remote-wins or local-wins",
        ));
    }
    if merges && remote.opaque > 0 {
        return Err(Failure::new(
            Exit::Key,
            "state_incomplete",
            format!(
                "{} event(s) of the entity cannot be read here, so its state is not known",
                remote.opaque
            ),
        )
        .hint("take --strategy remote-wins or local-wins"));
    }
    let (mut base, mut state) = (base.state, remote.state);
    let mut version = conflict.remote_version;
    let mut events = Vec::new();
    for entry in conflict.events() {
        // To give way, nobody has to read anything: the preview is then without the local side.
        let payload = match clear(entry) {
            Ok(payload) => payload,
            Err(_) if !replaces => Value::Null,
            Err(failure) => return Err(failure),
        };
        let outcome = merge(strategy, base.as_ref(), state.as_ref(), &payload);
        let draft = outcome
            .payload
            .as_ref()
            .map(|payload| draft(entry, payload, version));
        // What follows was made on top of this one.
        base = Some(merge_patch(base, payload));
        if let Some(payload) = outcome.payload {
            state = Some(merge_patch(state, payload));
            version = version.saturating_add(1);
        }
        events.push(Planned {
            entry: entry.clone(),
            fields: outcome.fields,
            draft,
        });
    }
    Ok(Resolution { strategy, events })
}

fn draft(entry: &Entry, payload: &Value, version: u64) -> Draft {
    let envelope = &entry.event.envelope;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Draft {
        tenant_id: envelope.tenant_id,
        store_id: envelope.store_id,
        agent_id: envelope.source_agent_id,
        event_id: None,
        entity_type: text(&envelope.entity_type),
        entity_id: text(&envelope.entity_id),
        event_type: text(&envelope.event_type),
        // The decision is made now, and the chain takes no event that waited for days.
        created_at: None,
        payload: payload.to_string(),
        command_id: envelope.command_id,
        base_version: Some(version),
        audience: Audience::Public,
    }
}

/// The event, if it is encrypted and what replaces it is not.
fn in_the_clear(planned: &Planned) -> Option<&Entry> {
    let draft = planned.draft.as_ref()?;
    let is_encrypted = matches!(planned.entry.event.payload, Payload::Encrypted(_));
    (is_encrypted && matches!(draft.audience, Audience::Public)).then_some(&planned.entry)
}

/// Commits a planned decision: the events give way, their replacements are captured, all or nothing.
///
/// # Errors
/// `fields_clash`, `replacement_in_the_clear` if an event is encrypted and its replacement is not,
/// `conflict_changed` if an event was pushed or decided about meanwhile, what capture
/// says, or the database's refusal.
pub async fn commit(pool: &SqlitePool, resolution: &Resolution) -> Result<Vec<Captured>> {
    if let Some(failure) = resolution.failure() {
        return Err(failure);
    }
    if let Some(entry) = resolution.events.iter().find_map(in_the_clear) {
        return Err(Failure::usage(
            "replacement_in_the_clear",
            format!(
                "event {} is encrypted, its replacement would be public",
                entry.event_id()
            ),
        )
        .hint("set the audience of the replacement to those who may read the event"));
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    // First all give way: a replacement takes over the command of its event.
    let end = match resolution.strategy {
        Strategy::Skip => State::Dead,
        _ => State::Superseded,
    };
    for planned in &resolution.events {
        let entry = &planned.entry;
        if !outbox::set_aside(&mut tx, entry.local_seq, entry.state, end).await? {
            return Err(Failure::new(
                Exit::Conflicts,
                "conflict_changed",
                format!(
                    "event {} was pushed or decided about meanwhile",
                    entry.event_id()
                ),
            )
            .hint("look at `stateset-sync conflicts` again"));
        }
    }
    let mut captured = Vec::new();
    for planned in &resolution.events {
        let replacement: Option<EventId> = match &planned.draft {
            None => None,
            Some(draft) => {
                let event = capture::append(&mut tx, draft).await?;
                let id = event.event_id;
                captured.push(event);
                Some(id)
            }
        };
        sqlx::query(
            "INSERT OR REPLACE INTO ves_resolutions (local_seq, strategy, replacement_id, \
             resolved_at) VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(planned.entry.local_seq)
        .bind(resolution.strategy.name())
        .bind(replacement.map(|id| id.0.to_vec()))
        .bind(capture::now_rfc3339())
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(captured)
}
