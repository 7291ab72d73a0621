#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
#
# Checks that includes point one way, and fails where one does not:
#
#   helper, guardian, qemu, api -> report, session
#     -> freeze, engine, image -> guest, stream, tables -> memory -> base
#
# image/ and tables/ include no header of Xen; xl-cmd/ includes only
# include/.
#
# Code generated from idl/ uses base/ only.  Its public types are for users
# of the library: of the other rooms only api/, report/ and the part of the
# helper that talks to the library include them.  Its internal types belong
# to the memory record, and are reached through memory/record.h.
set -eu
cd "$(dirname "$0")/../libxl-ext"

allowed() { # the rooms that a room may include
    case $1 in
    base)     echo base ;;
    memory)   echo base memory ;;
    stream)   echo base memory stream ;;
    guest)    echo base memory tables guest ;;
    engine)   echo base engine ;;
    freeze)   echo base memory guest freeze ;;
    guardian) echo base memory guest freeze session guardian ;;
    qemu)     echo base memory qemu ;;
    report)   echo base memory guest freeze report ;;
    session)  echo base session ;;
    helper)   echo base memory stream tables guest engine freeze report session \
              helper ;;
    tables)   echo tables ;;
    image)    echo base memory stream tables image ;;
    api)      echo base memory freeze stream report session image api ;;
    *)        echo ;;
    esac
}

bad=0
for f in */*.c */*.h; do
    room=${f%%/*}
    for inc in $(sed -n 's/^#include "\([a-z_]*\)\/.*/\1/p' "$f"); do
        case " $(allowed "$room") " in
        *" $inc "*) ;;
        *) echo "$f: $room may not include from $inc" >&2; bad=1 ;;
        esac
    done
done
for f in */*.c */*.h; do
    for inc in $(sed -n 's/^#include ["<]\(_*libxl_ext.*\)[">]/\1/p' "$f"); do
        case $f:$inc in
        memory/record.h:_libxl_ext_types_internal.h) ;;
        image/*:libxl_ext_image.h | api/*:libxl_ext_image.h) ;;
        api/*:libxl_ext.h) ;;
        report/*:libxl_ext.h | helper/caller.h:_libxl_ext_types.h) ;;
        *) echo "$f: may not include $inc" >&2; bad=1 ;;
        esac
    done
done
for inc in $(sed -n 's/.*#include "\([a-z_]*\)\/.*/\1/p' ../idl/*.py); do
    [ "$inc" = base ] ||
        { echo "idl/: generated code may not include from $inc" >&2; bad=1; }
done
for inc in $(sed -n 's/^#include "\(.*\)"/\1/p' ../include/*.h); do
    [ "$inc" = _libxl_ext_types.h ] || [ -e "../include/$inc" ] ||
        { echo "include/: may not include $inc" >&2; bad=1; }
done
# What needs no hypervisor must build where there is no Xen, and so must
# programs that use the public headers.
if grep -n '#include <\(xen\|libxl\)' image/*.[ch] tables/*.[ch] \
    api/image.c \
    ../include/*.h ../xl-cmd/image*.[ch] ../xl-cmd/command.[ch] \
    ../xl-cmd/json.[ch] ../xl-cmd/xl_ext.c; then
    echo "above: a header of Xen, where none may be" >&2
    bad=1
fi
# A header in quotes stands in xl-cmd/ itself or in include/.
for inc in $(sed -n 's/^#include "\(.*\)".*/\1/p' ../xl-cmd/*.[ch]); do
    [ -e "../xl-cmd/$inc" ] || [ -e "../include/$inc" ] || {
        echo "xl-cmd: may not include $inc, which is not in include/" >&2
        bad=1
    }
done
# No header over 500 lines: it would be several subjects.
for f in */*.h ../include/*.h ../xl-cmd/*.h; do
    [ "$(wc -l < "$f")" -le 500 ] || { echo "$f: over 500 lines" >&2; bad=1; }
done
exit $bad
