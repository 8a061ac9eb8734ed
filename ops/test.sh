#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# What operators get, without running it: alerts are valid and fire, each has its section in the
# manual; the dashboard's queries are valid; systemd takes the units and finds them confined; the manual installs
# what they ask for. Running it, with the arguments of the units: ops/drill.mjs.
# Needs promtool and systemd-analyze, see scripts/setup.sh.
set -euo pipefail
cd "$(dirname "$0")"
PATH="$PATH:$HOME/.cache/ves-appchain/bin"
manual=../docs/OPERATIONS.md
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
# The gateway's key is the operator's to make: a stand-in, in a copy.
install -D -m 600 /dev/null "$root/etc/prometheus/ves-gateway.key"
install -D -m 644 alerts.yml "$root/ops/alerts.yml"
install -D -m 644 ../anchor-relay/ops/alerts.yml "$root/anchor-relay/ops/alerts.yml"
sed "s#credentials_file: #&$root#" prometheus.yml >"$root/ops/prometheus.yml"
promtool check config "$root/ops/prometheus.yml"
promtool test rules alerts.test.yml
queries="$(../scripts/check-dashboard.sh dashboard.json)"
metrics="$(grep -oh '"ves_[a-z0-9_]*"' ../event-store/indexer/src/metrics.rs ../node/src/chain_metrics.rs ../node/src/votes.rs ../gateway/src/metrics.rs | tr -d '"' | sort -u)"
used="$( (printf '%s\n' "$queries"; cat alerts.yml) | grep -o '\bves_[a-z0-9_]*' | sed 's/_\(bucket\|sum\|count\)$//' | sort -u)"
unknown="$(comm -13 <(printf '%s\n' "$metrics") <(printf '%s\n' "$used"))"
[ -z "$unknown" ] || fail "no such metric: $unknown"
for alert in $(sed -n 's/.*- alert: //p' alerts.yml); do
    grep -qx "### $alert" "$manual" || fail "$alert is not in $manual"
    grep -q "alertname: $alert$" alerts.test.yml || fail "$alert is never fired"
done

# What the benchmarks that operators size by must not exceed.
node --test ../scripts/bench-judge.test.mjs >/dev/null || fail "scripts/bench-judge.mjs judges wrongly"

# systemd asks for the programs: stand-ins too.
install -d "$root/usr/local/bin" "$root/etc/systemd/system" "$root/usr/lib/systemd"
cp -r /usr/lib/systemd/system "$root/usr/lib/systemd/" 2>/dev/null ||
    cp -r /lib/systemd/system "$root/usr/lib/systemd/"
for program in local/bin/ves-node local/bin/anchor-relay local/bin/ves-gateway bin/stateset-sync; do
    install -D -m 755 /dev/stdin "$root/usr/$program" <<<'#!/bin/sh'
done
units=(systemd/*.service ../cli/docs/systemd/*.service)
cp "${units[@]}" "$root/etc/systemd/system/"
for unit in "${units[@]}"; do
    name="$(basename "$unit")"
    # It warns of a misspelt setting and still returns 0.
    said="$(systemd-analyze verify --root="$root" "$name" 2>&1)" || fail "$name: $said"
    ! grep "$name" <<<"$said" >&2 || fail "$name is not what systemd expects"
    # Tenths: 0 is fully confined, 100 not at all.
    systemd-analyze security --offline=true --no-pager --threshold=20 "$unit" >/dev/null ||
        fail "$name is not confined: systemd-analyze security --offline=true $unit"
done

# The manual installs every file that a unit asks for; a file that the service opens itself is its user's.
for unit in systemd/*.service; do
    user="$(sed -n 's/^User=//p' "$unit")"
    for file in $(grep -v '^#' "$unit" | grep -o '/etc/ves/[a-z.-]*' | sort -u); do
        installed="$(grep -E "^install .* $file( |\$)" "$manual")" || fail "$manual does not install $file"
        if grep -q -- "--node-key-file $file" "$unit" && ! grep -q -- "-m 400 -o $user " <<<"$installed"; then
            fail "$user cannot read $file, or others can: $installed"
        fi
    done
done
# Settings of the kernel are as it knows them, and the manual installs them.
for settings in sysctl/*.conf; do
    for name in $(sed -n 's/^\([a-z_.]*\) = [0-9]*$/\1/p' "$settings"); do
        [ -e "/proc/sys/${name//.//}" ] || fail "$settings: the kernel has no $name"
    done
    ! grep -vE '^(#|$|[a-z_.]+ = [0-9]+$)' "$settings" || fail "$settings is not what sysctl expects"
    grep -qF "ops/$settings /etc/sysctl.d/" "$manual" || fail "$manual does not install $settings"
done
echo "alerts, manual, units and settings agree"
