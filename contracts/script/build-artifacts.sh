#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Rebuilds `artifacts/`. With `--check`: changes nothing and fails if `artifacts/` is out of date.
set -euo pipefail
cd "$(dirname "$0")/.."

node_modules/.bin/forge build --skip test --skip script >/dev/null
if [[ "${1:-}" == --check ]]; then
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    node script/write-artifacts.mjs "$fresh"
    if ! diff -rq "$fresh" artifacts; then
        echo "artifacts/ is out of date: run script/build-artifacts.sh" >&2
        exit 1
    fi
else
    node script/write-artifacts.mjs artifacts
fi
