# SPDX-License-Identifier: LGPL-2.1-only
"""Page state of PV guests: which page tables are validated is found as
a second walk in Python finds it, and what --page-state makes of the
others is what they had in memory.

The last test runs random guests: LXE_SEED=N repeats the first of them,
and a failure names the seed of its guest.
"""

import os
import random
import struct
import subprocess

import pytest

import build_image as b
from final_state import read_state
from page_walk import Guest
from pv_guest import READ_ONLY, START_INFO, PvGuest, page_of, random_guest, to
from test_convert import compare, place                     # noqa: F401
from test_verify import XL_EXT, built, run                  # noqa: F401

BOTH = pytest.mark.parametrize("width", [8, 4], ids=["64-bit", "32-bit"])
NAMES = {n | pin: f"L{n}TAB" + ("_PIN" if pin else "")
         for n in range(1, 5) for pin in (0, b.PIN)}


def state_of(g, tmp_path=None, status=0):
    """What verify says of the page state, and that it is no fault."""
    code, out = run("verify", g.image().bytes(), tmp_path)
    assert (code, out["faults"]) == (status, [])
    for host in out["restores"].values():
        assert host["fate"] == "restored"
    return out["page_state"]


def expected(g, state=None):
    stale, held = Guest(state or read_state(g.image().bytes()), g.xen,
                        g.max_vcpus).judge()
    return sorted(stale), sorted(held)


def said(page_state):
    """The frames that are named, and the counts."""
    assert page_state["judged"]
    return ([f["frame"] for f in page_state["stale_frames"]],
            page_state["stale"], page_state["held"])


def judged(g, stale=(), held=0):
    """verify and the second walk say the same, and this."""
    assert said(state_of(g)) == (sorted(stale), len(stale), held)
    want = expected(g)
    assert (want[0], len(want[1])) == (sorted(stale), held)


def with_bad_record(g):
    """Of another uuid, and needed (M4)."""
    im = g.image()
    record = b.memory_record(im, False, b.MANDATORY, max_pages=1 << 20)
    record.body = record.body[:8] + b"z" * 16 + record.body[24:]
    im.parts.insert(im.at("dhdr") + 1, record)
    return im


# ---- what holds a table --------------------------------------------

@BOTH
def test_a_tree_is_held_by_the_pin_of_its_root(width):
    g = PvGuest(width)
    g.vcpus = [(g.tree()[-1], None)]
    g.tree(pin=True)
    judged(g)


@BOTH
def test_a_tree_is_held_by_a_vcpu_that_has_it_loaded(width):
    g = PvGuest(width)
    g.vcpus = [(g.tree(pin=False)[-1], None)]
    judged(g)
    g.vcpus.append((g.tree(pin=False)[-1], None))
    g.max_vcpus = 2
    judged(g)


def test_a_tree_is_held_by_a_user_root():
    g = PvGuest()
    g.vcpus = [(g.tree()[-1], g.tree(pin=False)[-1])]
    judged(g)


