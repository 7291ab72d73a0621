# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext image verify: whole images pass, each damage is found and
named, a file and a pipe get the same answer."""

import json
import os
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE))
XL_EXT = TOP / "build" / "release" / "xl-ext"

import build_image as b                                     # noqa: E402
from damages import DAMAGES                                 # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def built():
    """Each process that runs a share of the tests comes here."""
    (TOP / "build").mkdir(exist_ok=True)
    subprocess.run(["flock", TOP / "build/.making", "make", "-s", "all"],
                   cwd=TOP, check=True)


def run(command, data, tmp_path=None, *options):
    """Exit status and JSON; through a file where there is a place."""
    args = [XL_EXT, "image", command, "--json", *options]
    if tmp_path is None:
        p = subprocess.run([*args, "-"], input=data, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    else:
        path = tmp_path / "image"
        path.write_bytes(data)
        p = subprocess.run([*args, path], check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode in (0, 1), p.stderr
    assert not p.stderr
    return p.returncode, json.loads(p.stdout)


COUNTS = ("zero_pages", "duplicate_pages", "verify_differs")


def without_counts(out):
    """What is said where only rules are asked, of what is said where all
    is read."""
    assert out["all_read"]
    return {k: v for k, v in out.items() if k not in COUNTS} | {
        "all_read": False, "passes": [
            {k: v for k, v in p.items() if k != "unchanged"}
            for p in out["passes"]]}


def named(out):
    """Faults and fates without their words."""
    return (out["nr_faults"], [(f["rule"], f["offset"])
                               for f in out["faults"]],
            [who["fate"] for who in out["restores"].values()])


GUESTS = [{"guest": "hvm"}, {"guest": "pvh"}, {"guest": "pv"},
          {"guest": "pv", "width": 4}]
WHOLE = [g | {"version": v, "live": live, "verify": verify, "record": rec,
              "container": c}
         for g in GUESTS for v in (2, 3)
         for live, verify in ((False, False), (True, False), (True, True))
         for rec in (None, b.OPTIONAL, b.MANDATORY)
         for c in ("xl", "libxl", "libxc")]


def name_of(kw):
    return "-".join(f"{k}={v}" for k, v in kw.items())


@pytest.mark.parametrize("kw", WHOLE, ids=name_of)
def test_a_whole_image_passes(kw, tmp_path):
    data = b.build(**kw).bytes()
    status, out = run("verify", data, tmp_path)
    assert (status, out["faults"], out["complete"]) == (0, [], True)
    assert out["size"] == len(data)
    refused = kw["record"] == b.MANDATORY
    assert out["restores"]["stock"]["fate"] == (
        "refused" if refused else "restored")
    assert out["restores"]["libxl_ext"]["fate"] == "restored"
    assert run("verify", data) == (status, out)
    for place in (tmp_path, None):
        every = run("verify", data, place, "--read-all")
        assert (every[0], without_counts(every[1])) == (status, out)
        assert run("inspect", data, place) == every


IN_LIBXL = [g | {"version": v, "record": rec, "container": c,
                 "carrier": carrier, "live": v == 2}
            for g in GUESTS for v in (2, 3)
            for rec in (b.OPTIONAL, b.MANDATORY) for c in ("xl", "libxl")
            for carrier in ("libxl", "both")]


@pytest.mark.parametrize("kw", IN_LIBXL, ids=name_of)
def test_the_libxl_carrier_is_read_and_refused_by_stock(kw, tmp_path):
    """Optional or not: libxl skips no record that it does not know.  All
    else that is said is what is said of the libxc carrier."""
    im = b.build(**kw)
    status, out = run("inspect", im.bytes(), tmp_path)
    assert (status, out["faults"], out["complete"]) == (0, [], True)
    assert run("inspect", im.bytes()) == (status, out)
    stock, ext = out["restores"]["stock"], out["restores"]["libxl_ext"]
    assert (stock["fate"], ext) == ("refused",
                                    {"fate": "restored", "reason": ""})
    assert (f"the memory record 0x{kw['record']:08x} at byte "
            f"{im.offset('LX_MEMORY')}") in stock["reason"]
    quick = run("verify", im.bytes(), tmp_path, "--quick")[1]
    assert quick["restores"] == out["restores"]
    other = run("inspect", b.build(**kw | {"carrier": "libxc"}).bytes())[1]
    assert out["limits"].pop("carrier") == kw["carrier"]
    assert other["limits"].pop("carrier") == "libxc"
    lines = [r for r in out["records"] if r["name"] == "memory record"]
    assert [r["stream"] for r in lines] == (
        ["libxl"] if kw["carrier"] == "libxl" else ["libxl", "libxc"])
    assert all((r["type"], r["count"], r["bytes"]) ==
               (kw["record"], 1, 96) for r in lines)
    for o in (out, other):
        del o["records"], o["restores"], o["size"]
    assert out == other


@pytest.mark.parametrize("carrier", ["libxc", "libxl"])
def test_a_body_of_libxc_context_is_passed_over_by_libxl_alone(carrier):
    """And libxl refuses the memory record that xl-ext takes out."""
    im = b.build("pvh", record=b.OPTIONAL, carrier=carrier)
    im.part("LIBXC_CONTEXT").body = b"8 octets"
    status, out = run("verify", im.bytes())
    assert [f["rule"] for f in out["faults"]] == ["L6"]
    ext = out["restores"]["libxl_ext"]
    assert (status, ext["fate"]) == (
        1, "refused" if carrier == "libxl" else "restored")
    assert carrier == "libxc" or ext["reason"].startswith(
        f"L6 at byte {im.offset('LIBXC_CONTEXT') + 4}: xl-ext refuses")


@pytest.mark.parametrize("kind", [b.OPTIONAL, b.MANDATORY])
@pytest.mark.parametrize("version, before, skipped", [
    (3, "MSR_POLICY", False), (3, "STATIC_DATA_END", False),
    (3, "PAGE_DATA", True), (3, "END", True), (2, "TSC_INFO", False),
    (2, "END", False)])
@pytest.mark.parametrize("first", [None, b.OPTIONAL])
def test_behind_static_data_an_optional_record_is_skipped(
        first, version, before, skipped, kind):
    """The helper sees a stream of version 3 up to STATIC_DATA_END, one of
    version 2 to its END; libxenguest skips what is optional."""
    im = b.build("pvh", version=version, record=first)
    im.parts.insert(im.at(before), b.memory_record(im, True, kind))
    out = run("verify", im.bytes())[1]
    assert [f["rule"] for f in out["faults"]] == ["M1"]
    optional = kind == b.OPTIONAL
    assert [who["fate"] for who in out["restores"].values()] == [
        "restored" if optional else "refused",
        "restored" if optional and skipped else "refused"]


def said(data):
    return subprocess.run([XL_EXT, "image", "verify", "-"], input=data,
                          check=False, stdout=subprocess.PIPE).stdout


@pytest.mark.parametrize("kw", GUESTS, ids=name_of)
def test_a_file_of_libvirt_is_what_is_in_it(kw, tmp_path):
    """And it is said who restores it."""
    im = b.build(**kw, container="libvirt")
    status, out = run("inspect", im.bytes(), tmp_path)
    assert run("inspect", im.bytes()) == (status, out)
    assert (status, out.pop("container")) == (0, "libvirt")
    inner = run("inspect", b.build(**kw, container="libxl").bytes())[1]
    assert inner.pop("container") == "libxl"
    assert out.pop("size") - inner.pop("size") == 64 + len(b.XML)
    assert out == inner
    alone = b"there by libvirt alone"
    assert alone in said(im.bytes()) and alone not in said(
        b.build(**kw).bytes())


def test_xml_of_any_length_is_passed_over():
    for size in (65535, 65536, 65537, 200000):
        im = b.build("pvh", container="libvirt")
        im.parts[0] = b.libvirt_header(
            b.XML[:-1] + b"x" * (size - len(b.XML)) + b"\0")
        assert run("verify", im.bytes())[0] == 0
        im.poke("libvirt", 64 + size - 2, b"\0")
        faults = run("verify", im.bytes())[1]["faults"]
        assert [f["rule"] for f in faults] == ["V4"]


@pytest.mark.parametrize("carrier, fate", [
    ("libxc", "restored"), ("libxl", "refused"), ("both", "refused")])
def test_a_file_of_libvirt_with_a_record_in_libxl_s_stream_is_nobody_s(
        carrier, fate):
    im = b.build("pvh", container="libvirt", record=b.OPTIONAL,
                 carrier=carrier)
    status, out = run("verify", im.bytes())
    assert (status, out["faults"]) == (int(fate == "refused"), [])
    for who in out["restores"].values():
        assert who["fate"] == fate
    assert b"libvirt alone" in said(im.bytes())


def test_both_carriers_guard_each_other():
    """No octet of either can change unseen."""
    im = b.build("pvh", record=b.MANDATORY, carrier="both")
    data = bytearray(im.bytes())
    for name in ("LX_MEMORY", "MEMORY"):
        start = im.offset(name)
        for at in range(start, start + 96):
            for bit in range(8) if at < start + 8 else [at % 8]:
                data[at] ^= 1 << bit
                assert run("verify", bytes(data))[0] == 1, (name, at, bit)
                data[at] ^= 1 << bit


@pytest.mark.parametrize("kw", GUESTS, ids=name_of)
def test_a_big_endian_image_is_read_and_restored_nowhere(kw, tmp_path):
    little = run("verify", b.build(**kw).bytes())[1]
    status, out = run("verify", b.build(**kw, big=True).bytes(), tmp_path)
    assert status == 1 and out["faults"] == [] and out["complete"]
    assert out["stream"].pop("big_endian")
    assert not little["stream"].pop("big_endian")
    for who in out["restores"].values():
        assert who["fate"] == "refused" and "big-endian" in who["reason"]
    del out["restores"], little["restores"]
    assert out == little


@pytest.mark.parametrize("container", ["xl", "libxc"])
@pytest.mark.parametrize("kw", GUESTS, ids=name_of)
def test_a_checkpointed_image_is_whole(kw, container):
    im = b.build(**kw, checkpoints=3, container=container)
    status, out = run("verify", im.bytes())
    assert status == 1 and out["faults"] == [] and out["complete"]
    assert out["stream"]["checkpoints"] == 3
    assert "checkpointed" in out["restores"]["stock"]["reason"]


def test_colo_s_record_between_checkpoints_is_told_from_libxc_s():
    im = b.build(checkpoints=2)
    im.parts.insert(im.at("CHECKPOINT_END") + 1, b.libxl_record(
        "state", b.LX_CHECKPOINT_STATE, bytes(8)))
    out = run("verify", im.bytes())[1]
    assert out["faults"] == [] and out["complete"]
    assert {"CHECKPOINT_STATE"} <= {r["name"] for r in out["records"]}


def test_unknown_optional_records_of_libxc_are_skipped():
    im = b.build()
    im.parts.insert(im.at("PAGE_DATA"), im.record("new", 0x80001234, b"12345"))
    status, out = run("verify", im.bytes())
    assert status == 0 and out["faults"] == []
    assert {"type": 0x80001234, "count": 1, "bytes": 16}.items() <= next(
        r for r in out["records"] if r["type"] == 0x80001234).items()


@pytest.mark.parametrize("guest", ["pv", "pvh"])
@pytest.mark.parametrize("body", [b"", b"12345", bytes(32)])
def test_optional_records_may_have_the_number_of_one_that_is_there(
        guest, body):
    """A Xen to come numbers them on their own."""
    for kind in range(b.MSR_POLICY + 1):
        im = b.build(guest)
        im.parts.insert(im.at("TSC_INFO"), im.record(
            "new", b.OPTIONAL_BIT | kind, body))
        assert run("verify", im.bytes())[0] == 0, kind


@pytest.mark.parametrize("name", ["VCPU_XSAVE", "VCPU_MSRS"])
def test_an_optional_record_of_the_second_vcpu_is_found(name):
    im = b.build("pv", container="libxc")
    for part in ("VCPU_BASIC", "VCPU_EXT", name):
        p = im.part(part)
        im.parts.insert(im.at("END"), b.vcpu(im, f"{part} 1", p.kind, 1,
                                             p.body[8:]))
    assert run("verify", im.bytes())[0] == 0
    im.part(f"{name} 1").kind |= b.OPTIONAL_BIT
    faults = run("verify", im.bytes())[1]["faults"]
    assert [(f["rule"], f["offset"]) for f in faults] == [
        ("C13", im.offset(f"{name} 1"))]


def test_a_record_that_only_one_checkpoint_skips_is_found():
    im = b.build("pvh", checkpoints=3)
    im.part("TSC_INFO", 1).kind |= b.OPTIONAL_BIT
    faults = run("verify", im.bytes())[1]["faults"]
    assert [(f["rule"], f["offset"]) for f in faults] == [
        ("C13", im.offset("TSC_INFO", 1)),
        ("O7", im.offset("CHECKPOINT", 1))]


def test_unknown_optional_records_of_libxl_make_stock_refuse():
    im = b.build()
    im.parts.insert(im.at("XENSTORE"), b.libxl_record("new", 0x80000009, b"x"))
    out = run("verify", im.bytes())[1]
    assert out["faults"] == []
    assert out["restores"]["stock"]["fate"] == "refused"


def test_empty_records_of_the_erratum_are_taken():
    im = b.build("pv")
    for name, vcpu in (("VCPU_EXT", 0), ("VCPU_XSAVE", 1),
                       ("VCPU_MSRS", 0xffffffff)):
        im.part(name).body = im.u("II", vcpu, 0)
    assert run("verify", im.bytes())[0] == 0
    im = b.build("pvh", version=2)
    im.part("HVM_PARAMS").body = im.u("II", 0, 0)
    assert run("verify", im.bytes())[0] == 0


def test_registers_at_their_bounds_are_taken():
    im = b.build("pv")
    im.part("VCPU_BASIC").body = bytes(8) + b.context(
        8, gdt=(b.GDT,) * 14, gdt_ents=14 * 512, cr1=9 << 12)
    assert run("verify", im.bytes())[0] == 0


def test_a_p2m_list_of_several_pieces_is_judged_to_its_end(tmp_path):
    """8192 entries are kept in a piece; the first of the next is bad."""
    im = b.build("pv")
    im.poke("dhdr", 8, bytes(4))        # converted: not all are named
    im.parts[im.at("P2M_FRAMES")] = b.p2m_frames(
        im, [b.P2M] * 8192 + [b.PV_XTAB], 8192 * 512)
    for path in (tmp_path, None):
        faults = run("verify", im.bytes(), path)[1]["faults"]
        assert [(f["rule"], f["offset"]) for f in faults] == [
            ("G6", im.body_offset("P2M_FRAMES") + 8 + 8192 * 8)]


def test_a_p2m_list_need_not_begin_with_the_first_frame():
    """Entries are of frames of the table: 0x1ff and 0x200 are in two."""
    im = b.build("pv")
    im.poke("dhdr", 8, bytes(4))
    im.part("P2M_FRAMES").body = im.u("II", 0x1ff, 0x200) + im.u(
        "QQ", b.P2M, b.P2M)
    assert run("verify", im.bytes())[0] == 0


def test_a_checkpoint_must_have_the_whole_state_again():
    im = b.build("pvh", checkpoints=2)
    del im.parts[im.at("HVM_CONTEXT", 1)]
    faults = run("verify", im.bytes())[1]["faults"]
    assert [(f["rule"], f["offset"]) for f in faults] == [
        ("O7", im.offset("CHECKPOINT", 1))]


def test_type_5_behind_a_checkpoint_of_a_pv_guest_is_libxc_s():
    im = b.build("pv", checkpoints=2)
    k = im.at("VCPU_EXT", 1)
    im.parts.insert(im.at("CHECKPOINT_END") + 1, im.parts.pop(k))
    out = run("verify", im.bytes())[1]
    assert out["complete"] and out["faults"] == []


def test_limits_are_judged_at_their_bound():
    for tot, faults in ((36, []), (35, ["G9"])):
        im = b.build("pvh", record=b.OPTIONAL)
        im.parts[im.at("MEMORY")] = b.memory_record(
            im, True, b.OPTIONAL, max_pages=30, tot_pages=tot)
        out = run("verify", im.bytes())[1]
        assert [f["rule"] for f in out["faults"]] == faults
    im = b.build("pvh")
    for nr, fate in ((256, "restored"), (257, "refused")):
        im.parts[0] = b.xl_header(b.config("pvh", 0))
        im.parts[im.at("TSC_INFO") - 1] = b.page_data(im, [
            e for e in b.hvm_pages()[30:]] + [
            (n, b.XALLOC, None) for n in range(40, 40 + nr - 36)])
        out = run("verify", im.bytes())[1]
        assert out["restores"]["stock"]["fate"] == fate


def test_members_of_deeper_objects_are_not_the_guest_s():
    im = b.build("pvh")
    conf = b.config("pvh", 4096)
    conf["c_info"]["xl"] = {"name": "other", "type": "hvm"}
    conf["b_info"]["sub"] = {"target_memkb": 1}
    im.parts[0] = b.xl_header(conf)
    status, out = run("verify", im.bytes())
    assert status == 0 and out["guest"]["name"] == "guest"
    assert out["config_target_kb"] == 4096
    conf["c_info"]["name"] = ["other"]
    im.parts[0] = b.xl_header(conf)
    assert run("verify", im.bytes())[1]["guest"]["name"] == ""


@pytest.mark.parametrize("change, words", [
    (lambda c: c["c_info"].update(type="PvH"), None),
    (lambda c: c["b_info"].pop("type.pvh"), "has 0 of type.pv"),
    (lambda c: c["b_info"].update({"type.pvh": None}), "has 0 of type.pv"),
    (lambda c: c["b_info"].update({"type.PVH": c["b_info"].pop(
        "type.pvh")}), "has 0 of type.pv"),
    (lambda c: c["b_info"].update({"type.pv": {}}), "has 2 of type.pv"),
    (lambda c: c["b_info"].update({"type.hvm": c["b_info"].pop(
        "type.pvh")}), "has type.hvm, and c_info says pvh"),
    (lambda c: c["b_info"].update(more={"type.hvm": {}}), None)])
def test_the_guest_s_type_is_in_both_parts_of_the_configuration(change,
                                                                words):
    """libxl asserts that there is one in b_info, and wants one."""
    im = b.build("pvh")
    conf = b.config("pvh", 4096)
    change(conf)
    im.parts[0] = b.xl_header(conf)
    status, out = run("verify", im.bytes())
    assert out["guest"]["type"] == "pvh"
    assert [f["rule"] for f in out["faults"]] == ["X8"] * bool(words)
    if words:
        assert words in out["faults"][0]["text"]
    assert out["restores"]["stock"]["fate"] == (
        "refused" if words else "restored")


def test_a_configuration_ends_with_its_nul():
    """xl hands it on as a string, with nothing of its own behind it."""
    im = b.build("pvh")
    body = im.part("xl").body
    length = struct.unpack_from("<I", body, 48)[0]
    for change, rules in ((0, []), (-1, ["X8"])):
        im.poke("xl", 48, struct.pack("<I", length + change))
        faults = run("verify", im.bytes())[1]["faults"]
        assert [f["rule"] for f in faults] == rules
        assert not rules or "no NUL" in faults[0]["text"]


def test_the_uuid_is_compared_whatever_its_case():
    im = b.build("pvh", record=b.OPTIONAL)
    conf = b.config("pvh", 4096)
    conf["c_info"]["uuid"] = b.UUID.upper()
    im.parts[0] = b.xl_header(conf)
    assert run("verify", im.bytes())[0] == 0


def test_the_record_of_another_uuid_is_no_fault_where_it_is_not_needed():
    """As "xl save DOMAIN FILE CONFIG" writes it: restored as by stock."""
    im = b.build("pvh", record=b.OPTIONAL)
    im.poke("MEMORY", 8, b"\xff")
    status, out = run("verify", im.bytes())
    assert status == 0 and out["faults"] == []
    assert out["restores"]["libxl_ext"]["fate"] == "restored"


def test_a_hvm_guest_of_xen_4_7_without_a_device_model():
    """PVH was first an HVM guest with device_model_version none."""
    im = b.build("pvh")
    im.parts[0] = b.xl_header(b.config("hvm", 4096,
                                       device_model_version="none"))
    assert run("verify", im.bytes())[0] == 0


def test_a_guest_above_stock_s_limit_is_lost():
    im = b.build("pvh")
    im.parts[0] = b.xl_header(b.config("pvh", 0))
    pages = [(n, b.XALLOC, None) for n in range(40, 40 + 256)]
    im.parts.insert(im.at("TSC_INFO"), b.page_data(im, pages))
    status, out = run("verify", im.bytes())
    assert status == 1 and out["faults"] == []
    assert out["stock_limit_kb"] == 1024
    for who in out["restores"].values():
        assert who["fate"] == "refused" and "292 frames" in who["reason"]


@pytest.mark.parametrize("container, kb, fate", [
    ("xl", 1024, "refused"), ("libxl", 5120, "restored")])
def test_stock_s_limit_is_the_configuration_s_whatever_a_record_says(
        container, kb, fate):
    """292 frames fit the record's 5120 KiB, and not target_memkb."""
    im = b.build("pvh", record=b.OPTIONAL, container=container)
    im.poke("MEMORY", 32, struct.pack("<Q", 292))
    if container == "xl":
        im.parts[0] = b.xl_header(b.config("pvh", 0))
    pages = [(n, b.XALLOC, None) for n in range(40, 40 + 256)]
    im.parts.insert(im.at("TSC_INFO"), b.page_data(im, pages))
    status, out = run("verify", im.bytes())
    assert (status, out["faults"], out["stock_limit_kb"]) == (0, [], kb)
    assert out["restores"]["libxl_ext"]["fate"] == "restored"
    stock = out["restores"]["stock"]
    assert (stock["fate"], "292 frames are above the 256 pages" in
            stock["reason"]) == (fate, fate == "refused")


