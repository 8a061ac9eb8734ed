#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# What stateset-sync takes: start, capture, push to a development node and its finality, pull with
# verification, verification of an inclusion. EVENTS=n pushes n events (10,000), PROFILE=release builds
# optimised (default: dev), VES_NODE and VES_CLI name other programs.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

events="${EVENTS:-10000}"
profile="${PROFILE:-dev}"
folder=debug
[ "$profile" = dev ] || folder="$profile"
cli="${VES_CLI:-}"
if [ -z "$cli" ]; then
    cargo build --locked --quiet --profile "$profile" -p stateset-sync
    cli="$CARGO_TARGET_DIR/$folder/stateset-sync"
fi
node="${VES_NODE:-$CARGO_TARGET_DIR/debug/ves-node}"

work="$(mktemp -d)"
node_pid=
cleanup() {
    [ -z "$node_pid" ] || kill "$node_pid" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
export HOME="$work" NO_COLOR=1
cd "$work"

now() { date +%s%N; }
# rate COUNT NANOSECONDS
rate() { awk -v n="$1" -v t="$2" 'BEGIN { printf "%.0f", n * 1e9 / t }'; }
took() { awk -v t="$1" 'BEGIN { printf "%.2f s", t / 1e9 }'; }

"$node" --dev --base-path "$work/node" --rpc-port 0 --listen-addr /ip4/127.0.0.1/tcp/0 \
    --no-mdns --no-prometheus --no-telemetry >"$work/node.log" 2>&1 &
node_pid=$!
for _ in $(seq 300); do
    address="$(sed -n 's/.*Running JSON-RPC server: addr=\([^, ]*\).*/\1/p' "$work/node.log" | head -1)"
    [ -z "$address" ] || break
    sleep 0.2
done
[ -n "$address" ] || fail "the node does not answer; see its log"

project() {
    "$cli" init --home "$1" --node "ws://$address" --tenant 11111111-1111-4111-8111-111111111111 \
        --store 22222222-2222-4222-8222-222222222222 --json >/dev/null
}
project author
project reader
agent() { "$cli" "$@" --home author --json; }
agent keys:generate --insecure-plaintext-keys >/dev/null 2>&1
agent admin:register-agent --dev-admin >/dev/null
agent keys:register --dev-admin >/dev/null

runs=20
begun=$(now)
for _ in $(seq $runs); do agent status --offline >/dev/null; done
awk -v t=$(($(now) - begun)) -v n=$runs \
    'BEGIN { printf "start of a local command      %7.1f ms   (<= 50)\n", t / n / 1e6 }'

seq "$events" | awk '{ printf "{\"entity_type\":\"order\",\"entity_id\":\"%d\",\"event_type\":\"order.created\",\"payload\":{\"order\":%d,\"total\":\"12.00\"}}\n", $1, $1 }' >batch.jsonl
begun=$(now)
agent append --batch batch.jsonl >/dev/null
spent=$(($(now) - begun))
printf 'append of %d                %7s /s   (>= 5000)  %s\n' "$events" "$(rate "$events" $spent)" "$(took $spent)"

begun=$(now)
agent push --timeout 300 >push.json
spent=$(($(now) - begun))
final="$(grep -c '"state": "finalized"' push.json || true)"
printf 'push of %d, final           %7s /s   (>= 1000)  %s\n' "$final" "$(rate "$final" $spent)" "$(took $spent)"

begun=$(now)
"$cli" pull --home reader --json >pull.json
spent=$(($(now) - begun))
stored="$(sed -n 's/^  "stored": \([0-9]*\).*/\1/p' pull.json)"
printf 'pull and verification of %d  %7s /s   (>= 2000)  %s\n' "$stored" "$(rate "$stored" $spent)" "$(took $spent)"

inclusion="$(dirname "$cli")/examples/inclusion"
[ ! -x "$inclusion" ] || printf 'inclusion                     %s   (<= 20 us, <= 1 KB)\n' "$("$inclusion")"
