# SPDX-License-Identifier: LGPL-2.1-only
"""Kinds of damage: how to do it, and what must be said of it.

Each changes an image of build_image.py in place and returns the byte
offset at which the fault must be named; the row has the rule of
docs/image.md and words that the line must have.
"""

import copy
import struct
from dataclasses import dataclass, field
from typing import Callable

import build_image as b


@dataclass
class Damage:
    name: str
    rule: str
    words: str
    do: Callable
    build: dict = field(default_factory=dict)
    tail: bytes = b""

    def make(self):
        """The damaged image and the offset of its first fault."""
        im = b.build(**self.build)
        offset = self.do(im)
        return im.bytes() + self.tail, offset


DAMAGES = []


def damage(name, rule, words, tail=b"", **build):
    def add(do):
        DAMAGES.append(Damage(name, rule, words, do, build, tail))
        return do
    return add


def poke(name, rule, words, part, where, data, at=None, nth=0, **build):
    """Octets of a body overwritten; the fault is at the first, or @at."""
    def do(im):
        im.poke(part, where, data, nth)
        return im.body_offset(part, nth) + (where if at is None else at)
    DAMAGES.append(Damage(name, rule, words, do, build))


def head(name, rule, words, part, kind=None, length=None, nth=0, **build):
    """Type or length of a record changed; its body stays."""
    def do(im):
        p = im.part(part, nth)
        if kind is not None:
            p.kind = kind
        if length is not None:
            p.length = length
        return im.offset(part, nth) + (4 if kind is None else 0)
    DAMAGES.append(Damage(name, rule, words, do, build))


def body(name, rule, words, part, data, at=-4, nth=0, **build):
    """Another body; by default the fault is the length that it has."""
    def do(im):
        im.part(part, nth).body = data(im) if callable(data) else data
        return im.body_offset(part, nth) + at
    DAMAGES.append(Damage(name, rule, words, do, build))


def drop(name, rule, words, part, at, nth=0, **build):
    """A record left out; the fault is where @at begins."""
    def do(im):
        del im.parts[im.at(part, nth)]
        return im.offset(at)
    DAMAGES.append(Damage(name, rule, words, do, build))


def double(name, rule, words, part, nth=0, **build):
    def do(im):
        k = im.at(part, nth)
        im.parts.insert(k, copy.deepcopy(im.parts[k]))
        return im.offset(part, nth + 1)
    DAMAGES.append(Damage(name, rule, words, do, build))


def move(name, rule, words, part, before, **build):
    """A record moved ahead of another; the fault is where it begins."""
    def do(im):
        p = im.parts.pop(im.at(part))
        im.parts.insert(im.at(before), p)
        return im.offset(part)
    DAMAGES.append(Damage(name, rule, words, do, build))


PV = {"guest": "pv"}
PV32 = {"guest": "pv", "width": 4}
PVH = {"guest": "pvh"}
BE = {"guest": "pv", "big": True}

# --- the whole
@damage("cut in the middle of a page", "S1", "ends", **PV)
def _(im):
    p = im.part("PAGE_DATA", 1)
    where = im.offset("PAGE_DATA", 1) + 8 + 8 + 80 + 5000
    im.parts = [b.Part("cut", im.bytes()[:where])]
    return where


@damage("cut behind the last libxc record", "S1", "libxc record header")
def _(im):
    del im.parts[im.at("END"):]
    return len(im.bytes())


@damage("bytes behind END", "S2", "behind END: 9 bytes", tail=b"9 octets.")
def _(im):
    return len(im.bytes())


@damage("first bytes of nothing known", "X1", "neither a file of xl")
def _(im):
    im.poke("xl", 0, b"Yen")
    return 0


# --- xl header
poke("xl magic", "X1", "magic", "xl", 20, b"X", at=0)
poke("xl byte order", "X2", "0x01020305 is not 0x01020304", "xl", 32, b"\5")
poke("xl mandatory flag unknown", "X3", "flags 0x7", "xl", 36, b"\7")
poke("xl flag of version 2 lost", "X4", "lack 0x2", "xl", 36, b"\1")
poke("xl optional flag", "X5", "optional flags 0x1", "xl", 40, b"\1")
poke("xl optional data too long", "X6", "bound of 16777216", "xl", 44,
     b"\0\0\0\xff")
poke("xl configuration longer than its room", "X7", "does not fit", "xl", 48,
     b"\xff\xff\xff")
poke("xl configuration is no JSON", "X8", "not the JSON", "xl", 52, b"[")
poke("xl configuration of an unknown type", "X8", '"hxm" is none of', "xl",
     52 + len('{"c_info": {"type": "h'), b"x", at=52)

poke("xl flag of JSON lost", "X8", "lack 0x1", "xl", 36, b"\2")


@damage("xl configuration of another guest type", "X9", "of a pv guest")
def _(im):
    im.parts[0] = b.xl_header(b.config("pv", 4096))
    return im.offset("dhdr")


# --- libvirt
VIRSH = {"guest": "pvh", "container": "libvirt"}
poke("libvirt magic", "V1", "begin as libvirt's magic", "libvirt", 15, b"\n",
     at=0, **VIRSH)
poke("libvirt version of a legacy stream", "V2", "version 1 is not 2: a lega",
     "libvirt", 16, b"\1", **VIRSH)
poke("libvirt version to come", "V2", "version 3 is not 2", "libvirt", 16,
     b"\3", **VIRSH)
poke("libvirt version lost", "V2", "version 0 is not 2", "libvirt", 16,
     b"\0", **VIRSH)
poke("libvirt XML too long", "V3", "XML of 268435456 bytes is above",
     "libvirt", 20, struct.pack("<I", 1 << 28), **VIRSH)
poke("libvirt XML of length 0", "V4", "does not begin with <domain",
     "libvirt", 20, bytes(4), at=64, **VIRSH)
