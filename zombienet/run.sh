#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# A consortium's network under zombienet: four validators, one that wants to be the fifth, an archive
# node, agents, the relay and an EVM chain, all processes of this machine. Does its own set-up. Exit code
# 0 if every line of the scenario holds; otherwise 1, and everything is kept, logs included.
#
# run.sh            consortium.zndsl: six to nine minutes, and the build of a second runtime
# run.sh --short    short.zndsl: three minutes
set -euo pipefail
source "$(dirname "$0")/../scripts/env.sh"
cd "$VES_ROOT"

case "${1:-}" in
    "") scenario=consortium ;;
    --short) scenario=short ;;
    *) fail "unknown option: $1" ;;
esac

scripts/setup.sh
scripts/npm-ci.sh "$VES_ROOT/zombienet"
# What judges in the end has to find what is wrong.
node --test --test-reporter=dot zombienet/checks.test.mjs
cargo build --workspace --locked --quiet --all-targets
if [ $scenario = consortium ]; then
    say "a runtime of the next version"
    VES_NEXT_RUNTIME="$(scripts/next-runtime.sh)"
    export VES_NEXT_RUNTIME
fi

VES_ZOMBIE_DIR="$(mktemp -d "${TMPDIR:-/tmp}/ves-zombienet-XXXXXX")"
export VES_ZOMBIE_DIR
# Zombienet and all that it starts are one session: whatever happens, nothing of it stays.
zombienet=
end() {
    local code=$?
    trap - EXIT
    if [ -n "$zombienet" ]; then
        disown "$zombienet" 2>/dev/null || true
        while pkill -KILL --session "$zombienet"; do sleep 0.2; done
    fi
    if [ "$code" = 0 ]; then
        rm -rf "$VES_ZOMBIE_DIR"
    else
        printf 'kept, with all logs: %s\n' "$VES_ZOMBIE_DIR" >&2
    fi
    exit "$code"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

export PATH="$CARGO_TARGET_DIR/debug:$PATH"
ves-node export-chain-spec --chain local --raw >"$VES_ZOMBIE_DIR/local-raw.json" 2>/dev/null
# Zombienet takes names of files from where the scenario lies, that of the specification from where it runs.
cp zombienet/network.toml "$VES_ZOMBIE_DIR/"
sed "s|\./steps.cjs|$VES_ROOT/zombienet/steps.cjs|" "zombienet/$scenario.zndsl" >"$VES_ZOMBIE_DIR/$scenario.zndsl"
cd "$VES_ZOMBIE_DIR"
setsid node "$VES_ROOT/zombienet/node_modules/@zombienet/cli/dist/cli.js" --provider native --force --logType text \
    --dir "$VES_ZOMBIE_DIR/nodes" test "$VES_ZOMBIE_DIR/$scenario.zndsl" </dev/null &
zombienet=$!
code=0
wait "$zombienet" || code=$?
[ "$code" = 0 ] || exit 1
