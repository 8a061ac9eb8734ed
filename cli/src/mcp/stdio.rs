// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Serving one client on stdin and stdout. Nothing else is written to stdout.

use super::{host::Host, server::Server};
use crate::error::{Exit, Failure, Result};
use rmcp::{
    RoleServer, ServiceExt, service::ServerInitializeError, transport::async_rw::AsyncRwTransport,
};
use std::{fs, os::fd::AsFd, sync::Arc};
use tokio::fs::File;

/// Longest message. The SDK drops what is longer, and the connection goes on; arguments have a lower
/// limit of their own, which is answered by name.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Serves until the client closes stdin.
pub(super) async fn serve(host: Arc<Host>) -> Result<()> {
    let (input, output) = (own(&std::io::stdin())?, own(&std::io::stdout())?);
    let transport = AsyncRwTransport::<RoleServer, _, _>::new(input, output)
        .with_max_line_length(MAX_LINE_BYTES);
    match Server(host).serve(transport).await {
        Ok(running) => {
            running.waiting().await.map_err(Failure::unexpected)?;
            Ok(())
        }
        // It left before it said anything.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(Failure::new(
            Exit::Usage,
            "protocol_error",
            format!("the client does not speak the protocol: {error}"),
        )
        .hint(
            "this program is started by an MCP client; for a shell there are the other commands",
        )),
    }
}

/// A stream of the process, without the buffers and locks of the standard library.
fn own(stream: &impl AsFd) -> Result<File> {
    let stream = stream
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| Failure::unexpected(format!("no stdin or stdout: {error}")))?;
    Ok(File::from_std(fs::File::from(stream)))
}
