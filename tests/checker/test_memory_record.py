# SPDX-License-Identifier: LGPL-2.1-only
"""The checker's own tests: images built here, octet by octet, from the
specification, whole and with one damage each; and the specification
against the C header."""

import io
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE))

import memory_record                                    # noqa: E402
from memory_record import Damaged, read_stream          # noqa: E402

MANDATORY, OPTIONAL = 0x4C58, 0x80004C58
FIELDS = ("max_pages", "tot_pages", "outstanding_pages", "shr_pages",
          "paged_pages", "target_kb", "static_max_kb", "stock_max_kb")
ALL_ONES = 2 ** 64 - 1


def body(version=1, flags=3, uuid=bytes(range(16)), tail=b"", **counts):
    values = {"max_pages": 43264, "tot_pages": 43020,
              "outstanding_pages": 0, "shr_pages": 0, "paged_pages": 0,
              "target_kb": 163840, "static_max_kb": 163840,
              "stock_max_kb": 164864} | counts
    out = version.to_bytes(4, "little") + flags.to_bytes(4, "little") + uuid
    for name in FIELDS:
        out += values[name].to_bytes(8, "little")
    return out + tail


def record(kind, data, length=None):
    length = len(data) if length is None else length
    return (kind.to_bytes(4, "little") + length.to_bytes(4, "little") +
            data + bytes(-len(data) % 8))


def headers(marker=b"\xff" * 8, ident=b"XENF", version=3, options=0, kind=2,
            shift=12):
    return (marker + ident + struct.pack(">IH6x", version, options) +
            struct.pack("<IHHII", kind, shift, 0, 4, 17))


STATIC_DATA_END = record(0x10, b"")
CPUID = record(0x11, b"c" * 24)


def libxc(first=None, head=None, rest=CPUID + STATIC_DATA_END):
    if first is None:
        first = record(MANDATORY, body())
    return (headers() if head is None else head) + first + rest


def libxl(inner, ident=b"LibxlFmt", version=2, options=0, kind=1,
          first=b""):
    return (ident + struct.pack(">II", version, options) + first +
            struct.pack("<II", kind, 0) + inner)


def carried(first, inner=None):
    """The libxl carrier: ahead of LIBXC_CONTEXT, and by itself."""
    return libxl(libxc(first=b"") if inner is None else inner, first=first)


def both(first, second):
    return carried(first, libxc(second))


def xl(inner, optional=b'\x02\0\0\0{}', order=0x01020304, mandatory=3,
       length=None):
    magic = b"Xen saved domain, xl format\n \0 \r"
    length = len(optional) if length is None else length
    return (magic + struct.pack("<IIII", order, mandatory, 0, length) +
            optional + inner)


def read(data):
    return read_stream(io.BytesIO(data))


@pytest.mark.parametrize("wrap", [
    lambda s: s, libxl, lambda s: xl(libxl(s)),
    lambda s: xl(libxl(s), optional=b"")])
