#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Memory of four validators on this machine over time, under load: MINUTES (60 unless set) at RATE
# events a second (1,800). Read every ten seconds is what each node has for itself, and beside it the
# pages of its database that are mapped: the kernel's cache, which grows with the database while memory
# is free and is given back when it is not. Where memory control groups can be made, each node is also
# confined to CONFINED MB (1,536), cache included: it has to do its work within them. Printed for each
# node are the most, the means of the second and of the last quarter of the time, and the slope of the
# straight line through everything after the first quarter, in which caches fill. Exit code 1 if a node
# took 1.5 GB or more for itself, or grew by more than LIMIT MB an hour (50) and had more in the last
# quarter than in the second. Options go to the load generator.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh
minutes="${MINUTES:-60}" rate="${RATE:-1800}" confined="${CONFINED:-1536}"
# Signed before it begins, so a round is as long as the generator's memory allows.
round=$((minutes * 60 < 300 ? minutes * 60 : 300))

# The limit for node $1, process $2. From its start, since pages stay with the group that first read them.
groups=()
confine() {
    local group
    if [ -d /sys/fs/cgroup/memory ]; then
        group="/sys/fs/cgroup/memory/ves-bench-$$-$1"
        mkdir "$group" 2>/dev/null || return 1
        echo $((confined << 20)) >"$group/memory.limit_in_bytes"
    else
        group="/sys/fs/cgroup/ves-bench-$$-$1"
        mkdir "$group" 2>/dev/null || return 1
        echo $((confined << 20)) >"$group/memory.max" || return 1
    fi
    groups+=("$group")
    echo "$2" >"$group/cgroup.procs"
}
BENCH_STARTED=confine

start_chain 4
if [ "${#groups[@]}" -eq 4 ]; then
    say "each node is confined to $confined MB"
else
    say "no control groups for memory here: the nodes are not confined"
fi
trap 'stop_chain; [ "${#groups[@]}" -eq 0 ] || rmdir "${groups[@]}"; rm -rf "$BENCH_DIR"' EXIT
samples="$BENCH_DIR/samples"
begun=$SECONDS
(
    while sleep 10; do
        for n in 0 1 2 3; do
            printf '%d %d %s\n' "$n" $((SECONDS - begun)) \
                "$(awk '/RssAnon|RssShmem/ { own += $2 } /RssFile/ { mapped = $2 } END { print own, mapped }' "/proc/${BENCH_NODES[n]}/status")"
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
    { mb = $3 / 1024; if (mb > most[$1]) most[$1] = mb; if ($4 / 1024 > mapped[$1]) mapped[$1] = $4 / 1024 }
    $2 >= end / 4 { n[$1]++; x[$1] += $2; y[$1] += mb; xx[$1] += $2 * $2; xy[$1] += $2 * mb }
    $2 >= end / 4 && $2 < end / 2 { early[$1] += mb; earlies[$1]++ }
    $2 >= end * 3 / 4 { late[$1] += mb; lates[$1]++ }
    END {
        for (node = 0; node < 4; node++) {
            slope = 3600 * (n[node] * xy[node] - x[node] * y[node]) / (n[node] * xx[node] - x[node] * x[node])
            before = early[node] / earlies[node]
            after = late[node] / lates[node]
            printf "node %d: at most %d MB of its own, %d MB mapped; mean of the second quarter %d MB, of the last %d MB; %+.1f MB an hour\n",
                node, most[node], mapped[node], before, after, slope
            if (most[node] >= 1536 || (slope > limit && after > before)) wrong = 1
        }
        exit wrong
    }' "$samples"
