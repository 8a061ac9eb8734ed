#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# next-runtime.sh: builds the runtime of this source with the next higher spec_version and nothing else
# changed, for upgrades in tests, and prints where its compressed wasm is. Needs the node to be built:
# what the node's build compiled for wasm is copied and used again, so that this takes a few minutes,
# and seconds if nothing changed. Not for releases: those come from scripts/verify-release.sh.
set -euo pipefail
source "$(dirname "$0")/env.sh"

built="$CARGO_TARGET_DIR/debug/wbuild/ves-runtime"
place="$CARGO_TARGET_DIR/next-runtime"
wasm="$place/next.compact.compressed.wasm"
[ -r "$built/Cargo.toml" ] || fail "there is no $built: build the node first"
command -v zstd >/dev/null || fail "as root: apt-get install zstd"

# A copy, because the node's own build must find its results as it left them. Refreshed when the
# node's runtime is another one.
if ! cmp -s "$built/ves_runtime.wasm" "$place/of.wasm"; then
    rm -rf "$place"
    mkdir -p "$place"
    cp -a "$built" "$place/blob"
    cp "$built/ves_runtime.wasm" "$place/of.wasm"
fi

# The runtime's sources with one number changed, in a workspace of their own that has the other crates
# where they are. Files keep their times, so that a second run has nothing to do.
rm -rf "$place/runtime"
cp -a "$VES_ROOT/runtime" "$place/runtime"
lib="$place/runtime/src/lib.rs"
version="$(sed -n 's/^ *spec_version: \([0-9]*\),$/\1/p' "$lib")"
[ -n "$version" ] || fail "no spec_version in $lib"
sed -i "s/^\( *spec_version: \)$version,\$/\1$((version + 1)),/" "$lib"
touch -r "$VES_ROOT/runtime/src/lib.rs" "$lib"
sed -z -e 's|members = \[[^]]*\]|members = ["runtime"]|' -e "s|path = \"|path = \"$VES_ROOT/|g" \
    "$VES_ROOT/Cargo.toml" >"$place/Cargo.toml"
touch -r "$VES_ROOT/Cargo.toml" "$place/Cargo.toml"
sed -i "s|^path = .*|path = \"$place/runtime\"|" "$place/blob/Cargo.toml"

# As substrate-wasm-builder calls it, so that dependencies are taken as compiled; without its last
# pass, which makes the wasm smaller.
env -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WORKSPACE_WRAPPER -u CLIPPY_ARGS \
    RUSTUP_TOOLCHAIN="$WASM_BUILD_TOOLCHAIN" CARGO_TARGET_DIR="$place/blob/target" SKIP_WASM_BUILD= \
    RUSTFLAGS="-C link-arg=--export-table -C overflow-checks=on -C link-arg=--export=__heap_base -C link-arg=--import-memory --cfg substrate_runtime " \
    cargo rustc --target=wasm32v1-none --manifest-path="$place/blob/Cargo.toml" --profile release --quiet >&2

# Compressed as chains keep it: a mark, then zstd (sp-maybe-compressed-blob).
{
    printf '\x52\xbc\x53\x76\x46\xdb\x8e\x05'
    zstd --quiet --stdout "$place/blob/target/wasm32v1-none/release/ves_runtime.wasm"
} >"$wasm"
printf '%s\n' "$wasm"
