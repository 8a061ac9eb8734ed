#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Chaos before a release: a hundred random schedules of faults, each by its own seed on a network of its
# own, and two hundred kill cycles, all under load, each checked. As root, with network namespaces; takes
# five hours or so on two cores.
#
#   scripts/long-chaos.sh [FIRST_SEED [SCHEDULES [CYCLES]]]
#
# A line of JSON for each goes to chaos.jsonl in the working directory, or to $CHAOS_REPORT.
set -euo pipefail
report="$(realpath -m "${CHAOS_REPORT:-chaos.jsonl}")"
cd "$(dirname "$0")/.."
source scripts/env.sh

seed="${1:-1}" schedules="${2:-100}" cycles="${3:-200}"
cargo build --workspace --locked --bins
chaos="$CARGO_TARGET_DIR/debug/ves-chaos"
broken=0
for ((n = seed; n < seed + schedules; n++)); do
    "$chaos" run --seed "$n" --seconds 60 --rate 200 --json >>"$report" || {
        code=$?
        [ "$code" -ne 3 ] || exit "$code"
        broken=$((broken + 1))
        say "seed $n: exit code $code"
    }
done
"$chaos" kill-cycles "$cycles" --seed "$seed" --rate 200 --json >>"$report" || broken=$((broken + 1))

# Milliseconds until finality was back, over all faults.
node -e '
  const lines = require("fs").readFileSync(process.argv[1], "utf8").trim().split("\n").map(JSON.parse);
  const ms = lines.flatMap((line) => line.faults.map((fault) => fault.resumed_after_ms ?? Infinity)).sort((a, b) => a - b);
  const at = (share) => ms[Math.min(ms.length - 1, Math.floor(ms.length * share))];
  console.log(`${lines.length} reports, ${ms.length} faults; finality back after p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, most ${ms.at(-1)} ms`);
' "$report"
[ "$broken" -eq 0 ] || fail "$broken runs broke a promise or could not be tried; see $report"
