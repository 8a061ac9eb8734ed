#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# How late SUBSCRIBERS readers (1,000), each over a connection of its own, hear of an event of a chain on this
# machine after it is final there: 50 events a second for 60 s in 4 streams, whose every event each reader has
# to get, without a gap. A validator with its event store in a file, or in PostgreSQL with
# EVENT_STORE=postgres. Exit code 1 if one event is missing, or if the 95th percentile is above LIMIT ms
# (1,000). Options go to the load generator.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh
# A thousand connections.
ulimit -n "$(ulimit -H -n)"
start_chain 1
load --rate 50 --seconds 60 --batch 25 --subscribers "${SUBSCRIBERS:-1000}" "$@" >"$BENCH_DIR/report"
cat "$BENCH_DIR/report"
scripts/bench-judge.mjs subscribers "$BENCH_DIR/report" "${LIMIT:-1000}"
