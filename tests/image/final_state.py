# SPDX-License-Identifier: LGPL-2.1-only
"""What a restore makes of an image: a second reader, for the tests of
conversion and comparison.

Written from Xen's docs/specs/libxl-migration-stream and
libxc-migration-stream, tools/xl/xl.h and docs/image.md, "A file of
libvirt" and "Superseded copies"; it shares nothing with the C reader, nor with build_image.py.
It trusts its input: it is for images that were made by a test.
"""

import struct
from dataclasses import dataclass, field

MARKER = b"\xff" * 8
PAGE = 4096
NO_CONTENTS = (0xD, 0xE, 0xF)           # BROKEN, XALLOC, XTAB
NO_MEMORY = (0xD, 0xF)
END, PAGE_DATA, VERIFY, CHECKPOINT = 0, 1, 13, 14
MEMORY = (0x4C58, 0x80004C58)
LIBXL_END, LIBXL_LIBXC, LIBXL_CHECKPOINT_END = 0, 1, 4


@dataclass
class Frame:
    """populated: a restore allocates it; contents: what it copies in,
    by what type; last: the type in the end."""
    populated: bool = False
    contents: bytes = None
    contents_type: int = None
    last: int = None


@dataclass
class State:
    head: bytes = b""                   # ahead of libxc's records
    memory: tuple = None                # type, body
    libxl_memory: tuple = None          # the same in libxl's stream
    records: list = field(default_factory=list)     # but pages and VERIFY
    frames: dict = field(default_factory=dict)
    copies: int = 0                     # pages with contents
    verify_copies: int = 0
    named: list = field(default_factory=list)       # in order
    batches: list = field(default_factory=list)     # frames of a record


class Reader:
    def __init__(self, data):
        self.data, self.at, self.state = data, 0, State()

    def take(self, size):
        out = self.data[self.at:self.at + size]
        assert len(out) == size, f"cut short at {self.at}"
        self.at += size
        return out

    def record(self, order):
        kind, length = struct.unpack(order + "II", self.take(8))
        body = self.take(length)
        assert not any(self.take(-length % 8)), "padding"
        return kind, body

    def page_data(self, body, order, verify):
        count, zero = struct.unpack_from(order + "II", body)
        assert zero == 0
        entries = struct.unpack_from(f"{order}{count}Q", body, 8)
        at = 8 + 8 * count
        self.state.batches.append(count)
        for entry in entries:
            kind, pfn = entry >> 60, entry & (1 << 52) - 1
            f = self.state.frames.setdefault(pfn, Frame())
            f.last = kind
            f.populated |= kind not in NO_MEMORY
            self.state.named.append((pfn, kind))
            if kind in NO_CONTENTS:
                continue
            page = body[at:at + PAGE]
            at += PAGE
            if verify:
                self.state.verify_copies += 1
            else:
                f.contents, f.contents_type = page, kind
                self.state.copies += 1
        assert at == len(body)

    def libxc(self):
        """Headers and records, up to END; libxl's of checkpoints too."""
        start = self.at
        head = self.take(24)
        assert head[:12] == MARKER + b"XENF"
        order = ">" if head[17] & 1 else "<"
        self.take(16)
        self.state.head += self.data[start:self.at]
        verify = False
        while True:
            kind, body = self.record(order)
            if kind in MEMORY:
                assert not self.state.memory and not any(
                    r[0] == "libxc" for r in self.state.records)
                self.state.memory = (kind, body)
            elif kind == PAGE_DATA:
                self.page_data(body, order, verify)
            elif kind == VERIFY:
                verify = True
            else:
                self.state.records.append(("libxc", kind, body))
            if kind == END:
                return
            if kind == CHECKPOINT and self.in_libxl:
                self.libxl_until(LIBXL_CHECKPOINT_END)

    def libxl_until(self, last):
        while True:
            kind, body = self.record(self.order)
            if kind in MEMORY:
                assert not self.state.libxl_memory and not self.state.records
                self.state.libxl_memory = (kind, body)
                continue
            self.state.records.append(("libxl", kind, body))
            if kind == last:
                return
            if kind == LIBXL_LIBXC:
                self.libxc()

    def read(self):
        if self.data.startswith(b"Xen saved domain, xl format"):
            head = self.take(48)
            self.take(struct.unpack_from("<I", head, 44)[0])
        elif self.data.startswith(b"libvirt-xml"):
            head = self.take(64)
            self.take(struct.unpack_from("<I", head, 20)[0])
        self.in_libxl = self.data[self.at:self.at + 8] != MARKER
        if self.in_libxl:
            head = self.take(16)
            assert head[:8] == b"LibxlFmt"
            self.order = ">" if head[15] & 1 else "<"
        self.state.head = self.data[:self.at]
        if self.in_libxl:
            self.libxl_until(LIBXL_END)
        else:
            self.libxc()
        assert self.at == len(self.data)
        return self.state


def read_state(data):
    return Reader(data).read()
