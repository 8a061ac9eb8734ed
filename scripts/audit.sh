#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Dependencies by the rules of deny.toml: licences, bans, where they come from, and what is known
# against them. The tool takes three minutes of processor time to compile, once. The database of advisories is fetched; where it cannot be had, that part is named and left out.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

tools="$HOME/.cache/ves-appchain"
PATH="$tools/bin:$PATH"
if ! command -v cargo-deny >/dev/null; then
    say "compiling cargo-deny"
    # As its authors compile it: not by the lints of test.sh.
    env -u RUSTC_WORKSPACE_WRAPPER -u CLIPPY_ARGS cargo install --locked --quiet --root "$tools" cargo-deny@0.20.2
fi

step() {
    say "$1"
    # Names of licences that SPDX has renamed since are no finding.
    cargo deny --locked --workspace check --hide-inclusion-graph --allow parse-error "$1"
}

step licenses
step bans
step sources
if cargo deny fetch db 2>/dev/null; then
    step advisories
else
    say "advisories: not checked, their database cannot be fetched here"
fi
