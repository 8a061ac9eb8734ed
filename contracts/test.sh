#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Everything that must hold of this folder. Exits non-zero at the first failure.
# Needs node, npm, and python3 with venv and pip; the tools come from pinned packages (forge's native binaries, which
# report failures).
set -euo pipefail
cd "$(dirname "$0")"

step() { echo "== $*"; }

../scripts/npm-ci.sh "$PWD"
bin=node_modules/.bin

step "format"
"$bin/forge" fmt --check

step "lint"
./lint.sh

step "artifacts are up to date"
script/build-artifacts.sh --check

step "ABI against the peer's"
node script/check-abi.mjs

step "tests"
"$bin/forge" test

step "gas snapshot"
"$bin/forge" snapshot --match-contract GasTest --check

step "deployment"
script/check-deploy.sh

step "all good"
