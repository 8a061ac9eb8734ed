#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Events per second that a chain on this machine finalizes, counted from chain data. Starts its own
# nodes: one validator, or as many as VALIDATORS says (1 or 4), with event stores in files, or in PostgreSQL
# with EVENT_STORE=postgres. Also says how far the first node's event store was behind finality at most.
# Options go to the load generator: --rate, --seconds, --batch, --payload, --streams, --agents and
# more (--help). PRELOAD=N has N events sequenced first, so that there is history; they are made as
# PRELOAD_OPTIONS says.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh
start_chain "${VALIDATORS:-1}"
if [ "${PRELOAD:-0}" -gt 0 ]; then
    say "$PRELOAD events of history"
    # shellcheck disable=SC2086
    load --rate 4000 --seconds $(((PRELOAD + 3999) / 4000)) --payload 32 ${PRELOAD_OPTIONS:-} >&2
    built="$(grep -c 'Prepared block' "$BENCH_DIR/node-0.log")"
fi
watch_lag >"$BENCH_DIR/lag" &
lag_pid=$!
load "$@"
kill "$lag_pid" 2>/dev/null || true
awk '$1 > most { most = $1 } END {
    if (NR) printf "event store at most %d blocks behind finality, in %d looks\n", most, NR
    else print "the lag of the event store is not known: the node did not answer"
}' "$BENCH_DIR/lag" >&2
# Blocks with submissions in them: besides these a block has its inherent.
grep 'Prepared block' "$BENCH_DIR/node-0.log" | tail -n +$((${built:-0} + 1)) |
    sed -E 's/.*\(([0-9]+) ms\).*extrinsics_count: ([0-9]+).*/\1 \2/' |
    awk '$2 > 1 { ms += $1; submissions += $2 - 1; if ($1 > most) most = $1 }
        END { if (submissions) printf "built in %.2f ms a submission, the longest block in %d ms\n", ms / submissions, most }' >&2
for log in "$BENCH_DIR"/node-*.log; do
    printf '%s: %d proposals thrown away, %d reorganisations\n' "$(basename "$log")" \
        "$(grep -c 'Discarding proposal' "$log" || true)" "$(grep -c 'Reorg on' "$log" || true)" >&2
done
