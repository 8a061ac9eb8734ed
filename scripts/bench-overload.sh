#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Four validators on this machine at RATE events a second (1,800), which leaves it half idle, while other
# processes take its processors for a minute: blocks take longer than their slots then. Printed is how far
# finality lags behind the newest block, from the nodes' own log, every five seconds. Exit code 1 if it lags by
# more than LIMIT blocks (20) at any time, or is not back within a minute (ADR 0058).
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh

# How many blocks are not final at the node for which these are most, by the nodes' last lines about it.
lag() {
    local n
    for n in 0 1 2 3; do
        grep -oE 'best: #[0-9]+ .*finalized #[0-9]+' "$BENCH_DIR/node-$n.log" | tail -n 1
    done | sed -E 's/best: #([0-9]+) .*finalized #([0-9]+)/\1 \2/' |
        awk '{ lag = $1 - $2; if (lag > most) most = lag } END { print most + 0 }'
}
most=0 now=0
watch_for() {
    local end=$((SECONDS + $1))
    while [ $SECONDS -lt $end ]; do
        sleep 5
        now="$(lag)"
        most=$((now > most ? now : most))
        printf '%4d s: %d blocks not final\n' $((SECONDS - begun)) "$now"
    done
}

start_chain 4
load --rate "${RATE:-1800}" --seconds 180 >"$BENCH_DIR/load" 2>&1 &
BENCH_NODES+=($!)
until grep -q offering "$BENCH_DIR/load"; do sleep 1; done
begun=$SECONDS
watch_for 30
say "$(($(nproc) + 1)) other processes for a minute"
for _ in $(seq $(($(nproc) + 1))); do
    timeout 60 sh -c 'while :; do :; done' &
done
watch_for 60
say "without them"
watch_for 60
printf 'at most %d blocks not final, %d at the end\n' "$most" "$now"
[ "$most" -le "${LIMIT:-20}" ] && [ "$now" -le 4 ]
