# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext image inspect: the facts are those that the image was built
with, in JSON and for people; and the command's own manners."""

import json
import os
import re
import subprocess

import pytest

import build_image as b
from test_verify import TOP, XL_EXT, built, run             # noqa: F401


def inspect(**kw):
    return run("inspect", b.build(**kw).bytes())[1]


def test_the_guest_and_its_stream():
    out = inspect(guest="pv", width=4, version=2)
    assert out["container"] == "xl"
    assert out["guest"] == {"name": "guest", "uuid": b.UUID, "type": "pv"}
    assert out["stream"] == {
        "version": 2, "type": "x86 PV", "big_endian": False,
        "xen": "4.12", "checkpoints": 0, "width": 4, "levels": 3,
        "vcpus": 1}
    assert "guest" not in inspect(container="libxc")


def test_limits_are_those_of_the_memory_record():
    out = inspect(record=b.MANDATORY)
    assert out["limits"] == {
        "carrier": "libxc", "mandatory": True, "raised": True, "uuid": b.UUID,
        "max_pages": 2000, "tot_pages": 40, "outstanding_pages": 0,
        "shr_pages": 0, "paged_pages": 0, "target_kb": 4096,
        "static_max_kb": 4096, "stock_max_kb": 5120}
    assert out["stock_limit_kb"] == 5120


@pytest.mark.parametrize("carrier", ["libxc", "libxl", "both"])
def test_the_carrier_is_said(carrier):
    im = b.build("pvh", record=b.MANDATORY, carrier=carrier)
    assert run("inspect", im.bytes())[1]["limits"]["carrier"] == carrier
    p = plain("image", "inspect", "-", data=im.bytes())
    text = p.stdout.decode()
    assert f"target 4096 KiB, carrier {carrier}\n" in text
    assert ("by xl-ext and the C API alone" in text) == (carrier != "libxc")


def test_one_carrier_that_cannot_be_read_is_not_counted():
    im = b.build("pvh", record=b.MANDATORY, carrier="both")
    im.poke("LX_MEMORY", 0, b"\2")
    out = run("inspect", im.bytes())[1]
    assert out["limits"]["carrier"] == "libxc"
    im.poke("MEMORY", 0, b"\2")
    assert "limits" not in run("inspect", im.bytes())[1]


def test_without_a_record_stock_s_limit_is_the_configuration_s():
    out = inspect()
    assert "limits" not in out
    assert (out["config_target_kb"], out["stock_limit_kb"]) == (4096, 5120)


def test_frames_types_zero_and_duplicate_pages():
    out = inspect()
    assert out["frames"] == {"named": 40, "first": 0, "last": 39,
                             "populated": 36}
    assert out["types"] == {"NOTAB": 36, "XTAB": 4}
    assert (out["zero_pages"], out["duplicate_pages"]) == (2, 1)
    pv = inspect(guest="pv")
    assert pv["types"] == {"NOTAB": 18, "L1TAB": 1, "L2TAB": 1, "L3TAB": 1,
                           "L4TAB_PIN": 2, "XTAB": 1}
    assert (pv["zero_pages"], pv["duplicate_pages"]) == (0, 0)


def test_passes_of_a_live_save():
    out = inspect(live=True, verify=True)
    assert out["passes"] == [
        {"named": 40, "data": 36, "again": 0, "unchanged": 0,
         "verify": False},
        {"named": 4, "data": 4, "again": 4, "unchanged": 1,
         "verify": False},
        {"named": 2, "data": 2, "again": 2, "unchanged": 0,
         "verify": False},
        {"named": 40, "data": 36, "again": 36, "unchanged": 36,
         "verify": True}]
    assert out["verify_differs"] == 0


def test_frames_that_changed_before_the_verify_pass_are_counted():
    im = b.build("pvh", verify=True)
    im.poke("PAGE_DATA", 8 + 80 + 100, b"!", nth=4)
    status, out = run("inspect", im.bytes())
    assert (status, out["verify_differs"]) == (0, 1)
    assert out["passes"][1]["unchanged"] == 35


def test_only_the_last_contents_of_a_page_are_counted():
    im = b.build("pvh")
    zero = b.page_data(im, [(5, b.NOTAB, bytes(b.PAGE)),
                            (20, b.NOTAB, b.pattern(20))])
    im.parts.insert(im.at("TSC_INFO"), zero)
    assert run("inspect", im.bytes())[1]["zero_pages"] == 2


