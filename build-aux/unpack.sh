#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
#
# unpack.sh DIR PACKAGE: the files of a Debian package in DIR, without
# installing it or what it depends on.  Whole or not there at all.
set -eu

dir=$1
package=$2
work=$(mktemp -d)
trap 'rm -rf "$work" "$dir.tmp"' EXIT
chmod 755 "$work"           # apt's own user looks there

get() {
    (cd "$work" && apt-get download "$package") > "$work/log" 2>&1
}

# The lists may be missing, or older than what the mirror still has.
if ! get && ! { apt-get update > "$work/log" 2>&1 && get; }; then
    tail -n 20 "$work/log" >&2
    echo "unpack.sh: apt-get could not download $package" >&2
    exit 1
fi
rm -rf "$dir.tmp"
mkdir -p "$(dirname "$dir")"
dpkg-deb -x "$work"/*.deb "$dir.tmp"
rm -rf "$dir"
mv "$dir.tmp" "$dir"
