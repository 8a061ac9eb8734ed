# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by every script: where builds go and which toolchain makes them.

VES_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export VES_ROOT

# Outside the clone, so that a fresh clone on the same machine builds warm.
export CARGO_TARGET_DIR="${VES_TARGET_DIR:-${CARGO_TARGET_DIR:-$HOME/.cache/ves-appchain/target}}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

# The pinned toolchain, or the `stable` one of a machine that has it under that name only.
VES_TOOLCHAIN="$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$VES_ROOT/rust-toolchain.toml")"
if command -v rustup >/dev/null && ! rustup toolchain list | grep -q "^$VES_TOOLCHAIN-"; then
    if rustc +stable --version 2>/dev/null | grep -q "^rustc ${VES_TOOLCHAIN%.*}\."; then
        export RUSTUP_TOOLCHAIN=stable
    fi
fi
# The wasm is built outside the clone, where rust-toolchain.toml does not reach.
export WASM_BUILD_TOOLCHAIN="${RUSTUP_TOOLCHAIN:-$VES_TOOLCHAIN}"

say() { printf '\n==> %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Set by the fallback of setup.sh on machines where rustup cannot download the wasm target.
if [ -r "$HOME/.cache/ves-appchain/wasm-toolchain" ]; then
    WASM_BUILD_TOOLCHAIN="$(cat "$HOME/.cache/ves-appchain/wasm-toolchain")"
fi
