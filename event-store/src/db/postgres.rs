// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The database server that several nodes may share (`docs/adr/0046-postgresql.md`).

use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{fmt::Write as _, str::FromStr, time::Duration};

/// Begins a snapshot.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Lifts [`READ_TIMEOUT`] until the transaction ends.
pub(super) const NO_TIMEOUT: &str = "SET LOCAL statement_timeout = 0";
/// Concurrent readers.
const READERS_MAX: u32 = 8;
/// How long a question may take before it is given up.
const READ_TIMEOUT: &str = "10s";
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The version of the schema.
pub(super) fn version() -> i64 {
    MIGRATIONS
        .iter()
        .map(|step| step.version)
        .max()
        .unwrap_or(0)
}

fn options(url: &str) -> Result<PgConnectOptions, String> {
    // The parser's own error may repeat the URL, password included.
    let options = PgConnectOptions::from_str(url).map_err(|_| "not a PostgreSQL URL".to_owned())?;
    Ok(options.application_name("ves-node"))
}

fn pool(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(CONNECT_TIMEOUT)
}

/// A pool of readers, on the primary or on a replica.
pub(super) async fn connect_to_read(url: &str) -> Result<PgPool, String> {
    let options = options(url)?.options([
        ("default_transaction_read_only", "on"),
        ("statement_timeout", READ_TIMEOUT),
        // A plan for whatever values may come would treat a stream of millions as an average one.
        ("plan_cache_mode", "force_custom_plan"),
    ]);
    pool(READERS_MAX)
        .connect_with(options)
        .await
        .map_err(|error| error.to_string())
}

/// A pool with the one writer of this node, and a pool of readers.
pub(super) async fn connect(url: &str) -> Result<(PgPool, PgPool), String> {
    let writer = pool(1)
        .connect_with(options(url)?)
        .await
        .map_err(|error| error.to_string())?;
    MIGRATIONS
        .run(&writer)
        .await
        .map_err(|error| error.to_string())?;
    Ok((writer, connect_to_read(url).await?))
}

/// `?` for the n-th argument, as PostgreSQL writes it. No statement has one in a literal.
pub(super) fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut count = 0u32;
    for part in sql.split_inclusive('?') {
        match part.strip_suffix('?') {
            Some(before) => {
                count += 1;
                out.push_str(before);
                // Writing to a string does not fail.
                let _ = write!(out, "${count}");
            }
            None => out.push_str(part),
        }
    }
    out
}