def converted(version):
    """As Xen's convert-legacy-stream makes of an HVM guest's image: two
    records of parameters, no policies, emulator 0."""
    im = b.build("hvm", version=version)
    im.poke("dhdr", 8, im.u("II", 0, 1))
    im.poke("libxl", 15, b"\2")
    for name in ("XENSTORE", "EMULATOR"):
        im.poke(name, 0, bytes(4))
    im.parts = [p for p in im.parts if not p.name.endswith("_POLICY")]
    im.part("HVM_PARAMS").body = im.u("IIQQ", 1, 0, 1, b.STORE)
    im.parts.insert(im.at("TSC_INFO"), im.record(
        "HVM_PARAMS", b.HVM_PARAMS, im.u("IIQQ", 1, 0, 17, b.CONSOLE)))
    return im


@pytest.mark.parametrize("version", [2, 3])
def test_a_converted_legacy_image_is_whole(version):
    status, out = run("verify", converted(version).bytes())
    assert (status, out["faults"]) == (0, [])
    assert out["restores"]["stock"]["fate"] == "restored"


@pytest.mark.parametrize("version", [2, 3])
def test_a_converted_legacy_image_may_lack_what_its_source_lacked(version):
    im = converted(version)
    del im.parts[im.at("HVM_PARAMS")]       # with the console's frame
    assert run("verify", im.bytes())[0] == 0
    im = b.build("pv", version=version)
    im.poke("dhdr", 8, im.u("II", 0, 1))
    im.poke("libxl", 15, b"\2")
    im.parts = [p for p in im.parts if not p.name.endswith("_POLICY") and
                p.name != "VCPU_EXT"]
    assert run("verify", im.bytes())[0] == 0


