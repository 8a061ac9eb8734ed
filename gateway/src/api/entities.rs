// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What happened to one order, one item, one customer: the events about it, of finalized blocks only.

use crate::{
    App,
    error::{Answer, ApiError},
    extract::{Access, Query, TwoParts},
    keys::Permission,
    openapi,
    wire::SequencedEvent,
};
use axum::{Json, extract::State};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use ves_client::ClientError;
use ves_primitives::limits::{MAX_ENTITY_ID_BYTES, MAX_ENTITY_TYPE_BYTES};

/// Versions of a page unless asked otherwise, and at most: the peer's.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;
/// JSON-RPC's code of a parameter that does not fit.
const INVALID_PARAMS: i32 = -32602;

/// One step in the history of an entity.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EntityVersion {
    /// The version that the event made, from 1: what a later event names as its `base_version`.
    pub version: u64,
    /// The event.
    #[serde(flatten)]
    pub event: SequencedEvent,
}

/// A page of an entity's history.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EntityHistory {
    /// Kind of the entity.
    pub entity_type: String,
    /// Its id.
    pub entity_id: String,
    /// The version that it has, 0 if no event is about it.
    pub current_version: u64,
    /// In order of versions.
    pub versions: Vec<EntityVersion>,
    /// How many.
    pub count: u32,
    /// Whether there is more.
    pub has_more: bool,
    /// What to ask for the next page with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The events about an entity with the version that each of them made.
#[utoipa::path(get, path = "/api/v1/ves/entities/{entity_type}/{entity_id}", tag = "events",
    params(("entity_type" = String, Path, description = "1 to 128 bytes"),
        ("entity_id" = String, Path, description = "1 to 512 bytes"),
        ("tenant_id" = String, Query, format = "uuid"), ("store_id" = String, Query, format = "uuid"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "100 by default; a page also ends at 4 MiB")),
    responses((status = 200, description = "A page", body = EntityHistory),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn history(
    State(app): State<Arc<App>>,
    access: Access,
    TwoParts(entity_type, entity_id): TwoParts,
    query: Query,
) -> Answer<Json<EntityHistory>> {
    let stream = query.stream()?;
    access.stream(Permission::Read, stream)?;
    let limit = query.limit(PAGE, PAGE_MAX)?;
    for (name, text, most) in [
        ("entity_type", &entity_type, MAX_ENTITY_TYPE_BYTES),
        ("entity_id", &entity_id, MAX_ENTITY_ID_BYTES),
    ] {
        if text.is_empty() || u32::try_from(text.len()).is_ok_and(|bytes| bytes > most) {
            return Err(ApiError::value(format!(
                "{name}: expected 1 to {most} bytes"
            )));
        }
    }
    let cursor: Option<String> = query.find("cursor")?;
    let page = app
        .node
        .chain()?
        .store_entity_history(
            stream.tenant,
            stream.store,
            (&entity_type, &entity_id),
            cursor.as_deref(),
            Some(limit),
        )
        .await
        .map_err(|error| match error {
            // All that the node can find wrong with what was checked above.
            ClientError::Rpc { code, .. } if code == INVALID_PARAMS => {
                ApiError::value("cursor: expected `next_cursor` of a page of this entity")
            }
            other => other.into(),
        })?;
    let versions: Vec<EntityVersion> = page
        .versions
        .into_iter()
        .map(|found| EntityVersion {
            version: found.version,
            event: found.event.into(),
        })
        .collect();
    Ok(Json(EntityHistory {
        entity_type,
        entity_id,
        current_version: page.current_version,
        count: u32::try_from(versions.len()).unwrap_or(u32::MAX),
        versions,
        has_more: page.cursor.is_some(),
        next_cursor: page.cursor,
    }))
}

/// The same as `/api/v1/ves/entities/…`, where the peer has the history of its older pipeline.
#[utoipa::path(get, path = "/api/v1/entities/{entity_type}/{entity_id}", tag = "events",
    params(("entity_type" = String, Path), ("entity_id" = String, Path),
        ("tenant_id" = String, Query, format = "uuid"), ("store_id" = String, Query, format = "uuid"),
        ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000)),
    responses((status = 200, description = "A page", body = EntityHistory),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn history_where_the_peer_has_it(
    app: State<Arc<App>>,
    access: Access,
    entity: TwoParts,
    query: Query,
) -> Answer<Json<EntityHistory>> {
    history(app, access, entity, query).await
}
