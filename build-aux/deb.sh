#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
#
# deb.sh OUT: builds the Debian packages of this tree into OUT, from a
# copy, so that nothing of the build is left in the tree.
set -eu

cd "$(dirname "$0")/.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/libxl-ext"
tar -c --exclude-vcs --exclude=./build --exclude=__pycache__ . |
    tar -x -C "$tmp/libxl-ext"
cd "$tmp/libxl-ext"
# "make deb OUT=..." or PREFIX=... is not for the make in there.
# Make hands its variables on in the environment as well.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL OUT BUILD PREFIX DESTDIR \
    LIBEXECDIR SBINDIR LIBDIR INCLUDEDIR PKGCONFIGDIR MANDIR \
    COMPLETIONDIR SYSTEMDDIR SYSCONFDIR
if ! dpkg-buildpackage -us -uc -b > "$out/build.log" 2>&1; then
    tail -n 40 "$out/build.log" >&2
    echo "deb.sh: dpkg-buildpackage failed: see $out/build.log" >&2
    exit 1
fi
rm -f "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
mv "$tmp"/*.deb "$tmp"/*.changes "$tmp"/*.buildinfo "$out"