def test_a_root_above_4_gib_of_a_32_bit_guest_is_decoded():
    """Its frame number is rotated in cr3; 2^20 frames would be 4 GiB of
    image, so the first pass is all holes."""
    g = PvGuest(4)
    tree = g.tree(pin=False)
    g.vcpus = [(tree[-1], None)]
    im = g.image()
    im.poke("dhdr", 8, im.u("II", 0, 1))        # not all must be named
    high = (1 << 20) + 5
    im.parts[im.at("P2M_FRAMES")] = b.p2m_frames(
        im, [2] * (high // 1024 + 1), high)
    im.parts.insert(im.at("TSC_INFO"), b.page_data(
        im, [(high, b.L3, g.pages[tree[-1]][1])]))
    im.part("VCPU_BASIC").body = bytes(8) + b.context(4, START_INFO, (1,),
                                                      cr3=high)
    code, out = run("verify", im.bytes())
    assert code == 0
    assert said(out["page_state"]) == ([tree[-1]], 1, 0)


@BOTH
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_pinned_table_of_any_level_holds_what_is_below(width, level):
    g = PvGuest(width)
    g.vcpus = [(g.tree()[-1], None)]
    if level > g.top:
        return
    tree = g.tree(pin=False)
    g.pages[tree[level - 1]] = (level | b.PIN, g.pages[tree[level - 1]][1])
    judged(g, tree[level:])


@BOTH
def test_what_nothing_refers_to_is_not_validated(width):
    g = PvGuest(width)
    g.vcpus = [(g.tree()[-1], None)]
    stale = [g.table(n, {5: to(START_INFO)}) for n in range(1, g.top + 1)]
    judged(g, stale)
    assert [f["table"] for f in state_of(g)["stale_frames"]] == [
        NAMES[n] for n in range(1, g.top + 1)]


@BOTH
def test_a_table_that_only_a_stale_one_refers_to_is_stale(width):
    g = PvGuest(width)
    tree = g.tree()
    g.vcpus = [(tree[-1], None)]
    leaf = g.table(1)
    shared = to(tree[0])
    judged(g, [leaf, g.table(2, {0: to(leaf), 1: shared})])


@BOTH
def test_a_mapping_of_a_table_holds_nothing(width):
    """Every guest maps its tables, read-only, in tables of level 1."""
    g = PvGuest(width)
    tree = g.tree()
    g.vcpus = [(tree[-1], None)]
    stale = g.table(2)
    g.set(tree[0], 1, {0: to(stale, READ_ONLY), 1: to(tree[-1], READ_ONLY)})
    judged(g, [stale])


@BOTH
def test_entries_that_are_not_present_hold_nothing(width):
    g = PvGuest(width)
    tree = g.tree()
    g.vcpus = [(tree[-1], None)]
    leaf = g.table(1)
    g.set(tree[1], 2, {0: to(tree[0]), 1: to(leaf, b.PRESENT & ~1)})
    judged(g, [leaf])


@pytest.mark.parametrize("slot, holds", [
    (255, True), (256, False), (271, False), (272, True), (511, True)])
def test_xen_s_slots_of_a_64_bit_root_hold_nothing(slot, holds):
    g = PvGuest()
    tree = g.tree()
    g.vcpus = [(tree[-1], None)]
    other = g.table(3)
    g.set(tree[-1], 4, {0: to(tree[-2]), slot: to(other)}, pin=True)
    judged(g, [] if holds else [other])


@pytest.mark.parametrize("slot, holds", [
    (1, True), (2, True), (3, True), (4, False), (511, False)])
def test_a_32_bit_root_has_four_entries(slot, holds):
    g = PvGuest(4)
    tree = g.tree()
    g.vcpus = [(tree[-1], None)]
    other = g.table(2)
    g.set(tree[-1], 3, {0: to(tree[-2]), 3: to(tree[-2]), slot: to(other)},
          pin=True)
    judged(g, [] if holds else [other])


@pytest.mark.parametrize("level", [2, 3, 4])
def test_a_linear_page_table_is_held(level):
    g = PvGuest()
    tree = g.tree()
    g.vcpus = [(tree[-1], None)]
    leaf = g.table(level - 1)
    other = g.table(level, {0: to(leaf)})
    pin = level == g.top
    pfn = tree[level - 1]
    g.set(pfn, level, {0: to(tree[level - 2]), 200: to(other, READ_ONLY),
                       201: to(pfn, READ_ONLY)}, pin)
    judged(g)


@BOTH
def test_circles_and_long_chains_end(width):
    """As no Xen has them, and as an image can."""
    g = PvGuest(width, 1500)
    g.vcpus = [(g.tree()[-1], None)]
    chain = [g.new() for _ in range(1000)]
    for a, c in zip(chain, chain[1:] + chain[:1]):
        g.set(a, 2, {0: to(c, READ_ONLY), 1: to(a, READ_ONLY)})
    state = state_of(g)
    assert (state["stale"], state["held"], state["tables"]) == (
        1000, 0, 1000 + g.top)
    g.pages[chain[500]] = (b.L2 | b.PIN, g.pages[chain[500]][1])
    judged(g)


def test_a_stale_table_may_have_any_entries(tmp_path):
    """Of superpages, of plain pages, of frames that are gone: nothing
    will use them, and a restore translates what it can."""
    g = PvGuest()
    g.vcpus = [(g.tree()[-1], None)]
    gone = g.hole()
    stale = g.table(2, {0: to(9), 1: to(8, b.PRESENT | 128), 2: to(gone)})
    judged(g, [stale])
    assert state_of(g, tmp_path) == state_of(g)


def test_a_frame_outside_of_the_guest_is_a_fault_and_no_more_is_judged():
    g = PvGuest()
    g.vcpus = [(g.tree()[-1], None)]
    g.table(2, {0: to(99)})
    code, out = run("verify", g.image().bytes())
    assert code == 1 and out["faults"][0]["rule"] == "G3"
    assert out["page_state"] == {"judged": False}


def test_a_broken_memory_record_does_not_matter():
    g = PvGuest()
    g.vcpus = [(g.tree()[-1], None)]
    stale = g.table(1)
    im = with_bad_record(g)
    code, out = run("verify", im.bytes())
    assert code == 1 and [f["rule"] for f in out["faults"]] == ["M4"]
    assert said(out["page_state"]) == ([stale], 1, 0)


def with_both_records(g):
    im = g.image()
    im.parts.insert(im.at("LIBXC_CONTEXT"),
                    b.memory_record(im, False, libxc=False))
    im.parts.insert(im.at("dhdr") + 1, b.memory_record(im, False))
    return im


def test_memory_records_that_differ_do_not_matter():
    g = PvGuest()
    g.vcpus = [(g.tree()[-1], None)]
    stale = g.table(1)
    im = with_both_records(g)
    assert run("verify", im.bytes())[0] == 0
    im.poke("MEMORY", 65, b"\1")
    code, out = run("verify", im.bytes())
    assert code == 1 and [f["rule"] for f in out["faults"]] == ["M6"]
    assert said(out["page_state"]) == ([stale], 1, 0)


# ---- who may hold what the image does not show ---------------------

@BOTH
@pytest.mark.parametrize("max_vcpus, sure", [(1, True), (2, False),
                                             (None, False)])
def test_an_offline_vcpu_may_hold_a_root(width, max_vcpus, sure):
    g = PvGuest(width, max_vcpus=max_vcpus)
    g.vcpus = [(g.tree()[-1], None)]
    tree, alone = g.tree(pin=False), g.table(2)
    judged(g, tree + [alone] if sure else [alone], 0 if sure else g.top)


def test_without_a_configuration_an_offline_vcpu_may_hold_a_root():
    g = PvGuest()
    g.vcpus = [(g.tree()[-1], None)]
    g.tree(pin=False)
    stale = g.table(1)
    out = run("verify", g.image("libxc").bytes())[1]
    assert said(out["page_state"]) == ([stale], 1, 4)


@pytest.mark.parametrize("xen, old", [
    ((0, 1), True), ((4, 6), True), ((4, 15), True), ((4, 16), False),
    ((4, 20), False), ((5, 0), False), ((3, 99), True)])
def test_a_new_xen_calls_tables_only_what_is_validated(xen, old, place):
    g = PvGuest(xen=xen)
    g.vcpus = [(g.tree()[-1], None)]
    other = g.table(2, {0: to(9)})
    judged(g, [other] if old else [], int(not old))
    data = g.image().bytes()
    out = place(data).convert("--page-state")
    assert (out == data) == (not old)


# ---- what is said --------------------------------------------------

def verify_text(data, *options):
    p = subprocess.run([XL_EXT, "image", "verify", *options, "-"],
                       input=data, check=False, stdout=subprocess.PIPE)
    return p.returncode, p.stdout.decode()


def test_findings_are_lines_and_no_faults():
    g = PvGuest(max_vcpus=2)
    g.vcpus = [(g.tree()[-1], None)]
    g.tree(pin=False)
    g.table(1)
    code, text = verify_text(g.image().bytes())
    assert code == 0 and "no rule is broken" in text
    assert ("finding P1: 1 of 9 page tables are not validated, the first in"
            " frame 0xb (L1TAB): ") in text
    assert "finding P2: 4 of 9 page tables belong to nothing" in text


def test_where_it_is_not_judged_that_is_said():
    g = PvGuest()
    g.vcpus = [(g.tree()[-1], None)]
    g.table(1)
    data = g.image().bytes()
    assert "page state: not judged, since pages were not" in verify_text(
        data, "--quick")[1]
    assert "since a rule is broken" in verify_text(data[:-1])[1]
    assert "page state" not in verify_text(b.build("pvh").bytes())[1]
    assert "page_state" not in run("verify", b.build("hvm").bytes())[1]
    g.set(g.new(), 2, {0: to(99)})
    assert "since a rule is broken" in verify_text(g.image().bytes())[1]


def test_only_the_first_stale_tables_are_named():
    g = PvGuest(frames=40)
    g.vcpus = [(g.tree()[-1], None)]
    stale = [g.table(1) for _ in range(20)]
    assert said(state_of(g)) == (stale[:16], 20, 0)


# ---- conversion ----------------------------------------------------

def in_memory(g, page):
    """As in_memory() of page_walk, from what the guest was made of."""
    return Guest(read_state(g.image().bytes()), g.xen).in_memory(page)


@BOTH
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
def test_a_stale_table_becomes_what_it_was_in_memory(width, big, place):
    g = PvGuest(width, big=big)
    g.vcpus = [(g.tree()[-1], None)]
    slots = {0: to(9), 7: to(START_INFO, 1 | 1 << 63), 8: 0xdead0,
             511: to(2, READ_ONLY)}
    stale = g.table(1, slots)
    data = g.image().bytes()
    at = place(data)
    out = at.convert("--page-state")
    assert "page state: 1 tables that are not validated" in at.said
    assert "0 of their entries cleared" in at.said
    was, now = read_state(data), read_state(out)
    assert now.frames[stale].last == b.NOTAB
    assert now.frames[stale].contents == page_of({
        0: to(g.p2m[9]), 7: to(g.p2m[START_INFO], 1 | 1 << 63), 8: 0xdead0,
        511: to(g.p2m[2], READ_ONLY)})
    del was.frames[stale], now.frames[stale]
    assert was.frames == now.frames and was.records == now.records
    assert len(out) == len(data)
    assert said(run("verify", out)[1]["page_state"]) == ([], 0, 0)
    # Nothing else is different, and that is said by diff, too.
    status, diff = compare(at.input, at.output)
    assert status == 1 and not diff["records"] and not diff["facts"]
    assert [(p["first"], p["count"], p["type_a"], p["type_b"])
            for p in diff["pages"]] == [(stale, 1, "L1TAB", "NOTAB")]


@BOTH
@pytest.mark.parametrize("options", [[], ["--drop-superseded"]], ids=len)
def test_machine_frames_are_those_of_the_right_page_of_the_p2m_table(
        width, options, place):
    """Of a table of 66 pages: convert keeps 64 of them at a time, so the
    first two must make room for the last two and come again."""
    g, per = PvGuest(width), b.PAGE // width
    g.vcpus = [(g.tree()[-1], None)]
    far = 64 * per                      # the first frame of page 64
    fmt = f"<{per}{'Q' if width == 8 else 'I'}"
    p2m = {0: g.p2m_frames[0]}
    mfns = {pfn: mfn for pfn, mfn in enumerate(g.p2m)}
    for page in (1, 64, 65):
        p2m[page] = g.new()
        mfns |= {page * per + k: page << 20 | k for k in range(per)}
        g.pages[p2m[page]] = (b.NOTAB, struct.pack(fmt, *(
            mfns[page * per + k] for k in range(per))))
    order = [9, far + 9, 10, far + 10, per + 9, far + per + 9, per + 10,
             far + 9, far + per + 10, 9]
    stale = g.table(1, {k: to(pfn) for k, pfn in enumerate(order)})
    im = g.image()
    im.poke("dhdr", 8, im.u("II", 0, 1))        # not all must be named
    im.parts[im.at("P2M_FRAMES")] = b.p2m_frames(
        im, [p2m.get(page, p2m[0]) for page in range(66)], 66 * per - 1)
    out = place(im.bytes()).convert("--page-state", *options)
    assert read_state(out).frames[stale].contents == page_of(
        {k: to(mfns[pfn]) for k, pfn in enumerate(order)})


def test_an_entry_without_a_machine_frame_is_cleared_and_counted(place):
    g = PvGuest(frames=30)
    g.vcpus = [(g.tree()[-1], None)]
    gone, foreign = g.hole(), 20
    g.p2m[foreign] = 1 << 62 | foreign
    stale = g.table(1, {0: to(gone), 1: to(foreign), 2: to(9)})
    at = place(g.image().bytes())
    out = at.convert("--page-state")
    assert "1 tables" in at.said and "2 of their entries cleared" in at.said
    assert read_state(out).frames[stale].contents == page_of(
        {2: to(g.p2m[9])})


def test_all_copies_of_all_passes_become_plain_pages(place):
    g = PvGuest(frames=30)
    g.vcpus = [(g.tree()[-1], None)]
    stale = g.table(1, {0: to(9)})
    g.first = {stale: (b.L2 | b.PIN, page_of({3: to(7)}))}
    im = g.image()
    im.parts[im.at("TSC_INFO"):im.at("TSC_INFO")] = [
        im.record("VERIFY", b.VERIFY),
        b.page_data(im, [(stale, *g.pages[stale]), (9, *g.pages[9])])]
    data = im.bytes()
    out = place(data).convert("--page-state")
    assert len(out) == len(data)
    assert [k for pfn, k in read_state(out).named if pfn == stale] == [0] * 3
    assert page_of({3: to(g.p2m[7])}) in out
    assert out.count(page_of({0: to(g.p2m[9])})) == 2
    # A restore compares copies behind VERIFY: they are the same.
    assert run("inspect", out)[1]["verify_differs"] == 0


def test_a_page_that_was_data_before_keeps_those_copies(place):
    g = PvGuest(frames=30)
    g.vcpus = [(g.tree()[-1], None)]
    stale = g.table(1, {0: to(9)})
    g.first = {stale: (b.NOTAB, page_of({3: to(7)}))}
    out = place(g.image().bytes()).convert("--page-state")
    assert page_of({3: to(7)}) in out


def test_options_can_be_combined_with_page_state(place):
    g = PvGuest(frames=30)
    g.vcpus = [(g.tree()[-1], None)]
    stale = g.table(1, {0: to(9)})
    g.first = {stale: (b.L1, page_of({3: to(7)})),
               9: (b.NOTAB, b.pattern(9, 9))}
    data = g.image().bytes()
    at = place(data)
    alone = read_state(at.convert("--page-state"))
    both = read_state(at.convert("--page-state", "--drop-superseded",
                                 "--force"))
    assert both.frames == alone.frames and both.copies == alone.copies - 2
    out = at.convert("--page-state", "--record=optional", "--force")
    state = read_state(out)
    assert state.frames == alone.frames and state.memory
    assert run("verify", out)[0] == 0
    at.convert("--page-state", "--record", "drop", "--force")
    at = place(with_bad_record(g).bytes())
    assert "M4" in at.refused("--page-state", status=1, output=at.path / "no",
                              left=("in", "out"))
    assert at.convert("--page-state", "--record=drop",
                      "--force") == place(data).convert("--page-state",
                                                        "--force")


@pytest.mark.parametrize("more", [[], ["--drop-superseded"]])
@pytest.mark.parametrize("carrier", ["libxc", "libxl", "both"])
def test_the_record_moves_along_with_page_state(carrier, more, place):
    g = PvGuest(frames=30)
    g.vcpus = [(g.tree()[-1], None)]
    g.table(1, {0: to(9)})
    data = with_both_records(g).bytes()
    moved = place(place(data).convert("--carrier", carrier, "--force"))
    two = moved.convert("--page-state", *more, "--force")
    at = place(data)
    assert at.convert("--page-state", "--carrier", carrier, *more,
                      "--force") == two
    assert f"carrier {carrier}" in at.said and "1 tables" in at.said


def test_a_limit_that_is_too_low_can_be_mended_with_page_state(place):
    g = PvGuest(frames=30)
    g.vcpus = [(g.tree()[-1], None)]
    g.table(1, {0: to(9)})
    im = g.image()
    im.parts.insert(im.at("dhdr") + 1, b.memory_record(
        im, False, max_pages=20, tot_pages=20))
    at = place(im.bytes())
    assert "G9" in at.refused("--page-state", status=1)
    assert at.convert("--page-state", "--record=drop",
                      "--force") == place(g.image().bytes()).convert(
                          "--page-state", "--force")


@BOTH
def test_without_stale_tables_nothing_changes(width, place):
    for kw in ({}, {"live": True, "verify": True}, {"version": 2}):
        data = b.build("pv", width=width, **kw).bytes()
        at = place(data)
        assert at.convert("--page-state", "--force") == data
        assert "page state: 0 tables" in at.said


@pytest.mark.parametrize("options", [[], ["--read-all"]], ids=len)
def test_what_was_a_table_once_is_unknown_if_it_is_one_in_verify(
        options, tmp_path):
    """Its contents as a table are those of the first pass no more."""
    for kinds, verify, known in (([b.L1], False, True),
                                 ([b.L1, b.NOTAB], False, True),
                                 ([b.L1, b.NOTAB, b.L1], True, False)):
        im = b.build("pv")
        new = [b.page_data(im, [(15, kind, b.table(8))]) for kind in kinds]
        if verify:
            new.insert(-1, im.record("VERIFY", b.VERIFY))
        at = im.at("TSC_INFO")
        im.parts[at:at] = new
        for path in (tmp_path, None):
            out = run("verify", im.bytes(), path, *options)[1]
            assert out["faults"] == []
            assert out["page_state"]["judged"] == known, kinds


def test_what_page_state_refuses(place):
    assert "of PV guests" in place(
        b.build("pvh").bytes()).refused("--page-state")
    assert "3 checkpoints" in place(b.build(
        "pv", checkpoints=3).bytes()).refused("--page-state")
    at = place(b.build("pv").bytes())
    assert "--page-state reads the input twice" in at.refused(
        "--page-state", pipe=True)
    im = b.build("pv", verify=True)
    k = im.at("VERIFY") + 1
    im.parts[k:im.at("TSC_INFO")] = b.batches(im, [
        (p, *(e if p != 15 else (b.L1, b.table(8))))
        for p, *e in b.pv_pages(8)])
    assert "in the verify pass alone" in place(
        im.bytes()).refused("--page-state")
    assert run("verify", im.bytes())[1]["page_state"] == {"judged": False}
    im = b.build("pv")
    im.poke("VCPU_BASIC", 8 + b.CR3[8], bytes(8))
    assert "breaks rule G7" in place(im.bytes()).refused(
        "--page-state", status=1)


# ---- random guests -------------------------------------------------

SEED = int(os.environ.get("LXE_SEED", random.SystemRandom().getrandbits(32)))


@pytest.mark.parametrize("nth", range(60))
def test_random_guests_are_judged_and_converted_as_in_python(
        nth, place, tmp_path):
    seed = SEED + nth
    g = random_guest(random.Random(seed))
    im = g.image()
    data = im.bytes()
    state = read_state(data)
    stale, held = expected(g, state)
    code, out = run("verify", data)
    assert out["faults"] == [] and out["complete"], seed
    assert said(out["page_state"]) == (stale[:16], len(stale),
                                       len(held)), seed
    assert code == int(g.big), seed

    at = place(data)
    assert run("verify", data, at.path)[1] == out, seed
    (at.path / "image").unlink()
    guest, cleared = Guest(state, g.xen), 0
    want = {pfn: f.contents for pfn, f in state.frames.items()}
    for pfn in stale:
        want[pfn], lost = guest.in_memory(want[pfn])
        cleared += lost
    for options in (["--drop-superseded"], []):
        new = read_state(at.convert("--page-state", "--force", *options))
        assert new.records == state.records, seed
        assert {p: f.contents for p, f in new.frames.items()} == want, seed
        assert all(f.last == (0 if p in stale else state.frames[p].last)
                   for p, f in new.frames.items()), seed
        assert f"page state: {len(stale)} tables" in at.said, seed
        if options:
            assert f" {cleared} of their entries cleared" in at.said, seed
        else:
            assert [p for p, k in new.named if p in stale and k] == [], seed
            assert len(at.output.read_bytes()) == len(data), seed
