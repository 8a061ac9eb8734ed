#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# What stateset-sync takes: start, capture (many at once, one by one in a process and by a process each), push
# to a development node until its finality is proven and kept, pull with verification, verification of an
# inclusion. EVENTS=n pushes n events (10,000), PROFILE=release builds
# optimised (default: dev), VES_NODE and VES_CLI name other programs. Exit code 1 if an aim is missed.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

events="${EVENTS:-10000}"
profile="${PROFILE:-dev}"
folder=debug
[ "$profile" = dev ] || folder="$profile"
cli="${VES_CLI:-}"
if [ -z "$cli" ]; then
    cargo build --locked --quiet --profile "$profile" -p stateset-sync --bins --examples
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

printf 'load before: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
missed=0
# aim NAME VALUE RELATION BOUND UNIT MORE
aim() {
    local mark=ok
    awk -v a="$2" -v b="$4" "BEGIN { exit !(a $3 b) }" || { mark=MISSED; missed=1; }
    printf '%-32s %10s %-4s (%s %s)  %-6s %s\n' "$1" "$2" "$5" "$3" "$4" "$mark" "${6:-}"
}

runs=20
begun=$(now)
for _ in $(seq $runs); do agent status --offline >/dev/null; done
each="$(awk -v t=$(($(now) - begun)) -v n=$runs 'BEGIN { printf "%.1f", t / n / 1e6 }')"
aim "start of a local command" "$each" "<=" 50 ms

seq "$events" | awk '{ printf "{\"entity_type\":\"order\",\"entity_id\":\"%d\",\"event_type\":\"order.created\",\"payload\":{\"order\":%d,\"total\":\"12.00\"}}\n", $1, $1 }' >batch.jsonl
begun=$(now)
agent append --batch batch.jsonl >/dev/null
spent=$(($(now) - begun))
aim "append of $events" "$(rate "$events" $spent)" ">=" 5000 /s "$(took $spent)"

example() {
    local program
    program="$(dirname "$cli")/examples/$1"
    [ -x "$program" ] || fail "$program is missing: cargo build -p stateset-sync --examples"
    shift
    "$program" "$@"
}
# Each in a transaction of its own waits for the disk: a committed event outlives a loss of power. So the
# aim is for what is captured together; one by one, the disk says how many there can be.
example append "$work" 2000 >append.txt
of() { sed -n "s/^$1: \([0-9]*\).*/\1/p" append.txt; }
tell() { printf '%-32s %10s %-4s %-18s %s\n' "$1" "$2" "$3" "" "${4:-}"; }
tell "flushes of this disk" "$(of flushes)" /s
tell "append, a transaction each" "$(of '1 a transaction')" /s "the library's capture API, synchronous=FULL"
tell "append, 10 a transaction" "$(of '10 a transaction')" /s
aim "append, 100 a transaction" "$(of '100 a transaction')" ">=" 5000 /s
one=50
begun=$(now)
for number in $(seq $one); do
    agent append --entity-type order --entity-id "one-$number" --event-type order.created \
        --payload "{\"order\":$number,\"total\":\"12.00\"}" >/dev/null
done
tell "append, a process each" "$(rate $one $(($(now) - begun)))" /s

begun=$(now)
events=$((events + one))
agent push --timeout 300 >push.json
spent=$(($(now) - begun))
final="$(grep -c '"state": "finalized"' push.json || true)"
[ "$final" = "$events" ] || fail "$final of $events are final; see $(tail -c 400 push.json)"
aim "push of $final, final" "$(rate "$final" $spent)" ">=" 1000 /s "$(took $spent)"

begun=$(now)
"$cli" pull --home reader --json >pull.json
spent=$(($(now) - begun))
stored="$(sed -n 's/^  "stored": \([0-9]*\).*/\1/p' pull.json)"
[ "$stored" = "$events" ] || fail "$stored of $events were verified"
aim "pull and verification of $stored" "$(rate "$stored" $spent)" ">=" 2000 /s "$(took $spent)"

example inclusion >inclusion.txt
for leaves in 16384 1000000; do
    line="$(grep "^$leaves leaves" inclusion.txt)"
    aim "inclusion, $leaves leaves" "$(sed 's/.* \([0-9.]*\) us$/\1/' <<<"$line")" "<=" 20 us
    aim "its proof" "$(sed 's/.* \([0-9]*\) bytes,.*/\1/' <<<"$line")" "<=" 1024 B \
        "SCALE; $(sed 's/.* \([0-9]*\) bytes of JSON.*/\1/' <<<"$line") B as JSON, in bundles"
done
printf 'load after: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
exit $missed
