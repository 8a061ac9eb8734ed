// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Ingest: a request's events become one submission; the answer tells of each event what became of
//! it (VES v1 §3.2, §3.3).
//!
//! The gateway decides nothing that the chain decides. It refuses early what the events' own bytes
//! condemn, asks the chain what it would do with the rest, submits what it would take, and reads
//! from the chain what it did. Nothing is kept here: whoever got no answer sends the same bytes again.

mod reading;
mod settling;

use crate::{
    App,
    config::WaitFor,
    error::{Answer, ApiError},
    extract::{Access, Body, Query, Stream},
    keys::Permission,
    openapi,
    wire::{IngestAnswer, IngestRequest, IngestRequestDoc, PendingEvent, Receipt, RejectionOut},
};
use axum::{Json, extract::State, http::StatusCode};
use codec::Encode;
use rand::{RngCore, rngs::OsRng};
use reading::{Fate, Item};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use ves_client::{BlockHash, ChainClient, ClientError};
use ves_primitives::{
    EventId, StreamId, SubmittedEvent,
    sequencer::{Admission, Rejection, SequencerLimits},
};

/// How often a submission that the pool refused is judged anew.
const ATTEMPTS: u32 = 4;
/// Blocks after which a submission that is in none is handed to the pool again.
const RESEND_AFTER_BLOCKS: u32 = 8;
/// Room for the parts of an extrinsic around its events, bytes.
const EXTRINSIC_OVERHEAD: usize = 1_024;

/// Takes signed events. 200 when the fate of every event is known, 202 when some are pending.
#[utoipa::path(post, path = "/api/v1/ves/events/ingest", tag = "events",
    params(("wait" = Option<String>, Query, description = "finalized, in_block or none; the gateway's setting by default")),
    request_body = IngestRequestDoc,
    responses((status = 200, description = "What became of each event", body = IngestAnswer),
        (status = 202, description = "As 200, but some events are pending: send them again", body = IngestAnswer),
        (status = "default", description = "An error; no event was submitted, unless it is 5xx", body = openapi::ErrorBody)))]
pub async fn ingest(
    State(app): State<Arc<App>>,
    access: Access,
    query: Query,
    Body(request): Body<IngestRequest>,
) -> Answer<(StatusCode, Json<IngestAnswer>)> {
    let wait = query.find("wait")?.unwrap_or(app.settings.wait);
    let limits = app.node.limits()?;
    let most = usize::try_from(limits.events_per_submission).unwrap_or(usize::MAX);
    if request.events.len() > most {
        return Err(ApiError::batch_too_large(format!(
            "at most {most} events per request"
        )));
    }
    let (stream, mut items) = reading::read(&request)?;
    access.stream(Permission::Write, stream)?;
    access.agent(request.agent_id)?;
    let work = Work {
        app: &app,
        chain: app.node.chain()?,
        stream: stream.id(),
        of: stream,
        wait,
        until: Instant::now() + app.settings.wait_time,
        limits,
    };
    let at = work.carry(&mut items).await?;
    let head = work.chain.tip(work.stream, at).await?.sequence;
    let answer = report(&items, head);
    count(&app, &items);
    let status = if answer.pending.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(answer)))
}

/// What one request is about.
struct Work<'a> {
    app: &'a App,
    chain: ChainClient,
    stream: StreamId,
    of: Stream,
    wait: WaitFor,
    until: Instant,
    limits: SequencerLimits,
}

