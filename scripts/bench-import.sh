#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# How long full blocks of the worst kinds take to import, against the time they declare. For each kind
# a chain of its own is filled, exported, and imported into an empty database, block by block. On an
# idle machine. Usage: bench-import.sh [KIND ...]; SECONDS_EACH=20.
# Exit code 1 if a full block of any kind took longer to import than it declares (MOST=1.0, that share), or if
# a kind made no full block, which shows nothing.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(plain commands forged mixed single kilobytes)
declare -A options=(
    [plain]="--rate 6000 --batch 128 --payload 32"
    [commands]="--rate 6000 --batch 256 --payload 32 --commands"
    [forged]="--rate 6000 --batch 256 --payload 32 --commands --forged"
    [mixed]="--rate 3000 --batch 256 --payload 32 --agents 256 --streams 256 --mixed --commands"
    [single]="--rate 1500 --batch 1 --payload 32 --commands --agents 64 --streams 64"
    [kilobytes]="--rate 500 --batch 64 --payload 16384"
)
# Long payloads fill a block's length before its time.
declare -A fuller=([kilobytes]=5)
for kind in "${kinds[@]}"; do
    [ -n "${options[$kind]:-}" ] || fail "no such kind: $kind"
done
scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh
node="$CARGO_TARGET_DIR/debug/ves-node"
slow=0
for kind in "${kinds[@]}"; do
    say "$kind: ${options[$kind]}"
    start_chain 1
    # shellcheck disable=SC2086
    load --seconds "${SECONDS_EACH:-20}" ${options[$kind]} >"$BENCH_DIR/load.json"
    stop_chain
    "$node" export-blocks --dev --base-path "$BENCH_DIR/node-0" --binary --from 1 \
        "$BENCH_DIR/blocks.bin" 2>/dev/null
    "$node" measure-import --dev --base-path "$BENCH_DIR/import" --blocks "$BENCH_DIR/blocks.bin" \
        --fuller-than "${fuller[$kind]:-50}" >"$BENCH_DIR/$kind.jsonl" 2>"$BENCH_DIR/import.log" || { tail "$BENCH_DIR/import.log" >&2; fail "import"; }
    printf '%s\t%s\n' "$kind" "$(tail -n 1 "$BENCH_DIR/$kind.jsonl")"
    tail -n 1 "$BENCH_DIR/$kind.jsonl" >"$BENCH_DIR/summary.json"
    scripts/bench-judge.mjs import "$kind" "$BENCH_DIR/summary.json" "${MOST:-1.0}" || slow=$((slow + 1))
    rm -rf "$BENCH_DIR/node-0" "$BENCH_DIR/import" "$BENCH_DIR/blocks.bin"
done
[ "$slow" -eq 0 ] || fail "$slow kinds of blocks are not imported in the time that they declare"
