#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# docs/THREAT_MODEL.md names the test of each control as `path::name`. Fails if such a file or test does
# not exist, if a test that runs in no short form is not marked (long), if a requirement S1 to S21 is
# missing, or if a row of a table claims something and neither names a test nor says that there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
doc="${1:-docs/THREAT_MODEL.md}"
wrong=0
say_wrong() { printf '%s: %s\n' "$doc" "$*" >&2; wrong=1; }

# Whether a Rust file has the test: a function under a test attribute or in a block of
# `on_both_databases!`, or a line `name: …;` of a macro that makes tests. Prints "long" if it is ignored by default.
rust_test() {
    awk -v name="$2" '
        /^[[:space:]]*#\[/ { attributes = attributes $0; next }
        /^on_both_databases! \{/ { both = 1 }
        /^}/ { both = 0 }
        match($0, "(^|[^a-z_0-9])fn " name "\\(") {
            if (both) found = 1
            if (attributes ~ /test/) { found = 1; if (attributes ~ /#\[ignore/) print "long" }
        }
        $0 ~ "^[[:space:]]+" name ": [A-Z]" { found = 1 }
        { attributes = "" }
        END { exit !found }
    ' "$1"
}

# One reference: path, name, and whether the text marks it as long.
check() {
    local path="$1" name="$2" marked="$3" found
    [ -f "$path" ] || { say_wrong "there is no $path"; return; }
    case "$path" in
        demo/*.rs) # a claim of the demo
            grep -qF "\"$name\"" "$path" || say_wrong "$path has no claim \"$name\"" ;;
        *.rs)
            if ! found="$(rust_test "$path" "$name")"; then
                say_wrong "$path has no test $name"
            elif [ "$found" = long ] && [ -z "$marked" ]; then
                say_wrong "$path::$name is ignored by default: mark it (long)"
            fi ;;
        *.sol) grep -qE "function $name\(" "$path" || say_wrong "$path has no test $name" ;;
        *.mjs) grep -qE "claim\(['\`\"]" <(grep -F "$name" "$path") || say_wrong "$path has no claim '$name'" ;;
        *.test.yml) grep -qE "alertname: $name$" "$path" || say_wrong "$path fires no $name" ;;
        *.sh) grep -qE "^ *(claim|step|refuse|forbid|only) ['\"]?$name" "$path" || say_wrong "$path has no check $name" ;;
        *) say_wrong "$path: tests of this kind are not known" ;;
    esac
}

count=0
while IFS=$'\t' read -r path name marked; do
    check "$path" "$name" "$marked"
    count=$((count + 1))
done < <(grep -oE '`[^`]+::[^`]+`( \(long\))?' "$doc" |
    sed -E 's/^`([^`]+)::([^`]+)`( \(long\))?$/\1\t\2\t\3/' | sort -u)
[ "$count" -gt 0 ] || say_wrong "it names no test"

for n in $(seq 21); do
    grep -qE "^\| S$n \|" "$doc" || say_wrong "requirement S$n is missing"
done

# Rows of requirements and threats begin with a letter and a number.
while IFS= read -r row; do
    grep -qE '`[^`]+::[^`]+`|\*\*No test' <<<"$row" ||
        say_wrong "no test, and it does not say so: ${row:0:60}…"
done < <(grep -E '^\| [A-Z][0-9]+ \|' "$doc")

twice="$(grep -oE '^\| [A-Z][0-9]+ \|' "$doc" | sort | uniq -d | tr -d '| \n')"
[ -z "$twice" ] || say_wrong "names of more than one row: $twice"

[ "$wrong" -eq 0 ] || exit 1
printf '%d tests that docs/THREAT_MODEL.md names exist\n' "$count"