poke("libvirt XML damaged", "V4", "does not begin with <domain", "libvirt",
     64, b"(", **VIRSH)
poke("libvirt XML cut by a NUL", "V4", "is not its first NUL", "libvirt",
     64 + 30, b"\0", at=64, **VIRSH)
poke("libvirt XML without its NUL", "V4", "is not its first NUL", "libvirt",
     64 + len(b.XML) - 1, b" ", at=64, **VIRSH)
poke("libvirt unused byte", "V5", "unused byte 0x07", "libvirt", 63,
     b"\7", **VIRSH)

# --- libxl
poke("libxl ident", "L1", "ident 0x4d69", "libxl", 0, b"M")
poke("libxl version", "L2", "version 3 is not 2", "libxl", 11, b"\3", at=8)
poke("libxl reserved option", "L3", "0x10 have bits", "libxl", 15, b"\x10",
     at=12)
head("libxl record type unknown", "L4", "type 0x77", "EMULATOR", kind=0x77)
head("libxl record too long", "L5", "length 4026531840", "EMULATOR",
     length=0xf0000000)
body("libxl END with a body", "L6", "END: length 8", "LX_END", b"8 octets")
body("libxl LIBXC_CONTEXT with a body", "L6",
     "LIBXC_CONTEXT: length 8 is not 0, which xl-ext and the C API refuse",
     "LIBXC_CONTEXT", b"8 octets")


@damage("libxl padding", "L7", "padding byte 0x01")
def _(im):
    p = im.part("EMULATOR")
    p.pad = b"\1"
    return im.body_offset("EMULATOR") + len(p.body)


body("emulator record without its header", "L8", "length 4", "EMULATOR",
     b"\2\0\0\0")
poke("emulator unknown", "L9", "emulator 7", "EMULATOR", 0, b"\7")
poke("emulator 0 in a stream that was not converted", "L9", "emulator 0",
     "EMULATOR", 0, b"\0")


@damage("emulator data without its last NUL", "L10", "0x78 and no NUL")
def _(im):
    p = im.part("XENSTORE")
    p.body = p.body[:-1] + b"x"
    return im.body_offset("XENSTORE") + len(p.body) - 1


body("emulator data with an empty key", "L10", "key 2 is empty",
     "XENSTORE", lambda im: im.u("II", 2, 0) + b"a\0b\0\0c\0", at=8 + 4)
body("emulator data with an absolute key", "L10", "key 1 is absolute",
     "XENSTORE", lambda im: im.u("II", 2, 0) + b"/a\0b\0", at=8)
body("emulator data with a key without value", "L10", "3 strings",
     "XENSTORE", lambda im: im.u("II", 2, 0) + b"a\0b\0c\0", at=0)
body("emulator data with a key that xenstore refuses", "L15",
     "key 2 has a byte 0x2e", "XENSTORE",
     lambda im: im.u("II", 2, 0) + b"a-/_@Z0\0.\0b.c\0d\0", at=8 + 11)
double("emulator data twice", "L16", "XENSTORE_DATA: a second", "XENSTORE")
double("device model's state twice", "L16", "CONTEXT: a second", "EMULATOR")
poke("emulator of another index", "L16", "index 1 is not 0", "EMULATOR", 4,
     b"\1")
move("emulator record ahead of libxc", "L11", "ahead of LIBXC_CONTEXT",
     "EMULATOR", "LIBXC_CONTEXT")


@damage("LIBXC_CONTEXT a second time", "L11", "a second one")
def _(im):
    im.parts.insert(im.at("XENSTORE"), b.libxl_record("again", b.LX_LIBXC))
    return im.offset("again")


@damage("CHECKPOINT_END without a checkpoint", "L12", "no checkpoint was")
def _(im):
    im.parts.insert(im.at("XENSTORE"), b.libxl_record(
        "lost", b.LX_CHECKPOINT_END))
    return im.offset("lost")


@damage("checkpoint without its end", "L12", "END: in a checkpoint",
        checkpoints=1, **PVH)
def _(im):
    k = im.at("CHECKPOINT_END")
    im.parts[k:k + 2] = []
    # libxl's END comes where CHECKPOINT_END should; what is left of
    # the stream does not matter.
    return im.offset("LX_END")


@damage("CHECKPOINT_STATE out of place", "L13", "not between")
def _(im):
    im.parts.insert(im.at("XENSTORE"), b.libxl_record(
        "state", b.LX_CHECKPOINT_STATE, bytes(8)))
    return im.offset("state")


@damage("CHECKPOINT_STATE of a secondary", "L13", "control_id 2",
        checkpoints=2)
def _(im):
    im.parts.insert(im.at("CHECKPOINT_END") + 1, b.libxl_record(
        "state", b.LX_CHECKPOINT_STATE, b"\2" + bytes(7)))
    return im.body_offset("state")


@damage("CHECKPOINT_STATE padding", "L7", "0x00000100 is not zero",
        checkpoints=2)
def _(im):
    im.parts.insert(im.at("CHECKPOINT_END") + 1, b.libxl_record(
        "state", b.LX_CHECKPOINT_STATE, bytes(5) + b"\1\0\0"))
    return im.body_offset("state") + 4


drop("device model's state missing", "L14", "no EMULATOR_CONTEXT", "EMULATOR",
     "LX_END")


@damage("device model's state in a PV guest", "L14", "a pv guest has none",
        **PV)
def _(im):
    im.parts.insert(im.at("LX_END"), b.libxl_record(
        "EMULATOR", b.LX_EMULATOR, b"\2" + bytes(7)))
    return im.offset("EMULATOR")


# --- libxc headers
poke("libxc marker", "C1", "marker", "ihdr", 3, b"\xfe", at=0)
poke("libxc id", "C2", "id 0x59454e46", "ihdr", 8, b"Y")
poke("libxc version", "C3", "version 4", "ihdr", 15, b"\4", at=12)
poke("libxc reserved option", "C4", "options 0x2", "ihdr", 17, b"\2", at=16)
poke("libxc image header reserved", "C5", "byte 20 is 0x40", "ihdr", 20,
     b"\x40")
