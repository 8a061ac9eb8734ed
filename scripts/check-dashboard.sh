#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Every query of a Grafana dashboard is one that Prometheus takes. Prints the queries.
# Usage: check-dashboard.sh DASHBOARD. Needs node and promtool, see scripts/setup.sh.
set -euo pipefail
PATH="$PATH:$HOME/.cache/ves-appchain/bin"

queries="$(node -e '
const board = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
for (const panel of board.panels) for (const target of panel.targets) console.log(target.expr);
' "$1")"
# A rule file of all queries: promtool parses each as Prometheus does.
rules="$(mktemp --suffix=.yml)"
trap 'rm -f "$rules"' EXIT
{
    printf 'groups:\n  - name: dashboard\n    rules:\n'
    n=0
    while IFS= read -r query; do
        n=$((n + 1))
        printf "      - record: dashboard:query_%d\n        expr: '%s'\n" "$n" "$query"
    done <<<"$queries"
} >"$rules"
promtool check rules "$rules" >&2
printf '%s\n' "$queries"
