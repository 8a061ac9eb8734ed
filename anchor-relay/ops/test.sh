#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Alerts and dashboard: rules are valid and fire, every query is valid and names metrics that the
# relay has, every alert has its section in the runbook. Needs node and promtool, see scripts/setup.sh.
set -euo pipefail
cd "$(dirname "$0")"
PATH="$PATH:$HOME/.cache/ves-appchain/bin"

promtool check rules alerts.yml
promtool test rules alerts.test.yml

queries="$(../../scripts/check-dashboard.sh dashboard.json)"
metrics="$(grep -oh '"ves_relay_[a-z0-9_]*"' ../src/metrics/series.rs | tr -d '"' | sort -u)"
used="$( (printf '%s\n' "$queries"; cat alerts.yml) | grep -o 'ves_relay_[a-z0-9_]*' | sort -u)"
unknown="$(comm -13 <(printf '%s\n' "$metrics") <(printf '%s\n' "$used"))"
[ -z "$unknown" ] || { printf 'no such metric: %s\n' "$unknown" >&2; exit 1; }
for alert in $(sed -n 's/.*- alert: //p' alerts.yml); do
    grep -qx "## $alert" runbook.md || { echo "$alert is not in the runbook" >&2; exit 1; }
done
echo "alerts, dashboard and runbook agree"
