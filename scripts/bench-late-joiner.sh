#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# How long a node that comes late takes until it is in sync with four validators on this machine, after
# EVENTS events (200,000 unless set) at RATE a second (1,800): once from the newest proven state (warp),
# once as an archive node that executes every block and fills its event store (full). The validators go
# on making blocks, empty ones. Options go to the load generator.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh
events="${EVENTS:-200000}" rate="${RATE:-1800}"

start_chain 4
say "$events events of history"
load --rate "$rate" --seconds $(((events + rate - 1) / rate)) "$@" >&2

# Prints what an expression makes of node N's answers; `ask` asks it.
of() {
    node --input-type=module -e "
        const ask = (method, ...params) => fetch('http://127.0.0.1:$((19944 + $1))', {
            method: 'POST', headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
        }).then((answer) => answer.json()).then(({ error, result }) => {
            if (error) throw new Error(error.message);
            return result;
        });
        const number = async (hash) => Number((await ask('chain_getHeader', hash)).number);
        console.log(await (async () => $2)());
    "
}
final='number(await ask("chain_getFinalizedHead"))'

# await_that WHAT COMMAND…: until it succeeds, 15 minutes at most; sets TOOK to the milliseconds since BEGUN.
await_that() {
    local what="$1"
    shift
    until "$@" 2>/dev/null; do
        [ $(($(date +%s%3N) - BEGUN)) -lt 900000 ] || fail "waited in vain for $what"
        sleep 0.3
    done
    TOOK=$(($(date +%s%3N) - BEGUN))
}
in_sync() { [ "$(of "$1" "$final")" -ge "$head" ]; }
has_history() { [ "$(of "$1" 'ask("chain_getBlockHash", 1)')" = "$first" ]; }
has_events() { [ "$(of "$1" 'JSON.stringify((await ask("ves_streams")).streams)')" = "$streams" ]; }

head="$(of 0 "$final")"
first="$(of 0 'ask("chain_getBlockHash", 1)')"
streams="$(of 0 'JSON.stringify((await ask("ves_streams")).streams)')"
count="$(of 0 '(await ask("ves_streams")).streams.reduce((sum, { sequence }) => sum + sequence, 0)')"
say "$count events in blocks 1 to $head"

n=4
for mode in warp full; do
    keeps=(--no-event-store)
    [ $mode = warp ] || keeps=(--state-pruning archive --blocks-pruning archive)
    BEGUN="$(date +%s%3N)"
    start_node $n --chain local --allow-private-ip --sync $mode "${keeps[@]}" \
        --bootnodes "/ip4/127.0.0.1/tcp/30533/p2p/$BENCH_PEER"
    await_that "$mode sync" in_sync $n
    line="$mode: $count events, block $head final after $TOOK ms"
    if [ $mode = warp ]; then
        await_that "older blocks" has_history $n
        line+=", all older blocks after $TOOK ms"
    else
        await_that "its event store" has_events $n
        line+=", all events served after $TOOK ms"
    fi
    printf '%s, %s MB on disk, %s MB of memory at most\n' "$line" \
        "$(du -sm "$BENCH_DIR/node-$n" | cut -f1)" \
        "$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/${BENCH_NODES[n]}/status")"
    n=$((n + 1))
done
