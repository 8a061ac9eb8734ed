#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Whether the published runtime is that of the source: builds its wasm anew from a clean checkout and
# compares the hash of ves_runtime.compact.compressed.wasm, the very bytes that a chain has as its
# code, with the published one. Minutes of processor time.
#
# verify-release.sh [RECORD]              the commit and the hash of a record (release/runtime.json)
# verify-release.sh --chain-spec FILE     compares only: the code of a raw chain specification
# verify-release.sh --rpc URL             compares only: the code of a running chain, over HTTP
# verify-release.sh --record [COMMIT]     builds twice, fails unless both are equal, prints a new record
#
# KEEP=FILE keeps the wasm that was built, if it is the published one, or the one of the new record: for a chain
# specification (ves-node consortium-spec --code) or an upgrade.
#
# Needs what setup.sh installs. The bytes depend on paths, so that it always builds in the same place,
# /tmp/ves-release, which must not exist; where cargo keeps its sources does not matter. Exit code 3 if this
# machine or this clone cannot make the build at all: another compiler, no target, no such commit.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

place=/tmp/ves-release
record=release/runtime.json

# What says nothing about the runtime.
cannot() { printf 'error: %s\n' "$*" >&2; exit 3; }

member() { node -p 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))[process.argv[2]] ?? ""' "$1" "$2"; }

# Keeps the standard input as a file with its hashes: SHA-256 for people, BLAKE2b-256 as chains name
# their code.
keep() {
    cat >"$1"
    sha256sum <"$1" | cut -c1-64 >"$1.sha256"
    b2sum -l 256 <"$1" | cut -c1-64 >"$1.blake2"
}

# The temporary folder is gone at the end.
keep_wasm() { [ -z "${KEEP:-}" ] || { cp "$1" "$KEEP" && say "kept as $KEEP"; }; }

published() { [ -r "$record" ] || fail "there is no $record: nothing is published yet"; }

compare() {
    local what="$1" found="$2" expected
    published
    expected="$(member "$record" sha256)"
    [ "$found" = "$expected" ] || fail "$what has SHA-256 $found, published is $expected"
    printf '%s: SHA-256 %s, as published\n' "$what" "$found"
}

build() {
    local sources flags="" directory
    # An environment of nothing but what is named here; the pinned compiler, no other.
    local clean=(env -i "PATH=$PATH" "HOME=$HOME" "CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}"
        "CARGO_TARGET_DIR=$place/target" "RUSTUP_TOOLCHAIN=$RUSTUP_TOOLCHAIN"
        ${RUSTUP_HOME:+"RUSTUP_HOME=$RUSTUP_HOME"} WASM_BUILD_TYPE=release
        "WASM_BUILD_WORKSPACE_HINT=$place/source" CARGO_TERM_COLOR=never)
    (cd "$place/source" && "${clean[@]}" cargo fetch --locked --quiet)
    for directory in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
        flags+=" --remap-path-prefix=${directory%/}=/registry"
    done
    sources="$place/source/tools/wasm/Cargo.toml"
    (cd "$place/source" && "${clean[@]}" "WASM_BUILD_RUSTFLAGS=${flags# }" \
        cargo run --locked --quiet --manifest-path "$sources")
}

check_out() {
    git cat-file -e "$1^{commit}" 2>/dev/null || cannot "this clone does not have commit $1: fetch the whole history"
    mkdir "$place" 2>/dev/null || cannot "$place exists: it has to be new. Remove it if no other build runs"
    trap 'rm -rf "$place"' EXIT
    mkdir "$place/source"
    git archive "$1" | tar -x -C "$place/source"
}

pinned() {
    RUSTUP_TOOLCHAIN="$VES_TOOLCHAIN"
    rustup toolchain list | grep -q "^$VES_TOOLCHAIN-" || RUSTUP_TOOLCHAIN=stable
    export RUSTUP_TOOLCHAIN
    compiler="$(rustc --version)"
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32v1-none" ] ||
        cannot "the toolchain lacks wasm32v1-none: rustup target add wasm32v1-none --toolchain $RUSTUP_TOOLCHAIN"
}

case "${1:-}" in
    --chain-spec)
        file="$2"
        work="$(mktemp -d)"
        trap 'rm -rf "$work"' EXIT
        node -e '
            const code = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).genesis?.raw?.top?.["0x3a636f6465"];
            if (!code) { console.error("no raw chain specification"); process.exit(1); }
            process.stdout.write(Buffer.from(code.slice(2), "hex"));
        ' "$file" | keep "$work/code"
        compare "the code of $file" "$(cat "$work/code.sha256")"
        ;;
    --rpc)
        url="$2"
        work="$(mktemp -d)"
        trap 'rm -rf "$work"' EXIT
        node -e '
            const ask = (method, params) => fetch(process.argv[1], {
                method: "POST",
                headers: { "content-type": "application/json" },
                body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
            }).then((answer) => answer.json()).then(({ error, result }) => {
                if (error) throw new Error(error.message);
                return result;
            });
            ask("chain_getFinalizedHead", [])
                .then((block) => ask("state_getStorage", ["0x3a636f6465", block]))
                .then((code) => process.stdout.write(Buffer.from(code.slice(2), "hex")));
        ' "$url" | keep "$work/code"
        compare "the code of the chain at $url" "$(cat "$work/code.sha256")"
        ;;
    --record)
        pinned
        commit="$(git rev-parse "${2:-HEAD}^{commit}")"
        check_out "$commit"
        for n in 1 2; do
            say "build $n of $commit"
            wasm="$(build)"
            keep "$place/build-$n" <"$wasm"
            # What the first build leaves behind would be the second one's result.
            rm -rf "$(dirname "$wasm")" "$place"/target/debug/build/ves-wasm-*
        done
        cmp "$place/build-1" "$place/build-2" || fail "two builds differ"
        keep_wasm "$place/build-1"
        version="$(sed -n 's/^ *spec_version: \([0-9]*\),$/\1/p' "$place/source/runtime/src/lib.rs")"
        printf '{\n  "artefact": "ves_runtime.compact.compressed.wasm",\n  "spec_version": %d,\n  "commit": "%s",\n  "compiler": "%s",\n  "bytes": %d,\n  "sha256": "%s",\n  "blake2_256": "%s"\n}\n' \
            "$version" "$commit" "$compiler" "$(wc -c <"$place/build-1")" \
            "$(cat "$place/build-1.sha256")" "$(cat "$place/build-1.blake2")"
        ;;
    *)
        record="${1:-$record}"
        published
        pinned
        [ "$compiler" = "$(member "$record" compiler)" ] ||
            cannot "the record was made with $(member "$record" compiler), here is $compiler"
        commit="$(member "$record" commit)"
        check_out "$commit"
        say "build of $commit"
        wasm="$(build)"
        keep "$place/build" <"$wasm"
        compare "the runtime of $commit" "$(cat "$place/build.sha256")"
        keep_wasm "$place/build"
        ;;
esac
