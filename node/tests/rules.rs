// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runs the tests of those parts of the node that need nothing else of it: the program itself is not
//! compiled again for tests (`test = false` in `Cargo.toml`).

#[path = "../src/back_off.rs"]
mod back_off;
#[path = "../src/readiness.rs"]
mod readiness;
