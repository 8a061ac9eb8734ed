// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Has the page's wasm built, and lists the page's files for embedding.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

/// What the wasm is made of, from the repository's root.
const SOURCES: [&str; 9] = [
    "explorer/verify/Cargo.toml",
    "explorer/verify/Cargo.lock",
    "explorer/verify/src",
    "explorer/verify/pack",
    "finality/src",
    "primitives/src",
    "stark/air/src",
    "stark/verifier/src",
    "verify/src",
];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = here.join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let script = root.join("scripts/build-explorer.sh");
    println!("cargo::rerun-if-changed={}", script.display());
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let web = root.join("explorer/web");
    println!("cargo::rerun-if-changed={}", web.display());

    // <target>/<profile>/build/<package>/out
    let target = out.ancestors().nth(4).ok_or("no target directory")?;
    let wasm = out.join("wasm");
    let status = Command::new("bash")
        .arg(&script)
        .arg(&wasm)
        .env("VES_EXPLORER_TARGET_DIR", target.join("explorer"))
        .status()?;
    if !status.success() {
        return Err(format!("{} failed: {status}", script.display()).into());
    }

    let mut files = Vec::new();
    collect(&web, &web, &mut files)?;
    collect(&wasm, &wasm, &mut files)?;
    files.sort();
    let mut list = String::from("&[\n");
    for (path, file) in &files {
        let tag = tag(&fs::read(file)?);
        writeln!(
            list,
            "File {{ path: {path:?}, tag: \"\\\"{tag:016x}\\\"\", bytes: include_bytes!({file:?}) }},"
        )?;
    }
    list.push(']');
    fs::write(out.join("files.rs"), list)?;
    Ok(())
}

/// Every file below, as `/its/path` and place.
fn collect(
    base: &Path,
    folder: &Path,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(base, &path, files)?;
        } else {
            let name = path.strip_prefix(base)?.to_str().ok_or("not UTF-8")?;
            files.push((format!("/{name}"), path));
        }
    }
    Ok(())
}

/// Tells versions of a file apart; nothing rests on it but caching.
fn tag(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
