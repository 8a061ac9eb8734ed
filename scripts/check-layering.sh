#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Which crate may not depend on which: the runtime stays free of std-only parts, pallets stay free
# of each other, and RocksDB stays out.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

refuse() {
    local package="$1" pattern="$2" found
    found="$(cargo tree --locked -e normal,no-proc-macro --target wasm32v1-none --prefix none \
        -p "$package" --no-default-features |
        awk '{ print $1 }' | grep -Ex "$pattern" | sort -u | tr '\n' ' ')" || true
    [ -z "$found" ] || fail "$package must not depend on: $found"
}

refuse ves-runtime 'tokio|sqlx|jsonrpsee|subxt|alloy|ves-client|ves-event-store|ves-indexer|anchor-relay|stateset-sync|serde_json_canonicalizer|ves-stark-prover|winter-prover|rand_chacha|getrandom|pallet-sudo|pallet-insecure-randomness.*|.*xcm.*|cumulus-.*'
refuse pallet-agent-registry 'pallet-consortium|pallet-ves-sequencer|pallet-stark-verifier'
refuse pallet-consortium 'pallet-agent-registry|pallet-ves-sequencer|pallet-stark-verifier'
refuse pallet-ves-sequencer 'pallet-agent-registry|pallet-consortium|pallet-stark-verifier'
refuse pallet-stark-verifier 'pallet-agent-registry|pallet-consortium|pallet-ves-sequencer|ves-stark-prover|winter-prover'
refuse ves-stark-verifier 'polkadot-sdk|frame-support|sp-core|sp-io|sp-runtime|ves-stark-prover|winter-prover|rand.*|getrandom'
refuse ves-finality 'polkadot-sdk|s[cp]-.*|frame-.*|tokio|futures.*|jsonrpsee|subxt|finality-grandpa|getrandom'
refuse ves-verify 'polkadot-sdk|s[cp]-.*|frame-.*|tokio|futures.*|jsonrpsee|subxt|alloy.*|ves-client|ves-stark-prover|winter-prover|rand|rand_chacha|getrandom'
refuse ves-event-store 'polkadot-sdk|s[cp]-.*|frame-.*|pallet-.*|ves-runtime|ves-client|subxt|alloy.*|libmysql.*|sqlx-mysql'
refuse ves-explorer 'polkadot-sdk|jsonrpsee|subxt|ves-client|wasm-bindgen'
refuse ves-gateway 'polkadot-sdk|sqlx|ves-event-store|ves-stark-prover|winter-prover'
refuse ves-primitives 'polkadot-sdk|frame-support|sp-core|sp-io|sp-runtime'

rocksdb="$(cargo tree --locked --workspace -e all --prefix none | grep -c '^librocksdb-sys' || true)"
[ "$rocksdb" -eq 0 ] || fail "RocksDB is in the dependency tree"

# What sources of the runtime must not contain.
forbid() {
    local what="$1" found
    shift
    found="$(grep -rnE --include='*.rs' "$what" "$@")" || return 0
    fail "$what is not allowed: $found"
}

# Storage without a bound.
forbid without_storage_info pallets runtime
# Randomness from block hashes.
forbid 'randomness|Randomness' pallets/*/src runtime/src
# Another verdict about signatures than that of ZIP-215.
forbid UseDalekExt runtime node host pallets

# Whatever is locked comes from the one registry.
only() {
    local found
    found="$(cat Cargo.lock tools/*/Cargo.lock | grep '^source = ' | sort -u | grep -vFx "source = \"$1\"")" || return 0
    fail "dependencies from elsewhere: $found"
}
only registry+https://github.com/rust-lang/crates.io-index
