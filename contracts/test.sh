#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Everything that must hold of this folder. Exits non-zero at the first failure.
# Needs node and npm; the tools come from the pinned npm packages (native binaries, which report failures).
set -euo pipefail
cd "$(dirname "$0")"

step() { echo "== $*"; }

../scripts/npm-ci.sh "$PWD"
bin=node_modules/.bin

step "format"
"$bin/forge" fmt --check

step "lint"
"$bin/solhint" --disc --max-warnings 0 --config .solhint.json 'src/**/*.sol'

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
