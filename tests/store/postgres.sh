#!/bin/sh
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# A PostgreSQL server on a socket in a temporary folder, for tests and benchmarks; with the folder of another
# such server, a standby that follows it by its write-ahead log, as an operator would set one up.
# Prints `ready FOLDER`. Then each line of its input is the name of a database to create, and is printed once
# that is there. When the input ends, in whatever way its holder does, the server stops and the folder goes.
set -eu
primary="${1:-}"
# Debian's folder of the newest version, or wherever PATH leads.
bin=
for found in /usr/lib/postgresql/*/bin; do [ ! -x "$found/initdb" ] || bin="$found"; done
if [ -z "$bin" ]; then
    found="$(command -v initdb)" || { echo "PostgreSQL is not installed: run scripts/setup.sh"; exit 1; }
    bin="$(dirname "$found")"
fi
folder="$(mktemp -d "${TMPDIR:-/tmp}/ves-pg.XXXXXX")"
# The server refuses to run as root; Debian's package brings an account for it.
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder" || { echo "no account postgres: run scripts/setup.sh"; exit 1; }
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
cd "$folder"
stop() {
    $as "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    cd /
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP
# Runs with its output in a log, which is shown if it fails.
logged() { $as "$@" >run.log 2>&1 </dev/null || { cat run.log server.log 2>/dev/null; exit 1; }; }
if [ -z "$primary" ]; then
    memory=64MB
    logged "$bin/initdb" -D data -U ves -A trust -E UTF8 --locale=C --no-sync
else
    memory=16MB
    logged "$bin/pg_basebackup" -h "$primary" -U ves -D data -R -X stream -c fast --no-sync
fi
# As durable as tests need: they kill programs, not the power.
logged "$bin/pg_ctl" -D data -l server.log -w -t 60 \
    -o "-c listen_addresses='' -k $folder -c fsync=off -c max_connections=400 -c shared_buffers=$memory" start
echo "ready $folder"
while read -r name; do
    "$bin/createdb" -h "$folder" -U ves "$name" </dev/null
    echo "$name"
done
