#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Events per second that a chain on this machine finalizes, counted from chain data. Starts its own
# nodes: one validator, or as many as VALIDATORS says (1 or 4).
# Options go to the load generator: --rate, --seconds, --batch, --payload, --streams, --agents and
# more (--help). PRELOAD=N has N events sequenced first, so that there is history.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh
start_chain "${VALIDATORS:-1}"
if [ "${PRELOAD:-0}" -gt 0 ]; then
    say "$PRELOAD events of history"
    load --rate 4000 --seconds $(((PRELOAD + 3999) / 4000)) >&2
fi
load "$@"
for log in "$BENCH_DIR"/node-*.log; do
    printf '%s: %d proposals thrown away, %d reorganisations\n' "$(basename "$log")" \
        "$(grep -c 'Discarding proposal' "$log" || true)" "$(grep -c 'Reorg on' "$log" || true)" >&2
done
