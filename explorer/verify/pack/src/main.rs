// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `ves-explorer-pack WASM FOLDER`: what a browser needs to load the wasm, written into the folder.

use std::{env, fs, path::PathBuf, process::ExitCode};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(Into::into).collect();
    let [wasm, folder] = arguments.as_slice() else {
        eprintln!("usage: ves-explorer-pack WASM FOLDER");
        return ExitCode::from(2);
    };
    let packed = Bindgen::new()
        .input_path(wasm)
        .out_name("verifier")
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(false)
                .remove_name_section(true)
                .remove_producers_section(true)
                .generate(folder)
        });
    if let Err(error) = packed {
        eprintln!("error: {}: {error:#}", wasm.display());
        return ExitCode::FAILURE;
    }
    for name in ["verifier.js", "verifier_bg.wasm"] {
        match fs::metadata(folder.join(name)) {
            Ok(file) => eprintln!("{name}: {} bytes", file.len()),
            Err(error) => {
                eprintln!("error: {name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
