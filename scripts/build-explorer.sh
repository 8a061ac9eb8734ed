#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# build-explorer.sh [FOLDER]: compiles the explorer's verification to wasm and puts it with what a
# browser needs to load it into the folder. `cargo build` calls it by itself; what is up to date is
# left alone. Wasm-bindgen's own tool is built from the same lock file as the wasm.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT/explorer/verify"

# A target directory of its own: cargo holds the lock of the other one while it calls this script.
export CARGO_TARGET_DIR="${VES_EXPLORER_TARGET_DIR:-$CARGO_TARGET_DIR/explorer}"
folder="${1:-$CARGO_TARGET_DIR/wasm}"

# Of the calling build: for the host, not for wasm.
unset CARGO_ENCODED_RUSTFLAGS RUSTFLAGS CARGO_BUILD_TARGET

target=wasm32-unknown-unknown
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    say "installing the $target target"
    rustup target add "$target" >&2 || fail "no $target target: rustup target add $target"
fi
cargo build --locked --release --target "$target" -p ves-explorer-verify
# Not optimised: it runs for a moment.
cargo build --locked -p ves-explorer-pack
mkdir -p "$folder"
"$CARGO_TARGET_DIR/debug/ves-explorer-pack" \
    "$CARGO_TARGET_DIR/$target/release/ves_explorer_verify.wasm" "$folder"
