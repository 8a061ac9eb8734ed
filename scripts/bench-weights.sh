#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Measures the runtime's calls in its wasm and writes the pallets' weight files. On an idle machine:
# the numbers become consensus. Builds the runtime once more, with its benchmarks; nothing else does.
# Usage: bench-weights.sh [pallet ...]    (default: all own pallets)
# Options by environment: STEPS (50), REPEAT (20).
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

pallets=("$@")
[ ${#pallets[@]} -gt 0 ] || pallets=(pallet_consortium pallet_agent_registry pallet_ves_sequencer pallet_stark_verifier)
scripts/setup.sh
# Not the workspace's target directory: another feature set would compile the SDK anew every time.
export CARGO_TARGET_DIR="${VES_BENCH_TARGET_DIR:-${CARGO_TARGET_DIR}-bench}"
unset RUSTC_WORKSPACE_WRAPPER

say "benchmark runner"
# Its dependencies want to build runtimes of their own, which it does not need.
SKIP_WASM_BUILD=1 cargo build --locked --quiet --manifest-path tools/bencher/Cargo.toml

say "runtime with benchmarks"
# As substrate-wasm-builder builds it, but for the native half.
SKIP_WASM_BUILD=1 RUSTUP_TOOLCHAIN="$WASM_BUILD_TOOLCHAIN" \
    CARGO_TARGET_WASM32V1_NONE_RUSTFLAGS="-C link-arg=--export-table -C link-arg=--export=__heap_base -C link-arg=--import-memory --cfg substrate_runtime -C overflow-checks=on" \
    cargo rustc --locked --release -p ves-runtime --lib --crate-type cdylib \
    --target wasm32v1-none --no-default-features --features runtime-benchmarks
wasm="$CARGO_TARGET_DIR/wasm32v1-none/release/ves_runtime.wasm"

for pallet in "${pallets[@]}"; do
    folder="pallets/$(sed 's/^pallet_//; s/_/-/g' <<<"$pallet")"
    say "$pallet"
    "$CARGO_TARGET_DIR/debug/ves-bencher" --runtime "$wasm" --genesis-builder-preset development \
        --pallet "$pallet" --extrinsic '*' --steps "${STEPS:-50}" --repeat "${REPEAT:-20}" \
        --wasm-execution compiled --no-storage-info --no-median-slopes --no-min-squares \
        --template scripts/weights.hbs --output "$folder/src/weights.rs"
done
# The writer does not format.
cargo fmt --all
