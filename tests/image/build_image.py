# SPDX-License-Identifier: LGPL-2.1-only
"""Small images of guests, built octet by octet.

Written from Xen's docs/specs/libxl-migration-stream and
libxc-migration-stream, tools/xl/xl.h, Xen's public headers and
docs/memory-record.md; nothing is shared with the C reader.

An Image is a list of Parts in the order of the file: headers, records,
and the fields that tests want to name.  A damage changes the list or a
part; bytes() then lays it out again, or keeps the lengths as they were.
"""

import json
import struct
from dataclasses import dataclass, field

PAGE = 4096
NOTAB, L1, L2, L3, L4 = 0, 1, 2, 3, 4
PIN = 8
BROKEN, XALLOC, XTAB = 0xD, 0xE, 0xF

END, PAGE_DATA, PV_INFO, P2M_FRAMES, VCPU_BASIC, VCPU_EXT = range(6)
(VCPU_XSAVE, SHARED_INFO, TSC_INFO, HVM_CONTEXT, HVM_PARAMS,
 TOOLSTACK, VCPU_MSRS, VERIFY, CHECKPOINT, DIRTY_PFNS,
 STATIC_DATA_END, CPUID_POLICY, MSR_POLICY) = range(6, 19)
MANDATORY, OPTIONAL = 0x4C58, 0x80004C58
OPTIONAL_BIT = 0x80000000

(LX_END, LX_LIBXC, LX_XENSTORE, LX_EMULATOR, LX_CHECKPOINT_END,
 LX_CHECKPOINT_STATE) = range(6)

UUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"
PRESENT = 0x67                  # present, writable, user, accessed, dirty


@dataclass
class Part:
    """A header, or a record with its own header."""
    name: str
    body: bytes
    kind: int = None            # None: no record header
    length: int = None          # None: that of the body
    pad: bytes = b"\0"
    big: bool = False
    libxc: bool = True
    extra: dict = field(default_factory=dict)

    def bytes(self):
        if self.kind is None:
            return self.body
        length = len(self.body) if self.length is None else self.length
        head = struct.pack(">II" if self.big else "<II", self.kind, length)
        return head + self.body + self.pad * (-len(self.body) % 8)


class Image:
    def __init__(self, parts, big=False):
        self.parts, self.big = parts, big

    def bytes(self):
        return b"".join(p.bytes() for p in self.parts)

    def at(self, name, nth=0):
        """The index of the nth part of that name."""
        found = [i for i, p in enumerate(self.parts) if p.name == name]
        return found[nth]

    def part(self, name, nth=0):
        return self.parts[self.at(name, nth)]

    def offset(self, name, nth=0):
        """Where the part begins in the file."""
        return sum(len(p.bytes()) for p in self.parts[:self.at(name, nth)])

    def body_offset(self, name, nth=0):
        p = self.part(name, nth)
        return self.offset(name, nth) + (0 if p.kind is None else 8)

    def u(self, fmt, *values):
        return struct.pack((">" if self.big else "<") + fmt, *values)

    def poke(self, name, where, data, nth=0):
        """Overwrites octets of a body."""
        p = self.part(name, nth)
        p.body = p.body[:where] + data + p.body[where + len(data):]

    def record(self, name, kind, body=b"", **kw):
        return Part(name, body, kind, big=self.big, **kw)