poke("libxc domain type", "C6", "type 3", "dhdr", 0, b"\3")
poke("libxc page_shift", "C7", "page_shift 13", "dhdr", 4, b"\x0d")
poke("libxc domain header reserved", "C8", "0x0100", "dhdr", 7, b"\1", at=6)
poke("libxc domain type, big-endian", "C6", "type 257", "dhdr", 2, b"\1",
     at=0, **BE)
poke("libxc byte order lost", "C6", "type 16777216", "ihdr", 17, b"\0",
     at=24, **BE)

# --- libxc framing
head("libxc record too long", "C9", "length 4026531840", "HVM_CONTEXT",
     length=0xf0000000)


@damage("libxc padding", "C10", "padding byte 0x07", **PV)
def _(im):
    p = im.part("VCPU_EXT")
    p.pad = b"\7"
    return im.body_offset("VCPU_EXT") + len(p.body)


head("libxc record type unknown", "C11", "type 0x13 is above 0x12",
     "HVM_PARAMS", kind=0x13)


@damage("libxc length too short", "C11", "or a length ahead")
def _(im):
    im.part("CPUID_POLICY").length = 24
    return im.body_offset("CPUID_POLICY") + 24


head("libxc record of another guest type", "C12", "SHARED_INFO: in the image",
     "HVM_PARAMS", kind=b.SHARED_INFO)


@damage("HVM_PARAMS in a PV guest", "C12",
        "HVM_PARAMS: in the image of an x86 PV", **PV)
def _(im):
    im.parts.insert(im.at("TSC_INFO"), im.record(
        "HVM_PARAMS", b.HVM_PARAMS, bytes(8)))
    return im.offset("HVM_PARAMS")



def optional(part, spec, where="", nth=0, **build):
    """A record that a restore passes over, for its optional bit."""
    head(f"{spec} marked as optional{where}", "C13",
         f"that of {spec} and the optional bit", part,
         kind=b.OPTIONAL_BIT | getattr(b, part), nth=nth, **build)


optional("CPUID_POLICY", "X86_CPUID_POLICY")
optional("CPUID_POLICY", "X86_CPUID_POLICY", ", PV", **PV)
optional("MSR_POLICY", "X86_MSR_POLICY")
optional("TSC_INFO", "X86_TSC_INFO")
optional("HVM_CONTEXT", "HVM_CONTEXT")
optional("HVM_PARAMS", "HVM_PARAMS")
optional("SHARED_INFO", "SHARED_INFO", **PV)
optional("VCPU_BASIC", "X86_PV_VCPU_BASIC", **PV)
optional("VCPU_EXT", "X86_PV_VCPU_EXTENDED", **PV)
optional("VCPU_XSAVE", "X86_PV_VCPU_XSAVE", **PV)
optional("VCPU_XSAVE", "X86_PV_VCPU_XSAVE", ", 32-bit", **PV32)
optional("VCPU_XSAVE", "X86_PV_VCPU_XSAVE", ", big-endian", **BE)
optional("VCPU_MSRS", "X86_PV_VCPU_MSRS", **PV)
optional("PAGE_DATA", "PAGE_DATA", " in a later pass", nth=4, live=True)
optional("PAGE_DATA", "PAGE_DATA", " in a later pass, PV", nth=3,
         guest="pv", live=True)

# --- bodies
body("libxc END with a body", "B1", "END: length 8", "END", b"8 octets")
body("STATIC_DATA_END with a body", "B1", "STATIC_DATA_END: length 8",
     "STATIC_DATA_END", b"8 octets")
body("PAGE_DATA without its header", "B2", "length 4", "PAGE_DATA", b"1234")
poke("PAGE_DATA count 0", "B2", "count 0 is not", "PAGE_DATA", 0, bytes(4))
poke("PAGE_DATA count beyond the record", "B2", "count 16777226",
     "PAGE_DATA", 3, b"\1", at=0)
poke("PAGE_DATA reserved", "B3", "0x01000000", "PAGE_DATA", 7, b"\1", at=4)
poke("PAGE_DATA count one more", "B4", "11 frames", "PAGE_DATA", 0, b"\x0b",
     at=-4)
poke("PAGE_DATA count one less", "B4", "9 frames", "PAGE_DATA", 0, b"\x09",
     at=-4)


@damage("PAGE_DATA short of a page", "B4", "10 pages")
def _(im):
    p = im.part("PAGE_DATA")
    p.body = p.body[:-b.PAGE]
    return im.offset("PAGE_DATA") + 4


@damage("PAGE_DATA of more pages than a record holds", "B4", "32769 pages",
        **PVH)
def _(im):
    im.parts[im.at("PAGE_DATA")] = b.page_data(
        im, [(n, b.NOTAB, None) for n in range(40000)])
    return im.offset("PAGE_DATA") + 4


poke("page that lost its contents by type", "B4", "9 pages", "PAGE_DATA",
     8 + 7, b"\xf0", at=-4)
poke("frame with reserved bits", "B5", "bits 0x10 of frame 0x3", "PAGE_DATA",
     8 + 3 * 8 + 7, b"\x01", at=8 + 3 * 8)
poke("page of a reserved type", "B6", "type 0x5", "PAGE_DATA",
     8 + 3 * 8 + 7, b"\x50", at=8 + 3 * 8)
poke("frame beyond a PV guest", "B7", "above 0x17", "PAGE_DATA", 8 + 9 * 8 + 1,
     b"\1", at=8 + 9 * 8, **PV)
poke("frame just beyond a PV guest", "B7", "frame 0x18 is above 0x17",
     "PAGE_DATA", 8 + 3 * 8, b"\x18", at=8 + 3 * 8, nth=2, **PV)