def test_more_passes_and_records_than_are_kept():
    im = b.build("pvh")
    for n in range(100):
        im.parts.insert(im.at("TSC_INFO"), b.page_data(
            im, [(5, b.NOTAB, b.pattern(5, n))]))
        im.parts.insert(im.at("TSC_INFO"), im.record(
            "new", 0x80001000 + n))
    status, out = run("inspect", im.bytes())
    assert status == 0 and len(out["passes"]) == 64
    assert sum(p["data"] for p in out["passes"]) == 36 + 100
    assert len(out["records"]) == 48
    assert out["records"][-1]["name"] == "all others"
    assert sum(r["bytes"] for r in out["records"]) == len(
        im.bytes()) - im.offset("libxl") - 16 - 40


def test_sizes_of_records_add_up_to_the_file():
    for kw in ({"guest": "pv"}, {"record": b.OPTIONAL, "live": True}):
        im = b.build(**kw)
        out = run("inspect", im.bytes())[1]
        heads = sum(len(im.part(n).body) for n in
                    ("xl", "libxl", "ihdr", "dhdr"))
        assert out["size"] == len(im.bytes()) == heads + sum(
            r["bytes"] for r in out["records"])
        assert len(out["records"]) == len(
            {(r["stream"], r["type"]) for r in out["records"]})


