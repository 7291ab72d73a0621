#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Writes the seeds of the fuzzed readers, tests/fuzz/seeds: for each a few
small inputs of every form that it knows, in the real formats.  Run it
again when a format changes; what it no longer writes stays."""

import json
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEEDS = HERE / "seeds"
sys.path.insert(0, str(HERE.parent / "image"))

import build_image as b                                     # noqa: E402
from pv_guest import PvGuest, to                            # noqa: E402

UUID = "00112233-4455-6677-8899-aabbccddeeff"


# ---- images -----------------------------------------------------------

LIVE = {"live": True, "verify": True}
IMAGES = {
    "convert": {
        # That break no rule, so that they can be converted.
        "hvm": {}, "hvm-live": LIVE,
        "pvh-v2": {"guest": "pvh", "version": 2},
        "pvh-libxl-record": {"guest": "pvh", "record": b.MANDATORY,
                             "carrier": "libxl"},
        "pvh-both-records": {"guest": "pvh", "record": b.OPTIONAL,
                             "carrier": "both", "container": "libxl"},
        "pvh-record": {"guest": "pvh", "record": b.MANDATORY,
                       "container": "libxc"},
    },
    "libxl": {
        "hvm-live": LIVE, "hvm-checkpoints": {"checkpoints": 2},
        "pvh-both-records": {"guest": "pvh", "record": b.OPTIONAL,
                             "carrier": "both"},
        "pv-big": {"guest": "pv", "big": True},
        "pv-big-record": {"guest": "pv", "big": True, "carrier": "libxl",
                          "record": b.MANDATORY},
    },
    "libxc": {
        "hvm": {}, "pv": {"guest": "pv"},
        "pvh-v2": {"guest": "pvh", "version": 2},
        "pvh-record": {"guest": "pvh", "record": b.MANDATORY},
        "pv32-live": {"guest": "pv", "width": 4, "live": True},
    },
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


def image(**kw):
    im = thin(b.build(**kw), (b.LEAF,))
    if kw.get("guest") != "pv":
        im.part("HVM_CONTEXT").body = b.descriptors(
            b.devices()[0], (2, 0, b""), (20, 0, b"\1" + bytes(23)))
    return im.bytes()


def images():
    for reader, kinds in IMAGES.items():
        for name, kw in kinds.items():
            box = {} if reader == "convert" else {"container": reader}
            yield f"{reader}/{name}", image(**kw, **box)
    yield "libxl/libvirt", image(guest="pvh", container="libvirt")
    yield "libxc/pv-tables-8", tables(8).bytes()
    yield "convert/pv-tables-4", tables(4).bytes()


# ---- xl's header ------------------------------------------------------

def xl_header(raw):
    """Up to the first record of libxl's stream."""
    return raw[:48 + struct.unpack_from("<I", raw, 44)[0] + 24]


def xl_headers():
    hvm = xl_header(image())
    yield "xl_header/hvm", b"x" + hvm
    yield "xl_header/cut", b"x" + hvm[:100]
    length = struct.unpack_from("<I", hvm, 48)[0]
    yield "xl_header/config", b"c" + hvm[52:52 + length - 1]
    yield "xl_header/config-pv", b"c" + json.dumps({
        "c_info": {"type": "pv", "name": "web", "uuid": UUID},
        "b_info": {"max_vcpus": 2, "target_memkb": 131072,
                   "max_memkb": 131072, "type.pv": {"kernel": "/k"}},
    }).encode()


# ---- the memory record, and streams that the relay sees ---------------

def record(max_pages=41728, stock_kb=164864, flags=3, version=1):
    return struct.pack("<II16s8Q", version, flags,
                       bytes.fromhex(UUID.replace("-", "")), max_pages,
                       41216, 0, 0, 0, 163840, 163840, stock_kb)


def libxc_headers(version=3, kind=2):
    return (struct.pack(">QIIHHI", 2**64 - 1, 0x58454E46, version, 0, 0, 0)
            + struct.pack("<IHHII", kind, 12, 0, 4, 17))


def rec(kind, body=b""):
    return (struct.pack("<II", kind, len(body)) + body +
            bytes(-len(body) % 8))


def streams():
    ours = rec(b.OPTIONAL, record())
    yield "record/optional", libxc_headers() + ours
    yield "record/mandatory", libxc_headers() + rec(b.MANDATORY, record())
    yield "record/pv-v2", libxc_headers(2, 1) + ours
    yield "record/body", record()
    yield "record/flags", record(flags=0)
    static = rec(b.CPUID_POLICY, bytes(range(24))) + rec(b.STATIC_DATA_END)
    pages = rec(b.PAGE_DATA, bytes(24)) + rec(b.END)
    yield "relay/restore", b"r" + libxc_headers() + ours + static + pages
    yield "relay/restore-stock", b"r" + libxc_headers() + static + pages
    yield "relay/restore-v2", b"r" + libxc_headers(2) + ours + pages
    yield "relay/gives-up", b"\x40" + libxc_headers() + ours + static
    yield "relay/cut", b"r" + libxc_headers() + ours[:60]
    yield "relay/save", b"s" + libxc_headers() + static
    yield "relay/save-nothing", b"s"


# ---- the helper -------------------------------------------------------

def words(*args):
    return b"a" + b"\0".join(str(a).encode() for a in args)


def message(kind, arg=0, body=b"", fds=0, version=1):
    m = struct.pack("<IHHII", 0x534C5845, version, kind, arg,
                    len(body)) + body
    return struct.pack("<BH", fds, len(m)) + m


