#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# npm-ci.sh FOLDER: installs the npm packages that the folder's lock file names, unless exactly
# those are there already.
set -euo pipefail
cd "$1"

# A copy of the lock file as it was installed: unlike file times it survives a checkout, and it is
# gone with a half-finished installation.
stamp=node_modules/.ves-lock
cmp -s package-lock.json "$stamp" && exit
printf '\n==> installing the npm packages of %s\n' "$1" >&2
npm ci --no-audit --no-fund --loglevel=error >&2
cp package-lock.json "$stamp"
