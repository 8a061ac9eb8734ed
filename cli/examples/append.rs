// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How many events a second the capture API takes, in the database that the agent itself opens (WAL,
//! `synchronous=FULL`): each event in a transaction of its own, several in one, and beside that what the disk
//! alone takes, since a transaction that is committed has been flushed to it.
//!
//! `cargo run --release --example append -- DIRECTORY [EVENTS]`

use sqlx::SqlitePool;
use stateset_sync::{
    capture::{self, Audience, Draft},
    db,
};
use std::{error::Error, fs::File, io::Write, path::Path, time::Instant};
use ves_primitives::{AgentId, StoreId, TenantId};

fn draft(number: u32) -> Draft {
    Draft {
        tenant_id: TenantId([0x11; 16]),
        store_id: StoreId([0x22; 16]),
        agent_id: AgentId([0x33; 16]),
        event_id: None,
        entity_type: "order".into(),
        entity_id: number.to_string(),
        event_type: "order.created".into(),
        created_at: None,
        payload: format!(r#"{{"order":{number},"total":"12.00"}}"#),
        command_id: None,
        base_version: None,
        audience: Audience::Public,
    }
}

/// Captures so many events, in transactions of so many.
async fn captured(pool: &SqlitePool, events: u32, of: u32) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    let mut next = 0;
    while next < events {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        for number in next..events.min(next + of) {
            capture::append(&mut tx, &draft(number)).await?;
        }
        tx.commit().await?;
        next += of;
    }
    Ok(f64::from(events) / began.elapsed().as_secs_f64())
}

/// How often a second the disk takes a page and says that it is safe.
fn flushed(path: &Path, times: u32) -> std::io::Result<f64> {
    let mut file = File::create(path)?;
    let page = [0x5a; 4096];
    let began = Instant::now();
    for _ in 0..times {
        file.write_all(&page)?;
        file.sync_data()?;
    }
    Ok(f64::from(times) / began.elapsed().as_secs_f64())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (directory, events) = match args.as_slice() {
        [directory] => (directory, 2000),
        [directory, events] => (directory, events.parse()?),
        _ => return Err("usage: append DIRECTORY [EVENTS]".into()),
    };
    let directory = Path::new(directory);
    println!(
        "flushes: {:.0}/s",
        flushed(&directory.join("flushed"), events)?
    );
    let pool = db::open(&directory.join("append.db"), true).await?;
    for of in [1, 10, 100] {
        println!(
            "{of} a transaction: {:.0}/s",
            captured(&pool, events, of).await?
        );
    }
    Ok(())
}
