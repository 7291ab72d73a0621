# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext image convert: the guest stays the same, what was asked for
changes, what cannot be is refused, and no failure leaves a trace.

Outputs are judged by final_state.py and checker/memory_record.py, which
share nothing with the C code, and only then by the reader itself.
"""

import io
import json
import os
import signal
import struct
import subprocess
import sys
import time

import pytest

import build_image as b
from damages import DAMAGES
from final_state import read_state
from test_verify import GUESTS, TOP, XL_EXT, built, name_of, run  # noqa: F401

sys.path.insert(0, str(TOP / "tests" / "checker"))

import memory_record                                        # noqa: E402


class Place:
    """A directory with an input; nothing else may be in it at the end
    but what a conversion was to make."""

    def __init__(self, path, data):
        self.path, self.data = path, data
        self.input, self.output = path / "in", path / "out"
        self.input.write_bytes(data)

    def convert(self, *options, pipe=False, status=0, output=None, **kw):
        out = output or self.output
        args = [XL_EXT, "image", "convert", *options,
                "-" if pipe else self.input, out]
        p = subprocess.run(args, input=self.data if pipe else b"",
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           check=False, **kw)
        assert p.returncode == status, (p.returncode, p.stderr)
        lines = p.stderr.splitlines()
        if lines[1:] and lines[1].startswith(b"xl-ext image convert ["):
            lines.pop()             # wrong usage: the right one follows
        assert len(lines) == (status != 0), p.stderr
        self.said = (p.stdout + p.stderr).decode()
        assert self.input.read_bytes() == self.data
        return out.read_bytes() if status == 0 else self.said

    def refused(self, *options, status=2, left=("in",), **kw):
        text = self.convert(*options, status=status, **kw)
        assert sorted(os.listdir(self.path)) == sorted(left)
        return text


@pytest.fixture
def place(tmp_path):
    return lambda data: Place(tmp_path, data)


def verified(data):
    status, out = run("verify", data)
    assert out["complete"] and out["faults"] == []
    return status, out


def compare(a, c):
    p = subprocess.run([XL_EXT, "image", "diff", "--json", a, c],
                       stdout=subprocess.PIPE, check=False)
    return p.returncode, json.loads(p.stdout)


# ---- superseded copies ---------------------------------------------

LIVE = [g | {"version": v, "live": live, "verify": verify, "big": big,
             "record": rec}
        for g in GUESTS for v in (2, 3) for big in (False, True)
        for live, verify, rec in ((True, False, None), (True, True, None),
                                  (False, True, b.OPTIONAL),
                                  (False, False, None),
                                  (True, True, b.MANDATORY))]


def same_guest(before, after):
    """Of two states: all that a restore makes is the same."""
    assert after.head == before.head
    assert after.records == before.records
    assert after.frames == before.frames


def once_each(state):
    """The first pass names every frame, in order; what more there is
    has no contents."""
    pfns = [pfn for pfn, _ in state.named]
    first = sorted(state.frames)
    assert pfns[:len(first)] == first
    assert all(kind in (0xD, 0xE, 0xF)
               for _, kind in state.named[len(first):])
    assert state.verify_copies == 0


@pytest.mark.parametrize("kw", LIVE, ids=name_of)
def test_superseded_copies_go_and_the_guest_stays(kw, place):
    data = b.build(**kw).bytes()
    at = place(data)
    out = at.convert("--drop-superseded")
    before, after = read_state(data), read_state(out)
    same_guest(before, after)
    assert after.memory == before.memory
    once_each(after)
    gone = before.copies - after.copies
    assert gone == (kw["live"] and (6 if kw["guest"] != "pv" else 7))
    assert len(out) <= len(data) - b.PAGE * (gone + before.verify_copies)
    if gone or before.verify_copies:
        assert (f"left out: {gone} superseded copies of pages, "
                f"{before.verify_copies} pages") in at.said
    verified(out)
    assert compare(at.input, at.output)[0] == 0
    assert sorted(os.listdir(at.path)) == ["in", "out"]


@pytest.mark.parametrize("container", ["libvirt", "libxl", "libxc"])
def test_other_containers_are_written_anew_too(container, place):
    data = b.build("hvm", live=True, verify=True,
                   container=container).bytes()
    out = place(data).convert("--drop-superseded")
    same_guest(read_state(data), read_state(out))


def live_with(*rounds, guest="pvh", verify=()):
    """An image with these entries as rounds behind the first."""
    im = b.build(guest)
    if guest == "pvh":          # a last frame that nothing refers to
        im.parts.insert(im.at("TSC_INFO"), b.page_data(im, [
            (40, b.NOTAB, b.pattern(40))]))
    place_at = im.at("TSC_INFO")
    parts = [b.page_data(im, list(r)) for r in rounds]
    if verify:
        parts += [im.record("VERIFY", b.VERIFY),
                  b.page_data(im, list(verify))]
    im.parts[place_at:place_at] = parts
    return im


X = b.pattern(900)
Y = b.pattern(901)


@pytest.mark.parametrize("rounds", [
    [[(8, b.XTAB, None)]],                          # ballooned out
    [[(8, b.BROKEN, None)]],
    [[(8, b.XALLOC, None)]],                        # contents stay
    [[(8, b.NOTAB, X)], [(8, b.XTAB, None)]],       # the last contents
    [[(8, b.XTAB, None)], [(8, b.NOTAB, X)]],       # and back in
    [[(10, b.NOTAB, X)]],                           # a hole that is filled
    [[(10, b.XALLOC, None)]],
    [[(10, b.XALLOC, None)], [(10, b.XTAB, None)]],
    [[(10, b.XALLOC, None)], [(10, b.NOTAB, X)], [(10, b.BROKEN, None)],
     [(8, b.XTAB, None), (40, b.XTAB, None)]],
    [[(40, b.XTAB, None)]],                         # only the last frame
])
def test_what_a_restore_allocates_and_leaves_is_kept(rounds, place):
    data = live_with(*rounds).bytes()
    at = place(data)
    out = at.convert("--drop-superseded")
    before, after = read_state(data), read_state(out)
    same_guest(before, after)
    once_each(after)
    assert after.copies == sum(
        f.contents is not None for f in before.frames.values())


def test_a_page_that_became_a_table_and_back(place):
    """The contents are kept by the type that they were sent with."""
    for kinds in ((b.L1, b.NOTAB), (b.L1,), (b.L1 | b.PIN, b.XTAB)):
        rounds = [[(b.PV_XTAB, k, None if k == b.XTAB else b.table(8))]
                  for k in kinds]
        im = live_with(*rounds, guest="pv")
        out = place(im.bytes()).convert("--drop-superseded", "--force")
        same_guest(read_state(im.bytes()), read_state(out))
        once_each(read_state(out))


def test_the_verify_pass_goes_and_what_it_alone_says_stays(place):
    im = live_with([(8, b.NOTAB, X)], verify=[
        (8, b.NOTAB, Y), (9, b.XTAB, None), (10, b.XALLOC, None)])
    data = im.bytes()
    at = place(data)
    out = at.convert("--drop-superseded")
    same_guest(read_state(data), read_state(out))
    assert read_state(out).frames[8].contents == X
    assert "1 superseded copies of pages, 1 pages of the verify" in at.said


def test_a_type_that_only_the_verify_pass_has_is_refused(place):
    im = b.build("pv", verify=True)
    verify = [(p, *(e if p != 15 else (b.L1, b.table(8))))
              for p, *e in b.pv_pages(8)]
    k = im.at("VERIFY") + 1
    im.parts[k:im.at("TSC_INFO")] = b.batches(im, verify)
    text = place(im.bytes()).refused("--drop-superseded")
    assert "frame 0xf has type 0x1 in the verify pass" in text


def test_other_records_keep_their_place(place):
    im = b.build("pvh", live=True)
    for n, where in enumerate((im.at("PAGE_DATA"), im.at("PAGE_DATA", 2),
                               im.at("TSC_INFO") + 2)):
        im.parts.insert(where, im.record("new", 0x80001000 + n,
                                         b"n" * (n + 3)))
    out = place(im.bytes()).convert("--drop-superseded")
    same_guest(read_state(im.bytes()), read_state(out))


def test_records_are_of_1024_frames_as_libxenguest_s(place):
    im = b.build("pvh")
    more = [(n, b.NOTAB, b.pattern(n)) for n in range(40, 2500)]
    im.parts[im.at("TSC_INFO"):im.at("TSC_INFO")] = b.batches(
        im, more, 777) + [b.page_data(im, [(n, b.NOTAB, b.pattern(n, 5))
                                           for n in range(1, 2500, 97)
                                           if n not in b.HVM_HOLE])]
    out = place(im.bytes()).convert("--drop-superseded")
    after = read_state(out)
    same_guest(read_state(im.bytes()), after)
    assert after.batches == [1024, 1024, 2500 - 2048]


def test_what_was_written_anew_stays_as_it_is(place):
    data = b.build("hvm", live=True, verify=True).bytes()
    at = place(data)
    once = at.convert("--drop-superseded")
    at.input.write_bytes(once)
    at.data = once
    again = at.convert("--drop-superseded", output=at.path / "again")
    assert again == once


# ---- the memory record ---------------------------------------------

def record_of(data):
    return memory_record.read_stream(io.BytesIO(data))["record"]


CARRIERS = ("libxc", "libxl", "both")


def by_carrier(data):
    """The records of libxl's stream and of libxc's, as the second reader
    finds them."""
    state = read_state(data)
    return state.libxl_memory, state.memory


def libxc_head(data):
    """Where libxc's records begin."""
    return data.index(b"\xff" * 8 + b"XENF") + 40


