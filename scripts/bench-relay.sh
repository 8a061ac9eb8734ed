#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# The relay's numbers: catch-up of 10,000 batches over 50 streams, memory, lag when idle, restart.
# Against a real anvil; the appchain is played from memory. Each line is measured in a process of its
# own. Fails if a number is worse than required.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/env.sh

cargo test --workspace --locked --quiet --no-run --test volume
for what in ten_thousand_batches_of_fifty_streams lag_of_an_idle_relay_in_blocks \
    restart_to_the_first_transaction; do
    cargo test --workspace --locked --quiet --test volume -- --ignored --exact "$what" --nocapture |
        grep -E '^(catch-up|lag|restart):|FAILED|panicked'
done