def test_a_configuration_of_xl_4_4_is_no_json():
    im = converted(3)
    im.parts[0] = b.xl_header(b'name = "guest"\nbuilder = "hvm"\n',
                              mandatory=2)
    assert run("verify", im.bytes())[0] == 0


@pytest.mark.parametrize("flags", [2, 3])
@pytest.mark.parametrize("optional", [b"", bytes(4), bytes(4) + b"more"])
def test_a_file_without_a_configuration_is_refused_and_no_fault(
        optional, flags, tmp_path):
    """xl restore takes it with a configuration file beside it."""
    im = b.build("pvh")
    im.parts[0].body = im.parts[0].body[:36] + struct.pack(
        "<III", flags, 0, len(optional)) + optional
    for place in (tmp_path, None):
        status, out = run("verify", im.bytes(), place)
        assert (status, out["faults"], out["complete"]) == (1, [], True)
        for who in out["restores"].values():
            assert who["fate"] == "refused"
            assert who["reason"].startswith("the file has no configuration")


@pytest.mark.parametrize("place, fate", [
    ("P2M_FRAMES", "restored"), ("PAGE_DATA", "refused"),
    ("TSC_INFO", "refused")])
def test_in_version_2_static_data_may_end_once(place, fate):
    im = b.build("pv", version=2)
    im.parts.insert(im.at(place), im.record("end", b.STATIC_DATA_END))
    out = run("verify", im.bytes())[1]
    assert [f["rule"] for f in out["faults"]] == ["O2"]
    for who in out["restores"].values():
        assert who["fate"] == fate


