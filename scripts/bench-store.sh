#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# How fast the event store indexes and answers at 10^6 events, and how late 1,000 subscribers hear of an
# event, on both databases. One JSON line for each figure. Takes minutes and 3 GB of disk.
#
#   scripts/bench-store.sh [sqlite|postgres]...
#
# VES_BENCH_EVENTS, VES_BENCH_BLOCKS and VES_BENCH_BLOCK_EVENTS change the sizes.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

[ "$#" -gt 0 ] || set -- sqlite postgres
# A thousand connections have two ends each.
ulimit -n "$(ulimit -H -n)"
for database in "$@"; do
    for figures in indexing_and_reading subscribers; do
        VES_BENCH_DATABASE="$database" cargo test --locked --quiet -p ves-event-store --lib -- \
            --ignored --nocapture "bench::$figures" | grep '^{'
    done
done
