#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Writes the seeds of the fuzzer of images, tests/fuzz/seeds/image: one
small image of each kind, with as few pages as it can have."""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import build_image as b                                     # noqa: E402
from pv_guest import PvGuest, to                            # noqa: E402

SEEDS = HERE.parent / "fuzz" / "seeds" / "image"
KINDS = {
    "hvm": {}, "hvm-live": {"live": True, "verify": True},
    "pvh-v2": {"guest": "pvh", "version": 2},
    "pvh-bare-record": {"guest": "pvh", "container": "libxc",
                        "record": b.MANDATORY},
    "hvm-checkpoints": {"checkpoints": 2},
    "pvh-libxl-record": {"guest": "pvh", "record": b.MANDATORY,
                         "carrier": "libxl"},
    "pvh-both-records": {"guest": "pvh", "record": b.OPTIONAL,
                         "carrier": "both", "container": "libxl"},
    "pv-big-libxl-record": {"guest": "pv", "big": True, "container": "libxl",
                            "record": b.MANDATORY, "carrier": "libxl"},
    "pv": {"guest": "pv"}, "pv32-live": {"guest": "pv", "width": 4,
                                         "live": True},
    "pv-big": {"guest": "pv", "big": True, "container": "libxl"},
}


def thin(im, keep):
    """Contents only for the frames in keep; the others are allocated."""
    for p in im.parts:
        if p.name != "PAGE_DATA":
            continue
        order = ">" if im.big else "<"
        count = struct.unpack_from(order + "I", p.body)[0]
        pfns = struct.unpack_from(f"{order}{count}Q", p.body, 8)
        data, at = b"", 8 + 8 * count
        out = []
        for e in pfns:
            kind, pfn = e >> 60, e & (1 << 52) - 1
            page = p.body[at:at + b.PAGE] if kind < b.BROKEN else b""
            at += len(page)
            if page and pfn not in keep:
                kind, page = b.XALLOC, b""
            out.append(kind << 60 | pfn)
            data += page
        p.body = p.body[:8] + struct.pack(f"{order}{count}Q", *out) + data
    return im


def tables(width):
    """Nothing but page tables, of which one is stale, and one page that
    is start info, GDT and P2M table."""
    g = PvGuest(width, 8)
    g.p2m_frames, g.free = [0], 1
    g.pages = {0: g.pages[0]}
    g.vcpus = [(g.tree(pin=False)[-1], None)]
    g.table(1, {0: to(0), 1: to(1)})
    im = g.image("libxc")
    im.part("VCPU_BASIC").body = bytes(8) + b.context(
        width, 0, (0,), cr3=g.vcpus[0][0], cr1=0)
    return im


def main():
    SEEDS.mkdir(parents=True, exist_ok=True)
    for name, kw in KINDS.items():
        im = thin(b.build(**kw), (b.LEAF,))
        if kw.get("guest") != "pv":
            im.part("HVM_CONTEXT").body = (
                b"\1\0\0\0\x18\0\0\0" + bytes(24) + bytes(8))
        (SEEDS / name).write_bytes(im.bytes())
    for width in (8, 4):
        (SEEDS / f"pv-tables-{width}").write_bytes(tables(width).bytes())


main()
