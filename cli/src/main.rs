// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The `stateset-sync` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let args = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let exit = runtime.block_on(stateset_sync::commands::run(args));
    // A prompt or a name lookup may still block a worker thread; nobody waits for it.
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}
