# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the benchmarks: starts a chain on this machine and ends it with the script.
# start_chain N: N validators, 1 or 4. Sets BENCH_URLS (comma-separated), BENCH_PID (the first node)
# and BENCH_DIR (base paths and logs). BENCH_STARTED, if set, is called with number and process of each.
# With EVENT_STORE=postgres each node keeps its event store in a database of its own of a PostgreSQL server,
# which is started and ended too; otherwise in a file.

BENCH_DIR="$(mktemp -d)"
BENCH_NODES=()
stop_chain() {
    [ ${#BENCH_NODES[@]} -eq 0 ] || kill "${BENCH_NODES[@]}" 2>/dev/null || true
    [ ${#BENCH_NODES[@]} -eq 0 ] || wait "${BENCH_NODES[@]}" 2>/dev/null || true
    BENCH_NODES=()
}
stop_postgres() {
    [ -n "${BENCH_POSTGRES_FOLDER:-}" ] || return 0
    # It ends with its input.
    exec {BENCH_POSTGRES_IN}>&-
    wait "$BENCH_POSTGRES_PID" 2>/dev/null || true
}
trap 'stop_chain; stop_postgres; rm -rf "$BENCH_DIR"' EXIT

start_postgres() {
    coproc BENCH_POSTGRES { exec env -i PATH="$PATH" sh "$VES_ROOT/tests/store/postgres.sh"; }
    # The coprocess's own variables are gone when it ends.
    exec {BENCH_POSTGRES_OUT}<&"${BENCH_POSTGRES[0]}" {BENCH_POSTGRES_IN}>&"${BENCH_POSTGRES[1]}"
    exec {BENCH_POSTGRES[1]}>&-
    local said
    read -r said <&"$BENCH_POSTGRES_OUT" || true
    case "$said" in
        ready\ *) BENCH_POSTGRES_FOLDER="${said#ready }" ;;
        *) fail "PostgreSQL did not start: $said" ;;
    esac
}

# The URL of a new database.
new_database() {
    local made
    printf '%s\n' "$1" >&"$BENCH_POSTGRES_IN"
    read -r made <&"$BENCH_POSTGRES_OUT" || true
    [ "$made" = "$1" ] || fail "database $1 was not created"
    printf 'postgres://ves@%s/%s' "${BENCH_POSTGRES_FOLDER//\//%2F}" "$1"
}

# The first node's identity in the network; public.
BENCH_NODE_KEY=0000000000000000000000000000000000000000000000000000000000000001
BENCH_PEER=12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp

start_node() {
    local n="$1" store=()
    shift
    [ "${EVENT_STORE:-}" != postgres ] || store=(--event-store "$(new_database "node$n")")
    "$CARGO_TARGET_DIR/debug/ves-node" --base-path "$BENCH_DIR/node-$n" --rpc-port $((19944 + n)) \
        --listen-addr "/ip4/127.0.0.1/tcp/$((30533 + n))" --no-mdns --no-prometheus --no-telemetry \
        --rpc-max-request-size 32 --rpc-max-connections 4096 "${store[@]}" "$@" \
        >"$BENCH_DIR/node-$n.log" 2>&1 &
    BENCH_NODES+=($!)
    [ -z "${BENCH_STARTED:-}" ] || "$BENCH_STARTED" "$n" $! || true
}

await_node() {
    for _ in $(seq 360); do
        grep -q 'Running JSON-RPC server' "$BENCH_DIR/node-$1.log" && return
        kill -0 "${BENCH_NODES[$1]}" 2>/dev/null || break
        sleep 0.5
    done
    cat "$BENCH_DIR/node-$1.log" >&2
    fail "node $1 did not start"
}

start_chain() {
    local names=(alice bob charlie dave) n
    case "${EVENT_STORE:-sqlite}" in
        postgres) [ -n "${BENCH_POSTGRES_FOLDER:-}" ] || start_postgres ;;
        sqlite) ;;
        *) fail "EVENT_STORE is sqlite or postgres, not $EVENT_STORE" ;;
    esac
    if [ "$1" -eq 1 ]; then
        start_node 0 --dev
        await_node 0
    else
        for n in $(seq 0 $(($1 - 1))); do
            local network=(--bootnodes "/ip4/127.0.0.1/tcp/30533/p2p/$BENCH_PEER"
                --unsafe-force-node-key-generation)
            [ "$n" -gt 0 ] || network=(--node-key "$BENCH_NODE_KEY")
            start_node "$n" --chain local "--${names[$n]}" --validator --allow-private-ip "${network[@]}"
        done
        for n in $(seq 0 $(($1 - 1))); do await_node "$n"; done
        sleep 10
    fi
    BENCH_PID="${BENCH_NODES[0]}"
    BENCH_URLS="$(for n in $(seq 0 $(($1 - 1))); do printf 'ws://127.0.0.1:%d,' $((19944 + n)); done)"
    BENCH_URLS="${BENCH_URLS%,}"
    sleep 4
}

# Says each second how far the first node's event store is behind its finality, blocks.
watch_lag() {
    while kill -0 "$BENCH_PID" 2>/dev/null && sleep 1; do
        curl -s -m 5 -H 'content-type: application/json' http://127.0.0.1:19944 \
            -d '{"jsonrpc":"2.0","id":1,"method":"ves_health","params":[]}' |
            grep -oE '"lag_blocks":[0-9]+' | cut -d: -f2 || true
    done
}

load() { "$CARGO_TARGET_DIR/debug/examples/load" --url "$BENCH_URLS" --pid "$BENCH_PID" "$@"; }