def without_record_bytes(out, data):
    """Is @out @data with 96 octets more where the record goes?"""
    k = libxc_head(data)
    return out[:k] == data[:k] and out[k + 96:] == data[k:]


NEW = {"uuid": b.UUID, "version": 1, "max_pages": 1280,
       "outstanding_pages": 0, "shr_pages": 0, "paged_pages": 0,
       "target_kb": 4096, "static_max_kb": 4096, "stock_max_kb": 5120,
       "raised": False, "mandatory": False, "carrier": "libxc"}


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("options, record", [
    (["--record", "optional"], {}),
    (["--record=optional"], {}),
    (["--max-pages", "1280"], {}),
    (["--max-pages=4000"], {"max_pages": 4000, "raised": True}),
    (["--max-pages", "4000", "--record", "optional"],
     {"max_pages": 4000, "raised": True}),
    (["--max-pages", "4000", "--record", "mandatory"],
     {"max_pages": 4000, "raised": True, "mandatory": True}),
    (["--max-pages", "4000", "--carrier", "auto"],
     {"max_pages": 4000, "raised": True}),
    (["--record=optional", "--carrier=libxc"], {}),
])
@pytest.mark.parametrize("guest", ["pv", "pvh", "hvm"])
def test_a_record_is_added(guest, options, record, pipe, place):
    data = b.build(guest, live=True).bytes()
    at = place(data)
    out = at.convert(*options, pipe=pipe)
    frames = 36 if guest != "pv" else 23
    assert record_of(out) == NEW | record | {
        "tot_pages": frames, "hvm": guest != "pv"}
    before, after = read_state(data), read_state(out)
    same_guest(before, after)
    assert without_record_bytes(out, data)
    verified(out)
    assert f"max_pages {(NEW | record)['max_pages']}, tot_pages" in at.said


