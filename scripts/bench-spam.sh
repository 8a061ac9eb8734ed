#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# What 100,000 submissions that cannot be sequenced cost a validator, and whether valid ones are kept
# and finalized beside them. Prints the load generator's figures without the junk and with it.
# On an idle machine. JUNK (100000) and JUNK_EVENTS (1, at most 256) by environment.
# Exit code 1 if that is not what ADR 0017 says: every junk submission refused, every valid event final, the p99 of
# finality no later than without the junk (but LATER_MS, 300: the slots' dice), and at most COST_MS (0.5) of
# processor time each.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh
start_chain 1
valid=(--rate 500 --batch 50 --seconds "${SPAM_SECONDS:-100}" --watch-every 1)
junk="${JUNK:-100000}"
say "valid submissions alone"
load "${valid[@]}" | tee "$BENCH_DIR/alone.json"
say "beside $junk invalid ones"
load "${valid[@]}" --junk "$junk" --junk-events "${JUNK_EVENTS:-1}" | tee "$BENCH_DIR/beside.json"
scripts/bench-judge.mjs spam "$BENCH_DIR/alone.json" "$BENCH_DIR/beside.json" "$junk" "${LATER_MS:-300}" "${COST_MS:-0.5}"
