# SPDX-License-Identifier: LGPL-2.1-only
"""Images of PV guests with page tables of any shape, and random ones.

A PvGuest is put together frame by frame; image() lays it out with the
parts of build_image.py.
"""

import struct

import build_image as b

READ_ONLY = b.PRESENT & ~2
START_INFO, GDT = 0, 1


def page_of(slots):
    """A page table; slots: index -> entry."""
    out = [0] * 512
    for slot, pte in slots.items():
        out[slot] = pte
    return struct.pack("<512Q", *out)


def to(pfn, flags=b.PRESENT):
    return pfn << 12 | flags


class PvGuest:
    def __init__(self, width=8, frames=24, xen=(4, 14), max_vcpus=1,
                 big=False):
        self.width, self.xen, self.big = width, xen, big
        self.max_vcpus = max_vcpus          # None: the file has none
        self.top = 4 if width == 8 else 3
        per = b.PAGE // width
        nr = (frames + per - 1) // per
        self.p2m_frames = list(range(2, 2 + nr))
        self.p2m = [0x100000 + 7 * pfn for pfn in range(frames)]
        self.pages = {pfn: (b.NOTAB, b.pattern(pfn))
                      for pfn in range(frames)}
        self.first = {}             # pfn -> what the first pass has
        self.vcpus = []             # (cr3, user root or None)
        self.free = 2 + nr          # the next frame that nothing uses

    def new(self):
        self.free += 1
        return self.free - 1

    def table(self, level, slots=None, pin=False):
        """A frame with a table of that level."""
        pfn = self.new()
        self.set(pfn, level, slots or {}, pin)
        return pfn

    def set(self, pfn, level, slots, pin=False):
        self.pages[pfn] = (level | (b.PIN if pin else 0), page_of(slots))

    def hole(self):
        pfn = self.new()
        self.pages[pfn] = (b.XTAB, None)
        self.p2m[pfn] = -1
        return pfn

    def tree(self, pin=True):
        """Tables from the top to level 1, and none beside: the frames,
        from level 1 up."""
        out = [self.table(1, {0: to(START_INFO), 9: to(self.free - 1)})]
        for level in range(2, self.top + 1):
            slots = {0: to(out[-1])}
            if level == 3 and self.width == 4:
                slots[3] = to(out[-1])
            out.append(self.table(level, slots, pin and level == self.top))
        return out

    def image(self, container="xl"):
        im = b.Image([], self.big)
        fmt = "<Q" if self.width == 8 else "<I"
        raw = b"".join(struct.pack(fmt, mfn % (1 << 8 * self.width))
                       for mfn in self.p2m)
        raw += b"\xff" * (-len(raw) % b.PAGE)
        pages = dict(self.pages)
        for i, pfn in enumerate(self.p2m_frames):
            pages[pfn] = (b.NOTAB, raw[i * b.PAGE:(i + 1) * b.PAGE])
        parts = b.libxc_headers(im, False, 3) + b.pv_head(im, self.width)
        parts += [im.record(n, k, body) for k, n, body in b.POLICIES]
        parts += [im.record("STATIC_DATA_END", b.STATIC_DATA_END),
                  b.p2m_frames(im, self.p2m_frames, len(self.pages) - 1)]
        parts += b.batches(im, [(pfn, *self.first.get(pfn, pages[pfn]))
                                for pfn in sorted(pages)])
        if self.first:
            parts += b.batches(im, [(pfn, *pages[pfn])
                                    for pfn in sorted(self.first)])
        tail = b.pv_tail(im, self.width)
        tail[2:] = [b.vcpu(im, "VCPU_BASIC", b.VCPU_BASIC, i, b.context(
            self.width, START_INFO, (GDT,), cr3=cr3,
            cr1=0 if user is None else user << 12 | 1))
            for i, (cr3, user) in enumerate(self.vcpus)] + [
            b.vcpu(im, "VCPU_EXT", b.VCPU_EXT, i, b"e" * 100)
            for i in range(len(self.vcpus))]
        im.parts = parts + tail + [im.record("END", b.END)]
        if container == "xl":
            conf = b.config("pv", 4096 * 4)
            conf["b_info"]["max_vcpus"] = self.max_vcpus
            if self.max_vcpus is None:
                del conf["b_info"]["max_vcpus"]
            im.parts = [b.xl_header(conf), b.libxl_header(int(self.big)),
                        b.libxl_record("LIBXC_CONTEXT", b.LX_LIBXC,
                                       big=self.big),
                        *im.parts,
                        b.libxl_record("LX_END", b.LX_END, big=self.big)]
        im.poke("dhdr", 8, im.u("II", *self.xen))
        return im