def test_a_record_is_added_to_a_guest_above_stock_s_limit(place):
    """Nobody would restore it; with its limit known a libxl-ext host
    does."""
    im = b.build("pvh")
    im.parts[0] = b.xl_header(b.config("pvh", 0))
    pages = [(n, b.XALLOC, None) for n in range(40, 40 + 256)]
    im.parts.insert(im.at("TSC_INFO"), b.page_data(im, pages))
    data = im.bytes()
    at = place(data)
    for options, words in ((["--record", "mandatory"], "is not known"),
                           (["--record=optional", "--max-pages=292"],
                            "cannot be optional"),
                           (["--max-pages", "291"],
                            "291 is below the 292 frames")):
        assert words in at.refused(*options)
    out = at.convert("--max-pages", "292")
    assert record_of(out)["mandatory"]
    assert verified(out)[1]["restores"]["libxl_ext"]["fate"] == "restored"


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("record, options, want", [
    (b.OPTIONAL, ["--record", "keep", "--max-pages", "1280"],
     (0x80004C58, 1280, 0)),
    (b.OPTIONAL, ["--max-pages", "5000"], (0x80004C58, 5000, 2)),
    (b.OPTIONAL, ["--record=mandatory", "--max-pages", "5000"],
     (0x4C58, 5000, 2)),
    (b.MANDATORY, ["--record=optional"], (0x80004C58, 2000, 2)),
    (b.MANDATORY, ["--record=mandatory"], (0x4C58, 2000, 2)),
    (b.MANDATORY, ["--max-pages", "3000"], (0x4C58, 3000, 2)),
    (b.MANDATORY, ["--max-pages", "1000"], (0x80004C58, 1000, 0)),
])
def test_a_record_is_changed(record, options, want, pipe, big, place):
    data = b.build("pvh", record=record, big=big).bytes()
    at = place(data)
    out = at.convert(*options, pipe=pipe)
    before, after = read_state(data), read_state(out)
    kind, body = after.memory
    flags, max_pages = struct.unpack("<I16xQ", body[4:32])
    assert (kind, max_pages, flags) == (want[0], want[1], want[2] | 1)
    assert body[8:24] == before.memory[1][8:24]
    assert body[32:] == before.memory[1][32:]
    same_guest(before, after)
    k = libxc_head(data)
    assert out[:k] == data[:k] and out[k + 96:] == data[k + 96:]
    assert compare(at.input, at.output)[0] == (
        0 if after.memory == before.memory else 1)


def test_from_mandatory_to_optional_and_back(place):
    data = b.build("hvm", record=b.MANDATORY).bytes()
    at = place(data)
    there = at.convert("--record", "optional")
    assert there != data
    at.data = there
    at.input.write_bytes(there)
    assert at.convert("--record", "mandatory",
                      output=at.path / "back") == data


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("record", [None, b.OPTIONAL, b.MANDATORY])
@pytest.mark.parametrize("container, carrier", [
    (c, carrier) for c in ("xl", "libxl", "libxc") for carrier in CARRIERS
    if c != "libxc" or carrier == "libxc"])
