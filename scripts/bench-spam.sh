#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# What 100,000 submissions that cannot be sequenced cost a validator, and whether valid ones are kept
# and finalized beside them. Prints the load generator's figures without the junk and with it.
# JUNK (100000) and JUNK_EVENTS (1, at most 256) by environment.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

scripts/setup.sh
cargo build --workspace --locked --quiet --all-targets
source scripts/bench-nodes.sh
start_chain 1
valid=(--rate 500 --batch 50 --seconds "${SPAM_SECONDS:-100}" --watch-every 1)
say "valid submissions alone"
load "${valid[@]}"
say "beside ${JUNK:-100000} invalid ones"
load "${valid[@]}" --junk "${JUNK:-100000}" --junk-events "${JUNK_EVENTS:-1}"
