// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events and heads, of finalized blocks only.

use crate::{
    App,
    error::Answer,
    extract::{Access, Query},
    keys::Permission,
    openapi,
    wire::{EventsPage, Head, SequencedEvent, time_text},
};
use axum::{Json, extract::State};
use std::sync::Arc;
use ves_primitives::{limits::MAX_SEQUENCE, wire::SequencedEventJson};

/// Events of a page unless asked otherwise, and at most: the peer's.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;

impl From<SequencedEventJson> for SequencedEvent {
    fn from(found: SequencedEventJson) -> Self {
        Self {
            sequence_number: found.sequence,
            sequenced_at: time_text(found.block_time_ms),
            event_signing_hash: hex::encode(found.event_signing_hash),
            leaf_hash: hex::encode(found.leaf_hash),
            receipt_hash: hex::encode(found.receipt_hash),
            block_number: found.block_number,
            block_hash: hex::encode(found.block_hash),
            event: found.event,
        }
    }
}

/// A page of a stream from sequence `from` on, as far as it is final.
#[utoipa::path(get, path = "/api/v1/ves/events", tag = "events",
    params(("tenant_id" = String, Query, format = "uuid"), ("store_id" = String, Query, format = "uuid"),
        ("from" = Option<u64>, Query, description = "First sequence, 1 by default; 0 reads as 1"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "100 by default; a page also ends at 4 MiB")),
    responses((status = 200, description = "A page", body = EventsPage),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn events(
    State(app): State<Arc<App>>,
    access: Access,
    query: Query,
) -> Answer<Json<EventsPage>> {
    let stream = query.stream()?;
    access.stream(Permission::Read, stream)?;
    let from = query
        .find::<u64>("from")?
        .unwrap_or(1)
        .clamp(1, MAX_SEQUENCE);
    let limit = query.limit(PAGE, PAGE_MAX)?;
    let page = app
        .node
        .chain()?
        .store_events(stream.tenant, stream.store, from, Some(limit))
        .await?;
    let events: Vec<SequencedEvent> = page.events.into_iter().map(Into::into).collect();
    Ok(Json(EventsPage {
        count: u32::try_from(events.len()).unwrap_or(u32::MAX),
        head_sequence: page.head_sequence,
        next_sequence: events
            .last()
            .map_or(from, |event| event.sequence_number.saturating_add(1)),
        has_more: page.next_sequence.is_some(),
        events,
    }))
}

/// The same as `/api/v1/ves/events`, where the peer has the unsigned events of its older pipeline
/// and its own client pulls from.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(("tenant_id" = String, Query, format = "uuid"), ("store_id" = String, Query, format = "uuid"),
        ("from" = Option<u64>, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000)),
    responses((status = 200, description = "A page", body = EventsPage),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn events_where_the_peer_has_them(
    app: State<Arc<App>>,
    access: Access,
    query: Query,
) -> Answer<Json<EventsPage>> {
    events(app, access, query).await
}

/// Where a stream stands at the newest indexed finalized block.
#[utoipa::path(get, path = "/api/v1/ves/head", tag = "events",
    params(("tenant_id" = String, Query, format = "uuid"), ("store_id" = String, Query, format = "uuid")),
    responses((status = 200, description = "The head", body = Head),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn head(State(app): State<Arc<App>>, access: Access, query: Query) -> Answer<Json<Head>> {
    let stream = query.stream()?;
    access.stream(Permission::Read, stream)?;
    let head = app
        .node
        .chain()?
        .store_head(stream.tenant, stream.store)
        .await?;
    Ok(Json(Head {
        tenant_id: stream.tenant.to_string(),
        store_id: stream.store.to_string(),
        head_sequence: head.sequence,
        state_root: hex::encode(head.state_root),
        batch_count: head.batch_count,
        block_number: head.finalized_block_number,
        block_hash: hex::encode(head.finalized_block_hash),
    }))
}

/// The same as `/api/v1/ves/head`, where the peer has the head of its older pipeline.
#[utoipa::path(get, path = "/api/v1/head", tag = "events",
    params(("tenant_id" = String, Query, format = "uuid"), ("store_id" = String, Query, format = "uuid")),
    responses((status = 200, description = "The head", body = Head),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn head_where_the_peer_has_it(
    app: State<Arc<App>>,
    access: Access,
    query: Query,
) -> Answer<Json<Head>> {
    head(app, access, query).await
}