def test_a_record_is_dropped(container, carrier, record, pipe, place):
    kw = {"guest": "pvh", "container": container, "live": True}
    at = place(b.build(**kw, record=record, carrier=carrier).bytes())
    out = at.convert("--record", "drop", pipe=pipe)
    assert out == b.build(**kw).bytes()
    assert "memory record: none" in at.said


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("carrier", ["libxl", "both"])
@pytest.mark.parametrize("guest", ["pv", "pvh", "hvm"])
def test_a_record_is_added_in_a_carrier(guest, carrier, pipe, place):
    data = b.build(guest, live=True).bytes()
    at = place(data)
    out = at.convert("--max-pages=4000", "--record=mandatory",
                     f"--carrier={carrier}", pipe=pipe)
    frames = 36 if guest != "pv" else 23
    assert record_of(out) == NEW | {
        "max_pages": 4000, "raised": True, "mandatory": True,
        "carrier": carrier, "tot_pages": frames, "hvm": guest != "pv"}
    libxl, libxc = by_carrier(out)
    assert (libxc is not None) == (carrier == "both")
    assert len(out) == len(data) + (96 if libxc is None else 192)
    same_guest(read_state(data), read_state(out))
    verified(out)
    assert f"tot_pages {frames}, carrier {carrier}\n" in at.said
    # All else is as it was.
    at.input.write_bytes(out)
    at.data = out
    assert at.convert("--record=drop", output=at.path / "back") == data


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("record", [b.OPTIONAL, b.MANDATORY])
@pytest.mark.parametrize("to", CARRIERS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_record_is_moved(carrier, to, record, big, pipe, place):
    kw = {"guest": "pvh", "record": record, "big": big, "live": True}
    at = place(b.build(**kw, carrier=carrier).bytes())
    out = at.convert("--carrier", to, pipe=pipe)
    assert out == b.build(**kw, carrier=to).bytes()
    assert f"carrier {to}\n" in at.said
    assert compare(at.input, at.output)[0] == (carrier != to)


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
def test_a_file_of_libvirt_keeps_its_head_and_gets_what_it_can_have(
        pipe, place):
    kw = {"guest": "pvh", "container": "libvirt"}
    none = b.build(**kw).bytes()
    at = place(b.build(**kw, record=b.MANDATORY).bytes())
    assert at.convert("--record", "drop", pipe=pipe) == none
    out = at.convert("--record", "optional", "--force", pipe=pipe)
    assert out[:64 + len(b.XML)] == none[:64 + len(b.XML)]
    assert run("inspect", out)[1]["container"] == "libvirt"
    at = place(b.build(**kw, record=b.OPTIONAL, carrier="both").bytes())
    assert at.convert("--carrier", "libxc", "--force", pipe=pipe) == b.build(
        **kw, record=b.OPTIONAL).bytes()
    at.output.unlink()
    for to in ("libxl", "both"):
        assert (f"--carrier {to}: the input is a file of libvirt" in
                at.refused("--carrier", to))
    at = place(none)
    assert "no configuration" in at.refused("--record", "optional")


@pytest.mark.parametrize("container", ["xl", "libxl"])
@pytest.mark.parametrize("guest", ["pv", "hvm"])
def test_a_record_is_moved_in_each_guest_and_container(guest, container,
                                                       place):
    kw = {"guest": guest, "record": b.MANDATORY, "container": container}
    at = place(b.build(**kw, carrier="libxl").bytes())
    for to in ("libxc", "both"):
        assert at.convert("--carrier", to, "--force") == b.build(
            **kw, carrier=to).bytes()


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("record, options, want", [
    (b.OPTIONAL, ["--max-pages", "5000"], (0x80004C58, 5000, 2)),
    (b.OPTIONAL, ["--record=mandatory", "--max-pages", "5000"],
     (0x4C58, 5000, 2)),
    (b.MANDATORY, ["--record=optional"], (0x80004C58, 2000, 2)),
    (b.MANDATORY, ["--max-pages", "3000", "--carrier=auto"],
     (0x4C58, 3000, 2)),
    (b.MANDATORY, ["--max-pages", "1000"], (0x80004C58, 1000, 0)),
])
def test_a_changed_record_keeps_its_carrier(record, options, want, carrier,
                                            pipe, place):
    data = b.build("pvh", record=record, carrier=carrier).bytes()
    at = place(data)
    out = at.convert(*options, pipe=pipe)
    assert len(out) == len(data)
    before, after = by_carrier(data), by_carrier(out)
    for old, new in zip(before, after):
        assert (old is None) == (new is None)
        if old:
            flags, max_pages = struct.unpack("<I16xQ", new[1][4:32])
            assert (new[0], max_pages, flags) == (want[0], want[1],
                                                  want[2] | 1)
            assert new[1][8:24] + new[1][32:] == old[1][8:24] + old[1][32:]
    assert record_of(out)["carrier"] == carrier
    same_guest(read_state(data), read_state(out))
    verified(out)


@pytest.mark.parametrize("to", CARRIERS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_carrier_can_change_as_pages_are_written_anew(carrier, to, place):
    kw = {"guest": "hvm", "record": b.MANDATORY, "live": True,
          "verify": True}
    data = b.build(**kw, carrier=carrier).bytes()
    at = place(data)
    kept = at.convert("--drop-superseded")
    assert by_carrier(kept) == by_carrier(data)
    same_guest(read_state(data), read_state(kept))
    moved = at.convert("--drop-superseded", "--carrier", to, "--force")
    assert record_of(moved) == record_of(data) | {"carrier": to}
    once_each(read_state(moved))
    same_guest(read_state(data), read_state(moved))
    gone = at.convert("--drop-superseded", "--record=drop", "--force")
    assert by_carrier(gone) == (None, None)
    at.input.write_bytes(gone)
    at.data = gone
    assert len(moved) == len(gone) + (192 if to == "both" else 96)


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("to", ["libxl", "both"])
def test_a_bare_stream_of_libxc_has_no_other_carrier(to, pipe, place):
    at = place(b.build("pvh", container="libxc",
                       record=b.MANDATORY).bytes())
    text = at.refused("--carrier", to, pipe=pipe)
    assert f"--carrier {to}: the input is a bare stream of libxc" in text
    assert at.convert("--carrier=libxc") == at.data


def test_what_is_not_there_is_not_moved(place):
    at = place(b.build("pvh").bytes())
    for to in CARRIERS:
        assert "no memory record to be moved" in at.refused("--carrier", to)


def test_a_carrier_of_a_checkpointed_image(place):
    kw = {"guest": "hvm", "checkpoints": 3, "record": b.OPTIONAL}
    at = place(b.build(**kw, carrier="libxl").bytes())
    assert at.convert("--carrier=both") == b.build(
        **kw, carrier="both").bytes()


def test_one_type_in_both_carriers_again(place):
    """M5 is mended by any change of the record."""
    im = b.build("pvh", record=b.MANDATORY, carrier="both")
    im.part("MEMORY").kind = b.OPTIONAL
    at = place(im.bytes())
    text = at.refused("--drop-superseded", status=1)
    assert "breaks rule M5" in text
    for kind in ("optional", "mandatory"):
        out = at.convert("--record", kind, "--force")
        libxl, libxc = by_carrier(out)
        assert libxl == libxc
        assert libxl[0] == getattr(b, kind.upper())


@pytest.mark.parametrize("container", ["libxl", "libxc"])
def test_a_record_is_changed_in_any_container(container, place):
    data = b.build("pvh", container=container, record=b.OPTIONAL).bytes()
    out = place(data).convert("--max-pages", "7777")
    assert record_of(out)["max_pages"] == 7777


def test_options_can_be_combined(place):
    data = b.build("pv", live=True, verify=True).bytes()
    at = place(data)
    out = at.convert("--drop-superseded", "--record", "mandatory",
                     "--max-pages", "9999")
    same_guest(read_state(data), read_state(out))
    assert record_of(out)["max_pages"] == 9999
    assert record_of(out)["mandatory"]
    dropped = at.convert("--record=drop", "--drop-superseded", "--force")
    assert without_record_bytes(out, dropped)
    in_two = place(dropped)
    in_two.output.unlink()
    assert in_two.convert("--record", "mandatory", "--max-pages",
                          "9999") == out


def test_figures_of_the_configuration_that_are_not_there(place):
    conf = b.config("pvh")
    for drop, words in (("target_memkb", "no target_memkb"),
                        ("uuid", "no uuid"), (None, "no configuration")):
        im = b.build("pvh")
        if drop is None:
            im.parts[0] = b.xl_header(b'name = "guest"\n', mandatory=2)
        else:
            conf = b.config("pvh", 4096)
            for part in conf.values():
                part.pop(drop, None)
            im.parts[0] = b.xl_header(conf)
        text = place(im.bytes()).refused("--record", "optional")
        assert words in text
    conf = b.config("pvh", 4096)
    del conf["b_info"]["max_memkb"]
    im = b.build("pvh")
    im.parts[0] = b.xl_header(conf)
    out = place(im.bytes()).convert("--record", "optional")
    assert record_of(out)["static_max_kb"] == 0


@pytest.mark.parametrize("container", ["libxl", "libxc"])
def test_no_record_is_added_without_a_configuration(container, place):
    at = place(b.build("pvh", container=container).bytes())
    assert "no configuration" in at.refused("--max-pages", "1000")


# ---- refusals -------------------------------------------------------

@pytest.mark.parametrize("build, options, words", [
    ({}, [], "nothing is to be changed"),
    ({}, ["--record", "keep"], "nothing is to be changed"),
    ({}, ["--record", "maybe"], "none of keep, optional, mandatory, drop"),
    ({}, ["--record"], "out is one too many|IN|- OUT is missing|KIND"),
    ({}, ["--max-pages", "0"], "no number of pages"),
    ({}, ["--max-pages", "-1"], "no number of pages"),
    ({}, ["--max-pages", "0x10"], "no number of pages"),
    ({}, ["--max-pages", ""], "no number of pages"),
    ({}, ["--max-pages", "1e3"], "no number of pages"),
    ({}, ["--max-pages", "99999999999999999999"], "no number of pages"),
    ({}, ["--max-pages", str((1 << 40) + 1)], "above the bound"),
    ({}, ["--max-pages", "9", "--max-pages", "9"], "given twice"),
    ({}, ["--force=yes", "--record=drop"], "takes no value"),
    ({}, ["--page-state"], "of the page tables of PV guests"),
    ({"record": b.OPTIONAL}, ["--record=drop", "--max-pages", "99"],
     "--max-pages is of the memory record, which --record drop"),
    ({"record": b.OPTIONAL}, ["--record=drop", "--carrier", "libxl"],
     "--carrier is of the memory record, which --record drop"),
    ({"record": b.OPTIONAL}, ["--carrier", "auto"], "nothing is to be"),
    ({"record": b.OPTIONAL}, ["--carrier", "xl"],
     "--carrier xl is none of auto, libxc, libxl, both"),
    ({"record": b.OPTIONAL}, ["--record=mandatory"],
     "cannot be mandatory"),
    ({}, ["--record=mandatory"], "cannot be mandatory"),
    ({"record": b.OPTIONAL}, ["--max-pages", "35"],
     "35 is below the 36 frames"),
    ({"checkpoints": 2}, ["--drop-superseded"], "2 checkpoints"),
])
def test_what_cannot_be_is_refused(build, options, words, place):
    text = place(b.build("pvh", **build).bytes()).refused(*options)
    assert any(w in text for w in words.split("|")), text


def test_a_record_that_the_pages_need_is_not_dropped(place):
    """Stock's limit is 256 pages, the guest has 292."""
    im = b.build("pvh", record=b.MANDATORY)
    im.parts[0] = b.xl_header(b.config("pvh", 0))
    im.parts[im.at("MEMORY")] = b.memory_record(
        im, True, b.MANDATORY, max_pages=300, tot_pages=292, target_kb=0,
        stock_max_kb=1024)
    pages = [(n, b.XALLOC, None) for n in range(40, 40 + 256)]
    im.parts.insert(im.at("TSC_INFO"), b.page_data(im, pages))
    at = place(im.bytes())
    text = at.refused("--record", "drop")
    assert "no libxl-ext host would restore" in text and "292" in text
    assert "cannot be optional" in at.refused("--record", "optional")


def test_a_checkpointed_image_can_have_its_record_changed(place):
    data = b.build("hvm", checkpoints=3, record=b.OPTIONAL).bytes()
    out = place(data).convert("--max-pages", "4444")
    same_guest(read_state(data), read_state(out))
    assert record_of(out)["max_pages"] == 4444


def test_two_passes_need_a_file(place):
    at = place(b.build("pvh", live=True).bytes())
    text = at.refused("--drop-superseded", pipe=True)
    assert "it is no file: write it to a file first" in text


MENDED_BY_DROP = {"M2", "M3", "M4", "M5", "M6", "G9"}
MENDED_BY_FIGURES = {"M5", "G9"}


@pytest.mark.parametrize("d", DAMAGES, ids=lambda d: d.name)
def test_a_damaged_input_is_refused_by_rule_and_offset(d, place):
    data, offset = d.make()
    at = place(data)
    for pipe, options in ((False, ["--drop-superseded"]),
                          (False, ["--max-pages", "9999"]),
                          (True, ["--record", "drop"])):
        if options[0] == "--max-pages" and d.rule in MENDED_BY_FIGURES:
            continue
        if options[0] == "--record" and d.rule in MENDED_BY_DROP:
            continue
        text = at.refused(*options, pipe=pipe, status=1)
        first = run("verify", data)[1]["faults"][0]
        assert (first["rule"], first["offset"]) == (d.rule, offset)
        assert f"breaks rule {d.rule} at byte " in text or any(
            f"breaks rule {f['rule']} at byte {f['offset']}: " in text
            for f in run("verify", data)[1]["faults"])


@pytest.mark.parametrize("d", [d for d in DAMAGES
                               if d.rule in MENDED_BY_DROP],
                         ids=lambda d: d.name)
def test_a_record_s_own_faults_go_with_it(d, place):
    data = d.make()[0]
    at = place(data)
    if verify_of_rest(data):
        out = at.convert("--record", "drop")
        # Whole it is; a big-endian one is for no host of today.
        assert verified(out)[0] == ("big-endian" in d.name)
        assert by_carrier(out) == (None, None)
    else:
        at.refused("--record", "drop", status=1)


def verify_of_rest(data):
    """Are all faults the record's own?"""
    rules = {f["rule"] for f in run("verify", data)[1]["faults"]}
    return rules <= MENDED_BY_DROP


def test_a_limit_that_is_too_small_is_mended(place):
    im = b.build("pvh", record=b.OPTIONAL)
    im.parts[im.at("MEMORY")] = b.memory_record(
        im, True, b.OPTIONAL, max_pages=30, tot_pages=35)
    data = im.bytes()
    assert run("verify", data)[1]["faults"][0]["rule"] == "G9"
    out = place(data).convert("--max-pages", "40")
    assert verified(out)[0] == 0


# ---- the output's place ----------------------------------------------

DROP = ("--drop-superseded",)


def test_it_is_never_done_in_place(place):
    at = place(b.build("pvh", live=True).bytes())
    os.link(at.input, at.path / "hard")
    (at.path / "soft").symlink_to("in")
    (at.path / "sub").mkdir()
    left = ("in", "hard", "soft", "sub")
    for name in ("in", "hard", "soft", "./in", "sub/../hard"):
        for options in (DROP, (*DROP, "--force")):
            text = at.refused(*options, output=f"{at.path}/{name}",
                              left=left)
            assert "is the input" in text
    # Through standard input, too: it is the file that counts.
    with open(at.input, "rb") as f:
        p = subprocess.run([XL_EXT, "image", "convert", *DROP, "--force",
                            "-", at.path / "hard"], stdin=f, check=False,
                           stderr=subprocess.PIPE)
    assert p.returncode == 2 and b"is the input" in p.stderr


def test_outputs_that_are_no_files(place):
    at = place(b.build("pvh", live=True).bytes())
    (at.path / "dir").mkdir()
    os.mkfifo(at.path / "fifo")
    (at.path / "other").write_bytes(b"other")
    (at.path / "link").symlink_to("other")
    (at.path / "dangling").symlink_to("nowhere")
    left = ("in", "dir", "fifo", "other", "link", "dangling")
    for name, words in (("dir", "no regular file"),
                        ("fifo", "no regular file"),
                        ("link", "symbolic link"),
                        ("dangling", "symbolic link"),
                        ("dir/", "names a directory"),
                        ("dir/..", "names a directory"),
                        ("none/out", "cannot open"),
                        ("in/out", "cannot open")):
        text = at.refused(*DROP, "--force", left=left,
                          output=f"{at.path}/{name}")
        assert words in text, text
    assert (at.path / "other").read_bytes() == b"other"


def test_standard_output_is_no_output(place, monkeypatch):
    at = place(b.build("pvh", live=True).bytes())
    monkeypatch.chdir(at.path)
    for pipe in (False, True):
        text = at.refused("--record", "optional", "--force", pipe=pipe,
                          output="-")
        assert "name a file (./- where" in text
    at.convert("--record", "optional", output=at.path / "-")


def test_what_is_there_is_replaced_only_by_force(place):
    at = place(b.build("pvh", live=True).bytes())
    at.output.write_bytes(b"old")
    os.link(at.output, at.path / "also")
    text = at.refused(*DROP, left=("in", "out", "also"))
    assert "exists" in text and "--force" in text
    assert at.output.read_bytes() == b"old"
    out = at.convert(*DROP, "--force")
    same_guest(read_state(at.data), read_state(out))
    # Replaced, not written into; and no other name is left.
    assert (at.path / "also").read_bytes() == b"old"
    assert sorted(os.listdir(at.path)) == ["also", "in", "out"]


def test_only_the_owner_can_read_it(place):
    at = place(b.build("pvh", live=True).bytes())
    at.convert(*DROP, umask=0)
    assert at.output.stat().st_mode & 0o7777 == 0o600


def test_an_output_in_the_working_directory(place):
    at = place(b.build("pvh", live=True).bytes())
    subprocess.run([XL_EXT, "image", "convert", *DROP, "in", "out"],
                   cwd=at.path, check=True, stdout=subprocess.DEVNULL)
    same_guest(read_state(at.data), read_state(at.output.read_bytes()))


def test_an_image_that_does_not_begin_at_the_start_of_its_file(place):
    data = b.build("pvh", live=True).bytes()
    at = place(b"twelve bytes" + data)
    for options in (DROP, ("--max-pages", "1234", "--force")):
        with open(at.input, "rb") as f:
            f.seek(12)
            os.lseek(f.fileno(), 12, os.SEEK_SET)
            subprocess.run([XL_EXT, "image", "convert", *options, "-",
                            at.output], stdin=f, check=True,
                           stdout=subprocess.DEVNULL)
        same_guest(read_state(data), read_state(at.output.read_bytes()))


# ---- failures ---------------------------------------------------------

def big_image():
    """Some MiB, so that writing takes several turns."""
    im = b.build("pvh")
    more = [(n, b.NOTAB, b.pattern(n)) for n in range(40, 2000)]
    im.parts[im.at("TSC_INFO"):im.at("TSC_INFO")] = b.batches(
        im, more, 1000) + b.batches(im, more[::2], 500)
    return im.bytes()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("limit", [0, 4096, 3 << 20])
@pytest.mark.parametrize("options", [DROP, ("--max-pages", "9999")])
def test_no_room_on_the_disk(options, limit, force, place):
    """By a limit on the file's size: the error of write(2) is there on
    every machine."""
    at = place(big_image())
    left = ["in"]
    if force:
        at.output.write_bytes(b"old")
        left.append("out")
    args = ["/usr/bin/python3", "-c", "import os, resource, sys;"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
            "os.execv(sys.argv[1], sys.argv[1:])", XL_EXT, "image",
            "convert", *options, *(["--force"] if force else []), at.input,
            at.output]
    p = subprocess.run(args, check=False, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    assert p.returncode == 2
    assert b"File too large" in p.stderr and p.stderr.count(b"\n") == 1
    assert sorted(os.listdir(at.path)) == left
    if force:
        assert at.output.read_bytes() == b"old"


def test_a_file_system_that_is_full(tmp_path):
    """The same with a real one, where this user may mount it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none",
                       disk], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no tmpfs can be mounted")
    try:
        at = Place(tmp_path, big_image())
        (disk / "out").write_bytes(b"old")
        for options in (DROP, ("--max-pages", "9999")):
            text = at.convert(*options, "--force", output=disk / "out",
                              status=2)
            assert "No space left on device" in text
            assert os.listdir(disk) == ["out"]
            assert (disk / "out").read_bytes() == b"old"
    finally:
        subprocess.run(["umount", disk], check=True)


def hear_signals():
    """Under nohup or in the background of a script some are ignored."""
    for sig in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(sig, signal.SIG_DFL)


def stalled(at, *options):
    """A conversion of a pipe that has more to come and does not."""
    p = subprocess.Popen([XL_EXT, "image", "convert", *options, "-",
                          at.output], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=hear_signals)
    os.write(p.stdin.fileno(), at.data[:50000])
    deadline = time.monotonic() + 60
    while not has_output(p.pid, at.path):
        assert time.monotonic() < deadline and p.poll() is None
        time.sleep(0.01)
    time.sleep(0.05)
    return p


def has_output(pid, path):
    """The file that it has opened there to be the output, with or
    without a name; None."""
    try:
        for n in os.listdir(f"/proc/{pid}/fd"):
            name = os.readlink(f"/proc/{pid}/fd/{n}")
            if name.startswith((f"{path}/#", f"{path}/.xl-ext.")):
                return f"/proc/{pid}/fd/{n}"
    except FileNotFoundError:
        pass
    return None


def test_what_is_read_back_must_be_what_was_written(place):
    """A disk that forgets a bit: the output is changed from outside
    before it is whole."""
    at = place(big_image())
    p = stalled(at, "--max-pages", "9999")
    sent = 50000
    while os.stat(has_output(p.pid, at.path)).st_size < 1 << 20:
        sent += os.write(p.stdin.fileno(), at.data[sent:sent + 65536])
    with open(has_output(p.pid, at.path), "r+b") as f:
        f.seek(600000)
        old = f.read(1)
        f.seek(600000)
        f.write(bytes([old[0] ^ 4]))
    out, err = p.communicate(at.data[sent:])
    assert p.returncode == 2 and not out
    assert b"read again: bytes are not those that were written" in err
    assert os.listdir(at.path) == ["in"]


def stopped_in_second_pass(at, offset):
    """A conversion, stopped when it has written a part; None where it
    was too quick."""
    p = subprocess.Popen([XL_EXT, "image", "convert", *DROP, at.input,
                          at.output], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    while p.poll() is None:
        out = has_output(p.pid, at.path)
        try:
            size = out and os.stat(out).st_size
        except FileNotFoundError:
            continue
        if size:
            p.send_signal(signal.SIGSTOP)
            os.waitpid(p.pid, os.WUNTRACED)
            if os.stat(out).st_size < offset:
                return p
            p.send_signal(signal.SIGCONT)
            break
    p.communicate()
    at.output.unlink(missing_ok=True)
    return None


@pytest.mark.parametrize("what", ["touched", "shortened"])
def test_an_input_that_changes_while_it_is_read(what, place):
    data = big_image()
    at = place(data)
    for _ in range(50):
        p = stopped_in_second_pass(at, 7 << 20)
        if p:
            break
    assert p, "it was never caught in its second pass"
    if what == "touched":
        os.utime(at.input)
    else:
        os.truncate(at.input, len(data) // 2)
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate()
    assert p.returncode == 2 and not out and err.count(b"\n") == 1
    if what == "touched":
        assert b"was changed while it was converted" in err
    assert os.listdir(at.path) == ["in"]


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT,
                                 signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("force", [False, True])
def test_a_signal_leaves_nothing_behind(sig, force, place):
    at = place(big_image())
    left = ["in"]
    if force:
        at.output.write_bytes(b"old")
        left.append("out")
    p = stalled(at, "--max-pages", "9999", *(["--force"] if force else []))
    p.send_signal(sig)
    out, err = p.communicate()
    assert p.returncode == -sig and not out
    if sig != signal.SIGKILL:
        assert b"stopped at byte" in err and b"nothing was left" in err
    assert sorted(os.listdir(at.path)) == left
    if force:
        assert at.output.read_bytes() == b"old"


def test_a_signal_at_any_time_leaves_all_or_nothing(place):
    """Both passes, the check and the naming: the old file or the new."""
    at = place(big_image())
    start = time.monotonic()
    new = at.convert(*DROP)
    took = time.monotonic() - start
    seen = set()
    for n in range(24):
        at.output.write_bytes(b"old")
        p = subprocess.Popen(
            [XL_EXT, "image", "convert", *DROP, "--force", at.input,
             at.output], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        time.sleep(took * 1.2 * n / 24)
        p.send_signal(signal.SIGKILL if n % 2 else signal.SIGTERM)
        code = p.wait()
        got = at.output.read_bytes()
        assert got in (b"old", new)
        # A SIGTERM is taken at once, or the work was done already.
        assert code != 0 or got == new
        names = sorted(os.listdir(at.path))
        if code == -signal.SIGKILL and got == b"old" and len(names) == 3:
            # The instant between link(2) and rename(2), see the docs.
            (at.path / names[0]).unlink()
            names = names[1:]
        assert names == ["in", "out"]
        seen.add((code, got == new))
    assert len(seen) > 1, "the signals all came at one time"


def test_a_pipe_that_ends_early_is_a_damaged_image(place):
    at = place(big_image())
    at.data, whole = at.data[:100000], at.data
    at.input.write_bytes(at.data)
    text = at.refused("--max-pages", "9999", pipe=True, status=1)
    assert "breaks rule S1 at byte 100000" in text
    assert len(whole) > 100000


def test_an_input_that_cannot_be_read(place):
    at = place(b.build("pvh").bytes())
    p = subprocess.run([XL_EXT, "image", "convert", *DROP,
                        at.path / "none", at.output], check=False,
                       stderr=subprocess.PIPE)
    assert p.returncode == 2 and b"cannot open" in p.stderr
    p = subprocess.run([XL_EXT, "image", "convert", "--record=drop",
                        at.path, at.output], check=False,
                       stderr=subprocess.PIPE)
    assert p.returncode == 2 and os.listdir(at.path) == ["in"]


@pytest.mark.parametrize("record, limits", [
    ("keep", {"carrier": "libxc", "mandatory": True}),
    ("optional", {"carrier": "libxc", "mandatory": False}),
    ("drop", None)])
def test_what_was_done_as_json(record, limits, place):
    data = b.build("hvm", live=True, verify=True, record=b.MANDATORY,
                   carrier="libxc").bytes()
    at = place(data)
    out = at.convert("--json", "--drop-superseded", "--record", record)
    done, state = json.loads(at.said), read_state(data)
    again = done.pop("limits")
    assert done == {
        "size_in": len(data), "size_out": len(out),
        "frames": len(state.frames),
        "superseded_pages": state.copies - read_state(out).copies,
        "verify_pages": state.verify_copies, "stale_tables": 0,
        "stale_entries": 0}
    if limits:
        image = run("inspect", out)[1]["limits"]
        limits |= {k: image[k] for k in ("max_pages", "tot_pages")}
    assert again == limits


def test_a_refusal_is_no_json(place):
    at = place(b"nothing")
    assert "{" not in at.refused("--json", "--record", "drop", status=1)


def test_every_option_is_in_the_docs():
    docs = (TOP / "docs/image.md").read_text()
    text = subprocess.run([XL_EXT, "image", "convert", "--help"],
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    for option in ("--record KIND", "--max-pages N", "--carrier WHERE",
                   "--drop-superseded", "--force", "--json"):
        assert f"| `{option}` |" in docs and option in text