class Maker:
    """A random guest: no rule is broken, all else may be."""

    def __init__(self, rng):
        self.rng = rng
        self.g = g = PvGuest(
            rng.choice((4, 8)), rng.choice((70, 120, 300, 1300)),
            rng.choice(((4, 14), (4, 14), (4, 15), (4, 6), (0, 1),
                        (4, 16), (5, 0))),
            rng.choice((None, 1, 2, 3)), rng.random() < 0.2)
        levels = range(1, g.top + 1)
        # Those of "proper" are as Xen would validate them; others are
        # refuse that no proper table refers to.
        self.proper = {n: [g.new() for _ in range(rng.randint(1, 6))]
                       for n in levels}
        self.refuse = {n: [g.new() for _ in range(rng.randint(0, 2))]
                       for n in levels}
        self.holes = [g.hole() for _ in range(rng.randint(0, 3))]
        self.there = [p for p in g.pages if p not in self.holes]
        for level in levels:
            for pfn in self.proper[level]:
                g.set(pfn, level, self.slots(level, True),
                      rng.random() < 0.25)
            for pfn in self.refuse[level]:
                g.set(pfn, level, self.slots(level, False))
        for _ in range(rng.randint(1, 3)):
            user = rng.choice((None, rng.choice(self.proper[g.top])))
            g.vcpus.append((rng.choice(self.proper[g.top]),
                            user if g.width == 8 else None))
        g.max_vcpus = g.max_vcpus and max(g.max_vcpus, len(g.vcpus))
        self.earlier()
        for pfn in rng.sample(self.there, 3):       # foreign, identity
            g.p2m[pfn] = rng.choice((1, 2)) << 8 * g.width - 2 | pfn

    def flags(self, level):
        more = self.rng.choice((0, 1 << 63, 2, 0x60))
        if level == 1:
            more |= self.rng.choice((0, 128))       # PAT there
        return READ_ONLY & ~0x60 | more

    def slots(self, level, proper):
        rng, g, out = self.rng, self.g, {}
        for _ in range(rng.randint(0, 8)):          # not present
            out[rng.randrange(512)] = rng.getrandbits(63) & ~1
        for _ in range(rng.randint(0, 5)):
            slot = rng.randrange(g.width == 4 and level == 3 and 4 or 512)
            if level == 1 or not proper:
                out[slot] = to(rng.choice(self.there), self.flags(level))
            elif level == 4 and 256 <= slot <= 271:
                pass
            elif rng.random() < 0.2 and (level != 3 or g.width == 8):
                out[slot] = to(rng.choice(self.proper[level]),
                               READ_ONLY)           # linear
            else:
                out[slot] = to(rng.choice(self.proper[level - 1]),
                               self.flags(level))
        if level == 4 and rng.random() < 0.5:       # nobody's, Xen's
            out[rng.randint(256, 271)] = to(rng.choice(self.there))
        if level == 3 and g.width == 4:
            out[3] = to(rng.choice(self.proper[2]), self.flags(3))
            out[rng.randint(4, 511)] = to(rng.choice(self.there))
        return out

    def earlier(self):
        """Some frames were something else in the first pass."""
        rng, g = self.rng, self.g
        for pfn in rng.sample(self.there, rng.randint(0, 12)):
            if pfn in (START_INFO, GDT, *g.p2m_frames):
                continue
            level = rng.randint(0, g.top)
            g.first[pfn] = (b.NOTAB, b.pattern(pfn, 9)) if not level else (
                level | rng.choice((0, b.PIN)),
                page_of(self.slots(level, True)))


def random_guest(rng):
    return Maker(rng).g
