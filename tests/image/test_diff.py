# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext image diff: what differs is found and nothing else, by the
final states that final_state.py reads."""

import json
import os
import random
import struct
import subprocess

import pytest

import build_image as b
from damages import DAMAGES
from final_state import read_state
from test_verify import GUESTS, TOP, XL_EXT, built, name_of     # noqa: F401


@pytest.fixture
def diff(tmp_path):
    def run(a, c, status=None):
        (tmp_path / "a").write_bytes(a)
        (tmp_path / "b").write_bytes(c)
        args = [XL_EXT, "image", "diff"]
        files = [tmp_path / "a", tmp_path / "b"]
        p = subprocess.run([*args, "--json", *files], check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if status == 2:
            assert p.returncode == 2 and p.stderr.count(b"\n") == 1
            return p.stderr.decode()
        assert p.stderr == b"" and p.returncode in (0, 1)
        out = json.loads(p.stdout)
        assert out["same"] == (p.returncode == 0)
        assert out["same"] == (not out["facts"] and not out["pages"] and
                               not out["records"])
        text = subprocess.run([*args, *files], check=False,
                              stdout=subprocess.PIPE)
        assert text.returncode == p.returncode
        lines = text.stdout.decode().splitlines()
        assert len(lines) == 1 + sum(len(out[k]) for k in
                                     ("facts", "pages", "records"))
        counts = out["counts"]
        assert counts["facts"] == len(out["facts"])
        assert counts["records"] == len(out["records"])
        for only in "ab":
            assert counts[f"pages_only_{only}"] == sum(
                p["count"] for p in out["pages"] if p.get("only") == only)
        assert counts["pages_contents"] == sum(
            p["count"] for p in out["pages"] if p["contents"])
        assert counts["pages_type"] == sum(
            p["count"] for p in out["pages"] if "type_a" in p)
        out["lines"] = lines
        return out
    return run


@pytest.mark.parametrize("kw", [g | {"big": big, "checkpoints": n}
                                for g in GUESTS for big in (False, True)
                                for n in (0, 2)], ids=name_of)
def test_an_image_is_as_itself(kw, diff):
    data = b.build(**kw, live=True).bytes()
    out = diff(data, data)
    contents = sum(f.contents is not None
                   for f in read_state(data).frames.values())
    assert out["same"] and out["counts"]["pages_compared"] == contents
    assert out["lines"] == [f"the same: {contents} pages compared"]


def test_files_of_libvirt_are_compared_with_their_xml(diff):
    im = b.build("pvh", container="libvirt")
    data = im.bytes()
    assert diff(data, data)["same"]
    im.poke("libvirt", 64 + 20, b"X")
    records = diff(data, im.bytes())["records"]
    assert [(r["name"], r["differ"], r["offset_a"], r["offset_b"])
            for r in records] == [("libvirt XML", 1, 84, 84)]
    records = diff(data, b.build("pvh").bytes())["records"]
    assert [(r["name"], r["only"]) for r in records] == [
        ("libvirt XML", "a"), ("configuration", "b")]


@pytest.mark.parametrize("kw", GUESTS, ids=name_of)
def test_how_often_a_page_was_sent_does_not_matter(kw, diff):
    """A live image against one that has the last contents only."""
    live = b.build(**kw, live=True, verify=True)
    final = read_state(live.bytes()).frames
    once = b.build(**kw)
    k = once.at("PAGE_DATA")
    once.parts = [p for p in once.parts if p.name != "PAGE_DATA"]
    once.parts[k:k] = b.batches(once, [
        (pfn, f.last, f.contents) for pfn, f in sorted(final.items())], 7)
    assert diff(live.bytes(), once.bytes())["same"]


@pytest.mark.parametrize("carrier", ["libxl", "both"])
def test_carriers_are_facts_and_no_records(carrier, diff):
    kw = {"guest": "pvh", "record": b.MANDATORY}
    a = b.build(**kw).bytes()
    c = b.build(**kw, carrier=carrier)
    out = diff(a, c.bytes())
    assert out["facts"] == [{"name": "carrier", "a": "libxc", "b": carrier}]
    assert out["records"] == [] and out["pages"] == []
    assert diff(c.bytes(), c.bytes())["same"]
    c.poke("LX_MEMORY", 24, b"\xd1")
    if carrier == "libxl":
        assert [f["name"] for f in diff(a, c.bytes())["facts"]] == [
            "carrier", "max_pages"]
    else:
        assert "breaks rule M6" in diff(a, c.bytes(), 2)


def changed(im, entries):
    """One more round with these entries."""
    im.parts.insert(im.at("TSC_INFO"), b.page_data(im, entries))
    return im.bytes()


def test_pages_in_ranges(diff):
    a = changed(b.build("pvh"), [(30, b.XALLOC, None)])
    c = changed(b.build("pvh"), [
        (5, b.NOTAB, b.pattern(77)), (6, b.NOTAB, b.pattern(78)),
        (7, b.NOTAB, b.pattern(79)), (9, b.NOTAB, b.pattern(80)),
        (10, b.NOTAB, b.pattern(81)), (11, b.XALLOC, None),
        (22, b.XTAB, None), (30, b.NOTAB, b.pattern(82))])
    out = diff(a, c)
    assert out["pages"] == [
        {"first": 5, "count": 3, "contents": True},
        {"first": 9, "count": 1, "contents": True},
        {"first": 10, "count": 2, "only": "b", "contents": False},
        {"first": 22, "count": 1, "type_a": "NOTAB", "type_b": "XTAB",
         "contents": False},
        {"first": 30, "count": 1, "type_a": "XALLOC", "type_b": "NOTAB",
         "contents": True}]
    assert out["counts"] == {
        "pages_compared": 36, "pages_only_a": 0, "pages_only_b": 2,
        "pages_type": 2, "pages_contents": 5, "facts": 0, "records": 0}
    assert out["lines"][:5] == [
        "frames 0x5 to 0x7 (3): contents", "frame 0x9: contents",
        "frames 0xa to 0xb (2): only in B",
        "frame 0x16: type NOTAB in A, XTAB in B",
        "frame 0x1e: type XALLOC in A, NOTAB in B, contents"]
    back = diff(c, a)
    assert back["pages"][2]["only"] == "a"
    assert back["counts"]["pages_only_a"] == 2


def test_one_octet_of_one_page(diff):
    a = b.build("pv")
    c = b.build("pv")
    data = bytearray(c.bytes())
    data[c.body_offset("PAGE_DATA", 1) + 8 + 80 + 3 * b.PAGE + 4095] ^= 1
    out = diff(a.bytes(), bytes(data))
    assert out["pages"] == [{"first": 13, "count": 1, "contents": True}]


def expected_pages(a, c):
    """By the second reader: {pfn: what differs}."""
    out = {}
    x, y = read_state(a).frames, read_state(c).frames
    for pfn in x.keys() | y.keys():
        f, g = x.get(pfn), y.get(pfn)
        in_f, in_g = f and f.populated, g and g.populated
        if bool(in_f) != bool(in_g):
            out[pfn] = "a" if in_f else "b"
        elif in_f and (f.last, f.contents) != (g.last, g.contents):
            out[pfn] = (f.last != g.last, f.contents != g.contents)
    return out


SEED = int(os.environ.get("LXE_SEED", random.SystemRandom().getrandbits(32)))


@pytest.mark.parametrize("nth", range(20))
def test_any_two_images_of_a_guest(nth, diff):
    print(f"LXE_SEED={SEED}")
    rng = random.Random(SEED + nth)

    def some():
        im = b.build("pvh", version=2)
        im.poke("dhdr", 8, bytes(4))        # converted: any order goes
        for _ in range(rng.randrange(4)):
            pfns = rng.sample(range(40), 6) + [rng.randrange(1 << 24)]
            im.parts.insert(im.at("TSC_INFO"), b.page_data(im, [
                (pfn, *rng.choice([(b.NOTAB, b.pattern(pfn, 1)),
                                   (b.NOTAB, b.pattern(pfn)),
                                   (b.XTAB, None), (b.XALLOC, None),
                                   (b.BROKEN, None)])) for pfn in pfns]))
        # These must be there; their contents do not matter.
        im.parts.insert(im.at("TSC_INFO"), b.page_data(im, [
            (p, b.XALLOC, None) for p in (b.STORE, b.CONSOLE)]))
        return im.bytes()

    a, c = some(), some()
    out = diff(a, c)
    got = {}
    for p in out["pages"]:
        for pfn in range(p["first"], p["first"] + p["count"]):
            got[pfn] = p.get("only") or ("type_a" in p, p["contents"])
    assert got == expected_pages(a, c)
    firsts = [p["first"] for p in out["pages"]]
    assert firsts == sorted(firsts)


# ---- records ---------------------------------------------------------

def one_record(out):
    assert not out["facts"] and not out["pages"]
    record, = out["records"]
    return record


@pytest.mark.parametrize("name, where, part, record", [
    ("VCPU_BASIC", 100, "vcpu 0", "X86_PV_VCPU_BASIC"),
    ("VCPU_EXT", 20, "vcpu 0", "X86_PV_VCPU_EXTENDED"),
    ("VCPU_XSAVE", 591, "vcpu 0", "X86_PV_VCPU_XSAVE"),
    ("VCPU_MSRS", 8, "vcpu 0", "X86_PV_VCPU_MSRS"),
    ("SHARED_INFO", 4095, "", "SHARED_INFO"),
    ("TSC_INFO", 8, "", "X86_TSC_INFO"),
    ("CPUID_POLICY", 47, "", "X86_CPUID_POLICY"),
    ("MSR_POLICY", 0, "", "X86_MSR_POLICY"),
])
def test_registers_of_a_pv_guest(name, where, part, record, diff):
    a, c = b.build("pv"), b.build("pv")
    old = c.part(name).body[where]
    c.poke(name, where, bytes([old ^ 0x40]))
    got = one_record(diff(a.bytes(), c.bytes()))
    at = a.body_offset(name) + where
    head = 8 if part else 0
    size = len(a.part(name).body) - head
    assert got == {"stream": "libxc", "name": record, "part": part,
                   "length_a": size, "length_b": size, "differ": 1,
                   "offset_a": at, "offset_b": at}


def test_registers_by_the_number_of_the_vcpu(diff):
    """Not by their order; and one that is in one image only."""
    def with_vcpus(*numbers):
        im = b.build("pv")
        im.parts[0] = b.xl_header(b.config("pv", 4096, max_vcpus=4))
        for n in numbers:
            im.parts[im.at("END"):im.at("END")] = [
                b.vcpu(im, "more", b.VCPU_BASIC, n, b.context(8)),
                b.vcpu(im, "extended", b.VCPU_EXT, n, b"")]
        return im.bytes()

    assert diff(with_vcpus(1, 2), with_vcpus(2, 1))["same"]
    out = diff(with_vcpus(3, 1), with_vcpus(1))
    assert [(r["part"], r["only"]) for r in out["records"]] == [
        ("vcpu 3", "a")] * 2
    assert out["lines"][0].startswith(
        "record X86_PV_VCPU_BASIC, vcpu 3: only in A, 5168 bytes")


def test_devices_of_an_hvm_guest_by_descriptor(diff):
    def with_context(*items):
        im = b.build("pvh")
        im.parts[0] = b.xl_header(b.config("pvh", 4096, max_vcpus=2))
        im.part("HVM_CONTEXT").body = b.descriptors(
            (1, 0, b.hvm_header()), *items)
        return im.bytes()

    cpu0, cpu1 = (2, 0, b"0" * 1000), (2, 1, b"1" * 1000)
    a = with_context(cpu0, cpu1, (11, 0, b"rtc." * 4))
    assert diff(a, with_context(cpu0, cpu1, (11, 0, b"rtc." * 4)))["same"]
    out = diff(a, with_context(cpu0, (2, 1, b"1" * 999 + b"2"),
                               (11, 0, b"rtd." * 4), (77, 5, b"new")))
    assert [(r["name"], r["part"], r.get("differ"), r.get("only"))
            for r in out["records"]] == [
        ("HVM_CONTEXT", "CPU 1", 1, None), ("HVM_CONTEXT", "RTC 0", 4, None),
        ("HVM_CONTEXT", "type 77, instance 5", None, "b")]


def test_parameters_of_an_hvm_guest(diff):
    im = b.build("pvh")
    body = im.part("HVM_PARAMS").body
    count, = struct.unpack_from("<I", body)
    params = [struct.unpack_from("<QQ", body, 8 + 16 * i)
              for i in range(count)]
    params = params[::-1] + [(36, 5)]
    im.part("HVM_PARAMS").body = struct.pack("<II", len(params), 0) + (
        b"".join(struct.pack("<QQ", *p) for p in params))
    assert one_record(diff(b.build("pvh").bytes(), im.bytes())).items() >= {
        "part": "parameter 36", "only": "b", "length_b": 8}.items()


def test_the_device_model_s_state_and_records_to_come(diff):
    a, c = b.build("hvm"), b.build("hvm")
    c.part("EMULATOR").body += b"more" * 4000
    c.poke("XENSTORE", 8, b"q")
    c.parts.insert(c.at("TSC_INFO"), c.record("new", 0x80001234, b"new"))
    out = diff(a.bytes(), c.bytes())
    assert [(r["stream"], r["name"]) for r in out["records"]] == [
        ("libxl", "EMULATOR_XENSTORE_DATA"), ("libxl", "EMULATOR_CONTEXT"),
        ("libxc", "optional libxc record")]
    longer = out["records"][1]
    assert (longer["differ"], longer["length_b"] - longer["length_a"]) == (
        0, 16000)
    assert longer["offset_a"] == a.body_offset("EMULATOR") + 108


def test_how_a_record_is_ordered_and_padded_does_not_matter(diff):
    a, c = b.build("pvh"), b.build("pvh", container="libxl")
    assert diff(b.build("pvh", version=2).bytes(),
                b.build("pvh", version=2).bytes())["same"]
    # The configuration is in one only, and what is said in it.
    out = diff(a.bytes(), c.bytes())
    assert {f["name"] for f in out["facts"]} == {
        "name", "uuid", "type", "config_target_kb", "config_max_kb",
        "stock_limit_kb"}
    assert [(r["name"], r["only"]) for r in out["records"]] == [
        ("configuration", "a")]


# ---- facts -------------------------------------------------------------

def test_limits(diff):
    kw = {"guest": "pvh"}
    out = diff(b.build(**kw, record=b.OPTIONAL).bytes(),
               b.build(**kw, record=b.MANDATORY).bytes())
    assert out["facts"] == [
        {"name": "memory_record", "a": "optional", "b": "mandatory"},
        {"name": "max_pages", "a": "1280", "b": "2000"}]
    assert not out["pages"] and not out["records"]
    assert out["lines"][1] == "max_pages: 1280 in A, 2000 in B"
    out = diff(b.build(**kw).bytes(), b.build(**kw,
                                              record=b.OPTIONAL).bytes())
    assert {"name": "tot_pages", "b": "40"} in out["facts"]
    assert "max_pages: 1280 in B only" in out["lines"]


def test_who_it_is(diff):
    a, c = b.build("pvh"), b.build("pvh", version=2)
    conf = b.config("pvh", 4100)
    conf["c_info"]["name"] = "o\x1bther"
    c.parts[0] = b.xl_header(conf)
    out = diff(a.bytes(), c.bytes())
    assert {f["name"]: (f["a"], f["b"]) for f in out["facts"]} == {
        "name": ("guest", "o\x1bther"), "xen": ("4.17", "4.12"),
        "version": ("3", "2"), "config_target_kb": ("4096", "4100"),
        "config_max_kb": ("4096", "4100"), "stock_limit_kb":
        ("5120", "5124")}
    assert "\x1b" not in "".join(out["lines"])


# ---- refusals ------------------------------------------------------------

@pytest.mark.parametrize("a, c, words", [
    ({"guest": "pv"}, {"guest": "pvh"}, "A is of an x86 PV guest"),
    ({"big": True}, {}, "A is big-endian"),
    ({}, {"big": True}, "A is little-endian"),
])
def test_images_that_cannot_be_compared(a, c, words, diff):
    assert words in diff(b.build(**a).bytes(), b.build(**c).bytes(), 2)


@pytest.mark.parametrize("d", DAMAGES[::7], ids=lambda d: d.name)
def test_a_damaged_image_is_refused_by_rule_and_offset(d, diff):
    data = d.make()[0]
    good = b.build(**d.build).bytes()
    for a, c, name in ((data, good, "A"), (good, data, "B")):
        text = diff(a, c, 2)
        assert f"image {name}: it breaks rule {d.rule} at byte" in text


def test_a_pipe_is_refused(tmp_path):
    data = b.build("pvh").bytes()
    (tmp_path / "a").write_bytes(data)
    for args in ([tmp_path / "a", "-"], ["-", tmp_path / "a"]):
        p = subprocess.run([XL_EXT, "image", "diff", *args], input=data,
                           check=False, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        assert p.returncode == 2 and not p.stdout
        assert b"it is no file: write it to a file first" in p.stderr


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "a").write_bytes(b.build("pvh").bytes())
    for args in (["a", "none"], ["none", "a"], ["a"], ["a", "a", "a"]):
        p = subprocess.run([XL_EXT, "image", "diff", *args], cwd=tmp_path,
                           check=False, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        assert p.returncode == 2 and not p.stdout


def test_an_output_that_cannot_be_written_is_no_success(tmp_path):
    (tmp_path / "a").write_bytes(b.build("pvh").bytes())
    (tmp_path / "b").write_bytes(changed(b.build("pvh"), [
        (n, b.NOTAB, b.pattern(n, 9)) for n in range(0, 9, 2)]))
    for json_ in ([], ["--json"]):
        with open("/dev/full", "wb") as full:
            p = subprocess.run([XL_EXT, "image", "diff", *json_, "a", "b"],
                               cwd=tmp_path, stdout=full, check=False,
                               stderr=subprocess.PIPE)
        assert p.returncode == 2 and b"cannot write" in p.stderr


def test_every_member_is_documented(diff):
    docs = (TOP / "docs/image.md").read_text()
    a = b.build("hvm", record=b.OPTIONAL)
    c = b.build("hvm", record=b.MANDATORY)
    c.poke("HVM_CONTEXT", 40, b"!")
    c.poke("PAGE_DATA", 8 + 80 + 5, b"!")
    out = diff(a.bytes(), c.bytes())
    out.pop("lines")
    assert out["facts"] and out["pages"] and out["records"]
    names = set(out) | set(out["counts"]) | {
        k for group in ("facts", "pages", "records")
        for d in out[group] for k in d}
    for name in names:
        assert f"`{name}`" in docs, name