@pytest.mark.parametrize("guest", ["pv", "pvh"])
def test_a_tsc_mode_that_is_gone_is_refused_and_no_fault(guest):
    im = b.build(guest)
    im.poke("TSC_INFO", 0, b"\3")
    status, out = run("verify", im.bytes())
    assert (status, out["faults"]) == (1, [])
    for who in out["restores"].values():
        assert who["fate"] == "refused" and "pvrdtscp" in who["reason"]


def test_a_descriptor_to_come_is_refused_and_no_fault():
    im = b.build("pvh")
    im.part("HVM_CONTEXT").body = b.descriptors(
        *b.devices(), (21, 0, b"new"))
    status, out = run("verify", im.bytes())
    assert (status, out["faults"]) == (1, [])
    at = im.body_offset("HVM_CONTEXT") + len(b.hvm_context()) - 8
    for who in out["restores"].values():
        assert who["fate"] == "refused"
        assert f"byte {at}:" in who["reason"]


# Types that have grown, as each Xen wrote them; all that has an end.
XENS = {
    "4.6": {2: 1024, 5: 24, 11: 16, 15: 32, 17: 8, 18: 24},
    "4.7": {2: 1032, 5: 24, 11: 16, 15: 32, 17: 16, 18: 24},
    "4.10": {2: 1032, 5: 24, 11: 16, 15: 32, 17: 16, 18: 32},
    "4.13": {2: 1032, 5: 24, 11: 16, 15: 32, 17: 216, 18: 32},
    "4.14": {2: 1032, 5: 24, 11: 24, 15: 32, 17: 216, 18: 32},
    "4.18": {2: 1032, 5: 32, 11: 24, 15: 32, 17: 216, 18: 32},
}
SAME = {3: 8, 4: 400, 6: 1024, 7: 16, 8: 8, 9: 8, 10: 56, 12: 1048, 13: 8,
        14: 240, 16: 856, 19: 8, 20: 8 + 16 * 3}