poke("frame beyond any HVM guest", "B7", "above 0xffffffffff", "PAGE_DATA",
     8 + 9 * 8 + 5, b"\1", at=8 + 9 * 8)
poke("page table in an HVM guest", "B8", "an HVM guest has not",
     "PAGE_DATA", 8 + 3 * 8 + 7, b"\x10", at=8 + 3 * 8)
poke("level 4 in a 32-bit guest", "B8", "a 32-bit PV guest", "PAGE_DATA",
     8 + b.ROOT * 8 + 7, b"\xc0", at=8 + b.ROOT * 8, **PV32)
poke("frame number, big-endian", "B7", "above 0x17", "PAGE_DATA",
     8 + 9 * 8 + 6, b"\1", at=8 + 9 * 8, **BE)
body("X86_PV_INFO length", "B9", "length 4", "PV_INFO", b"\x08\x04\0\0", **PV)
body("X86_PV_INFO too long", "B10", "length 16 is above 8", "PV_INFO",
     b"\x08\x04" + bytes(14), **PV)
poke("X86_PV_INFO width against levels", "B9", "width 4 with 4", "PV_INFO",
     0, b"\4", **PV)
poke("X86_PV_INFO reserved", "B10", "byte 0x09", "PV_INFO", 5, b"\x09", **PV)
body("X86_PV_P2M_FRAMES without its header", "B11", "length 4", "P2M_FRAMES",
     b"1234", **PV)
poke("X86_PV_P2M_FRAMES start above end", "B11", "0x100 is above",
     "P2M_FRAMES", 1, b"\1", at=0, **PV)
poke("X86_PV_P2M_FRAMES end beyond its list", "B11", "length 16 is not the 24",
     "P2M_FRAMES", 5, b"\2", at=-4, **PV)
body("vcpu record without its header", "B12", "length 4", "VCPU_XSAVE",
     b"1234", **PV)
poke("vcpu number out of range", "B12", "vcpu 65536", "VCPU_BASIC", 2, b"\1",
     at=0, **PV)
poke("vcpu number that the configuration has not", "B12",
     "vcpu 1 is not below 1", "VCPU_BASIC", 0, b"\1", **PV)
body("vcpu registers of the other width", "B13", "2800 bytes", "VCPU_BASIC",
     lambda im: bytes(8) + b.context(4), **PV)
body("vcpu extended state too long", "B13", "129 bytes is above 128",
     "VCPU_EXT", bytes(8 + 129), **PV)
body("vcpu xsave too short", "B13", "8 bytes is neither 16",
     "VCPU_XSAVE", bytes(16), **PV)
body("vcpu xsave cut within its area", "B13",
     "100 bytes is neither 16 nor at least 592", "VCPU_XSAVE",
     bytes(8 + 100), **PV)
body("vcpu msrs broken off", "B13", "24 bytes is no multiple", "VCPU_MSRS",
     bytes(32), **PV)
body("SHARED_INFO length", "B14", "length 4088", "SHARED_INFO", bytes(4088),
     **PV)
body("X86_TSC_INFO length", "B15", "length 16", "TSC_INFO", bytes(16))
poke("X86_TSC_INFO mode", "B15", "mode 4 is above 3", "TSC_INFO", 0, b"\4")
body("HVM_CONTEXT empty", "B16", "without its END", "HVM_CONTEXT", b"", at=0)
poke("HVM_CONTEXT begins with another descriptor", "B16", "of type 2",
     "HVM_CONTEXT", 0, b"\2")
poke("HVM_CONTEXT descriptor runs over", "B16", "16778248 bytes of CPU",
     "HVM_CONTEXT", 32 + 7, b"\1", at=32 + 4)
body("HVM_CONTEXT descriptor a byte too long", "B16",
     "609 bytes of a descriptor of type 16 do not fit the 608",
     "HVM_CONTEXT", b.descriptors(*b.devices()[:2], (16, 0, bytes(600)))
     .replace(struct.pack("<I", 600), struct.pack("<I", 609)),
     at=32 + 1040 + 4)
poke("HVM_CONTEXT length of HEADER", "B16", "25 bytes of HEADER are not 24",
     "HVM_CONTEXT", 4, b"\x19")
poke("HVM_CONTEXT length of HEADER beyond the record", "B16",
     "2147483672 bytes of HEADER", "HVM_CONTEXT", 7, b"\x80", at=4)
poke("HVM_CONTEXT magic of HEADER", "B16", "magic 0x54381287 of HEADER is not",
     "HVM_CONTEXT", 8, b"\x87")
poke("HVM_CONTEXT version of HEADER", "B16", "version 257 of HEADER is not 1",
     "HVM_CONTEXT", 13, b"\1", at=12)
poke("HVM_CONTEXT with a second HEADER", "B16", "a second descriptor of",
     "HVM_CONTEXT", 32, b"\1")
poke("HVM_CONTEXT of a vcpu that the configuration has not", "B16",
     "vcpu 1, which is not below 1", "HVM_CONTEXT", 34, b"\1")


def device(what, words, kind, where, data, at=None):
    """Octets of the descriptor of a type, or of its data, overwritten."""
    start = b.device_offset(kind)
    poke(f"HVM_CONTEXT {what}", "B16", words, "HVM_CONTEXT", start + where,
         data, start + (where if at is None else at))


def devices(what, words, at, *items, **build):
    body(f"HVM_CONTEXT {what}", "B16", words, "HVM_CONTEXT",
         b.descriptors(*items), at, **build)


ALL = b.devices()
device("CPU longer than any", "1033 bytes of CPU are above 1032", 2, 4,
       struct.pack("<I", 1033))
device("LAPIC as IOAPIC", "32 bytes of IOAPIC are not 400", 5, 0, b"\4", 4)
device("MTRR as VIRIDIAN_DOMAIN", "240 bytes of VIRIDIAN_DOMAIN are above",
       14, 0, b"\17", 4)
