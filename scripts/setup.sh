#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Installs what the project needs on a Debian 12 machine with rustup. Safe to run again: what is
# there is left alone, and nothing is asked of the network if nothing is missing.
set -euo pipefail
source "$(dirname "$0")/env.sh"

packages_missing() {
    local package
    # chromium: the explorer's tests look at the page with it.
    for package in protobuf-compiler clang libclang-dev g++ make pkg-config libssl-dev chromium; do
        dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' ||
            echo "$package"
    done
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
    # A server program for the event store's tests, which start their own.
    ls -d /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || echo postgresql
    # Compresses the runtime that zombienet/ upgrades to.
    command -v zstd >/dev/null || echo zstd
    # Checks the units of ops/; nothing is run by it.
    command -v systemd-analyze >/dev/null || echo systemd
    # Namespaces for ves-chaos.
    command -v ip >/dev/null || [ -x /usr/sbin/ip ] || echo iproute2
    # Another implementation for tests/interop.
    python3 -c 'import cryptography' 2>/dev/null ||
        /usr/bin/python3 -c 'import cryptography' 2>/dev/null || echo python3-cryptography
    # schemathesis and slither have virtual environments of their own.
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
}

install_packages() {
    local missing
    mapfile -t missing < <(packages_missing)
    [ "${#missing[@]}" -eq 0 ] && return
    [ "$(id -u)" -eq 0 ] || fail "as root: apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    # PostgreSQL's package would make a database and run it; the tests want the program only.
    if [[ " ${missing[*]} " = *" postgresql "* ]]; then
        mkdir -p /etc/postgresql-common/createcluster.d
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/ves.conf
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# Only the program that checks rules: the package itself would start a server.
install_promtool() {
    local tool="$HOME/.cache/ves-appchain/bin/promtool" place
    command -v promtool >/dev/null && return
    [ -x "$tool" ] && return
    say "unpacking promtool"
    place="$(mktemp -d)"
    (
        cd "$place"
        apt-get download -qq prometheus >&2 || { apt-get update -qq && apt-get download -qq prometheus >&2; }
        dpkg -x prometheus_*.deb .
        install -D usr/bin/promtool "$tool"
    )
    rm -rf "$place"
}

install_rust() {
    command -v cargo >/dev/null || fail "no cargo: install rustup first, see the README"
    if ! rustc --version >/dev/null 2>&1; then
        say "installing Rust $VES_TOOLCHAIN"
        rustup toolchain install "$VES_TOOLCHAIN" --profile minimal -c rustfmt -c clippy >&2 ||
            fail "Rust $VES_TOOLCHAIN is neither installed nor to be had"
    fi
    local wasm_std
    wasm_std="$(rustc --print sysroot)/lib/rustlib/wasm32v1-none"
    if [ ! -d "$wasm_std" ] && [ ! -e "$HOME/.cache/ves-appchain/wasm-toolchain" ]; then
        say "installing the wasm32v1-none target"
        rustup target add wasm32v1-none >&2 || "$VES_ROOT/scripts/setup-wasm-fallback.sh"
    fi
    # Of the explorer page.
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
        say "installing the wasm32-unknown-unknown target"
        rustup target add wasm32-unknown-unknown >&2
    fi
}

install_packages
install_promtool
install_rust
# What sends requests made from the gateway's OpenAPI document; what looks at the contracts.
"$VES_ROOT/scripts/pip-venv.sh" "$HOME/.cache/ves-appchain/schemathesis" "$VES_ROOT/tests/gateway/requirements.txt"
"$VES_ROOT/scripts/pip-venv.sh" "$HOME/.cache/ves-appchain/slither" "$VES_ROOT/contracts/requirements.txt"
# anvil, forge, solc and OpenZeppelin; Hardhat's chain of the OP stack; polkadot.js; MCP clients; what drives
# Chromium.
"$VES_ROOT/scripts/npm-ci.sh" "$VES_ROOT/contracts"
"$VES_ROOT/scripts/npm-ci.sh" "$VES_ROOT/anchor-relay/tests/hardhat"
"$VES_ROOT/scripts/npm-ci.sh" "$VES_ROOT/tests/polkadotjs"
"$VES_ROOT/scripts/npm-ci.sh" "$VES_ROOT/tests/mcp"
"$VES_ROOT/scripts/npm-ci.sh" "$VES_ROOT/tests/explorer"
