#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# The relay's numbers: catch-up of 10,000 batches over 50 streams, memory, lag when idle, restart.
# Catch-up and lag count to the block of the L2 that holds the batches, and are measured by both rules:
# an anchor counts as done in its block, or (the default rule) when that block is final. Against a real
# anvil whose blocks are final after 240 others; the appchain is played from memory. Each line is
# measured in a process of its own. Fails if a number is worse than required.
#
# Usage: bench-relay.sh [WHAT]...   WHAT: the beginning of a name below; without one all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/env.sh

cargo test --workspace --locked --quiet --no-run --test volume
wanted=("$@")
ran=no
is_wanted() {
    [ "${#wanted[@]}" -gt 0 ] || return 0
    for start in "${wanted[@]}"; do
        [[ $1 == "$start"* ]] && return 0
    done
    return 1
}
for what in ten_thousand_batches_of_fifty_streams \
    ten_thousand_batches_of_fifty_streams_under_finalized \
    lag_of_an_idle_relay lag_of_an_idle_relay_under_finalized \
    restart_to_the_first_transaction; do
    is_wanted "$what" || continue
    ran=yes
    cargo test --workspace --locked --quiet --test volume -- --ignored --exact "$what" --nocapture |
        grep -E '^(catch-up|lag|restart):|FAILED|panicked'
done
[ "$ran" = yes ] || { echo "no such measurement: $*" >&2; exit 1; }