device("VMCE_VCPU as CPU_XSAVE", "32 bytes of CPU_XSAVE are below 600", 18,
       0, b"\20", 4)
device("CPU as END", "1032 bytes of END are not 0", 2, 0, b"\0", 4)
device("LAPIC_REGS as CPU", "type 2, instance 0 behind type 5, instance 0",
       6, 0, b"\2")
device("TSC_ADJUST as VMCE_VCPU", "type 18, instance 0 behind type 18", 19,
       0, b"\22")
device("PCI_LINK instance", "instance 3 of type 9 (PCI_LINK) is not below 1",
       9, 2, b"\3")
devices("PIC instance", "instance 2 of type 3 (PIC) is not below 2",
        b.device_offset(5) + 2, *ALL[:2], (3, 2, bytes(8)), *ALL[2:],
        guest="hvm")
devices("CPU_MSR count", "2 MSRs are not what 24 bytes hold",
        len(b.hvm_context()), *ALL, (20, 0, b"\2" + bytes(23)))
devices("CPU missing", "none of the vcpus would run",
        b.device_offset(99) - 1040, ALL[0], *ALL[2:])
devices("LAPIC_REGS missing", "1 descriptors of type LAPIC (5) and 0 of",
        b.device_offset(99) - 1032, *(d for d in ALL if d[0] != 6))
body("HVM_PARAMS without its header", "B17", "length 4", "HVM_PARAMS", b"1234")
poke("HVM_PARAMS count", "B17", "count 3 needs", "HVM_PARAMS", 0, b"\3")
poke("HVM_PARAMS of a parameter that Xen has not", "B17",
     "parameter 39 is not below 39", "HVM_PARAMS", 8, b"\x27")
body("X86_CPUID_POLICY not whole", "B18", "length 40", "CPUID_POLICY",
     bytes(40))
body("X86_MSR_POLICY empty", "B19", "length 0", "MSR_POLICY", b"")
poke("X86_TSC_INFO reserved", "B20", "0x00000001", "TSC_INFO", 20, b"\1")
poke("vcpu record reserved", "B20", "0x00000001", "VCPU_MSRS", 4, b"\1", **PV)
poke("HVM_PARAMS reserved", "B20", "0x00000001", "HVM_PARAMS", 4, b"\1")
head("TOOLSTACK record", "B21", "no release has written", "TSC_INFO",
     kind=b.TOOLSTACK)
head("CHECKPOINT_DIRTY_PFN_LIST record", "B21", "to the primary", "TSC_INFO",
     kind=b.DIRTY_PFNS)

# --- order and presence
drop("STATIC_DATA_END missing", "O1", "ahead of STATIC_DATA_END",
     "STATIC_DATA_END", "PAGE_DATA")
drop("STATIC_DATA_END missing, PV", "O1", "X86_PV_P2M_FRAMES: ahead",
     "STATIC_DATA_END", "P2M_FRAMES", **PV)
double("STATIC_DATA_END twice", "O1", "a second one", "STATIC_DATA_END")


@damage("version 3 stream marked as 2", "O2", "in a stream of version 2")
def _(im):
    im.poke("ihdr", 15, b"\2")
    return im.offset("CPUID_POLICY")


move("policy behind STATIC_DATA_END", "O3", "X86_MSR_POLICY: behind",
     "MSR_POLICY", "PAGE_DATA")
drop("X86_PV_INFO missing", "O4", "P2M_FRAMES: ahead of X86_PV_INFO",
     "PV_INFO", "P2M_FRAMES", **PV)
double("X86_PV_INFO twice", "O4", "a second one", "PV_INFO", **PV)
drop("X86_PV_P2M_FRAMES missing", "O5", "ahead of X86_PV_P2M_FRAMES",
     "P2M_FRAMES", "PAGE_DATA", **PV)
move("vcpu record ahead of the pages", "O6", "VCPU_BASIC: ahead of PAGE_DATA",
     "VCPU_BASIC", "PAGE_DATA", **PV)


@damage("vcpu record of another vcpu", "O7", "VCPU_BASIC of vcpu 7",
        guest="pv", container="libxc")
def _(im):
    im.poke("VCPU_XSAVE", 0, b"\7")
    return im.offset("END")


@damage("all pages missing", "O7", "no PAGE_DATA")
def _(im):
    im.parts = [p for p in im.parts if p.name != "PAGE_DATA"]
    return im.offset("END")


for missing, spec, kw in (
        ("CPUID_POLICY", "X86_CPUID_POLICY", {}),
        ("MSR_POLICY", "X86_MSR_POLICY", {}),
        ("TSC_INFO", "X86_TSC_INFO", {}), ("HVM_CONTEXT", "HVM_CONTEXT", {}),
        ("HVM_PARAMS", "HVM_PARAMS", {}), ("SHARED_INFO", "SHARED_INFO", PV),
        ("VCPU_BASIC", "X86_PV_VCPU_BASIC of vcpu 0", PV),
        ("VCPU_EXT", "X86_PV_VCPU_EXTENDED of vcpu 0", PV)):
    drop(f"{spec} missing", "O7", f"no {spec}", missing, "END", **kw)
double("VERIFY twice", "O8", "a second one", "VERIFY", live=True, verify=True)
move("VERIFY ahead of the pages", "O8", "ahead of PAGE_DATA", "VERIFY",
     "PAGE_DATA", verify=True)
double("HVM_CONTEXT twice", "O9", "a second one", "HVM_CONTEXT")
double("SHARED_INFO twice", "O9", "a second one", "SHARED_INFO", **PV)
double("vcpu registers twice", "O9", "for vcpu 0", "VCPU_BASIC", **PV)
double("X86_PV_P2M_FRAMES twice", "O9", "a second one", "P2M_FRAMES", **PV)

# --- memory record
REC = {"record": b.OPTIONAL}
MREC = {"record": b.MANDATORY}
double("memory record twice", "M1", "a second one", "MEMORY", **MREC)
move("memory record behind others", "M1", "behind other", "MEMORY",
     "STATIC_DATA_END", **REC)