def test_each_container_is_read(wrap):
    out = read(wrap(libxc()))
    assert out["libxc"] == {"version": 3, "type": "HVM", "xen": "4.17"}
    rec = out["record"]
    assert rec["mandatory"] and rec["raised"] and rec["hvm"]
    assert rec["carrier"] == "libxc"
    assert rec["uuid"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert [rec[f] for f in FIELDS] == [43264, 43020, 0, 0, 0, 163840,
                                        163840, 164864]


@pytest.mark.parametrize("wrap", [lambda s: s, xl])
def test_the_libxl_carrier_is_read(wrap):
    in_libxc = read(wrap(libxl(libxc())))
    out = read(wrap(carried(record(MANDATORY, body()))))
    assert out["record"].pop("carrier") == "libxl"
    assert in_libxc["record"].pop("carrier") == "libxc"
    assert out == in_libxc
    same = record(MANDATORY, body())
    out = read(wrap(both(same, same)))
    assert out["record"].pop("carrier") == "both"
    assert out == in_libxc


def test_optional_is_told_from_mandatory_in_libxl_s_stream():
    fits = body(flags=1, max_pages=41216, tot_pages=40960)
    assert not read(carried(record(OPTIONAL, fits)))["record"]["mandatory"]


@pytest.mark.parametrize("octet", range(88))
def test_both_carriers_must_agree_in_every_octet(octet):
    """Wherever the other one is damaged, it is not taken."""
    other = bytearray(body())
    other[octet] ^= 1
    for pair in ((body(), other), (other, body())):
        with pytest.raises(Damaged):
            read(both(*(record(MANDATORY, bytes(p)) for p in pair)))


def test_optional_is_told_from_mandatory():
    fits = body(flags=1, max_pages=41216, tot_pages=40960)
    rec = read(libxc(record(OPTIONAL, fits)))["record"]
    assert not rec["mandatory"] and not rec["raised"]
    # Raised, not filled, and not a live save: a stock receiver copes.
    rec = read(libxc(record(OPTIONAL, body(tot_pages=41216))))["record"]
    assert not rec["mandatory"] and rec["raised"]


def test_a_guest_may_have_more_than_its_limit():
    """It has not ballooned down yet: mandatory, though not raised."""
    body_ = body(flags=1, max_pages=30000, tot_pages=40000,
                 stock_max_kb=120000)
    rec = read(libxc(record(MANDATORY, body_)))["record"]
    assert rec["tot_pages"] > rec["max_pages"] and not rec["raised"]
    with pytest.raises(Damaged, match="stock receiver allows"):
        read(libxc(record(OPTIONAL, body_)))


def test_a_stock_stream_has_no_record():
    assert read(libxc(first=b""))["record"] is None


@pytest.mark.parametrize("value", [1, 2 ** 40])
def test_the_bounds_themselves_are_valid(value):
    got = read(libxc(record(MANDATORY, body(
        max_pages=value, tot_pages=value, stock_max_kb=0))))
    assert got["record"]["max_pages"] == value


BAD_BODIES = {
    "version 0": (body(version=0), "version 0"),
    "future version": (body(version=2), "version 2 is newer"),
    "future and longer": (body(version=9, tail=bytes(16)),
                          "version 9 is newer"),
    "too long": (body(tail=bytes(8)), "length 96"),
    "no version field": (b"\1\0\0", "length 3"),
    "empty": (b"", "length 0"),
    "unknown flag": (body(flags=7), "flags 0x7"),
    "highest flag": (body(flags=0x80000003), "flags 0x80000003"),
    "limit 0": (body(max_pages=0, tot_pages=0), "max_pages is 0"),
    "no limit": (body(max_pages=ALL_ONES), "all ones"),
    "limit above bound": (body(max_pages=2 ** 40 + 1), "1099511627777"),
    "limit all ones but one": (body(max_pages=ALL_ONES - 1),
                               str(ALL_ONES - 1)),
    "wrong guest type": (body(flags=2), "HVM flag is 0"),
    "raised not flagged": (body(flags=1), "say otherwise"),
    "flagged not raised": (body(stock_max_kb=4 * 43264), "say otherwise"),
    **{f"{f} above bound": (body(**{f: ALL_ONES - 1}), f"{f} ")
       for f in FIELDS[2:]},
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_each_damaged_body_is_refused(name):
    data, says = BAD_BODIES[name]
    with pytest.raises(Damaged, match=re.escape(says)):
        read(libxc(record(MANDATORY, data)))
    with pytest.raises(Damaged, match=re.escape(says)):
        read(carried(record(MANDATORY, data)))


BAD_STREAMS = {
    "marker": (libxc(head=headers(marker=b"\xff" * 7 + b"\0")), "marker"),
    "id": (libxc(head=headers(ident=b"XENG")), "id 0x58454e47"),
    "old version": (libxc(head=headers(version=1)), "version 1"),
    "new version": (libxc(head=headers(version=4)), "version 4"),
    "big-endian": (libxc(head=headers(options=1)), "big-endian"),
    "guest type": (libxc(head=headers(kind=3)), "type 3"),
    "page size": (libxc(head=headers(shift=16)), "page_shift 16"),
    "length above bound": (
        libxc(record(MANDATORY, body(), length=4097)), "bound of 4096"),
    "padding": (
        libxc(record(MANDATORY, body()[:-1] + b"\1", length=87)), "padding"),
    "two records": (libxc(record(MANDATORY, body()) * 2), "a second one"),
    "behind others": (libxc(CPUID + record(OPTIONAL, body())),
                      "behind other"),
    "huge record": (libxc(rest=struct.pack("<II", 0x11, 2 ** 32 - 1)),
                    "4294967295"),
    "optional that a stock receiver would lose": (
        libxc(record(OPTIONAL, body())), "stock receiver allows"),
    "mandatory without need": (
        libxc(record(MANDATORY, body(flags=1, max_pages=41216,
                                     tot_pages=40960))), "mandatory, but"),
    "libxl carrier, length above bound": (
        carried(record(MANDATORY, body(), length=4097)), "bound of 4096"),
    "libxl carrier, padding": (
        carried(record(MANDATORY, body()[:-1] + b"\1", length=87)),
        "padding"),
    "libxl carrier, two records": (
        carried(record(MANDATORY, body()) * 2), "a second one"),
    "libxl carrier, behind another record": (
        carried(record(3, b"emulator") + record(MANDATORY, body())),
        "type 0x00000003 with length 8, not LIBXC_CONTEXT"),
    "libxl carrier, another record behind it": (
        carried(record(MANDATORY, body()) + record(3, b"emulator")),
        "type 0x00000003 with length 8, not LIBXC_CONTEXT"),
    "libxl carrier, type in the wrong byte order": (
        carried(struct.pack(">II", MANDATORY, 88) + body()),
        "type 0x584c0000"),
    "libxl carrier, length in the wrong byte order": (
        carried(struct.pack("<I", MANDATORY) + struct.pack(">I", 88) +
                body()), "length 1476395008 is above"),
    "libxl carrier, body in the wrong byte order": (
        carried(record(MANDATORY, struct.pack(">II", 1, 3) + body()[8:])),
        "version 16777216 is newer"),
    "libxl carrier, optional that a stock receiver would lose": (
        carried(record(OPTIONAL, body())), "stock receiver allows"),
    "libxl carrier, mandatory without need": (
        carried(record(MANDATORY, body(flags=1, max_pages=41216,
                                       tot_pages=40960))),
        "mandatory, but"),
    "libxl carrier, none in libxc's own place": (
        carried(record(MANDATORY, body()), libxc(
            CPUID + record(MANDATORY, body()))), "behind other"),
    "carriers that differ": (
        both(record(MANDATORY, body()),
             record(MANDATORY, body(tot_pages=43021))),
        "(88 bytes) and that of the libxc stream (88) differ from byte 32"),
    "carriers of different types": (
        both(record(MANDATORY, body(tot_pages=41216)),
             record(OPTIONAL, body(tot_pages=41216))),
        "of type 0x80004c58 in the libxc stream"),
    "libxl version": (libxl(libxc(), version=1), "version 1"),
    "libxl big-endian": (libxl(libxc(), options=1), "big-endian"),
    "libxl first record": (libxl(libxc(), kind=2), "LIBXC_CONTEXT"),
    "libxl ident": (libxl(libxc(), ident=b"LibxlFmu"), "marker"),
    "xl magic": (b"Xen save" + xl(libxl(libxc()))[9:], "wrong magic"),
    "xl byte order": (xl(libxl(libxc()), order=0x04030201), "byte order"),
    "xl mandatory flag": (xl(libxl(libxc()), mandatory=7), "flags 0x7"),
    "xl legacy": (xl(libxl(libxc()), mandatory=1), "legacy"),
    "xl optional length": (xl(libxl(libxc()), length=2 ** 32 - 1),
                           "4294967295"),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
def test_each_damaged_stream_is_refused(name):
    data, says = BAD_STREAMS[name]
    with pytest.raises(Damaged, match=re.escape(says)):
        read(data)


def test_cut_at_every_byte_it_is_refused():
    same = record(MANDATORY, body())
    for whole in (xl(libxl(libxc())), xl(carried(same)),
                  xl(both(same, same))):
        read(whole)
        for size in range(len(whole)):
            with pytest.raises(Damaged):
                read(whole[:size])


def run(*args, **kw):
    return subprocess.run(["/usr/bin/python3",
                           str(HERE / "memory_record.py"), *args],
                          capture_output=True, check=False, **kw)


def test_the_program_prints_json_or_one_line(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(xl(libxl(libxc())))
    p = run(str(path))
    assert p.returncode == 0
    assert json.loads(p.stdout)["record"]["max_pages"] == 43264
    p = run("-", input=libxc(record(MANDATORY, body(version=2))))
    assert p.returncode == 1 and p.stdout == b""
    assert p.stderr.count(b"\n") == 1 and b"version 2" in p.stderr
    assert run(str(tmp_path / "none")).returncode == 1
    assert run().returncode == 2


def spec():
    return (TOP / "docs/memory-record.md").read_text()


def rows():
    """offset, size and name of each row of the field table."""
    return [(int(o), int(s), n) for o, s, n in re.findall(
        r"^\| (\d+) \| (\d+) \| `(\w+)` \|", spec(), re.M)]


def test_the_field_table_has_no_gap_and_is_the_checker_s():
    at = 0
    for offset, size, _ in rows():
        assert offset == at
        at += size
    assert at == 88 == memory_record.VERSION_1.size
    assert tuple(n for _, _, n in rows()[3:]) == memory_record.COUNTS


def test_the_c_header_mirrors_the_specification():
    header = (TOP / "libxl-ext/memory/record.h").read_text()
    source = (TOP / "libxl-ext/memory/record.c").read_text()
    number = {n: int(v, 0) for n, v in re.findall(
        r"#define (LXE_RECORD_\w+)\s+(0x[0-9a-f]+|\d+)", header)}
    assert number["LXE_RECORD_TYPE_MANDATORY"] == MANDATORY
    assert number["LXE_RECORD_TYPE_OPTIONAL"] == OPTIONAL
    for value in ("0x00004c58", "0x80004c58"):
        assert f"`{value}`" in spec()
    assert number["LXE_RECORD_LEN"] == 88
    assert number["LXE_RECORD_MAX_LEN"] == memory_record.BODY_MAX
    assert number["LXE_RECORD_VERSION"] == 1
    pinned = re.findall(r"^AT\((\w+), (\d+)\);", source, re.M)
    assert [(n, int(o)) for n, o in pinned] == [
        (n, o) for o, _, n in rows()]


def test_every_key_of_the_policy_is_documented():
    source = (TOP / "libxl-ext/memory/policy_file.c").read_text()
    keys = re.search(r"keys\[\w+\] = \{(.*?)\};", source, re.S).group(1)
    keys = set(re.findall(r'"(\w+)"', keys))
    assert keys
    text = (TOP / "docs/policy.md").read_text()
    assert set(re.findall(r"^### (\w+)$", text, re.M)) == keys
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == keys
    example = (TOP / "docs/libxl-ext.conf.example").read_text()
    assert set(re.findall(r"^#(\w+) = ", example, re.M)) == keys