PER_DOMAIN = (4, 7, 8, 9, 10, 11, 12, 13, 15)


@pytest.mark.parametrize("xen", XENS)
def test_all_that_a_xen_writes_is_taken(xen):
    """Of three vcpus, of which the first is offline."""
    items = [(1, 0, b.hvm_header())]
    for kind, size in sorted((SAME | XENS[xen]).items()):
        data = bytes(size) if kind != 20 else b"\3" + bytes(size - 1)
        items += [(kind, n, data) for n in range(
            1 if kind in PER_DOMAIN else 2 if kind == 3 else 3)
            if kind != 2 or n]
    im = b.build("hvm")
    im.parts[0] = b.xl_header(b.config("hvm", 4096, max_vcpus=3))
    im.part("HVM_CONTEXT").body = b.descriptors(*items)
    status, out = run("verify", im.bytes())
    assert (status, out["faults"]) == (0, [])


def test_every_bit_of_a_descriptor_counts():
    """But those of a vcpu's number where the configuration is not there,
    and one that makes PCI_LINK a PMTIMER, which is as long."""
    im = b.build("pvh", container="libxc")
    im.part("HVM_CONTEXT").body = b.descriptors(
        *b.devices()[:-2], (16, 0, bytes(600)), *b.devices()[-2:])
    start, data = im.body_offset("HVM_CONTEXT"), bytearray(im.bytes())
    at = start
    while True:
        kind, _, size = struct.unpack_from("<HHI", data, at)
        for where in range(8):
            for bit in range(8):
                data[at + where] ^= 1 << bit
                status = run("verify", bytes(data))[0]
                data[at + where] ^= 1 << bit
                vcpu = kind in (2, 5, 6, 14, 16, 18, 19) and where in (2, 3)
                assert status == 1 or vcpu or (kind, where, bit) == (
                    9, 0, 2), (kind, where, bit)
        if not kind:
            break
        at += 8 + size


@pytest.mark.parametrize("nth, fate", [(0, "restored"), (1, "refused")])
@pytest.mark.parametrize("kind, rules", [(2, ["B16"]), (21, [])])
def test_of_two_contexts_xen_gets_the_last(nth, fate, kind, rules):
    """libxenguest keeps one, and gives it to Xen at the end."""
    im = b.build("pvh")
    k = im.at("HVM_CONTEXT")
    im.parts.insert(k, b.Part(**vars(im.parts[k])))
    if rules:
        im.poke("HVM_CONTEXT", 0, bytes([kind]), nth)
    else:
        im.part("HVM_CONTEXT", nth).body = b.descriptors(
            *b.devices(), (kind, 0, b""))
    out = run("verify", im.bytes())[1]
    assert sorted(f["rule"] for f in out["faults"]) == rules + ["O9"]
    assert {who["fate"] for who in out["restores"].values()} == {fate}


@pytest.mark.parametrize("nr", [2, 300])
def test_all_vcpus_of_the_configuration_are_taken(nr):
    """The last but one is offline, and says nothing or only that."""
    for guest in ("pv", "pvh"):
        im = b.build(guest)
        im.parts[0] = b.xl_header(b.config(guest, 4096, max_vcpus=nr))
        ids = [n for n in range(1, nr) if n != nr - 2]
        if guest == "pv":
            for n in ids:
                for name in ("VCPU_BASIC", "VCPU_EXT"):
                    p = im.part(name)
                    im.parts.insert(im.at("END"), b.vcpu(
                        im, name, p.kind, n, p.body[8:]))
            im.parts.insert(im.at("END"), b.vcpu(
                im, "VCPU_XSAVE", b.VCPU_XSAVE, nr, b""))
        else:
            p = im.part("HVM_CONTEXT")
            p.body = b.descriptors(b.devices()[0], *(
                (kind, n, bytes(size))
                for kind, size in ((2, 1032), (5, 32), (6, 1024), (19, 8))
                for n in (0, *ids)))
        assert run("verify", im.bytes())[0] == 0, guest