def pattern(pfn, salt=0):
    """A page that is like no other."""
    return struct.pack("<QQ", pfn + 1, salt + 1) * (PAGE // 16)


def page_data(im, entries, name="PAGE_DATA"):
    """entries: (pfn, type, contents or None)."""
    head = im.u("II", len(entries), 0)
    pfns = b"".join(im.u("Q", t << 60 | pfn) for pfn, t, _ in entries)
    data = b"".join(c for _, _, c in entries if c is not None)
    return im.record(name, PAGE_DATA, head + pfns + data)


def xl_header(config, mandatory=3):
    """config: libxl's, or the octets of a configuration file."""
    text = config if isinstance(config, bytes) else (
        json.dumps(config).encode() + b"\0")
    optional = struct.pack("<I", len(text)) + text
    return Part("xl", b"Xen saved domain, xl format\n \0 \r" + struct.pack(
        "<IIII", 0x01020304, mandatory, 0, len(optional)) + optional)


XML = (b"<domain type='xen' id='7'>\n  <name>guest</name>\n  <uuid>" +
       UUID.encode() + b"</uuid>\n</domain>\n\0")


def libvirt_header(xml=XML, version=2):
    """libxlSavefileHeader of libvirt's src/libxl/libxl_conf.h."""
    return Part("libvirt", b"libvirt-xml\n \0 \r" + struct.pack(
        "<II40x", version, len(xml)) + xml)


def config(kind, target_kb=None, **b_info):
    out = {"c_info": {"type": kind, "name": "guest", "uuid": UUID},
           "b_info": {"max_vcpus": 1, "type." + kind: {}}}
    if target_kb is not None:
        out["b_info"]["target_memkb"] = target_kb
        out["b_info"]["max_memkb"] = target_kb
    out["b_info"] |= b_info
    return out


def libxl_header(options=0):
    return Part("libxl", b"LibxlFmt" + struct.pack(">II", 2, options))


def libxl_record(name, kind, body=b"", big=False):
    return Part(name, body, kind, libxc=False, big=big)


def libxc_headers(im, hvm, version):
    return [Part("ihdr", b"\xff" * 8 + b"XENF" + struct.pack(
                ">IHHI", version, 1 if im.big else 0, 0, 0)),
            Part("dhdr", im.u("IHHII", 2 if hvm else 1, 12, 0, 4,
                              17 if version == 3 else 12))]


def memory_record(im, hvm, kind=OPTIONAL, flags=None, libxc=True,
                  **counts):
    """Of libxc's stream, else of libxl's; its body is little-endian,
    whatever the stream is."""
    c = {"max_pages": 1280, "tot_pages": 40, "outstanding_pages": 0,
         "shr_pages": 0, "paged_pages": 0, "target_kb": 4096,
         "static_max_kb": 4096, "stock_max_kb": 5120} | counts
    raised = c["max_pages"] > c["stock_max_kb"] // 4
    if flags is None:
        flags = int(hvm) | raised << 1
    body = struct.pack("<II", 1, flags) + bytes(range(16)) + b"".join(
        struct.pack("<Q", v) for v in c.values())
    if not libxc:
        return libxl_record("LX_MEMORY", kind, body, im.big)
    return im.record("MEMORY", kind, body)


POLICIES = ((CPUID_POLICY, "CPUID_POLICY", b"c" * 48),
            (MSR_POLICY, "MSR_POLICY", b"m" * 32))


def hvm_header():
    """Magic, version, changeset, cpuid, kHz of the guest's TSC."""
    return struct.pack("<IIQII", 0x54381286, 1, 0, 0x806ea, 2400000)


def descriptors(*items):
    """Each (type, instance, data); END is added."""
    return b"".join(struct.pack("<HHI", kind, n, len(data)) + data
                    for kind, n, data in (*items, (0, 0, b"")))


# As Xen 4.20 writes it of a PVH guest with one vcpu; by type.
DEVICES = {1: 24, 2: 1032, 5: 32, 6: 1024, 7: 16, 8: 8, 9: 8, 14: 240,
           18: 32, 19: 8}


def device_offset(kind):
    """Of its descriptor, in hvm_context()."""
    return sum(8 + size for k, size in DEVICES.items() if k < kind)


def devices():
    return [(kind, 0, hvm_header() if kind == 1 else b"c" * size)
            for kind, size in DEVICES.items()]


def hvm_context():
    return descriptors(*devices())


HVM_FRAMES = 40
HVM_HOLE = range(10, 14)
STORE, CONSOLE = 38, 39


def hvm_pages(salt=0):
    out = []
    for pfn in range(HVM_FRAMES):
        if pfn in HVM_HOLE:
            out.append((pfn, XTAB, None))
        elif pfn in (20, 21):
            out.append((pfn, NOTAB, bytes(PAGE)))
        elif pfn == 23:
            out.append((pfn, NOTAB, pattern(22)))       # as its neighbour
        else:
            out.append((pfn, NOTAB, pattern(pfn, salt)))
    return out


def hvm_tail(im):
    params = im.u("II", 2, 0) + im.u("QQ", 1, STORE) + im.u(
        "QQ", 17, CONSOLE)
    return [im.record("TSC_INFO", TSC_INFO, im.u("IIQII", 0, 2000000, 7, 1,
                                                 0)),
            im.record("HVM_CONTEXT", HVM_CONTEXT, hvm_context()),
            im.record("HVM_PARAMS", HVM_PARAMS, params)]


# A PV guest of 24 frames: its tables, its P2M table, its start info.
PV_FRAMES = 24
START_INFO, GDT, P2M, ROOT, SECOND, THIRD, LEAF, USER_ROOT = range(8)
PV_XTAB = 20


def table(*targets):
    """Entries from slot 0 on; None: not present."""
    ptes = [0 if pfn is None else pfn << 12 | PRESENT for pfn in targets]
    return struct.pack("<512Q", *ptes, *[0] * (512 - len(ptes)))


PV_STORE, PV_CONSOLE = 11, 12
# Offsets of their frames in struct start_info.
SI_STORE = {8: 56, 4: 44}
SI_CONSOLE = {8: 72, 4: 52}


def start_info(width, store=PV_STORE, console=PV_CONSOLE, magic=None):
    out = bytearray(PAGE)
    magic = magic or (b"xen-3.0-x86_64" if width == 8 else
                      b"xen-3.0-x86_32p")
    out[:len(magic)] = magic
    fmt = "<Q" if width == 8 else "<I"
    struct.pack_into(fmt, out, SI_STORE[width], store)
    struct.pack_into(fmt, out, SI_CONSOLE[width], console)
    return bytes(out)


def pv_page(pfn, width, salt=0):
    """(pfn, type, contents) of a frame of the PV guest."""
    if pfn == START_INFO:
        return (pfn, NOTAB, start_info(width))
    leaf = [p for p in range(PV_FRAMES) if p != PV_XTAB]
    if width == 8:
        tables = {ROOT: (L4 | PIN, table(THIRD)),
                  USER_ROOT: (L4 | PIN, table(THIRD)),
                  THIRD: (L3, table(SECOND)), SECOND: (L2, table(LEAF)),
                  LEAF: (L1, table(*leaf))}
    else:
        # Xen wants the fourth, in which it has mappings of its own.
        tables = {ROOT: (L3 | PIN, table(SECOND, None, None, THIRD)),
                  SECOND: (L2, table(LEAF)), THIRD: (L2, table(LEAF)),
                  LEAF: (L1, table(*leaf))}
    if pfn in tables:
        return (pfn, *tables[pfn])
    if pfn == PV_XTAB:
        return (pfn, XTAB, None)
    return (pfn, NOTAB, pattern(pfn, salt))


def pv_pages(width, salt=0):
    return [pv_page(pfn, width, salt) for pfn in range(PV_FRAMES)]


CONTEXT_LEN = {8: 5168, 4: 2800}
# Offsets of what refers to frames in struct vcpu_guest_context.
EDX = {8: 616, 4: 524}
GDT_FRAMES = {8: 4832, 4: 2640}
GDT_ENTS = {8: 4960, 4: 2704}
CR3 = {8: 5008, 4: 2728}
CR1 = 4992


def context(width, start_info=START_INFO, gdt=(GDT,), gdt_ents=512,
            cr3=ROOT, cr1=USER_ROOT << 12 | 1):
    """cr3 is a frame; cr1 is as Xen has it, bit 0: there is one."""
    out = bytearray(CONTEXT_LEN[width])
    fmt = "<Q" if width == 8 else "<I"
    struct.pack_into(fmt, out, EDX[width], start_info)
    for i, pfn in enumerate(gdt):
        struct.pack_into(fmt, out, GDT_FRAMES[width] + i * width, pfn)
    struct.pack_into(fmt, out, GDT_ENTS[width], gdt_ents)
    if width == 8:
        struct.pack_into("<Q", out, CR3[8], cr3 << 12)
        struct.pack_into("<Q", out, CR1, cr1)
    else:               # frames above 2^20 are kept in the low bits
        struct.pack_into("<I", out, CR3[4],
                         (cr3 << 12 | cr3 >> 20) & 0xffffffff)
    return bytes(out)


def vcpu(im, name, kind, ident, data):
    return im.record(name, kind, im.u("II", ident, 0) + data)


def pv_tail(im, width):
    return [im.record("TSC_INFO", TSC_INFO, im.u("IIQII", 0, 2000000, 7, 1,
                                                 0)),
            im.record("SHARED_INFO", SHARED_INFO, b"s" * PAGE),
            vcpu(im, "VCPU_BASIC", VCPU_BASIC, 0, context(width)),
            vcpu(im, "VCPU_EXT", VCPU_EXT, 0, b"e" * 100),
            vcpu(im, "VCPU_XSAVE", VCPU_XSAVE, 0, b"x" * 592),
            vcpu(im, "VCPU_MSRS", VCPU_MSRS, 0, b"m" * 32)]


def pv_head(im, width):
    return [im.record("PV_INFO", PV_INFO, im.u(
                "BBHI", width, 4 if width == 8 else 3, 0, 0))]


def p2m_frames(im, entries=None, end=PV_FRAMES - 1):
    entries = [P2M] if entries is None else entries
    return im.record("P2M_FRAMES", P2M_FRAMES, im.u("II", 0, end) +
                     b"".join(im.u("Q", p) for p in entries))


def batches(im, entries, size=10):
    return [page_data(im, entries[i:i + size])
            for i in range(0, len(entries), size)]


def build(guest="hvm", version=3, big=False, width=8, live=False,
          record=None, verify=False, checkpoints=0, container="xl",
          carrier="libxc"):
    """guest: pv, pvh or hvm.  record: None, OPTIONAL or MANDATORY.
    carrier: of the record, libxc, libxl or both.  container: xl, libvirt,
    libxl or libxc."""
    im = Image([], big)
    hvm = guest != "pv"
    pages = hvm_pages if hvm else lambda salt=0: pv_pages(width, salt)

    def records(libxc):
        if record is None or carrier == ("libxl" if libxc else "libxc"):
            return []
        raised = {"max_pages": 2000} if record == MANDATORY else {}
        return [memory_record(im, hvm, record, libxc=libxc, **raised)]

    parts = libxc_headers(im, hvm, version) + records(True)
    if not hvm:
        parts += pv_head(im, width)
    if version == 3:
        parts += [im.record(n, k, b) for k, n, b in POLICIES]
        parts.append(im.record("STATIC_DATA_END", STATIC_DATA_END))
    if not hvm:
        parts.append(p2m_frames(im))
    parts += batches(im, pages())
    if live:
        # Two more rounds; one frame is sent again as it was.
        again = [e for e in pages(1) if e[0] in (8, 9, 15)]
        same = [e for e in pages() if e[0] == 16]
        parts += batches(im, again + same)
        last = [e for e in pages(2) if e[0] in (9, 19)]
        if not hvm:     # tables and holes are in the last round
            last = [e for e in pages(2)
                    if e[0] in (LEAF, 9, 19, PV_XTAB)]
        parts += batches(im, last)
    if verify:
        parts.append(im.record("VERIFY", VERIFY))
        final = {e[0]: e for e in pages()}
        if live:
            final |= {e[0]: e for e in again + same + last}
        parts += batches(im, [final[p] for p in sorted(final)])
    tail = hvm_tail(im) if hvm else pv_tail(im, width)
    parts += tail

    emulator = []
    if guest == "hvm":
        head = im.u("II", 2, 0)
        emulator = [libxl_record("XENSTORE", LX_XENSTORE, head +
                                 b"physmap/1\x002\0key\0value\0", big),
                    libxl_record("EMULATOR", LX_EMULATOR, head +
                                 b"QEVM" * 25, big)]
    for n in range(checkpoints):
        if n:
            parts += batches(im, [e for e in pages(n + 1) if e[0] in (8, 9)])
            parts += [Part(**vars(p)) for p in tail]
        parts.append(im.record("CHECKPOINT", CHECKPOINT))
        if container != "libxc":
            parts += [Part(**vars(p)) for p in emulator]
            parts.append(libxl_record("CHECKPOINT_END", LX_CHECKPOINT_END,
                                      big=big))
    parts.append(im.record("END", END))
    if container != "libxc":
        parts = [libxl_header(1 if big else 0), *records(False),
                 libxl_record("LIBXC_CONTEXT", LX_LIBXC, big=big),
                 *parts, *emulator, libxl_record("LX_END", LX_END, big=big)]
    if container == "libvirt":
        parts.insert(0, libvirt_header())
    if container == "xl":
        parts.insert(0, xl_header(config(guest, 4096)))
    im.parts = parts
    return im
