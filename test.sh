#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# All tests: documents, format, lints, dependencies, no_std builds, unit and integration tests, the published
# runtime built anew, contracts, polkadot.js and bad input against a real node, validators that come and go, the
# REST gateway, the explorer page in Chromium, event stores killed while they are filled and shared by nodes,
# operators' drills, a network under zombienet, chaos, and runs of the real binaries from an agent's event to its
# anchor and back.
# Does its own set-up.
set -euo pipefail
cd "$(dirname "$0")"
source scripts/env.sh

begun=$SECONDS
step() {
    local name="$1" at=$SECONDS
    shift
    say "$name"
    "$@"
    printf '    %s: %d s\n' "$name" $((SECONDS - at)) >&2
}

# Runs of real programs wait for blocks most of their time, so that two of them share the machine. What one
# prints is kept and shown if it fails; the others still run.
lanes=2
logs="$(mktemp -d)"
failed=()
trap 'rm -rf "$logs"' EXIT
trap 'for job in $(jobs -p); do kill -TERM -- "-$job" 2>/dev/null || true; done; wait; exit 130' INT TERM

collect() {
    local name
    for name in "$logs"/*.failed; do
        [ -e "$name" ] || continue
        rm "$name"
        name="$(basename "$name" .failed)"
        failed+=("$name")
        printf '\n==> %s FAILED:\n' "$name" >&2
        cat "$logs/$name" >&2
        # Said once more at the end, which is what is seen first of a long log.
        grep -hE '^ *(FAIL|NOTE|VIOLATION|error|Error)' "$logs/$name" | cut -c 1-2000 | sed "s/^/$name: /" >>"$logs/reasons" || true
    done
}

beside() {
    local name="$1" at=$SECONDS
    shift
    while [ "$(jobs -rp | wc -l)" -ge "$lanes" ]; do wait -n || true; done
    collect
    say "$name (beside others)"
    set -m
    (
        "$@" >"$logs/$name" 2>&1 || touch "$logs/$name.failed"
        printf '    %s: %d s\n' "$name" $((SECONDS - at)) >&2
    ) &
    set +m
}

all_of_them() {
    wait
    collect
    [ "${#failed[@]}" -gt 0 ] || return 0
    [ ! -s "$logs/reasons" ] || tail -n 40 "$logs/reasons" >&2
    fail "failed: ${failed[*]}"
}

# In a mount namespace of its own where that is allowed, so that nothing stays mounted after a kill.
full_disk() {
    local own=()
    if unshare --mount true 2>/dev/null; then
        own=(unshare --mount)
    elif unshare --map-root-user --mount true 2>/dev/null; then
        own=(unshare --map-root-user --mount)
    fi
    "${own[@]}" "$CARGO_TARGET_DIR/debug/ves-demo" full-disk --no-color
}

not_shown=()
# What exits with 3 cannot be tried on this machine, and has said what it takes.
if_possible() {
    local what="$1" code=0
    shift
    "$@" || code=$?
    [ "$code" -ne 3 ] || { not_shown+=("$what"); code=0; }
    return "$code"
}

# Three schedules whose seeds reach kills, a partition into halves, delay, loss, a pause and a killed relay.
chaos() {
    # The checker was tested all the same.
    if_possible "chaos: this machine has no network namespaces" \
        "$CARGO_TARGET_DIR/debug/ves-chaos" run --seed 2 --schedules 3 --per-network 3 --steps 2 --seconds 10 --rate 60 \
        --faults kill,halves,delay,loss,pause,relay-kill
}

# Workspace members are compiled by clippy itself, so that lints cost no second build; warnings are
# errors. Dependencies are compiled by rustc and shared with every other build.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver
export CLIPPY_ARGS="-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__"

step "documents" scripts/check-links.sh
step "threat model" scripts/check-threat-model.sh
step "set-up" scripts/setup.sh
step "format" cargo fmt --all --check
step "format of the explorer's wasm" cargo fmt --all --check --manifest-path explorer/verify/Cargo.toml
step "build and lint" cargo build --workspace --all-targets --locked
# By the toolchain that has the target, see scripts/env.sh.
step "no_std build of the primitives" env RUSTUP_TOOLCHAIN="$WASM_BUILD_TOOLCHAIN" \
    cargo build --locked -p ves-primitives --no-default-features --features keys,serde \
    --target wasm32v1-none
step "no_std build of the proof verifier" \
    cargo build --locked -p ves-stark-verifier --no-default-features --target wasm32v1-none
step "layering" scripts/check-layering.sh
step "licences, bans and sources of dependencies" scripts/audit.sh
step "tests" cargo test --workspace --locked --quiet
step "contracts" contracts/test.sh
step "alerts and dashboard of the relay" anchor-relay/ops/test.sh
step "alerts and units of operators" ops/test.sh
# The longest first, so that none is left alone at the end.
beside "validators join, change, leave and are expelled" node tests/polkadotjs/validators.mjs
beside "two of four validators are gone for ever" node tests/polkadotjs/recovery.mjs
beside "other implementations, and agents" node tests/interop/test.mjs
beside "network under zombienet" zombienet/run.sh --short
beside "REST gateway" node tests/gateway/test.mjs
beside "end to end" "$CARGO_TARGET_DIR/debug/ves-demo" --no-color
beside "operators' drills" node ops/drill.mjs
beside "event store under kills" node tests/store/kills.mjs
beside "one node reads what another one indexes" node tests/store/readers.mjs
beside "explorer in a browser" node tests/explorer/test.mjs
beside "MCP server" node tests/mcp/test.mjs
beside "censoring validators" "$CARGO_TARGET_DIR/debug/ves-demo" censorship --no-color
beside "polkadot.js and bad input" node tests/polkadotjs/test.mjs
beside "full disk" full_disk
all_of_them
# Alone: its faults are timed.
step "chaos" chaos
# It compiles all of the runtime's sources once more, which an hour of cold caches before leaves no time for.
if [ $((SECONDS - begun)) -lt 4200 ]; then
    step "the published runtime, built anew" if_possible "that the published runtime is that of its source" \
        scripts/verify-release.sh
else
    not_shown+=("that the published runtime is that of its source: run scripts/verify-release.sh")
fi

for what in "${not_shown[@]}"; do printf '\nNOT SHOWN: %s\n' "$what" >&2; done
printf '\nall tests passed in %d s\n' $((SECONDS - begun)) >&2