@pytest.mark.parametrize("size, rules", [
    (15, ["B13"]), (16, []), (17, ["B13"]), (591, ["B13"]), (592, []),
    (832, [])])
def test_xsave_is_two_words_and_an_area_or_none(size, rules):
    im = b.build("pv")
    im.part("VCPU_XSAVE").body = bytes(8 + size)
    out = run("verify", im.bytes())[1]
    assert [f["rule"] for f in out["faults"]] == rules
    assert out["restores"]["stock"]["fate"] == (
        "refused" if rules else "restored")


def test_each_checkpoint_has_the_registers_of_vcpu_0():
    im = b.build("pv", checkpoints=2)
    del im.parts[im.at("VCPU_BASIC", 1)]
    faults = run("verify", im.bytes())[1]["faults"]
    assert [(f["rule"], f["offset"]) for f in faults] == [
        ("O7", im.offset("CHECKPOINT", 1))]


def test_each_checkpoint_has_the_device_model_s_state():
    im = b.build("hvm", checkpoints=3)
    assert run("verify", im.bytes())[1]["faults"] == []
    im.parts.insert(im.at("EMULATOR", 2), im.part("EMULATOR", 2))
    faults = run("verify", im.bytes())[1]["faults"]
    assert [f["rule"] for f in faults] == ["L16"]


RULES_H = (TOP / "libxl-ext/image/rules.h").read_text()
REFUSED = set(re.findall(r"X\((\w+),\s*REFUSED\)", RULES_H))


@pytest.mark.parametrize("d", DAMAGES, ids=lambda d: d.name)
def test_each_damage_is_found_and_named(d, tmp_path):
    data, offset = d.make()
    status, out = run("verify", data, tmp_path)
    assert status == 1
    first = out["faults"][0]
    assert (first["rule"], first["offset"]) == (d.rule, offset), out["faults"]
    assert d.words in first["text"]
    assert "\n" not in first["text"]
    if out["complete"]:
        assert out["size"] == len(data)
    # Where the libxl carrier is, stock ends there; libxl-ext ends where
    # it cannot believe a record.
    if "carrier" in d.build:
        assert out["restores"]["stock"]["fate"] == "refused"
    if d.rule in ("M1", "M2", "M3", "M4", "M6", "G9"):
        assert out["restores"]["libxl_ext"]["fate"] == "refused"
    # The first reason is the one that is given.
    if d.rule in REFUSED and not {"big", "checkpoints", "carrier"} & set(
            d.build):
        assert out["restores"]["stock"]["reason"].startswith(
            f"{d.rule} at byte {offset}: ")
    # A pipe: the same verdict, word for word.
    assert run("verify", data) == (status, out)
    # Reading all of it finds no more and no less.
    every = run("verify", data, tmp_path, "--read-all")
    assert (every[0], named(every[1])) == (status, named(out))
    assert run("verify", data, None, "--read-all") == every


# Where what becomes of the guest depends on more than the rule.
FATES = {
    "emulator record ahead of libxc": "restored",
    "LIBXC_CONTEXT a second time": "refused",
    "page table in an HVM guest": "restored",
    "VERIFY twice": "restored",
    "PAGE_DATA records swapped": "restored",
    "PAGE_DATA record doubled": "damaged",
    "pages missing": "damaged",
    "last pages of a PV guest missing": "damaged",
    "libxl record too long": "refused",
    "xl optional data too long": "refused",
    "STATIC_DATA_END missing": "refused",
    "STATIC_DATA_END missing, PV": "refused",
    "STATIC_DATA_END twice": "refused",
    "X86_PV_INFO missing": "refused",
    "X86_PV_INFO twice": "refused",
    "HVM_CONTEXT empty": "refused",
    "HVM_CONTEXT begins with another descriptor": "refused",
    "HVM_CONTEXT descriptor runs over": "refused",
    "HVM_CONTEXT descriptor a byte too long": "refused",
    "HVM_CONTEXT length of HEADER": "refused",
    "HVM_CONTEXT magic of HEADER": "refused",
    "HVM_CONTEXT version of HEADER": "refused",
    "HVM_CONTEXT with a second HEADER": "refused",
    "X86_CPUID_POLICY missing": "damaged",
    "X86_CPUID_POLICY marked as optional": "damaged",
    "X86_PV_VCPU_EXTENDED marked as optional": "damaged",
    "X86_PV_VCPU_BASIC marked as optional": "refused",
    "HVM_CONTEXT marked as optional": "refused",
    "PAGE_DATA marked as optional in a later pass": "damaged",
    "xenstore frame not named": "damaged",
    "HVM_CONTEXT of a vcpu that the configuration has not": "refused",
    "HVM_CONTEXT CPU longer than any": "refused",
    "HVM_CONTEXT LAPIC as IOAPIC": "refused",
    "HVM_CONTEXT MTRR as VIRIDIAN_DOMAIN": "refused",
    "HVM_CONTEXT VMCE_VCPU as CPU_XSAVE": "refused",
    "HVM_CONTEXT CPU as END": "damaged",
    "HVM_CONTEXT LAPIC_REGS as CPU": "damaged",
    "HVM_CONTEXT TSC_ADJUST as VMCE_VCPU": "damaged",
    "HVM_CONTEXT PCI_LINK instance": "restored",
    "HVM_CONTEXT PIC instance": "refused",
    "HVM_CONTEXT CPU_MSR count": "refused",
    "HVM_CONTEXT CPU missing": "damaged",
    "HVM_CONTEXT LAPIC_REGS missing": "damaged",
    "VERIFY ahead of the pages": "damaged",
    "X86_PV_INFO too long": "restored",
    "version 3 stream marked as 2": "restored",
    "libvirt version of a legacy stream": "refused",
    "libvirt version to come": "refused",
    "libvirt version lost": "restored",
    "libvirt XML too long": "refused",
}


@pytest.mark.parametrize("d", [d for d in DAMAGES if d.name in FATES],
                         ids=lambda d: d.name)
def test_a_damage_s_fate_is_stock_s(d):
    restores = run("verify", d.make()[0])[1]["restores"]
    assert {who["fate"] for who in restores.values()} == {FATES[d.name]}


