// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A Rust agent without the command line: a business change and its event in one transaction of its own
//! database, then a push.
//!
//! ```text
//! cargo run --example embed -- ws://127.0.0.1:9944 .stateset agent.db
//! ```
//!
//! The second argument is a project that `stateset-sync init` set up and whose key is registered; the
//! third is a database of the agent's own.

use sqlx::{Connection, Executor, SqlitePool, sqlite::SqliteConnectOptions};
use stateset_sync::{
    capture::{self, Audience, Draft},
    chain::live::Live,
    config::ConfigFile,
    db,
    finality::Pinned,
    keys::KeyStore,
    output::{ColorChoice, Format, Ui},
    push::{PushOptions, Signers, push},
    vault::PassphraseSource,
};
use std::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [node, home, database] = args.as_slice() else {
        return Err("usage: embed NODE_URL STATE_DIR DATABASE".into());
    };
    let home = Path::new(home);
    let project = ConfigFile::read(&home.join("sync.json"))?;
    let (Some(tenant_id), Some(store_id), Some(agent_id)) =
        (project.tenant_id, project.store_id, project.agent_id)
    else {
        return Err("the project names no tenant, store or agent".into());
    };

    let options = SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    let mut connection = pool.acquire().await?;
    db::install(&mut connection).await?;
    connection
        .execute("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, total TEXT)")
        .await?;

    // Both, or neither: the event is captured in the transaction of the change it reports.
    let order = uuid::Uuid::new_v4().to_string();
    let mut tx = connection.begin().await?;
    sqlx::query("INSERT INTO orders (id, total) VALUES (?1, '12.00')")
        .bind(&order)
        .execute(&mut *tx)
        .await?;
    let draft = Draft {
        tenant_id,
        store_id,
        agent_id,
        event_id: None,
        entity_type: "order".into(),
        entity_id: order,
        event_type: "order.created".into(),
        created_at: None,
        payload: r#"{"total":"12.00"}"#.into(),
        command_id: None,
        base_version: Some(0),
        audience: Audience::Public,
    };
    let captured = capture::append(&mut tx, &draft).await?;
    tx.commit().await?;
    drop(connection);

    let chain = Live::connect(node).await?;
    let keys = KeyStore::at(home.join("keys"));
    let passphrases = PassphraseSource::new(
        project.passphrase_file,
        std::env::var("VES_PASSPHRASE").ok(),
    );
    let unlock = || passphrases.unlock();
    let mut signers = Signers::new(&keys, &unlock);
    let ui = Ui::new(Format::Text, true, ColorChoice::Never);
    let options = PushOptions {
        authorities: project.authority_set.map(Pinned::Named),
        ..PushOptions::default()
    };
    let report = push(&pool, &chain, &mut signers, &options, &ui).await?;
    if let Some(failure) = report.failure() {
        return Err(failure.into());
    }
    let place = report.events.iter().find_map(|entry| entry.sequence);
    println!("event {} is final at sequence {place:?}", captured.event_id);
    Ok(())
}
