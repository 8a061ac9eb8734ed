#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Builds the relay with its two key services, AWS KMS and Google Cloud KMS, and anchors a batch with a key of the
# first, whose service a stand-in on loopback plays. Apart from test.sh: the clients are 240 crates of which the rest
# of the project needs nothing. Needs the programs that test.sh builds.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

export VES_BIN_DIR="${VES_BIN_DIR:-$CARGO_TARGET_DIR/debug}"
# Other features of shared crates: a place of their own, and quick to compile.
export CARGO_TARGET_DIR="${VES_KMS_TARGET_DIR:-$CARGO_TARGET_DIR-kms}"
cargo test --locked --config 'profile.dev.package."*".opt-level=0' -p anchor-relay --features aws-kms,gcp-kms \
    --lib --bins --test kms "$@"