@pytest.mark.parametrize("part, before, guest, rules, fate", [
    ("TSC_INFO", "CPUID_POLICY", "pvh", ["O1"], "restored"),
    ("HVM_PARAMS", "CPUID_POLICY", "pvh", ["O1"], "restored"),
    ("PAGE_DATA", "STATIC_DATA_END", "pvh", ["O1"], "refused"),
    ("P2M_FRAMES", "STATIC_DATA_END", "pv", ["O1"], "refused"),
    ("VCPU_EXT", "PV_INFO", "pv", ["O1", "O4", "O6"], "restored"),
    ("SHARED_INFO", "PV_INFO", "pv", ["O1", "O4"], "refused")])
def test_a_record_ahead_of_static_data_is_refused_where_it_needs_them(
        part, before, guest, rules, fate):
    im = b.build(guest)
    im.parts.insert(im.at(before), im.parts.pop(im.at(part)))
    out = run("verify", im.bytes())[1]
    assert [f["rule"] for f in out["faults"]] == rules
    assert out["nr_faults"] == len(rules)
    assert {who["fate"] for who in out["restores"].values()} == {fate}


def test_records_out_of_order_damage_a_guest_that_sends_pages_twice():
    im = b.build("pvh", live=True)
    i, k = im.at("PAGE_DATA", 0), im.at("PAGE_DATA", 1)
    im.parts[i], im.parts[k] = im.parts[k], im.parts[i]
    out = run("verify", im.bytes())[1]
    assert [f["rule"] for f in out["faults"]] == ["G1", "G2"]
    assert {who["fate"] for who in out["restores"].values()} == {"damaged"}


def test_a_record_above_our_bound_is_restored_where_it_is_all_there(
        tmp_path):
    im = b.build("hvm")
    length = (128 << 20) + 8
    at = im.offset("EMULATOR")
    head, tail = im.bytes()[:at], im.part("LX_END").bytes()
    path = tmp_path / "image"
    with path.open("wb") as f:
        f.write(head + struct.pack("<IIII", b.LX_EMULATOR, length, 2, 0))
        f.seek(length - 8, 1)
        f.write(tail)
    for cut, rules, fate in ((0, ["L5"], "restored"),
                             (len(tail) + 1, ["L5", "S1"], "refused")):
        os.truncate(path, at + 8 + length + len(tail) - cut)
        p = subprocess.run([XL_EXT, "image", "verify", "--json", path],
                           check=False, stdout=subprocess.PIPE)
        out = json.loads(p.stdout)
        assert (p.returncode, [f["rule"] for f in out["faults"]]) == (
            1, rules)
        assert {w["fate"] for w in out["restores"].values()} == {fate}


def test_a_page_table_that_is_only_verified_is_translated_all_the_same(
        tmp_path):
    im = b.build("pv", verify=True)
    k = im.at("VERIFY")
    nth = [i for i, p in enumerate(q for q in im.parts if
                                   q.name == "PAGE_DATA")
           if im.at("PAGE_DATA", i) > k][0]
    where = 8 + 80 + b.LEAF * b.PAGE + 3 * 8
    im.poke("PAGE_DATA", where, struct.pack("<Q", 24 << 12 | b.PRESENT),
            nth)
    for place in (tmp_path, None):
        for options in ((), ("--read-all",)):
            faults = run("verify", im.bytes(), place, *options)[1]["faults"]
            assert [(f["rule"], f["offset"]) for f in faults] == [
                ("G3", im.body_offset("PAGE_DATA", nth) + where)]


def test_a_table_that_nothing_uses_damages_a_32_bit_guest():
    im = b.build("pv", width=4)
    pages = [e if e[0] != 9 else (9, b.L4, bytes(b.PAGE))
             for e in b.pv_pages(4)[:10]]
    im.parts[im.at("PAGE_DATA")] = b.page_data(im, pages)
    out = run("verify", im.bytes())[1]
    assert [f["rule"] for f in out["faults"]] == ["B8"]
    assert {who["fate"] for who in out["restores"].values()} == {"damaged"}


def test_a_libxl_stream_without_a_guest_is_refused():
    im = b.build("pvh")
    im.parts.insert(im.at("LIBXC_CONTEXT"), b.libxl_record("end", b.LX_END))
    out = run("verify", im.bytes())[1]
    assert [f["rule"] for f in out["faults"]] == ["L11", "S2"]
    for who in out["restores"].values():
        assert who["fate"] == "refused"
        assert who["reason"].startswith("L11 at byte")


def with_start_infos(im, first, second):
    """Sent in the first pass and once more."""
    p = im.part("PAGE_DATA")
    p.body = p.body[:88] + first + p.body[88 + b.PAGE:]
    im.parts.insert(im.at("TSC_INFO"), b.page_data(
        im, [(b.START_INFO, b.NOTAB, second)], "again"))
    return im.bytes()


@pytest.mark.parametrize("width", [8, 4])
def test_the_last_version_of_the_start_info_counts(width, tmp_path):
    good, bad = b.start_info(width), b.start_info(width, store=b.PV_XTAB)
    other = bytes(b.PAGE)
    for first, second, rules in (
            (good, good, []), (bad, good, []), (good, bad, ["G13"]),
            (bad, other, []), (other, bad, ["G13"])):
        im = b.build("pv", width=width)
        data = with_start_infos(im, first, second)
        for place in (tmp_path, None):
            for options in ((), ("--read-all",)):
                faults = run("verify", data, place, *options)[1]["faults"]
                assert [f["rule"] for f in faults] == rules
                if rules:
                    assert faults[0]["offset"] == (
                        im.body_offset("again") + 16 + b.SI_STORE[width])


def test_a_start_info_sent_to_be_verified_is_not_kept(tmp_path):
    im = b.build("pv", verify=True)
    p = im.part("PAGE_DATA", 3)
    assert im.at("PAGE_DATA", 3) > im.at("VERIFY")
    p.body = p.body[:88] + b.start_info(8, 99) + p.body[88 + b.PAGE:]
    for place in (tmp_path, None):
        assert run("verify", im.bytes(), place)[0] == 0


@pytest.mark.parametrize("magic, rules", [
    (b"xen-3.0-x86_64", ["G13"]), (b"yen-3.0-x86_64", [])])
def test_a_page_that_begins_as_no_start_info_is_not_judged(magic, rules,
                                                          tmp_path):
    im = b.build("pv")
    im.poke("PAGE_DATA", 88, b.start_info(8, b.PV_XTAB, magic=magic))
    for place in (tmp_path, None):
        faults = run("verify", im.bytes(), place)[1]["faults"]
        assert [f["rule"] for f in faults] == rules


