#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Events per second that one validator finalizes, counted from chain data. Starts its own node.
# Options go to the load generator: --rate, --seconds, --batch, --payload, --streams.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
log="$(mktemp)"
"$CARGO_TARGET_DIR/debug/ves-node" --dev --tmp --rpc-port 19944 --no-prometheus --port 0 \
    --pool-limit 65536 --pool-kbytes 262144 --rpc-max-request-size 32 >"$log" 2>&1 &
node=$!
trap 'kill $node 2>/dev/null; rm -f "$log"' EXIT
for _ in $(seq 60); do
    grep -q 'Running JSON-RPC server' "$log" && break
    kill -0 $node 2>/dev/null || { cat "$log" >&2; fail "the node did not start"; }
    sleep 1
done
sleep 4
"$CARGO_TARGET_DIR/debug/examples/load" --url ws://127.0.0.1:19944 "$@"
