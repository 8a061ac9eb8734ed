#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# The long form of the STARK tests: five changes of every byte of a proof, then coverage-guided
# fuzzing. Usage: scripts/long-stark.sh [seconds per fuzz target, default 3600]
#
# Needs cargo-fuzz (`cargo install cargo-fuzz`). Its sanitizer flags are unstable, hence the
# bootstrap variable; nothing else is built with it.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"
seconds="${1:-3600}"

say "five changes of every byte"
VES_LONG_TESTS=1 cargo test --locked --workspace --test hostile --test mutated_proofs -- --nocapture

command -v cargo-fuzz >/dev/null || fail "no cargo-fuzz: cargo install cargo-fuzz"
export RUSTC_BOOTSTRAP=1
for target in proof_edits proof_bytes policy_json; do
    say "fuzzing $target for $seconds s"
    (cd stark/verifier && cargo fuzz run -O --target-dir "$CARGO_TARGET_DIR/fuzz" "$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=64 -print_final_stats=1)
done