poke("memory record of a later version", "M2", "version 2 is newer", "MEMORY",
     0, b"\2", **REC)
poke("memory record without a limit", "M2", "all ones", "MEMORY", 24,
     b"\xff" * 8, at=0, **MREC)
body("memory record too long", "M2", "length 4104 is above", "MEMORY",
     bytes(4104), **REC)
poke("memory record of the other guest type", "M3", "say PV", "MEMORY", 4,
     b"\2", **MREC)
poke("memory record of another guest", "M4", "not the configuration's",
     "MEMORY", 8 + 3, b"\x99", at=8, **MREC)


@damage("memory record against a uuid that is none", "M4", "a?b?", **MREC)
def _(im):
    conf = b.config("hvm", 4096)
    conf["c_info"]["uuid"] = "a\nb\x1b"
    im.parts[0] = b.xl_header(conf)
    return im.body_offset("MEMORY") + 8


poke("memory record's flag against its figures", "M5", "RAISED is 1",
     "MEMORY", 4, b"\3", **REC)


@damage("memory record made optional", "M5", "optional, and tot_pages 2000")
def _(im):
    im.parts.insert(im.at("dhdr") + 1, b.memory_record(
        im, True, b.OPTIONAL, max_pages=2000, tot_pages=2000))
    return im.offset("MEMORY")


# ... in libxl's stream
XREC = {"record": b.MANDATORY, "carrier": "libxl"}
XOPT = {"record": b.OPTIONAL, "carrier": "libxl"}
BOTH = {"record": b.MANDATORY, "carrier": "both"}


@damage("cut in libxl's memory record", "S1", "memory record: the image ends",
        **XREC)
def _(im):
    where = im.body_offset("LX_MEMORY") + 50
    im.parts = [b.Part("cut", im.bytes()[:where])]
    return where


head("libxl memory record of another type", "L4", "type 0x4c59", "LX_MEMORY",
     kind=0x4C59, **XREC)
head("libxl memory record's type in the other byte order", "L4",
     "0x584c0000 is above 0x5, the last one known (it is the memory record's",
     "LX_MEMORY", kind=0x584C0000, **XREC)
head("libxl optional type in the other byte order", "L4",
     "0x584c0080 is above 0x5, the last one known (it is the memory record's",
     "LX_MEMORY", kind=0x584C0080, **XOPT)
head("libxl memory record's length in the other byte order", "M2",
     "libxl memory record: length 1476395008 is above", "LX_MEMORY",
     length=0x58000000, **XREC)
head("libxc memory record's type in the other byte order", "C11",
     "not optional (it is the memory record's", "MEMORY", kind=0x584C0000,
     **MREC)
move("emulator record ahead of libxl's memory record", "L11",
     "EMULATOR_CONTEXT: ahead of LIBXC_CONTEXT", "EMULATOR", "LX_MEMORY",
     **XREC)
move("emulator record behind libxl's memory record", "L11",
     "EMULATOR_CONTEXT: ahead of LIBXC_CONTEXT", "EMULATOR", "LIBXC_CONTEXT",
     **XOPT)
double("libxl memory record twice", "M1", "libxl memory record: a second one",
       "LX_MEMORY", **XREC)
move("libxl memory record behind libxc's stream", "M1", "behind other",
     "LX_MEMORY", "XENSTORE", **XREC)
move("libxl memory record in a checkpoint", "M1", "behind other",
     "LX_MEMORY", "CHECKPOINT_END", checkpoints=1, **XOPT)


def at_body(name, words, where, data, build):
    """A body that cannot be read: the fault is where it begins."""
    poke(name, "M2", words, "LX_MEMORY", where, data, at=0, **build)


at_body("libxl memory record of version 0", "version 0", 0, bytes(4), XREC)
at_body("libxl memory record of a later version", "version 2 is newer", 0,
        b"\2", XOPT)
at_body("libxl memory record in the other byte order",
        "version 16777216 is newer", 0, b"\0\0\0\1", XREC)
at_body("libxl memory record with an unknown flag", "flags 0x7", 4, b"\7",
        XREC)
at_body("libxl memory record with max_pages 0", "max_pages is 0", 24,
        bytes(8), XREC)
at_body("libxl memory record without a limit", "all ones", 24, b"\xff" * 8,
        XOPT)
at_body("libxl memory record with a limit above its bound",
        "max_pages 1099511627777 is above", 24,
        struct.pack("<Q", (1 << 40) + 1), XREC)
at_body("libxl memory record with a count above its bound",
        "static_max_kb 4398046511105 is above", 72,
        struct.pack("<Q", (1 << 42) + 1), XREC | {"container": "libxl"})
body("libxl memory record too long", "M2", "libxl memory record: length 4104",
     "LX_MEMORY", bytes(4104), **XREC)
body("libxl memory record longer than its version", "M2",
     "length 96 is not the 88", "LX_MEMORY",
     lambda im: im.part("LX_MEMORY").body + bytes(8), at=0, **XREC)
body("libxl memory record shorter than its version", "M2",
     "length 80 is not the 88", "LX_MEMORY",
     lambda im: im.part("LX_MEMORY").body[:80], at=0, **XREC)
body("libxl memory record without its version", "M2", "length 3 is below",
     "LX_MEMORY", b"\1\0\0", at=0, **XOPT)
poke("libxl memory record of the other guest type", "M3",
     "libxl memory record: flags 0x2 say PV", "LX_MEMORY", 4, b"\2", **XREC)
poke("libxl memory record of another guest", "M4",
     "libxl memory record: uuid 00010299", "LX_MEMORY", 8 + 3, b"\x99", at=8,
     **XREC)
poke("libxl memory record of another guest, big-endian", "M4",
     "libxl memory record: uuid ff010203", "LX_MEMORY", 8, b"\xff",
     **BE, **XREC)
