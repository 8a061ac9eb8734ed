#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Static analysis of `src/` with slither, in a Python environment of its own (.venv). Fails on every finding of
# every detector, informational ones too, unless a comment at the place argues it away, and names such comments that
# suppress nothing. Apart from test.sh, because it needs python3 with venv and pip.
set -euo pipefail
cd "$(dirname "$0")"

../scripts/npm-ci.sh "$PWD"
if [[ ! -x .venv/bin/slither ]]; then
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check slither-analyzer==0.11.6
fi
# The tools call `forge` by name.
PATH="$PWD/node_modules/.bin:$PATH" .venv/bin/slither . \
    --config-file slither.config.json --fail-pedantic --warn-unused-ignores
