// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bundles that came from elsewhere and verified here.

use super::damaged;
use crate::{
    capture::now_rfc3339,
    error::{Failure, Result},
};
use sqlx::SqlitePool;
use ves_primitives::{EventId, wire::BundleJson};

/// When a bundle was imported, and the bundle.
pub type Imported = (String, BundleJson);

/// Keeps a bundle; a newer one about the same event takes its place.
///
/// # Errors
/// The database's refusal.
pub async fn keep_bundle(pool: &SqlitePool, bundle: &BundleJson) -> Result<()> {
    sqlx::query(
        "INSERT OR REPLACE INTO ves_bundles (genesis_hash, event_id, bundle, imported_at) \
         VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(bundle.genesis_hash.0.as_slice())
    .bind(bundle.event.event.event_id.0.as_slice())
    .bind(serde_json::to_string(bundle).map_err(Failure::unexpected)?)
    .bind(now_rfc3339())
    .execute(pool)
    .await?;
    Ok(())
}

fn parse((imported_at, text): (String, String)) -> Result<Imported> {
    let bundle = serde_json::from_str(&text).map_err(|e| damaged(&e.to_string()))?;
    Ok((imported_at, bundle))
}

/// The imported bundles, newest first.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn bundles(pool: &SqlitePool) -> Result<Vec<Imported>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT imported_at, bundle FROM ves_bundles ORDER BY imported_at DESC, event_id",
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(parse).collect()
}

/// The imported bundle about an event; the newest if chains differ.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn bundle_of(pool: &SqlitePool, event: EventId) -> Result<Option<Imported>> {
    let row: Option<(String, String)> = sqlx::query_as(
        "SELECT imported_at, bundle FROM ves_bundles WHERE event_id = ?1 \
         ORDER BY imported_at DESC LIMIT 1",
    )
    .bind(event.0.as_slice())
    .fetch_optional(pool)
    .await?;
    row.map(parse).transpose()
}
