#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# pip-venv.sh FOLDER REQUIREMENTS: installs the Python packages that the file names, no others, in a virtual
# environment of their own, unless exactly those are there already.
set -euo pipefail

place="$1" wanted="$2"
cmp -s "$wanted" "$place/requirements.txt" && exit
printf '\n==> installing the Python packages of %s\n' "$wanted" >&2
rm -rf "$place"
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$wanted" >&2
# Last, so that an interrupted installation is done anew.
cp "$wanted" "$place/requirements.txt"
