#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# The long form of the simulations: the relay and the sequencing pallets, each from many seeds.
# Usage: scripts/long-simulation.sh [schedules of each, default 100000] [first seed, default 1]
#
# A failure says `VES_SEED=<seed>`. The same commit plays it again and prints what happened:
#   VES_SEED=<seed> cargo test --workspace --locked --lib -- <name of the test> --nocapture
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"
schedules="${1:-100000}"
first="${2:-1}"
# One job on each core, kept there: the relay and its database are two threads that wait for each other, which
# takes three times as long from one core to another.
mapfile -t cores < <(awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status | tr , '\n' |
    while IFS=- read -r first_core last_core; do seq "$first_core" "${last_core:-$first_core}"; done)
jobs="${#cores[@]}"

say "building"
cargo test --workspace --locked --lib --no-run
logs="$(mktemp -d)"
trap 'rm -rf "$logs"' EXIT
each=$(((schedules + jobs - 1) / jobs))
failed=0
for name in relay::simulation::r4_seeds_keep_every_promise \
    tests::simulation::r2_seeds_keep_every_promise; do
    say "$name: $jobs x $each schedules from seed $first"
    pids=()
    for job in $(seq 0 $((jobs - 1))); do
        VES_SCHEDULES="$each" VES_FIRST_SEED=$((first + job * each)) \
            taskset -c "${cores[$job]}" cargo test --workspace --locked --lib -- --exact "$name" --nocapture \
            >"$logs/$job" 2>&1 &
        pids+=($!)
    done
    for job in "${!pids[@]}"; do
        wait "${pids[$job]}" || failed=1
        grep -hE 'schedules from seed|VES_SEED=' "$logs/$job" || { cat "$logs/$job"; failed=1; }
    done
done
[ "$failed" = 0 ] || fail "a schedule failed: its seed stands above, how to play it again in this script"
