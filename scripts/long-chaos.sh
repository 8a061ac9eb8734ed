#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Chaos before a release, under load, each run on a network of its own and checked. As root, with network
# namespaces; all of it takes six hours or so on two cores. Runs by name, all of them if none is named:
#
#   outage       one validator killed for ten minutes, then back
#   stopped      one validator stopped (SIGSTOP) for 60 s
#   clocks       three clocks that are wrong or jump, for 60 s each: what a validator makes whose clock is far off is refused
#   other-chain  a node of a chain with another genesis knocks for 60 s: it is refused
#   schedules    SCHEDULES (100) random schedules of faults, each by its own seed, from SEED (1) on
#   kills        CYCLES (200) kill cycles
#
#   SEED=1 RATE=300 scripts/long-chaos.sh [RUN ...]
#
# RATE (300) events a second, 200 to 500. A line of JSON for each schedule goes to chaos.jsonl in the working
# directory, or to $CHAOS_REPORT. Exit code 1 if a promise was broken or something could not be tried.
set -euo pipefail
report="$(realpath -m "${CHAOS_REPORT:-chaos.jsonl}")"
cd "$(dirname "$0")/.."
source scripts/env.sh

seed="${SEED:-1}" rate="${RATE:-300}" schedules="${SCHEDULES:-100}" cycles="${CYCLES:-200}"
for number in "$seed" "$rate" "$schedules" "$cycles"; do
    [[ "$number" =~ ^[0-9]+$ ]] || fail "not a number: $number"
done
[ "$rate" -ge 200 ] && [ "$rate" -le 500 ] || fail "RATE is from 200 to 500: $rate"
runs=("$@")
[ ${#runs[@]} -gt 0 ] || runs=(outage stopped clocks other-chain schedules kills)
for run in "${runs[@]}"; do
    case "$run" in
        outage | stopped | clocks | other-chain | schedules | kills) ;;
        *) fail "no such run: $run" ;;
    esac
done

cargo build --workspace --locked --bins
chaos="$CARGO_TARGET_DIR/debug/ves-chaos"
broken=0
# try NAME ARGUMENTS …: 3 means that this machine cannot do it at all.
try() {
    local name="$1" code=0
    shift
    say "$name"
    "$chaos" "$@" --rate "$rate" --json >>"$report" || code=$?
    [ "$code" -ne 3 ] || exit "$code"
    [ "$code" -eq 0 ] || { broken=$((broken + 1)); say "$name: exit code $code"; }
}

for run in "${runs[@]}"; do
    case "$run" in
        # Two of four: nothing is final for ten minutes.
        outage) try outage run --seed "$seed" --steps 1 --faults kill-two --seconds 600 --exact ;;
        stopped) try stopped run --seed "$seed" --steps 1 --faults pause --seconds 60 --exact ;;
        # Of the others chance says how far off they are; of this one the refusals are certain.
        clocks) try clocks run --seed "$seed" --steps 3 --faults clock-fast,clock-skew,clock-jump --seconds 60 --exact ;;
        other-chain) try other-chain run --seed "$seed" --steps 1 --faults other-chain --seconds 60 --exact ;;
        schedules)
            for ((n = seed; n < seed + schedules; n++)); do
                try "seed $n" run --seed "$n" --seconds 60
            done ;;
        kills) try kills kill-cycles "$cycles" --seed "$seed" ;;
    esac
done

# Milliseconds until finality was back, over all faults.
node -e '
  const lines = require("fs").readFileSync(process.argv[1], "utf8").trim().split("\n").map(JSON.parse);
  const ms = lines.flatMap((line) => line.faults.map((fault) => fault.resumed_after_ms ?? Infinity)).sort((a, b) => a - b);
  const at = (share) => ms[Math.min(ms.length - 1, Math.floor(ms.length * share))];
  console.log(`${lines.length} reports, ${ms.length} faults; finality back after p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, most ${ms.at(-1)} ms`);
' "$report"
[ "$broken" -eq 0 ] || fail "$broken runs broke a promise or could not be tried; see $report"
