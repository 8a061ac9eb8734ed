#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# What is published of stateset-sync: one archive with the binary, manual pages, completion scripts, a
# bill of materials (CycloneDX) and checksums, and the archive's own checksum beside it.
#
# release-cli.sh [OUT]                    builds, and writes into OUT (release-cli)
# release-cli.sh --binary FILE [OUT]      packs a binary that is built already
# release-cli.sh --check OUT              checks everything that the checksums cover, and runs the binary
#
# The binary is static where the musl target and its compiler are there (rustup target add
# x86_64-unknown-linux-musl, apt-get install musl-tools); else it is linked to glibc alone, and the
# name of the archive says so. The same binary gives the same archive: files are sorted, and their
# times are the commit's.
set -euo pipefail
source "$(dirname "$0")/env.sh"
cd "$VES_ROOT"

sums=SHA256SUMS

check() {
    local out place archive
    out="$(realpath "$1")"
    (cd "$out" && sha256sum --check --strict --quiet "$sums")
    place="$(mktemp -d)"
    trap 'rm -rf "$place"' RETURN
    for archive in "$out"/*.tar.gz; do
        tar -xzf "$archive" -C "$place"
        (cd "$place/$(basename "$archive" .tar.gz)" && sha256sum --check --strict --quiet "$sums" &&
            ./bin/stateset-sync --version)
    done
}

# Who has to be there to run it. Fails for anything but the C library's own parts.
linkage() {
    local needed
    needed="$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)"
    if [ -z "$needed" ]; then
        echo musl
        return
    fi
    if grep -Evq '^(lib(c|m|gcc_s|dl|rt|pthread)\.so\.[0-9]+|ld-linux-.*)$' <<<"$needed"; then
        fail "the binary needs more than the C library: $(tr '\n' ' ' <<<"$needed")"
    fi
    echo gnu
}

build() {
    local target=x86_64-unknown-linux-gnu
    if rustup target list --installed | grep -qx x86_64-unknown-linux-musl && command -v musl-gcc >/dev/null; then
        target=x86_64-unknown-linux-musl
    fi
    say "stateset-sync for $target"
    # Paths of this machine do not belong into what is published.
    RUSTFLAGS="--remap-path-prefix=$VES_ROOT=/ves --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo -C strip=symbols" \
        cargo build --locked --release --package stateset-sync --bin stateset-sync --target "$target" >&2
    binary="$CARGO_TARGET_DIR/$target/release/stateset-sync"
}

binary=""
case "${1:-}" in
--check)
    check "${2:?which directory?}"
    exit
    ;;
--binary)
    binary="$(realpath "${2:?which file?}")"
    shift 2
    ;;
esac
out="${1:-release-cli}"
[ -n "$binary" ] || build

version="$("$binary" --version | cut -d' ' -f2)"
name="stateset-sync-$version-x86_64-linux-$(linkage "$binary")"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
root="$place/$name"
mkdir -p "$root"/{bin,share/man/man1,share/completions}
install -m 755 "$binary" "$root/bin/stateset-sync"
cp LICENSE cli/README.md "$root/"
# Apart from any project of whoever runs this.
(cd "$place" && env -i HOME="$place" "$binary" man --out "$root/share/man/man1" >/dev/null)
for shell in bash zsh fish elvish powershell; do
    (cd "$place" && env -i HOME="$place" "$binary" completions "$shell") >"$root/share/completions/stateset-sync.$shell"
done
target=x86_64-unknown-linux-gnu
[ "${name##*-}" = gnu ] || target=x86_64-unknown-linux-musl
cargo tree --locked --package stateset-sync --edges normal --target "$target" --prefix none >"$place/tree"
cargo metadata --locked --format-version 1 --filter-platform "$target" |
    node tools/sbom.mjs stateset-sync "$target" Cargo.lock "$place/tree" >"$root/sbom.cdx.json"
(cd "$root" && find . -type f ! -name "$sums" -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum >"$sums")

mkdir -p "$out"
tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' \
    --mtime="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" -C "$place" -cf - "$name" |
    gzip -n9 >"$out/$name.tar.gz"
cp "$root/sbom.cdx.json" "$out/$name.cdx.json"
(cd "$out" && sha256sum "$name.tar.gz" "$name.cdx.json" >"$sums")
check "$out" >&2
printf '%s\n' "$out/$name.tar.gz"
