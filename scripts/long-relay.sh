#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# The relay's long fault test: three times 1,000 batches by the built program behind a proxy that loses and
# misreports answers, with reorgs, SIGKILL and SIGTERM at random moments and an appchain node that goes away, each
# by a fixed seed. Every finalized batch and proof must be on chain exactly once, in order and equal.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/env.sh

RELAY_TEST_PATIENCE=600 cargo test --workspace --locked --quiet --test random -- \
    --ignored --exact f21_a_thousand_batches_and_random_faults --nocapture