def plain(*args, data=b""):
    return subprocess.run([XL_EXT, *args], input=data, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_text_for_people_says_the_same():
    im = b.build("pv", live=True, record=b.OPTIONAL)
    text = plain("image", "inspect", "-", data=im.bytes()).stdout.decode()
    for words in ("guest: guest, " + b.UUID + ", pv", "version 3, x86 PV",
                  "from Xen 4.17, 64-bit, 1 vcpus",
                  "memory record: optional, max_pages 1280",
                  "5120 KiB (1280 pages)", "frames: 24 named, 0x0 to 0x17",
                  "pass 2: 4 frames, 4 with contents, 4 of them again, 1",
                  "no rule is broken", "restored by a stock host: yes"):
        assert words in text


def test_a_name_cannot_send_control_characters_to_a_terminal():
    im = b.build("pvh")
    conf = b.config("pvh", 4096)
    conf["c_info"]["name"] = "a\x1b[2Jb"
    im.parts[0] = b.xl_header(conf)
    p = plain("image", "inspect", "-", data=im.bytes())
    assert b"\x1b" not in p.stdout and b"a?[2Jb" in p.stdout
    assert run("inspect", im.bytes())[1]["guest"]["name"] == "a\x1b[2Jb"


def test_a_long_name_is_cut_between_characters():
    im = b.build("pvh")
    conf = b.config("pvh", 4096)
    conf["c_info"]["name"] = "x" + "\u00e9" * 200
    text = json.dumps(conf, ensure_ascii=False).encode() + b"\0"
    head = im.part("xl").body[:44]
    im.parts[0] = b.Part("xl", head + len(text + b"1234").to_bytes(
        4, "little") + len(text).to_bytes(4, "little") + text)
    assert run("inspect", im.bytes())[1]["guest"]["name"] == (
        "x" + "\u00e9" * 127)


def test_more_rules_broken_than_are_listed():
    """Each still weighs in the verdict: the worst is the last here."""
    im = b.build("pv")
    pokes = (("ihdr", 17, b"\2"), ("ihdr", 20, b"\1"), ("dhdr", 7, b"\1"),
             ("xl", 40, b"\1"), ("libxl", 15, b"\x10"),
             ("PV_INFO", 5, b"\1"), ("PAGE_DATA", 7, b"\1"),
             ("PAGE_DATA", 8 + 7, b"\1"), ("TSC_INFO", 20, b"\1"))
    for name, at, data in pokes:
        im.poke(name, at, data)
    im.part("VCPU_EXT").pad = b"\1"
    im.part("STATIC_DATA_END").body = bytes(8)
    im.part("LX_END").body = bytes(9)
    im.part("LX_END").pad = b"\1"
    im.parts.insert(im.at("PAGE_DATA"), im.parts.pop(im.at("VCPU_EXT")))
    im.parts.insert(im.at("PAGE_DATA"), im.parts.pop(im.at("MSR_POLICY")))
    im.parts.insert(im.at("END"), b.Part(**vars(im.part("SHARED_INFO"))))
    del im.parts[im.at("PAGE_DATA", 2)]
    im.part("VCPU_BASIC").body = bytes(8) + b.context(8, cr3=b.LEAF)
    status, out = run("inspect", im.bytes() + b"more")
    assert status == 1 and len(out["faults"]) == 16 < out["nr_faults"]
    assert "G7" not in {f["rule"] for f in out["faults"]}
    assert out["restores"]["stock"]["reason"].startswith("G7 at byte")


def test_a_configuration_longer_than_the_buffer_is_read():
    im = b.build("pvh")
    conf = {"big": [{"c_info": {"name": "no"}, "n": n} for n in range(9000)]}
    im.parts[0] = b.xl_header(conf | b.config("pvh", 4096) | {"z": "x" * 99999})
    status, out = run("inspect", im.bytes())
    assert status == 0 and out["guest"]["name"] == "guest"


def test_every_member_is_documented():
    docs = (TOP / "docs/image.md").read_text()
    seen = {}
    for kw in ({"guest": "pv"}, {"record": b.MANDATORY}):
        seen |= inspect(**kw)
    names = set(seen) | set(seen["stream"]) | set(seen["frames"]) | set(
        seen["passes"][0]) | {"carrier"} | set(seen["records"][0]) | set(seen["restores"])
    for name in names:
        assert f"`{name}`" in docs, name


def test_an_image_that_does_not_begin_at_the_start_of_its_file(tmp_path):
    data = b.build("pv").bytes()
    (tmp_path / "image").write_bytes(b"twelve bytes" + data)
    fd = os.open(tmp_path / "image", os.O_RDONLY)
    os.lseek(fd, 12, os.SEEK_SET)
    p = subprocess.run([XL_EXT, "image", "verify", "--json", "-"], stdin=fd,
                       stdout=subprocess.PIPE, check=False)
    os.close(fd)
    assert p.returncode == 0
    assert json.loads(p.stdout) == run("verify", data)[1]


@pytest.mark.parametrize("args, words", [
    (["image", "verify"], "FILE|- is missing"),
    (["image", "verify", "a", "b"], "one too many"),
    (["image", "verify", "--fast", "a"], "no option --fast"),
    (["image", "inspect", "--quick", "a"], "no option --quick"),
    (["image", "verify", "/nonexistent"], "cannot open /nonexistent"),
    (["image", "verify", "/"], "cannot read /"),
    (["image", "mend", "a"], "no command image mend"),
    (["image", "verify", "--quick=1", "a"], "--quick takes no value"),
    (["image", "verify", "--read-all", "--quick", "a"],
     "--quick and --read-all exclude each other"),
    (["image", "inspect", "--read-all", "a"], "no option --read-all"),
    (["image", "inspect", "--plot"], "--plot needs its FILE"),
    (["image", "inspect", "a", "--plot", "b", "--plot=c"],
     "--plot is given twice"),
    ([], "xl-ext image inspect [--json] [--plot FILE] FILE|-"),
])
def test_wrong_usage_and_what_cannot_be_read(args, words):
    p = plain(*args)
    assert p.returncode == 2 and words in p.stderr.decode()
    assert p.stdout == b""


def test_an_output_that_cannot_be_written_is_no_success():
    with open("/dev/full", "wb") as full:
        p = subprocess.run([XL_EXT, "image", "verify", "-"], stdout=full,
                           input=b.build("pvh").bytes(), check=False,
                           stderr=subprocess.PIPE)
    assert p.returncode == 2 and b"cannot write" in p.stderr


def test_the_synopsis_of_the_docs_is_the_help_s():
    docs = (TOP / "docs/image.md").read_text()
    text = plain("--help").stdout.decode()
    lines = re.findall(r"^xl-ext image .*$", text, re.M)
    assert len(lines) == 4
    for line in lines:
        assert f"    {line}\n" in docs
    for name in ("inspect", "verify", "convert", "diff"):
        p = plain("image", name, "--help")
        assert p.returncode == 0 and f"xl-ext image {name}" in p.stdout.decode()


def test_no_room_for_page_tables_of_a_pipe_is_an_error():
    p = subprocess.run([XL_EXT, "image", "verify", "-"],
                       input=b.build("pv").bytes(), check=False,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       env=os.environ | {"TMPDIR": "/nonexistent"})
    assert p.returncode == 2 and b"set TMPDIR" in p.stderr
