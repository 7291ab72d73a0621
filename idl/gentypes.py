#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Writes the C files, and for wire forms the table, of one .idl file.

gentypes.py FILE.idl DIRECTORY

_FILE.h          types and functions         genheader.py
_FILE.c          init, dispose, copy, words  gentypes_c.py
_FILE_json.c     to and from JSON            genjson.py
_FILE_wire.c     the wire form               genwire.py
_FILE_wire.md    its table for docs/         genwire.py
_FILE_test.c     the test of all of these    gentest.py

_wire files come only where a type has a wire form.  The Makefile runs
this; nothing that it writes is committed.
"""

import os
import sys

import genheader
import genjson
import gentest
import gentypes_c
import genwire
import idl


def files(model):
    """suffix -> text, all made before the first is written."""
    out = {".h": genheader.generate(model),
           ".c": gentypes_c.generate(model),
           "_json.c": genjson.generate(model),
           "_test.c": gentest.generate(model)}
    if model.wires:
        out["_wire.c"] = genwire.generate(model)
        out["_wire.md"] = genwire.document(model)
    return out


def main(argv):
    if len(argv) != 3:
        print("usage: gentypes.py FILE.idl DIRECTORY", file=sys.stderr)
        return 2
    try:
        model = idl.load(argv[1])
    except idl.IdlError as e:
        print(f"{argv[1]}: {e}", file=sys.stderr)
        return 1
    for suffix, text in files(model).items():
        path = os.path.join(argv[2], f"_{model.stem}{suffix}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
