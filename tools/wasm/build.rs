// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Builds the runtime's wasm as `runtime/build.rs` does.

use std::{error::Error, fs::canonicalize};
use substrate_wasm_builder::WasmBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    WasmBuilder::new()
        .with_project(canonicalize("../../runtime/Cargo.toml")?)?
        .append_to_rust_flags("-C overflow-checks=on")
        .import_memory()
        .export_heap_base()
        .build();
    Ok(())
}
