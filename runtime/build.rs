// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Builds the runtime's wasm.

fn main() {
    // A sum that wraps must not become state: the chain rather refuses the transaction or the block. By
    // flags, because the builder has a release profile of its own; as in tools/wasm/build.rs and
    // scripts/bench-weights.sh.
    #[cfg(feature = "std")]
    substrate_wasm_builder::WasmBuilder::init_with_defaults()
        .append_to_rust_flags("-C overflow-checks=on")
        .build();
}