poke("libxl memory record's flag against its figures", "M5",
     "libxl memory record: RAISED is 0", "LX_MEMORY", 4, b"\1", **XREC)


@damage("libxl memory record made optional", "M5", "optional, and tot_pages",
        **XREC)
def _(im):
    im.parts[im.at("LX_MEMORY")] = b.memory_record(
        im, True, b.OPTIONAL, libxc=False, max_pages=2000, tot_pages=2000)
    return im.offset("LX_MEMORY")


head("libxl memory record made mandatory", "M5", "mandatory, and a stock",
     "LX_MEMORY", kind=b.MANDATORY, **XOPT)
poke("memory records that differ", "M6",
     "that of the libxl stream (88 bytes) and that of the libxc stream (88)"
     " differ from byte 24 on", "MEMORY", 24, b"\xd1", **BOTH)


@damage("memory records of two guests, libxl's another's", "M4",
        "libxl memory record: uuid", **BOTH)
def _(im):
    im.poke("LX_MEMORY", 8, b"\xff")
    return im.body_offset("LX_MEMORY") + 8


@damage("memory records that differ in libxl's stream", "M6",
        "differ from byte 32 on", container="libxl", **BOTH)
def _(im):
    im.poke("LX_MEMORY", 32, b"\x29")
    return im.body_offset("MEMORY") + 32


head("memory records of two types", "M5",
     "0x4c58 in libxl's stream, 0x80004c58 in libxc's", "MEMORY",
     kind=b.OPTIONAL, **BOTH)
poke("memory record of a later version beside libxl's", "M2",
     "memory record: version 2 is newer", "MEMORY", 0, b"\2", at=0, **BOTH)
at_body("libxl memory record of a later version beside libxc's",
        "libxl memory record: version 2 is newer", 0, b"\2", BOTH)


# --- the guest
@damage("pages missing", "G1", "frame 0x14 where 0xa is next")
def _(im):
    del im.parts[im.at("PAGE_DATA", 1)]
    return im.body_offset("PAGE_DATA", 1) + 8


drop("last pages of a PV guest missing", "G1", "ends at frame 0x13",
     "PAGE_DATA", "END", nth=2, **PV)


@damage("PAGE_DATA records swapped", "G1", "frame 0xa where 0x0 is next")
def _(im):
    i, k = im.at("PAGE_DATA", 0), im.at("PAGE_DATA", 1)
    im.parts[i], im.parts[k] = im.parts[k], im.parts[i]
    return im.body_offset("PAGE_DATA") + 8


@damage("PAGE_DATA record doubled", "G2", "frame 0x14 is first named in pass 2")
def _(im):
    im.parts.insert(im.at("PAGE_DATA", 1),
                    copy.deepcopy(im.part("PAGE_DATA", 1)))
    return im.body_offset("PAGE_DATA", 3) + 8


@damage("frame that the first pass did not name", "G2", "frame 0x28",
        live=True)
def _(im):
    extra = b.page_data(im, [(40, b.NOTAB, b.pattern(40))], "extra")
    im.parts.insert(im.at("TSC_INFO"), extra)
    return im.body_offset("extra") + 8


def entry_offset(im, pfn, index):
    """Of a page table's entry in the first pass of the PV guest."""
    batch, k = divmod(pfn, 10)
    return (im.body_offset("PAGE_DATA", batch) + 8 + 80 + k * b.PAGE +
            index * 8)


