// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `ves-gateway`: the peer's HTTP API in front of a node.

#![forbid(unsafe_code)]

mod logs;

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use ves_gateway::{
    App,
    config::{AnchoredStreams, Given, Settings},
    keys::{self, KeyRecord, NewKey, OPERATOR, Permission},
    openapi, server,
};
use ves_primitives::{AgentId, StoreId, TenantId};

/// The HTTP API of the VES sequencer in front of a node of the chain.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until SIGTERM or SIGINT.
    Run(Configured),
    /// Says whether the settings make sense, and what they are.
    Check(Configured),
    /// API keys.
    Keys {
        /// The file of API keys.
        #[arg(
            long,
            env = "VES_GATEWAY_KEYS",
            value_name = "FILE",
            default_value = "ves-gateway-keys.json",
            global = true
        )]
        keys: PathBuf,
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Prints the OpenAPI document.
    Openapi,
}

#[derive(Debug, clap::Args)]
struct Configured {
    /// Settings file (TOML).
    #[arg(long, env = "VES_GATEWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: Box<Given>,
}

impl Configured {
    fn load(self) -> anyhow::Result<Settings> {
        Ok(Settings::load(*self.given, self.config.as_deref())?)
    }
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Makes a key and prints it: it cannot be shown again.
    New {
        /// The tenant it is for.
        #[arg(long, required_unless_present = "operator")]
        tenant: Option<TenantId>,
        /// For every tenant, and for anchoring and metrics.
        #[arg(long, conflicts_with = "tenant")]
        operator: bool,
        /// A store it reaches; may be repeated. All stores if none is named.
        #[arg(long)]
        store: Vec<StoreId>,
        /// The agent it is bound to.
        #[arg(long)]
        agent: Option<AgentId>,
        /// What it permits.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "read,write")]
        permissions: Vec<Permission>,
        /// Requests per minute, if not the gateway's default.
        #[arg(long)]
        per_minute: Option<NonZeroU32>,
        /// Free text for people.
        #[arg(long, default_value = "")]
        name: String,
        /// A JSON object in place of lines.
        #[arg(long)]
        json: bool,
    },
    /// Lists the keys, without what makes them valid.
    List {
        /// A JSON array in place of lines.
        #[arg(long)]
        json: bool,
    },
    /// Revokes a key; the gateway refuses it from the next request on.
    Revoke {
        /// The key's id, as listed.
        id: String,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(configured) => run(configured.load()?),
        Command::Check(configured) => check(&configured.load()?),
        Command::Keys { keys, command } => manage(&keys, command),
        Command::Openapi => {
            print!("{}", openapi::document_text());
            Ok(())
        }
    }
}

fn run(settings: Settings) -> anyhow::Result<()> {
    logs::start(&settings.log, settings.json)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async move {
            let address = settings.listen;
            let app = Arc::new(App::new(settings)?);
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}"))?;
            tracing::info!(
                address = %listener.local_addr()?,
                keys = app.keys.active(),
                "listening"
            );
            let mut term = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let end = async move {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!("ending: no new requests");
            };
            server::serve(app, listener, end).await?;
            tracing::info!("ended");
            Ok(())
        })
}

fn check(settings: &Settings) -> anyhow::Result<()> {
    let shown = serde_json::json!({
        "node": settings.node,
        "genesis": settings.genesis,
        "listen": settings.listen,
        "behind_tls_proxy": settings.behind_tls_proxy,
        "keys": settings.keys,
        "body_bytes": settings.body_bytes,
        "request_seconds": settings.request_time.as_secs(),
        "wait": settings.wait,
        "wait_seconds": settings.wait_time.as_secs(),
        "drain_seconds": settings.drain_time.as_secs(),
        "in_flight": settings.in_flight,
        "per_key_per_minute": settings.per_key,
        "per_address_per_minute": settings.per_address,
        "cors_origins": settings.cors_origins,
        "tenants": settings.admins.iter().map(|(tenant, admin)| {
            serde_json::json!({ "tenant": tenant, "admin": admin.address() })
        }).collect::<Vec<_>>(),
        "anchored_streams": match &settings.anchored_streams {
            AnchoredStreams::All => "all".into(),
            AnchoredStreams::Listed(streams) => serde_json::Value::from(streams.len()),
        },
        "relay": settings.relay.as_ref().map(ves_client::Signer::address),
    });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}

fn manage(path: &Path, command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::New {
            tenant,
            operator: _,
            store,
            agent,
            permissions,
            per_minute,
            name,
            json,
        } => {
            let new = NewKey {
                name,
                tenant: tenant.unwrap_or(OPERATOR),
                stores: store,
                agent,
                permissions,
                per_minute,
            };
            let (key, record) = keys::create(path, new)?;
            if json {
                let mut shown = shown(&record);
                shown["key"] = key.into();
                println!("{shown}");
            } else {
                println!("{key}");
                eprintln!("key {}: it cannot be shown again", record.id);
            }
        }
        KeysCommand::List { json } => {
            let records = keys::list(path)?;
            if json {
                let all: Vec<_> = records.iter().map(shown).collect();
                println!("{}", serde_json::to_string_pretty(&all)?);
            } else {
                for record in &records {
                    let state = record.revoked_at.as_deref().map_or_else(
                        || "active".to_owned(),
                        |revoked| format!("revoked {revoked}"),
                    );
                    let permissions: Vec<String> = record
                        .permissions
                        .iter()
                        .map(|permission| format!("{permission:?}").to_lowercase())
                        .collect();
                    println!(
                        "{}  {}  {}  {}  {}",
                        record.id,
                        record.tenant,
                        permissions.join(","),
                        state,
                        record.name
                    );
                }
            }
        }
        KeysCommand::Revoke { id } => {
            let record = keys::revoke(path, &id)?;
            println!("{} revoked", record.id);
        }
    }
    Ok(())
}

/// A key without its hash.
fn shown(record: &KeyRecord) -> serde_json::Value {
    serde_json::json!({
        "id": record.id,
        "name": record.name,
        "tenant": record.tenant,
        "stores": record.stores,
        "agent": record.agent,
        "permissions": record.permissions,
        "per_minute": record.per_minute,
        "created_at": record.created_at,
        "revoked_at": record.revoked_at,
    })
}
