// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Faults by seed for a real network of validators under load, and a checker of what it promised.

#![deny(unsafe_code)]

mod checker;
mod cli;
mod clock;
mod contents;
mod device;
mod faults;
mod groups;
mod history;
mod load;
mod machine;
mod network;
mod process;
mod record;
mod refused;
mod run;
mod strike;
mod switch;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