@pytest.mark.parametrize("pfn, fate", [
    (b.PV_XTAB, "refused"), (b.PV_FRAMES, "refused"), (b.LEAF, "damaged"),
    (b.PV_FRAMES - 1, "restored")])
def test_a_start_info_s_frame_decides_what_becomes_of_the_guest(pfn, fate):
    im = b.build("pv")
    im.poke("PAGE_DATA", 88, b.start_info(8, console=pfn))
    for who in run("verify", im.bytes())[1]["restores"].values():
        assert who["fate"] == fate


IN_PAGES = {"G3", "G4", "G5", "G12", "G13"}


@pytest.mark.parametrize("d", DAMAGES, ids=lambda d: d.name)
def test_quick_finds_all_but_what_is_in_pages(d, tmp_path):
    data, offset = d.make()
    status, out = run("verify", data, tmp_path, "--quick")
    if d.rule in IN_PAGES:
        assert status == 0
        return
    assert (out["faults"][0]["rule"], out["faults"][0]["offset"]) == (
        d.rule, offset)
    assert run("verify", data, None, "--quick") == (status, out)


@pytest.mark.parametrize("seed", range(4))
def test_ranges_of_frames_are_counted_as_their_frames_are(seed, tmp_path):
    """Maps of 4096 frames that are alike, nearly so, and not at all; in
    records that end anywhere; some frames named again."""
    rng = random.Random(seed)
    types, page = [], bytes(b.PAGE)
    while len(types) < 20000:
        types += [rng.choice((b.NOTAB, b.XTAB, b.XALLOC, b.BROKEN))] * (
            rng.choice((1, 2, 4095, 4096, 4097, rng.randrange(6000)))
            if rng.random() < 0.5 else -len(types) % 4096)
    # Contents are long: of few frames.
    types = [t if t != b.NOTAB or n % 97 == seed or n > len(types) - 900
             else b.XALLOC if seed % 2 else b.XTAB
             for n, t in enumerate(types)]
    types[b.STORE] = types[b.CONSOLE] = b.XALLOC
    im = b.build("pvh", big=seed == 3)
    im.parts = [p for p in im.parts if p.name != "PAGE_DATA"]
    at, n = im.at("TSC_INFO"), 0
    while n < len(types):
        k = n + rng.choice((1, 1024, 1024, 4096))
        im.parts.insert(at, b.page_data(im, [
            (n + i, t, page if t == b.NOTAB else None)
            for i, t in enumerate(types[n:k])]))
        at, n = at + 1, k
    for pfn in sorted(rng.sample(range(100, len(types)), 20)):
        types[pfn] = b.BROKEN
        im.parts.insert(at, b.page_data(im, [(pfn, b.BROKEN, None)]))
        at += 1
    status, out = run("verify", im.bytes(), tmp_path)
    assert out["faults"] == [] and out["complete"]
    assert out["frames"]["named"] == len(types)
    assert out["frames"]["last"] == len(types) - 1
    names = {b.NOTAB: "NOTAB", b.XTAB: "XTAB", b.XALLOC: "XALLOC",
             b.BROKEN: "BROKEN"}
    assert out["types"] == {
        name: types.count(t) for t, name in names.items() if t in types}
    every = run("verify", im.bytes(), tmp_path, "--read-all")
    assert (every[0], without_counts(every[1])) == (status, out)
    quick = run("verify", im.bytes(), tmp_path, "--quick")[1]
    assert quick | {"quick": False} == out


def test_every_rule_is_documented_and_broken_by_a_damage():
    docs = (TOP / "docs/image.md").read_text()
    rows = set(re.findall(r"^\| ([SXVLCBOMG]\d+) \|", docs, re.M))
    assert rows == set(re.findall(r"X\(([A-Z]\d+),", RULES_H))
    assert rows == {d.rule for d in DAMAGES}
    assert len({d.name for d in DAMAGES}) == len(DAMAGES) >= 40


def test_the_fates_of_the_code_are_those_of_the_docs():
    docs = (TOP / "docs/image.md").read_text()
    words = {"RESTORED": "ignored", "DAMAGED": "damaged",
             "REFUSED": "refused"}
    fates = dict(re.findall(r"X\((\w+),\s*(\w+)\)", RULES_H))
    for rule, last in re.findall(
            r"^\| ([SXVLCBOMG]\d+) \|.*\| ([^|]+) \|$", docs, re.M):
        if last in words.values():
            assert words[fates[rule]] == last, rule


def tiny(**kw):
    """As small as an image can be and whole: frames without contents."""
    im = b.build("hvm", **kw)
    im.parts = [p for p in im.parts if p.name != "PAGE_DATA"]
    im.parts.insert(im.at("TSC_INFO"), b.page_data(
        im, [(n, b.XALLOC if n > 3 else b.XTAB, None) for n in range(40)]))
    im.part("HVM_CONTEXT").body = b.descriptors(
        b.devices()[0], (2, 0, b""))
    return im


@pytest.mark.parametrize("kw", [{}, {"container": "libvirt"}, {
    "record": b.MANDATORY, "carrier": "both"}], ids=name_of)
def test_cut_at_every_byte_it_is_said_where(kw):
    data = tiny(**kw).bytes()
    assert run("verify", data)[0] == 0
    for size in range(len(data)):
        status, out = run("verify", data[:size])
        assert status == 1 and not out["complete"]
        assert [(f["rule"], f["offset"]) for f in out["faults"]] == [
            ("S1", size)]


def test_every_bit_of_the_headers_counts_but_those_that_are_free():
    im = b.build("pvh", container="libxl")
    data = bytearray(im.bytes())
    # The version of Xen, and libxl's mark of a converted stream.
    free = {(at, bit) for bit in range(8) for at in range(
        im.offset("dhdr") + 8, im.offset("dhdr") + 16)} | {(15, 1)}
    for at in [*range(24), *range(im.offset("ihdr"),
                                  im.offset("dhdr") + 16)]:
        for bit in range(8):
            data[at] ^= 1 << bit
            status, out = run("verify", bytes(data))
            data[at] ^= 1 << bit
            assert status == ((at, bit) not in free), (at, bit)
