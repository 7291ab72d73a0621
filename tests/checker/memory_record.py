#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""A second reader of the memory record, written from the specification.

memory_record.py FILE      prints the record of FILE as JSON; "-" is
                           standard input

FILE is an image of `xl save`, a bare libxl stream, or a bare libxc
stream.  Sources: docs/memory-record.md for the record; Xen's
docs/specs/libxl-migration-stream and libxc-migration-stream, and the
save file header of tools/xl, for what is around it.  Nothing is shared
with the C reader, so that a mistake in one of them shows.

Exit status: 0 a valid record, or {"record": null} where the stream has
none; 1 damage, with one line on standard error; 2 wrong usage.
"""

import json
import struct
import sys
import uuid

XL_MAGIC = b"Xen saved domain, xl format\n \x00 \r"
XL_BYTEORDER = 0x01020304
XL_JSON, XL_STREAM_V2 = 1, 2            # mandatory flags
XL_OPTIONAL_MAX = 16 << 20              # a configuration is some KiB

LIBXL_IDENT = b"LibxlFmt"
LIBXL_VERSION = 2
LIBXL_LIBXC_CONTEXT = 1

LIBXC_MARKER = b"\xff" * 8
LIBXC_ID = 0x58454E46                   # "XENF"
LIBXC_VERSIONS = (2, 3)
LIBXC_TYPES = {1: "PV", 2: "HVM"}
LIBXC_RECORD_MAX = 128 << 20
LIBXC_END, LIBXC_STATIC_DATA_END = 0, 0x10
LIBXC_PAGE_DATA = 1

MANDATORY, OPTIONAL = 0x00004C58, 0x80004C58
BODY_MAX = 4096
VERSION_1 = struct.Struct("<II16s8Q")
COUNTS = ("max_pages", "tot_pages", "outstanding_pages", "shr_pages",
          "paged_pages", "target_kb", "static_max_kb", "stock_max_kb")
PAGES_MAX = 1 << 40
HVM, RAISED = 1, 2


class Damaged(Exception):
    """What is wrong, in one line."""


class Reader:
    """Exact reads, with the place that ran short."""

    def __init__(self, file):
        self.file, self.pushed = file, b""

    def take(self, size, what):
        data = self.pushed[:size]
        self.pushed = self.pushed[size:]
        while len(data) < size:
            more = self.file.read(size - len(data))
            if not more:
                raise Damaged(f"{what}: the stream ends {len(data)} bytes"
                              f" into {size}")
            data += more
        return data

    def peek(self, size, what):
        self.pushed = self.take(size, what)
        return self.pushed

    def skip(self, size, what):
        while size:
            size -= len(self.take(min(size, 1 << 20), what))


def read_xl_header(r):
    r.take(len(XL_MAGIC), "xl header")
    order, mandatory, _, length = struct.unpack(
        "<IIII", r.take(16, "xl header"))
    if order != XL_BYTEORDER:
        raise Damaged(f"xl header: byte order 0x{order:08x} is not"
                      f" 0x{XL_BYTEORDER:08x}")
    if mandatory & ~(XL_JSON | XL_STREAM_V2):
        raise Damaged(f"xl header: mandatory flags 0x{mandatory:x} has"
                      " bits outside 0x3")
    if not mandatory & XL_STREAM_V2:
        raise Damaged("xl header: a legacy stream, not version 2")
    if length > XL_OPTIONAL_MAX:
        raise Damaged(f"xl header: optional data of {length} bytes is"
                      f" above {XL_OPTIONAL_MAX}")
    r.skip(length, "xl optional data")


def read_libxl_head(r):
    """Up to the point where libxc's stream begins: its memory record, as
    take_record() has it, or None."""
    r.take(8, "libxl header")
    version, options = struct.unpack(">II", r.take(8, "libxl header"))
    if version != LIBXL_VERSION:
        raise Damaged(f"libxl header: version {version} is not"
                      f" {LIBXL_VERSION}")
    if options & 1:
        raise Damaged("libxl header: big-endian")
    kind, length = struct.unpack("<II", r.take(8, "first libxl record"))
    carried = None
    if kind in (MANDATORY, OPTIONAL):
        try:
            carried = take_record(r, kind, length)
        except Damaged as e:
            raise Damaged(f"libxl stream: {e}") from None
        kind, length = struct.unpack("<II", r.take(8, "libxl record"))
    if kind in (MANDATORY, OPTIONAL):
        raise Damaged(f"libxl stream: memory record of type 0x{kind:08x}:"
                      " a second one, or one behind other records")
    if kind != LIBXL_LIBXC_CONTEXT or length:
        raise Damaged(f"first libxl record: type 0x{kind:08x} with length"
                      f" {length}, not LIBXC_CONTEXT")
    return carried


def read_libxc_headers(r):
    marker = r.take(8, "libxc image header")
    if marker != LIBXC_MARKER:
        raise Damaged(f"libxc image header: marker 0x{marker.hex()} is not"
                      " all ones")
    ident, version, options = struct.unpack(
        ">IIH6x", r.take(16, "libxc image header"))
    if ident != LIBXC_ID:
        raise Damaged(f"libxc image header: id 0x{ident:08x} is not"
                      f" 0x{LIBXC_ID:08x}")
    if version not in LIBXC_VERSIONS:
        raise Damaged(f"libxc image header: version {version}")
    if options & 1:
        raise Damaged("libxc image header: big-endian")
    kind, shift, major, minor = struct.unpack(
        "<IH2xII", r.take(16, "libxc domain header"))
    if kind not in LIBXC_TYPES:
        raise Damaged(f"libxc domain header: type {kind}")
    if shift != 12:
        raise Damaged(f"libxc domain header: page_shift {shift} is not 12")
    return {"version": version, "type": LIBXC_TYPES[kind],
            "xen": f"{major}.{minor}"}


def check_body(body):
    """The table "Body" of the specification, in the order of "Errors"."""
    if len(body) < 4:
        raise Damaged(f"memory record: length {len(body)} is below the 4"
                      " bytes of its version field")
    version, = struct.unpack_from("<I", body)
    if version == 0:
        raise Damaged("memory record: version 0; the first is 1")
    if version > 1:
        raise Damaged(f"memory record: version {version} is newer than 1")
    if len(body) != VERSION_1.size:
        raise Damaged(f"memory record: length {len(body)} is not the"
                      f" {VERSION_1.size} bytes of version 1")
    version, flags, handle, *counts = VERSION_1.unpack(body)
    if flags & ~(HVM | RAISED):
        raise Damaged(f"memory record: flags 0x{flags:x} has bits outside"
                      " 0x3")
    out = dict(zip(COUNTS, counts))
    if out["max_pages"] == 0:
        raise Damaged("memory record: max_pages is 0")
    if out["max_pages"] == (1 << 64) - 1:
        raise Damaged("memory record: max_pages is all ones")
    for name, value in out.items():
        bound = PAGES_MAX * (4 if name.endswith("_kb") else 1)
        if value > bound:
            raise Damaged(f"memory record: {name} {value} is above the"
                          f" bound of {bound}")
    # The sender's own statements must agree; the receiver need not ask.
    raised = out["max_pages"] > out["stock_max_kb"] // 4
    if raised != bool(flags & RAISED):
        raise Damaged(f"memory record: flags 0x{flags:x}, but max_pages"
                      f" {out['max_pages']} and stock_max_kb"
                      f" {out['stock_max_kb']} say otherwise")
    return {"version": version, "hvm": bool(flags & HVM),
            "raised": raised, "uuid": str(uuid.UUID(bytes=handle)), **out}


def take_record(r, kind, length):
    """The memory record behind its header, in either carrier: its type,
    its body, and what that says."""
    if length > BODY_MAX:
        raise Damaged(f"memory record: length {length} is above the"
                      f" bound of {BODY_MAX}")
    body = r.take((length + 7) & ~7, "memory record")
    if any(body[length:]):
        raise Damaged("memory record: padding is not zero")
    record = check_body(body[:length])
    stock = record["stock_max_kb"] // 4
    if kind == OPTIONAL and record["tot_pages"] > stock:
        raise Damaged(f"memory record: optional, but tot_pages"
                      f" {record['tot_pages']} is above the {stock}"
                      " that a stock receiver allows")
    if (kind == MANDATORY and not record["raised"] and
            record["tot_pages"] <= stock):
        raise Damaged("memory record: mandatory, but neither limit nor"
                      " pages are above what a stock receiver sets")
    record["mandatory"] = kind == MANDATORY
    return kind, body[:length], record


def check_guest_type(record, libxc):
    if record["hvm"] != (libxc["type"] == "HVM"):
        raise Damaged("memory record: the HVM flag is"
                      f" {int(record['hvm'])}, the libxc domain header"
                      f" says {libxc['type']}")


def check_same(libxl, libxc):
    """Both carriers in one stream."""
    a, b = libxl[1], libxc[1]
    if a != b:
        at = next(i for i in range(len(a)) if a[i] != b[i])
        raise Damaged(f"memory record: that of the libxl stream ({len(a)}"
                      f" bytes) and that of the libxc stream ({len(b)})"
                      f" differ from byte {at} on")
    if libxl[0] != libxc[0]:
        raise Damaged(f"memory record: of type 0x{libxl[0]:08x} in the"
                      f" libxl stream, of type 0x{libxc[0]:08x} in the"
                      " libxc stream")


def read_record_header(r, what):
    kind, length = struct.unpack("<II", r.take(8, what))
    if length > LIBXC_RECORD_MAX:
        raise Damaged(f"libxc record of type 0x{kind:08x}: length {length}"
                      f" is above {LIBXC_RECORD_MAX}")
    return kind, length


def check_rest(r):
    """No further memory record ahead of the pages."""
    while True:
        kind, length = read_record_header(r, "libxc record")
        if kind in (MANDATORY, OPTIONAL):
            raise Damaged(f"memory record of type 0x{kind:08x}: a second"
                          " one, or one behind other records")
        if kind in (LIBXC_END, LIBXC_STATIC_DATA_END, LIBXC_PAGE_DATA):
            return
        r.skip((length + 7) & ~7, f"libxc record of type 0x{kind:08x}")


def read_stream(file):
    """The stream's facts as a dict; raises Damaged."""
    r = Reader(file)
    if r.peek(8, "first bytes") == XL_MAGIC[:8]:
        if r.peek(len(XL_MAGIC), "xl header") != XL_MAGIC:
            raise Damaged("xl header: wrong magic")
        read_xl_header(r)
    found = {}
    if r.peek(8, "stream header") == LIBXL_IDENT:
        carried = read_libxl_head(r)
        if carried:
            found["libxl"] = carried
    out = {"libxc": read_libxc_headers(r), "record": None}
    kind, length = struct.unpack(
        "<II", r.peek(8, "first libxc record's header"))
    if kind in (MANDATORY, OPTIONAL):
        r.take(8, "memory record")
        found["libxc"] = take_record(r, kind, length)
    if len(found) == 2:
        check_same(found["libxl"], found["libxc"])
    for carrier, (_, _, record) in found.items():
        check_guest_type(record, out["libxc"])
        out["record"] = record | {
            "carrier": carrier if len(found) == 1 else "both"}
    check_rest(r)
    return out


def main(argv):
    if len(argv) != 2:
        print("usage: memory_record.py FILE", file=sys.stderr)
        return 2
    try:
        if argv[1] == "-":
            out = read_stream(sys.stdin.buffer)
        else:
            with open(argv[1], "rb") as file:
                out = read_stream(file)
    except (Damaged, OSError) as e:
        print(f"memory_record.py: {e}", file=sys.stderr)
        return 1
    print(json.dumps(out, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
