#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
#
# deps.sh FILE...: installs the Debian packages that the files name and
# that are missing.  Does nothing, and needs no root, when all are there.
# Where there is no dpkg it does nothing either: what is missing is then
# for the compiler to say.
set -eu
command -v dpkg-query > /dev/null || exit 0

missing=
for p in $(cat "$@" | sed 's/#.*//'); do
    dpkg-query -W -f '${db:Status-Status}\n' "$p" 2> /dev/null |
        grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "deps.sh: missing packages:$missing: install them, or run this" \
         "as root on Debian" >&2
    exit 1
fi
echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! { apt-get update && apt-get -o DPkg::Lock::Timeout=300 install \
        -y --no-install-recommends \
        $missing; } > "$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "deps.sh: apt-get could not install:$missing" >&2
    exit 1
fi
