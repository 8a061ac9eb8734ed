#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Memory of four validators on this machine over time, under load: MINUTES (60 unless set) at RATE
# events a second (1,800). Their resident sets are read every ten seconds; printed for each node are the
# most, the means of the second and of the last quarter of the time, and the slope of the straight line
# through everything after the first quarter, in which caches fill. Exit code 1 if a node took 1.5 GB or
# more, or if all four grow by more than LIMIT MB an hour (50): a trend, and not what one of them happens to
# do. Options go to the load generator.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

source scripts/bench-nodes.sh
minutes="${MINUTES:-60}" rate="${RATE:-1800}"
# Signed before it begins, so a round is as long as the generator's memory allows.
round=$((minutes * 60 < 300 ? minutes * 60 : 300))

start_chain 4
samples="$BENCH_DIR/samples"
begun=$SECONDS
(
    while sleep 10; do
        for n in 0 1 2 3; do
            printf '%d %d %d\n' "$n" $((SECONDS - begun)) "$(awk '/VmRSS/ { print $2 }' "/proc/${BENCH_NODES[n]}/status")"
        done
    done >"$samples"
) &
sampler=$!
BENCH_NODES+=("$sampler")
while [ $((SECONDS - begun)) -lt $((minutes * 60)) ]; do
    load --rate "$rate" --seconds "$round" "$@"
done
kill "$sampler"

awk -v end=$((SECONDS - begun)) -v limit="${LIMIT:-50}" '
    { mb = $3 / 1024; if (mb > most[$1]) most[$1] = mb }
    $2 >= end / 4 { n[$1]++; x[$1] += $2; y[$1] += mb; xx[$1] += $2 * $2; xy[$1] += $2 * mb }
    $2 >= end / 4 && $2 < end / 2 { early[$1] += mb; earlies[$1]++ }
    $2 >= end * 3 / 4 { late[$1] += mb; lates[$1]++ }
    END {
        for (node = 0; node < 4; node++) {
            slope = 3600 * (n[node] * xy[node] - x[node] * y[node]) / (n[node] * xx[node] - x[node] * x[node])
            printf "node %d: at most %d MB; mean of the second quarter %d MB, of the last %d MB; %+.1f MB an hour\n",
                node, most[node], early[node] / earlies[node], late[node] / lates[node], slope
            if (most[node] >= 1536) wrong = 1
            if (slope > limit) growing++
        }
        exit wrong || growing == 4
    }' "$samples"
