// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Serves the explorer page beside the RPCs, if asked to.

use polkadot_sdk::{
    sc_network::multiaddr::Protocol,
    sc_service::{Error as ServiceError, RpcHandlers, TaskManager},
};
use std::net::SocketAddr;
use ves_explorer::Node;

/// Starts the server. It is not essential: a node without its page still validates.
///
/// # Errors
/// If the address cannot be had, or the node has no RPC server for the page to ask.
pub(crate) async fn spawn(
    address: SocketAddr,
    rpc: &RpcHandlers,
    task_manager: &TaskManager,
) -> Result<(), ServiceError> {
    let port = rpc.listen_addresses().iter().find_map(|listening| {
        listening.iter().find_map(|part| match part {
            Protocol::Tcp(port) => Some(port),
            _ => None,
        })
    });
    let port = port.ok_or_else(|| {
        ServiceError::Other("the explorer page needs the node's RPC server".into())
    })?;
    let listener = ves_explorer::bind(address).await.map_err(|error| {
        ServiceError::Other(format!("cannot serve the explorer at {address}: {error}"))
    })?;
    // With the port that was given, if any free one was asked for.
    let address = listener.local_addr().unwrap_or(address);
    log::info!("🔎 Explorer: http://{address}");
    task_manager
        .spawn_handle()
        .spawn("explorer", "ves", async move {
            if let Err(error) = ves_explorer::serve(listener, &Node::Port(port)).await {
                log::error!("explorer page: {error}");
            }
        });
    Ok(())
}
