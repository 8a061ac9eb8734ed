// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `init`

use super::Context;
use crate::{
    chain::{Chain, live::Live},
    cli::InitArgs,
    config::{ConfigFile, Origin},
    db,
    error::{Exit, Failure, Result},
    finality::{self, Pinned},
    output::Report,
};
use ves_finality::TrackedSets;
use ves_primitives::{AgentId, AuthoritySetHash, GenesisHash};

pub(super) async fn run(context: &Context, args: &InitArgs) -> Result<Report> {
    let config = &context.config;
    if config
        .profile()
        .is_some_and(|chosen| chosen.origin == Origin::Flag)
    {
        return Err(
            Failure::usage("usage", "init sets up what all profiles have in common")
                .hint("afterwards: `stateset-sync config set --profile NAME SETTING VALUE`"),
        );
    }
    let path = config.home.path().join("sync.json");
    let found = settled(&path);
    let previous = match (path.is_file(), args.force) {
        (false, _) => ConfigFile::default(),
        // A file that does not parse is what --force is for; ids are kept when they can be read.
        (true, true) => ConfigFile::read(&path).unwrap_or_default(),
        (true, false) => {
            return Err(Failure::new(
                Exit::Refused,
                "already_initialised",
                format!("{} exists already", path.display()),
            )
            .hint("use --force to change settings; keys, outbox and the agent id are kept"));
        }
    };
    let node_url = config.node_url().value;
    let pin = args
        .authorities
        .as_deref()
        .map(Pinned::read)
        .transpose()?
        .or_else(|| context.pinned_authorities())
        .or_else(|| previous.authority_set.map(Pinned::Named));
    let node = ask_node(context, args, &previous, &node_url, pin.as_ref()).await?;
    let genesis = node.genesis;
    let reachable = node.reachable;
    let authority_set = authority_set(&node, pin.as_ref())?;
    let agent_id = config
        .get(|c| &c.agent_id)
        .map(|setting| setting.value)
        .or(previous.agent_id)
        .unwrap_or_else(|| AgentId(uuid::Uuid::new_v4().into_bytes()));
    let file = ConfigFile {
        node_url: Some(node_url.clone()),
        tenant_id: config
            .get(|c| &c.tenant_id)
            .map(|s| s.value)
            .or(previous.tenant_id),
        store_id: config
            .get(|c| &c.store_id)
            .map(|s| s.value)
            .or(previous.store_id),
        agent_id: Some(agent_id),
        genesis_hash: genesis,
        authority_set,
        l1_rpc_url: config
            .get(|c| &c.l1_rpc_url)
            .map(|s| s.value)
            .or_else(|| previous.l1_rpc_url.clone()),
        l1_registry: config
            .get(|c| &c.l1_registry)
            .map(|s| s.value)
            .or_else(|| previous.l1_registry.clone()),
        passphrase_file: config
            .get(|c| &c.passphrase_file)
            .map(|s| s.value)
            .or_else(|| previous.passphrase_file.clone()),
        ..previous
    };
    if file.tenant_id.is_none() || file.store_id.is_none() {
        return Err(
            Failure::usage("stream_missing", "a project needs a tenant and a store").hint(
                "give --tenant <uuid> and --store <uuid>; the tenant's administrator knows them",
            ),
        );
    }
    if context.dry_run {
        return Ok(Report::new("ves.cli.init")
            .field("home", config.home.path())
            .field("config_file", &path)
            .field("settings", &file)
            .field("node_reachable", reachable)
            .line(format!("would initialise {}", config.home.path().display()))
            .dry());
    }
    config.home.create()?;
    let _lock = config.home.lock()?;
    // The node was asked meanwhile; what another process has set since then must not be lost.
    if settled(&path) != found {
        return Err(Failure::new(
            Exit::Refused,
            "config_changed",
            format!("{} was changed by another process", path.display()),
        )
        .hint("look at it with `stateset-sync config show`, then run init again"));
    }
    let pool = db::open(&config.home.database(), true).await?;
    if let (Some(genesis), Some(sets)) = (genesis, &node.sets) {
        finality::save(&pool, genesis, sets).await?;
    }
    pool.close().await;
    let path = file.write(&config.home)?;

    let report = Report::new("ves.cli.init")
        .field("home", config.home.path())
        .field("config_file", &path)
        .field("node_url", &node_url)
        .field("node_reachable", reachable)
        .field("genesis_hash", file.genesis_hash)
        .field("authority_set", file.authority_set)
        .field("tenant_id", file.tenant_id)
        .field("store_id", file.store_id)
        .field("agent_id", agent_id)
        .line(format!("initialised {}", config.home.path().display()))
        .pair("agent", agent_id)
        .pair("node", &node_url);
    let report = match genesis {
        Some(genesis) => report.pair("chain", genesis),
        None => report.pair(
            "chain",
            "not bound yet; the first connection binds the project",
        ),
    };
    let report = match file.authority_set {
        Some(set) if pin.is_some() => report.pair("authorities", format!("{set}, as pinned")),
        Some(set) => report.pair("authorities", format!("{set}, by the node's word")),
        None => report.pair("authorities", "not known yet; the first contact decides"),
    };
    Ok(report.line("next: stateset-sync keys:generate"))
}

/// The bytes of the settings as they are; none where there are none.
fn settled(path: &std::path::Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

/// What the node says about its chain.
#[derive(Default)]
struct Node {
    genesis: Option<GenesisHash>,
    sets: Option<TrackedSets>,
    reachable: bool,
}

/// The name of the first authority set: what the node proved, or as pinned.
fn authority_set(node: &Node, pin: Option<&Pinned>) -> Result<Option<AuthoritySetHash>> {
    match (node.genesis, &node.sets, pin) {
        (Some(genesis), Some(sets), _) => Ok(Some(sets.first().set.hash(genesis))),
        (_, _, Some(Pinned::Named(hash))) => Ok(Some(*hash)),
        (Some(genesis), None, Some(pin)) => Ok(Some(pin.hash(genesis))),
        (None, _, Some(Pinned::Set(_))) => Err(Failure::usage(
            "genesis_missing",
            "a file with an authority set says nothing about the chain",
        )
        .hint("give --genesis too, or the set's hash instead of the file")),
        (_, _, None) => Ok(None),
    }
}

/// The chain to bind to: as given, as bound before, or as the node says. With it, who finalizes.
async fn ask_node(
    context: &Context,
    args: &InitArgs,
    previous: &ConfigFile,
    node_url: &str,
    pin: Option<&Pinned>,
) -> Result<Node> {
    let wanted = args
        .genesis
        .or_else(|| context.config.genesis())
        .or(previous.genesis_hash);
    if args.offline {
        return Ok(Node {
            genesis: wanted,
            ..Node::default()
        });
    }
    match Live::connect(node_url).await {
        Ok(live) => {
            let found = live.genesis_hash();
            super::check_chain(wanted.unwrap_or(found), found)?;
            let sets = match finality::track(None, &live, pin, &context.ui).await {
                Ok(sets) => Some(sets),
                // To be accepted once the project is there.
                Err(failure)
                    if failure.exit == Exit::NotVerified && failure.code != finality::FORCED =>
                {
                    return Err(failure);
                }
                Err(failure) => {
                    context.ui.warn(&format!(
                        "{failure}; who finalizes is asked by the first pull"
                    ));
                    None
                }
            };
            Ok(Node {
                genesis: Some(found),
                sets,
                reachable: true,
            })
        }
        Err(error) => {
            context
                .ui
                .warn(&format!("{error}; the project is set up without it"));
            Ok(Node {
                genesis: wanted,
                ..Node::default()
            })
        }
    }
}
