#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Builds the standard library of wasm32v1-none from Debian's Rust packages, for machines where
# rustup cannot download. Leaves a toolchain named `debian` for the runtime's wasm build.
set -euo pipefail
source "$(dirname "$0")/env.sh"

[ "$(id -u)" -eq 0 ] || fail "the wasm32v1-none target is missing and only root can build it here"
say "building the wasm32v1-none standard library from Debian's packages"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    rustc-web cargo-web rust-web-src >&2

# Not /usr itself: the wrapper that lints the workspace is looked for in the toolchain that builds.
# Here it does not lint, for Debian's clippy is not the pinned one, and the wasm is the same source.
toolchain="$HOME/.cache/ves-appchain/debian-toolchain"
mkdir -p "$toolchain/bin"
ln -sfn /usr/lib "$toolchain/lib"
ln -sf /usr/bin/rustc /usr/bin/cargo "$toolchain/bin/"
printf '#!/bin/sh\nexec "$@"\n' >"$toolchain/bin/clippy-driver"
chmod +x "$toolchain/bin/clippy-driver"
rustup toolchain link debian "$toolchain"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n' >"$work/Cargo.toml"
printf '#![no_std]\n' >"$work/src/lib.rs"
(
    cd "$work"
    RUSTUP_TOOLCHAIN=debian RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/target" \
        RUSTFLAGS='-Cembed-bitcode=yes -Copt-level=3 -Ctarget-cpu=mvp' \
        cargo build --release --target wasm32v1-none -Zbuild-std=core,alloc
)
lib=/usr/lib/rustlib/wasm32v1-none/lib
# Two versions of a crate would be one too many.
rm -rf "$lib"
mkdir -p "$lib"
for crate in core alloc compiler_builtins; do
    cp "$work"/target/wasm32v1-none/release/deps/lib"$crate"-*.rlib "$lib/"
done
host_bin=/usr/lib/rustlib/x86_64-unknown-linux-gnu/bin
mkdir -p "$host_bin"
ln -sf "$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld" "$host_bin/rust-lld"
mkdir -p "$HOME/.cache/ves-appchain"
echo debian >"$HOME/.cache/ves-appchain/wasm-toolchain"
