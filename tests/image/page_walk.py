# SPDX-License-Identifier: LGPL-2.1-only
"""Which page tables of a PV image are validated: a second walk, for the
tests, from docs/image.md, "Page state", and Xen's public headers.

It works on what final_state.py makes of an image and shares nothing with
the C reader.  It trusts its input.
"""

import struct
from dataclasses import dataclass

PV_INFO, P2M_FRAMES, VCPU_BASIC = 2, 3, 4
FRAME = (1 << 52) - 4096
PRESENT, WRITABLE, SUPERPAGE = 1, 2, 128


def entries(page):
    return struct.unpack("<512Q", page)


@dataclass
class Guest:
    """The parts of a State that the walk needs."""
    state: object
    xen: tuple
    max_vcpus: int = None       # None: not known

    def __post_init__(self):
        bodies = {}
        for where, kind, body in self.state.records:
            if where == "libxc":
                bodies.setdefault(kind, []).append(body)
        self.width = bodies[PV_INFO][0][0]
        self.top = bodies[PV_INFO][0][1]
        order = ">" if self.state.head[-40 + 17] & 1 else "<"
        self.contexts = [body[8:] for body in bodies[VCPU_BASIC]]
        p2m = bodies[P2M_FRAMES][0]
        self.p2m = b"".join(
            self.state.frames[pfn].contents for pfn in struct.unpack(
                f"{order}{len(p2m) // 8 - 1}Q", p2m[8:]))
        self.levels = {pfn: f.last & 7 for pfn, f in
                       self.state.frames.items()
                       if f.last < 0xD and f.last & 7}

    def roots(self):
        out = {pfn for pfn in self.levels
               if self.state.frames[pfn].last & 8}
        for c in self.contexts:
            if self.width == 8:
                out.add(struct.unpack_from("<Q", c, 5008)[0] >> 12)
                user = struct.unpack_from("<Q", c, 4992)[0]
                if user & 1:
                    out.add(user >> 12)
            else:
                cr3 = struct.unpack_from("<I", c, 2728)[0]
                out.add(cr3 >> 12 | (cr3 & 0xfff) << 20)
        return out

    def children(self, pfn):
        level, out = self.levels[pfn], set()
        if level == 1:
            return out
        for slot, pte in enumerate(entries(
                self.state.frames[pfn].contents)):
            if level == 4 and 256 <= slot <= 271:
                continue
            if self.width == 4 and level == 3 and slot > 3:
                continue
            if not pte & PRESENT or pte & SUPERPAGE:
                continue
            to = (pte & FRAME) >> 12
            below = self.levels.get(to)
            linear = below == level and not pte & WRITABLE and (
                self.width == 8 or level != 3)
            if below == level - 1 or linear:
                out.add(to)
        return out

    def closure(self, start):
        seen, todo = set(start), list(start)
        while todo:
            for pfn in self.children(todo.pop()) - seen:
                seen.add(pfn)
                todo.append(pfn)
        return seen

    def judge(self):
        """(stale, held): frames of P1 and of P2."""
        left = set(self.levels) - self.closure(self.roots())
        if self.xen >= (4, 16):
            return set(), left
        held = set()
        if self.max_vcpus is None or self.max_vcpus > len(self.contexts):
            held = left & self.closure(
                {pfn for pfn in left if self.levels[pfn] == self.top})
        return left - held, held

    def machine_frame(self, pfn):
        """None where the P2M table has none."""
        at = pfn * self.width
        if at + self.width > len(self.p2m):
            return None
        mfn = int.from_bytes(self.p2m[at:at + self.width], "little")
        return mfn if mfn < 1 << (40 if self.width == 8 else 30) else None

    def in_memory(self, page):
        """A table as it was before it was saved, and the number of
        entries that cannot be known."""
        out, lost = [], 0
        for pte in entries(page):
            if pte & PRESENT:
                mfn = self.machine_frame((pte & FRAME) >> 12)
                lost += mfn is None
                pte = 0 if mfn is None else pte & ~FRAME | mfn << 12
            out.append(pte)
        return struct.pack("<512Q", *out), lost