impl Work<'_> {
    /// Brings the events to the chain and learns what became of them; answers the block that was
    /// asked last, none for the best one.
    async fn carry(&self, items: &mut [Item]) -> Answer<Option<BlockHash>> {
        let room = usize::try_from(self.limits.submission_bytes).unwrap_or(usize::MAX);
        let bytes = open_events(items).encoded_size();
        if bytes.saturating_add(EXTRINSIC_OVERHEAD) > room {
            return Err(ApiError::batch_too_large(format!(
                "the events of one request may have {room} bytes together; send fewer at a time"
            )));
        }
        self.preflight(items).await?;
        let mut at = None;
        if items.iter().any(|item| matches!(item.fate, Fate::Open(_))) {
            self.submit(items).await?;
            if self.wait != WaitFor::None {
                at = self.included(items).await?;
            }
        }
        // Replays alone, as the request was, or became because a block was faster: wait until what they
        // replay is final, which it mostly is.
        if self.wait == WaitFor::Finalized && first_open(items).is_none() {
            at = self.replays_final(items).await?;
        }
        let finalized = self.app.node.heads()?.finalized;
        settling::settle(self, items, at, finalized).await?;
        Ok(at)
    }

    /// Asks the chain what it would do with the events that are still open.
    async fn preflight(&self, items: &mut [Item]) -> Answer<()> {
        let open = open_events(items);
        if open.is_empty() {
            return Ok(());
        }
        let verdicts = self.chain.can_submit(&open, None).await?;
        if verdicts.len() != open.len() {
            return Err(ApiError::node("the node judged another number of events"));
        }
        let mut verdicts = verdicts.into_iter();
        for item in items.iter_mut() {
            let Fate::Open(event) = &item.fate else {
                continue;
            };
            let next = match verdicts.next() {
                Some(Admission::Rejected(reason)) => settling::refused(self, event, reason).await?,
                Some(Admission::AlreadySequenced { .. }) => Some(Fate::Replay(event.clone())),
                _ => None,
            };
            if let Some(fate) = next {
                item.fate = fate;
            }
        }
        Ok(())
    }

    /// Hands the open events to the pool. One that the pool condemns is judged anew, and the others
    /// go without it.
    async fn submit(&self, items: &mut [Item]) -> Answer<()> {
        for _ in 0..ATTEMPTS {
            let open = open_events(items);
            if open.is_empty() {
                return Ok(());
            }
            match self.chain.submit_events(&open).await {
                Ok(_) => return Ok(()),
                // Something happened since the chain was asked.
                Err(ClientError::PoolRejected { .. } | ClientError::Stale) => {
                    self.preflight(items).await?;
                }
                // The same bytes wait in the pool, or were in a block: the pool says so once and then bans
                // them for half an hour. What was in a block the chain knows; the others are waited for.
                Err(ClientError::TemporarilyBanned) => return self.preflight(items).await,
                Err(ClientError::Invalid { .. }) => {
                    return Err(ApiError::batch_too_large(
                        "the events are more than one submission carries; send fewer at a time",
                    ));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApiError::unavailable(
            "the chain's state changes faster than the events can be handed over",
        ))
    }

    /// Waits until the submission is in a block of the kind that is waited for. Answers the block to
    /// ask about it, none for the best one or if time ran out.
    async fn included(&self, items: &mut [Item]) -> Answer<Option<BlockHash>> {
        let mut heads = self.app.node.watch();
        let mut sent_at = self.app.node.heads()?.best;
        loop {
            let Some(first) = first_open(items) else {
                return Ok(None);
            };
            let now = self.app.node.heads()?;
            let at = (self.wait == WaitFor::Finalized).then_some(now.finalized_hash);
            if self
                .chain
                .event_status(self.stream, first, at)
                .await?
                .is_some()
            {
                return Ok(at);
            }
            if now.best.saturating_sub(sent_at) >= RESEND_AFTER_BLOCKS
                && self
                    .chain
                    .event_status(self.stream, first, None)
                    .await?
                    .is_none()
            {
                // It left the pool, or the pool lost it.
                self.preflight(items).await?;
                self.submit(items).await?;
                sent_at = now.best;
            }
            if !self.next_head(&mut heads).await {
                return Ok(None);
            }
        }
    }

    /// Waits until every replayed event is final. Answers as [`Work::included`].
    async fn replays_final(&self, items: &[Item]) -> Answer<Option<BlockHash>> {
        let mut heads = self.app.node.watch();
        let replay = |item: &Item| matches!(item.fate, Fate::Replay(_)).then_some(item.id);
        let Some(last) = items.iter().rev().find_map(replay) else {
            return Ok(None);
        };
        loop {
            let at = self.app.node.heads()?.finalized_hash;
            if self
                .chain
                .event_status(self.stream, last, Some(at))
                .await?
                .is_some()
            {
                return Ok(Some(at));
            }
            if !self.next_head(&mut heads).await {
                return Ok(None);
            }
        }
    }

    /// Whether there was news of the node before the time was up.
    async fn next_head<T>(&self, heads: &mut tokio::sync::watch::Receiver<T>) -> bool {
        let limit = self.until.saturating_duration_since(Instant::now());
        limit > Duration::ZERO && tokio::time::timeout(limit, heads.changed()).await.is_ok()
    }
}

fn open_events(items: &[Item]) -> Vec<SubmittedEvent> {
    items
        .iter()
        .filter_map(|item| match &item.fate {
            Fate::Open(event) => Some((**event).clone()),
            _ => None,
        })
        .collect()
}

fn first_open(items: &[Item]) -> Option<EventId> {
    items
        .iter()
        .find(|item| matches!(item.fate, Fate::Open(_)))
        .map(|item| item.id)
}

/// A rejection in the words of the peer.
pub(crate) fn rejection(
    event_id: EventId,
    reason: &str,
    message: impl Into<String>,
) -> RejectionOut {
    RejectionOut {
        event_id,
        reason: reason.into(),
        message: message.into(),
    }
}

/// What a reason of the chain means, for people.
fn explained(reason: Rejection) -> String {
    let text = match reason {
        Rejection::DuplicateEventId => "another event of this stream has this id",
        Rejection::DuplicateCommandId => "another event fulfilled this command",
        Rejection::InvalidPayloadHash => "the payload does not match payload_plain_hash",
        Rejection::InvalidCipherHash => "the bundle does not match payload_cipher_hash",
        Rejection::InvalidSignature => "the signature does not verify with the named key",
        Rejection::VersionConflict { .. } => "the entity has moved on: rebase and sign again",
        Rejection::CreatedAtTooOld => "created_at is more than three days ago",
        Rejection::CreatedAtInFuture => "created_at is more than five minutes ahead",
        Rejection::TenantQuotaExhausted | Rejection::AgentQuotaExhausted => {
            "the quota of this minute is used up; try again"
        }
        Rejection::Author(_) => "the registry does not let this author write",
        Rejection::Policy(_) => "the policy of the signing key does not allow it",
        _ => return reason.to_string(),
    };
    text.into()
}

fn report(items: &[Item], head: u64) -> IngestAnswer {
    let mut receipts: Vec<Receipt> = Vec::new();
    let mut rejections = Vec::new();
    let mut pending = Vec::new();
    let mut accepted: Vec<u64> = Vec::new();
    for item in items {
        match &item.fate {
            Fate::Sequenced(receipt, new) => {
                if *new {
                    accepted.push(receipt.sequence_number);
                }
                receipts.push(receipt.clone());
            }
            Fate::Rejected(rejection) => rejections.push(rejection.clone()),
            Fate::Open(_) | Fate::Replay(_) => pending.push(PendingEvent { event_id: item.id }),
        }
    }
    let mut id = [0u8; 16];
    OsRng.fill_bytes(&mut id);
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    IngestAnswer {
        batch_id: EventId(id).to_string(),
        events_accepted: number(accepted.len()),
        events_rejected: number(rejections.len()),
        events_pending: number(pending.len()),
        sequence_start: accepted.iter().min().copied(),
        sequence_end: accepted.iter().max().copied(),
        head_sequence: head,
        finalized: receipts.iter().all(|receipt| receipt.finalized),
        rejections,
        receipts,
        pending,
    }
}

/// Labels of few values: everything after a reason's first word is left out.
fn count(app: &App, items: &[Item]) {
    for item in items {
        let outcome = match &item.fate {
            Fate::Sequenced(_, true) => "accepted",
            Fate::Sequenced(_, false) => "replayed",
            Fate::Open(_) | Fate::Replay(_) => "pending",
            Fate::Rejected(rejection) => rejection.reason.split(':').next().unwrap_or_default(),
        };
        app.metrics.events.with_label_values(&[outcome]).inc();
    }
}
