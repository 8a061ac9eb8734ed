#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Shows the whole way of an event on this machine, with real parts: signed, sequenced, finalized,
# anchored on an EVM chain, pulled, decrypted and verified by a second agent, also offline.
# Does its own set-up. Options are passed on: --json, --keep, --record FILE, --slow, --no-color.
set -euo pipefail
cd "$(dirname "$0")"
source scripts/env.sh

scripts/setup.sh
say "building (minutes the first time, seconds afterwards)"
cargo build --workspace --locked --quiet
exec "$CARGO_TARGET_DIR/debug/ves-demo" "$@"
