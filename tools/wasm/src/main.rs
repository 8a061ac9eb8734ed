// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Prints where the runtime's wasm is.

include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

fn main() {
    if let (Some(path), Some(_), Some(_)) = (WASM_BINARY_PATH, WASM_BINARY, WASM_BINARY_BLOATY) {
        println!("{path}");
    }
}