HELLO, RECORD, GO, PROGRESS, ERROR, RESULT = range(1, 7)


def helper():
    yield "save", words(7, -1, 12, 1, 254, 0)
    yield "restore", words(7, 8, 12, 3, 0, 4, 0, 768, 0)
    yield "cut", words(7, -1, 12)
    yield "replies", b"r" + struct.pack("<4i", 1, 0, -1, 1)
    yield "hello", b"m" + message(HELLO, 1, struct.pack("<I", 12) +
                                  bytes(16))
    yield "messages", (b"m" + message(PROGRESS, 0, b'{"round": 1}') +
                       message(ERROR, 5, b"save: it failed") +
                       message(RESULT, 0, b"{}"))
    yield "go-save", b"g" + message(GO, 3, b"", 1)
    yield "go-restore", b"c" + message(GO, 0, record(), 1)
    yield "no-descriptor", b"g" + message(GO, 3)


# ---- text -------------------------------------------------------------

def policies():
    lines = (HERE.parents[1] / "docs/libxl-ext.conf.example").read_text(
        encoding="utf-8").splitlines()
    # Of a key that stands twice there, the last one.
    keys = {line.split()[0]: line[1:] for line in lines
            if line.startswith("#") and " = " in line}
    yield "example", "\n".join(keys.values()) + "\n"
    yield "overrides", ('memory_bump = "strict"\nmemory_bump_overrides ='
                        ' [ "web=bounded:65536", "b=track" ]\n')
    yield "one-line", "freeze = 'try'; claim = 0 # done\n"
    yield "numbers", "freeze_timeout = 0x10\nlink_timeout = 0\n"
    yield "unknown", 'freezes = "try"\n'


def journals():
    head = ("libxl-ext-freeze 1\n"
            f"domain 12 {UUID.replace('-', '')}\n")
    yield "header", head
    yield "detached", (
        head + "intent unbind vbd-12-51712 vbd - -\n"
        "intent unbind vif-12-0 vif vif12.0 /etc/xen/scripts/vif-bridge\n"
        "undone unbind vbd-12-51712\nwhole\ncommit\n")
    yield "held", (head + "intent link vif-12-1 vif web0 /a%20b\nhold\n"
                   "undone link vif-12-1\nthaw\n")
    yield "cut", head + "intent unbind vbd-12-51"


LIMITS = {"uuid": UUID, "max_pages": 41728, "tot_pages": 41216,
          "target_kb": 163840, "stock_max_kb": 164864}
BACKEND = {"name": "vbd-12-51712", "kind": "unknown", "why": None}
PHASE = {"phase": "none", "start_us": 1, "time_us": 2}
# One text of each type, by its place in TYPES of fuzz_json.c; those that
# another one holds come with that.
TEXTS = {
    1: {"memory_bump": "bounded", "memory_bump_limit": 65536,
        "freeze": "require", "claim": True, "qemu": None},
    3: {"values": [{"key": "claim", "line": 3}]},
    4: {"allowed": False, "reason": "no"}, 5: LIMITS,
    8: {"domains": [{"name": "web", "limits": LIMITS}]}, 9: BACKEND,
    10: {"domid": 12, "backends": [BACKEND, {}]},
    11: {"backends": 2, "proved": 1, "time_us": 1},
    14: {"phase": PHASE["phase"], "round": 2},
    17: {"rounds": 2, "phases": [PHASE], "limits_sent": LIMITS},
    18: {"version": "1", "name": "web", "limits": LIMITS, "config": "{}",
         "paused": True},
    19: {"accepted": False, "reason": "no \u00e4\n\"room\""},
    20: {"host": "b", "answer": {"accepted": True}, "unfreezable": []},
    21: {"uuid": UUID, "given": True},
    22: {"ok": True, "reason": None},
    23: {"command": "save", "state": "running", "result": {}},
    24: {"version": 1, "flags": 3, "uuid": UUID, "max_pages": 41728},
}


def json_texts():
    for kind, value in TEXTS.items():
        yield f"{kind:02d}", (chr(ord("0") + kind) +
                              json.dumps(value, separators=(",", ":")))
    yield "list", "0[[1]]"


# ---- between two hosts ------------------------------------------------

def peer_message(kind, body=b""):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return struct.pack("<II", ord(kind), len(body)) + body


def peers():
    ready = peer_message("R", {"ok": True})
    done = peer_message("D", {"ok": True, "reason": None})
    answer = peer_message("A", {"accepted": True, "version": "1"})
    yield "to-xl-ext", (b"sxl-ext migration receiver ready, protocol 1\n" +
                        answer + ready + done)
    yield "to-xl", (b"sxl migration receiver ready, send binary domain"
                    b" data.\ndomain received, ready to unpause\0"
                    b"my copy unpause results are as follows\0")
    yield "receiver", (b"r" + peer_message("O", TEXTS[18]) +
                       peer_message("G"))
    yield "refused", (b"a" + answer +
                      peer_message("R", {"ok": False, "reason": "no"}))
    yield "motd", b"sWelcome to Debian\n"


def main():
    def text(reader, named):
        for name, value in named:
            yield f"{reader}/{name}", (value if isinstance(value, bytes)
                                       else value.encode())

    for some in (images(), xl_headers(), streams(),
                 text("helper", helper()), text("policy", policies()),
                 text("journal", journals()), text("json", json_texts()),
                 text("peer", peers())):
        for name, data in some:
            path = SEEDS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


if __name__ == "__main__":
    main()
