# SPDX-License-Identifier: LGPL-2.1-only
"""A PvGuest as it is in a machine's memory, for pv_save.c: entries of
page tables are of machine frames, and Xen says types.
"""

import os
import struct

import build_image as b
from pv_guest import GDT, START_INFO

NONE = (1 << 64) - 1
FRAME = (1 << 52) - 4096
FIRST_MFN = 0x1000


def entries(page):
    return struct.unpack("<512Q", page)


class LiveGuest:
    """types and pages are of the guest once it is suspended; early_types
    and early_pages what was otherwise while a live save began."""

    def __init__(self, g):
        self.g, self.nr = g, len(g.pages)
        # No two neighbours are neighbours in the machine.
        self.mfns = [NONE if g.pages[pfn][0] == b.XTAB
                     else FIRST_MFN + 7 * pfn % (8 * self.nr) * 3
                     for pfn in range(self.nr)]
        assert len({m for m in self.mfns if m != NONE}) == sum(
            m != NONE for m in self.mfns)
        self.end_mfn = FIRST_MFN + 24 * self.nr + 1000
        raw = b"".join(
            (m & (1 << 8 * g.width) - 1).to_bytes(g.width, "little")
            for m in self.mfns)
        raw += b"\xff" * (-len(raw) % b.PAGE)
        self.types, self.pages = {}, {}
        for pfn, (kind, page) in g.pages.items():
            self.types[pfn] = kind
            if page is not None:
                self.pages[pfn] = self.in_memory(kind, page)
        for i, pfn in enumerate(g.p2m_frames):
            self.pages[pfn] = raw[i * b.PAGE:(i + 1) * b.PAGE]
        self.early_types, self.early_pages = dict(self.types), {}
        self.dirty = set()
        self.vcpus = [tuple(self.mfns[pfn] for pfn in (START_INFO, GDT))
                      + (self.mfns[cr3],
                         0 if user is None else self.mfns[user], 1)
                      for cr3, user in g.vcpus]

    def in_memory(self, kind, page):
        if kind >= b.BROKEN or not kind & 7:
            return page
        return struct.pack("<512Q", *(
            pte & ~FRAME | self.mfns[(pte & FRAME) >> 12] << 12
            if pte & b.PRESENT & 1 else pte for pte in entries(page)))

    def offline_vcpu(self, cr3, user=None):
        """One that is down: Xen keeps what it had loaded."""
        self.vcpus.append((0, 0, self.mfns[cr3],
                           0 if user is None else self.mfns[user], 0))

    def new_vcpu(self):
        """One that never was up."""
        self.vcpus.append((NONE,) * 4 + (0,))

    def write(self, folder):
        os.makedirs(folder)
        with open(f"{folder}/mem", "wb") as f:
            for pfn, page in {**self.pages, **self.early_pages}.items():
                f.seek(self.mfns[pfn] * b.PAGE)
                f.write(page)
        with open(f"{folder}/after", "wb") as f:
            for pfn in self.early_pages:
                f.write(struct.pack("<Q", self.mfns[pfn])
                        + self.pages[pfn])
        numbers = [self.g.width, self.nr, len(self.vcpus), self.end_mfn]
        pfns = range(self.nr)
        numbers += self.mfns
        numbers += [self.early_types[pfn] << 28 for pfn in pfns]
        numbers += [self.types[pfn] << 28 for pfn in pfns]
        numbers += [int(pfn in self.dirty) for pfn in pfns]
        numbers += [n for v in self.vcpus for n in v]
        numbers += [self.mfns[pfn] for pfn in self.g.p2m_frames]
        with open(f"{folder}/guest", "wb") as f:
            f.write(struct.pack(f"<{len(numbers)}Q", *numbers))
        return folder
