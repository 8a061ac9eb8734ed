#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Runs `deploy.mjs` against a local chain of its own, with an encrypted keystore, as an operator would.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=node_modules/.bin
work=$(mktemp -d)
anvil=
trap '[[ -n "$anvil" ]] && kill "$anvil"; rm -rf "$work"' EXIT

# Port 0: the system picks a free one, which anvil then names in its log.
"$bin/anvil" --port 0 >"$work/anvil.log" 2>&1 &
anvil=$!
for _ in $(seq 100); do
    url=$(sed -n 's/^Listening on /http:\/\//p' "$work/anvil.log")
    [[ -n "$url" ]] && break
    sleep 0.1
done
[[ -n "$url" ]] || { cat "$work/anvil.log" >&2; exit 1; }

# A fresh account with a password, funded by the local chain.
printf 'local chain only' >"$work/password"
"$bin/cast" wallet new "$work" deployer --unsafe-password "$(<"$work/password")" --json >"$work/wallet.json"
deployer=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1]))[0].address' "$work/wallet.json")
"$bin/cast" rpc --rpc-url "$url" anvil_setBalance "$deployer" 0x8ac7230489e80000 >/dev/null

owner=0x00000000000000000000000000000000000A11cE
sequencer=0x0000000000000000000000000000000000005E00
node script/deploy.mjs --rpc-url "$url" --chain-id 31337 --owner "$owner" --sequencer "$sequencer" \
    --keystore "$work/deployer" --password-file "$work/password"

# The deployer has no rights, and the owner's address is checked before anything is sent.
if node script/deploy.mjs --rpc-url "$url" --owner 0x0000000000000000000000000000000000000000 \
    --keystore "$work/deployer" --password-file "$work/password" 2>/dev/null; then
    echo "deployed for the zero owner" >&2
    exit 1
fi
