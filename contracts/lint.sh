#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Static analysis of `src/`: solhint, then slither in a Python environment of its own (python3 with venv and pip; exact
# versions in requirements.txt). Fails on every finding of every rule and detector, informational ones too, unless a
# comment at the place argues it away, and names such comments that suppress nothing.
set -euo pipefail
cd "$(dirname "$0")"

../scripts/npm-ci.sh "$PWD"
slither="$HOME/.cache/ves-appchain/slither"
../scripts/pip-venv.sh "$slither" "$PWD/requirements.txt"

node_modules/.bin/solhint --disc --max-warnings 0 --config .solhint.json 'src/**/*.sol'

# It removes what was built before it builds: not what the tests will use.
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
# The tools call `forge` by name.
FOUNDRY_OUT="$built/out" FOUNDRY_CACHE_PATH="$built/cache" PATH="$PWD/node_modules/.bin:$PATH" \
    "$slither/bin/slither" . --config-file slither.config.json --fail-pedantic --warn-unused-ignores
