// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `ves-explorer`: the explorer page for any node.

use clap::Parser;
use std::net::SocketAddr;
use ves_explorer::{DEFAULT_ADDRESS, Node};

/// Serves the explorer page for a node.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// WebSocket address of the node, as browsers reach it.
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:9944")]
    rpc: Node,

    /// Where to serve the page.
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_ADDRESS)]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let listener = ves_explorer::bind(arguments.listen).await?;
    println!("explorer: http://{}", listener.local_addr()?);
    tokio::select! {
        ended = ves_explorer::serve(listener, &arguments.rpc) => Ok(ended?),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}