def set_entry(im, table, index, pfn, flags=b.PRESENT):
    where = entry_offset(im, table, index) - im.body_offset(
        "PAGE_DATA", table // 10)
    im.poke("PAGE_DATA", where, struct.pack("<Q", pfn << 12 | flags),
            table // 10)
    return entry_offset(im, table, index)


@damage("page table entry beyond the guest", "G3", "entry 3 is of frame 0x18",
        **PV)
def _(im):
    return set_entry(im, b.LEAF, 3, 24)


@damage("page table entry of a frame that is not there", "G4",
        "entry 5 is of frame 0x14, which the image has not", **PV)
def _(im):
    return set_entry(im, b.LEAF, 5, b.PV_XTAB)


@damage("page table entry of a frame that is not there, 32-bit", "G4",
        "frame 0x6: entry 5 is of frame 0x14", **PV32)
def _(im):
    return set_entry(im, b.LEAF, 5, b.PV_XTAB)


@damage("frame that was deferred and never sent", "G5",
        "frame 0x16, which was deferred", guest="pv", live=True)
def _(im):
    pages = [e if e[0] != 22 else (22, b.XTAB, None)
             for e in b.pv_pages(8)[20:]]
    im.parts[im.at("PAGE_DATA", 2)] = b.page_data(im, pages)
    # The leaf's last version is in the last record of pages.
    last = sum(p.name == "PAGE_DATA" for p in im.parts) - 1
    index = [p for p in range(b.PV_FRAMES) if p != b.PV_XTAB].index(22)
    return im.body_offset("PAGE_DATA", last) + 8 + 4 * 8 + index * 8


@damage("P2M table without its first frame", "G6", "the first 1 frames of",
        **PV)
def _(im):
    im.part("P2M_FRAMES").body = im.u("IIQ", 512, 600, b.P2M)
    im.parts = [p for p in im.parts if p.name != "PAGE_DATA"]
    pages = b.pv_pages(8) + [(n, b.XTAB, None)
                             for n in range(b.PV_FRAMES, 601)]
    im.parts[im.at("TSC_INFO"):im.at("TSC_INFO")] = b.batches(im, pages)
    return im.body_offset("P2M_FRAMES")


@damage("P2M table in a page table", "G6", "frame 0x3 is a page table", **PV)
def _(im):
    im.poke("P2M_FRAMES", 8, im.u("Q", b.ROOT))
    return im.body_offset("P2M_FRAMES") + 8


@damage("P2M table beyond the guest, big-endian", "G6", "above the guest",
        **BE)
def _(im):
    im.poke("P2M_FRAMES", 8, im.u("Q", 99))
    return im.body_offset("P2M_FRAMES") + 8


def registers(name, words, where, build=None, **change):
    def do(im):
        width = im.part("PV_INFO").body[0]
        im.part("VCPU_BASIC").body = im.u("II", 0, 0) + b.context(
            width, **change)
        return im.body_offset("VCPU_BASIC") + 8 + where[width]
    DAMAGES.append(Damage(name, "G7", words, do, build or PV))


registers("start info in a page table", "start info of vcpu 0", b.EDX,
          start_info=b.LEAF)
registers("GDT in a frame that is not there", "part 0: frame 0x14",
          b.GDT_FRAMES, gdt=(b.PV_XTAB,))
registers("GDT whose last entry is in a frame that is not there",
          "part 1: frame 0x14", {8: b.GDT_FRAMES[8] + 8},
          gdt=(b.GDT, b.PV_XTAB), gdt_ents=513)
registers("GDT that is too long", "7169 entries", b.GDT_ENTS,
          gdt=(b.GDT,) * 15, gdt_ents=14 * 512 + 1)
registers("cr3 is no table of the highest level", "cr3 is frame 0x5", b.CR3,
          cr3=b.THIRD)
registers("cr3 is no table, 32-bit", "cr3 is frame 0x8", b.CR3, PV32, cr3=8)
registers("cr1 is no table", "cr1 is frame 0x9", {8: b.CR1},
          cr1=9 << 12 | 1)
registers("cr3 above 4 GiB of a 32-bit guest", "cr3 is frame 0x100003",
          b.CR3, PV32, cr3=0x100003)


@damage("xenstore frame missing", "G8", "xenstore frame 0x26", **PVH)
def _(im):
    pages = [e if e[0] != b.STORE else (b.STORE, b.XTAB, None)
             for e in b.hvm_pages()[30:]]
    im.parts[im.at("PAGE_DATA", 3)] = b.page_data(im, pages)
    return im.body_offset("HVM_PARAMS") + 8 + 8


def unnamed(what, where, index, **build):
    """A parameter that has become another, which Xen has."""
    poke(f"{what} frame not named", "G8", f"the {what} frame is not named",
         "HVM_PARAMS", where, bytes([index]), at=0, **build)


unnamed("xenstore", 8, 5)
unnamed("console", 24, 16, **PVH)


@damage("more pages than max_pages", "G9", "has 36 frames", **REC)
def _(im):
    im.parts[im.at("MEMORY")] = b.memory_record(
        im, True, b.OPTIONAL, max_pages=30, tot_pages=30)
    return im.offset("dhdr")


@damage("more pages than libxl's max_pages", "G9", "has 36 frames", **XREC)
def _(im):
    im.parts[im.at("LX_MEMORY")] = b.memory_record(
        im, True, b.MANDATORY, libxc=False, max_pages=30, tot_pages=30,
        stock_max_kb=0)
    return im.offset("dhdr")


@damage("page sent only to be verified", "G10", "frame 0x9 has contents only",
        guest="pvh", verify=True)
def _(im):
    pages = [e if e[0] != 9 else (9, b.XTAB, None)
             for e in b.hvm_pages()[:10]]
    im.parts[im.at("PAGE_DATA")] = b.page_data(im, pages)
    return im.body_offset("PAGE_DATA", 4) + 8 + 9 * 8


@damage("frames scattered to take memory", "G11", "too far from the 640",
        **PVH)
def _(im):
    im.poke("dhdr", 8, bytes(4))        # a converted stream: any order
    far = [(n * 4096, b.XTAB, None) for n in range(700)]
    im.parts[im.at("PAGE_DATA")] = b.page_data(im, far)
    return im.body_offset("PAGE_DATA") + 8 + 640 * 8


@damage("page table entry of a plain page", "G12",
        "frame 0x4: entry 1 is of a frame that is no page table", **PV)
def _(im):
    return set_entry(im, b.SECOND, 1, 9)


@damage("page table entry of a table two levels below", "G12",
        "frame 0x5: entry 1 is of a frame that is no page table", **PV)
def _(im):
    return set_entry(im, b.THIRD, 1, b.LEAF)


@damage("page table entry of its own level, writable", "G12",
        "frame 0x3: entry 255 is of a frame that is no page table", **PV)
def _(im):
    return set_entry(im, b.ROOT, 255, b.USER_ROOT)


@damage("page table entry of a superpage", "G12",
        "frame 0x4: entry 511 is of a superpage", **PV)
def _(im):
    return set_entry(im, b.SECOND, 511, b.LEAF, b.PRESENT | 0x80)


@damage("page table of level 3 without its fourth entry, 32-bit", "G12",
        "frame 0x3: entry 3 is not present", **PV32)
def _(im):
    return set_entry(im, b.ROOT, 3, b.THIRD, 0)


def ring(name, words, where, build, pfn):
    """A frame that the start info names, in the first page sent."""
    def do(im):
        width = im.part("PV_INFO").body[0]
        at = 8 + 80 + where[width]
        im.poke("PAGE_DATA", at, struct.pack("<Q" if width == 8 else "<I",
                                             pfn))
        return im.body_offset("PAGE_DATA") + at
    DAMAGES.append(Damage(name, "G13", words, do, build))


ring("start info's xenstore in a frame that is not there",
     "xenstore frame 0x14 is not in the image", b.SI_STORE, PV, b.PV_XTAB)
ring("start info's console beyond the guest",
     "console frame 0x18 is above the guest's last", b.SI_CONSOLE, PV, 24)
ring("start info's xenstore beyond the guest, 32-bit",
     "xenstore frame 0xffffffff is above", b.SI_STORE, PV32, 0xffffffff)
ring("start info's console in a page table",
     "console frame 0x6 is a page table", b.SI_CONSOLE, PV32, b.LEAF)
