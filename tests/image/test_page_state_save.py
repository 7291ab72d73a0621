# SPDX-License-Identifier: LGPL-2.1-only
"""Page state at the save: what the helper adds to the stream of the real
libxenguest, under a Xen that says what a page was last.

pv_save.c stands under libxenguest.  The measure is what the same
libxenguest writes of the same guest, without us, under a Xen that says
types as 4.16 and later do: in the end both must be the same guest.

The last test saves random guests: LXE_SEED=N repeats the first of them.
"""

import copy
import os
import random
import struct
import subprocess

import pytest

import build_image as b
from final_state import read_state
from live_guest import NONE, LiveGuest
from page_walk import Guest
from pv_guest import PvGuest, page_of, random_guest, to
from test_page_state import BOTH
from test_verify import TOP, built, run                     # noqa: F401

MODES = pytest.mark.parametrize("mode", ["plain", "live"])
SOURCES = ("helper/page_state.c", "helper/interpose.c", "base/err.c",
           "base/io.c", "base/fault.c", "engine/libxenguest.c",
           "guest/m2p.c", "guest/tables.c", "memory/domain.c",
           "tables/walk.c", "stream/libxc_format.c")


@pytest.fixture(scope="session")
def pv_save(tmp_path_factory, built):                       # noqa: F811
    out = tmp_path_factory.mktemp("pv_save") / "pv_save"
    subprocess.run(
        [os.environ.get("CC", "gcc"), "-std=gnu11", "-Wall", "-Wextra",
         "-Werror", "-O1", "-g", "-fvisibility=hidden", "-fPIC", "-DLXE_DEBUG",
         f"-I{TOP}/libxl-ext", f"-I{TOP}/include",
         f"-I{TOP}/build/release", "-o", out,
         TOP / "tests/image/pv_save.c",
         *(TOP / "libxl-ext" / name for name in SOURCES),
         f"-Wl,--dynamic-list={TOP}/libxl-ext/helper/exports.list",
         "-lxenguest", "-lxenctrl", "-lxenstore", "-lxentoollog",
         "-ldl"], check=True)
    return out


class Saver:
    def __init__(self, program, folder):
        self.program, self.folder, self.runs = program, folder, 0

    def run(self, live, mode, how="mend", **env):
        """Exit status, stderr and the stream."""
        self.runs += 1
        place = live.write(f"{self.folder}/{self.runs}")
        p = subprocess.run(
            [self.program, place, mode, how, f"{place}/out"], check=False,
            stderr=subprocess.PIPE, text=True, env={**os.environ, **env})
        with open(f"{place}/out", "rb") as f:
            return p.returncode, p.stderr, f.read()

    def save(self, *args, **env):
        """The same of a save that must succeed: stderr, stream."""
        code, stderr, stream = self.run(*args, **env)
        assert code == 0, stderr
        return stderr, stream


@pytest.fixture
def saver(pv_save, tmp_path):
    return Saver(pv_save, tmp_path)


def stale_of(live, stream):
    """By the walk of the tests, over what stock has written."""
    stale, held = Guest(read_state(stream), (4, 14),
                        len(live.g.vcpus)).judge()
    assert not held
    return stale


def on_newer_xen(live, stale):
    """That guest where types are as Xen says them since 4.16."""
    out = copy.copy(live)
    out.types = live.types | {pfn: b.NOTAB for pfn in stale}
    out.early_types = {pfn: b.NOTAB if pfn in stale else kind
                       for pfn, kind in live.early_types.items()}
    return out


def same_guest(one, two):
    """What a restore makes of both is the same."""
    a, c = read_state(one), read_state(two)
    assert a.records == c.records and a.head == c.head
    assert a.frames.keys() == c.frames.keys()
    for pfn, f in a.frames.items():
        g = c.frames[pfn]
        assert (f.last, f.contents, f.populated) == (
            g.last, g.contents, g.populated), f"frame {pfn:#x}"


def mended(saver, live, mode, stale=None):
    """Saves it in the three ways; the stream of ours, and what is
    stale."""
    _, stock = saver.save(live, mode, "stock")
    if stale is None:
        stale = stale_of(live, stock)
    err, ours = saver.save(live, mode)
    assert f"page state: {len(stale)} of " in err, err
    same_guest(ours, saver.save(on_newer_xen(live, stale), mode,
                                "stock")[1])
    frames = read_state(ours).frames
    for pfn in stale:
        assert frames[pfn].contents == live.pages[pfn]
    if not stale:
        assert ours == stock
    code, out = run("verify", ours)
    assert (code, out["faults"]) == (0, [])
    return ours, stale


def guest_with_stale(width, **kw):
    """One tree that is loaded, and one that nothing holds."""
    g = PvGuest(width, **kw)
    loaded, old = g.tree(), g.tree(pin=False)
    g.vcpus = [(loaded[-1], None)]
    return g, loaded, old


@BOTH
@MODES
def test_old_tables_become_plain_pages(saver, width, mode):
    g, _, old = guest_with_stale(width)
    live = LiveGuest(g)
    stock = read_state(saver.save(live, mode, "stock")[1])
    # The defect: rewritten entries, of what is data to the guest.
    assert all(stock.frames[pfn].contents != live.pages[pfn]
               for pfn in old)
    _, stale = mended(saver, live, mode)
    assert stale == set(old)


@BOTH
@MODES
def test_what_libxenguest_gives_up_on(saver, width, mode):
    """An entry of a frame that is the guest's no more: stock sends the
    page without contents, and the guest loses it."""
    g, _, old = guest_with_stale(width)
    live = LiveGuest(g)
    live.pages[old[1]] = page_of({3: to(0x77)})
    assert 0x77 not in live.mfns
    stock = read_state(saver.save(live, mode, "stock")[1])
    assert not stock.frames[old[1]].populated
    mended(saver, live, mode, set(old))


@BOTH
@MODES
def test_nothing_stale_changes_nothing(saver, width, mode):
    g = PvGuest(width)
    g.vcpus = [(g.tree()[-1], None)]
    _, stale = mended(saver, LiveGuest(g), mode)
    assert not stale


@BOTH
def test_more_than_a_record_holds(saver, width):
    g, _, old = guest_with_stale(width, frames=1500)
    more = [g.table(1, {3: to(0)}) for _ in range(1100)]
    ours, stale = mended(saver, LiveGuest(g), "live")
    assert stale == set(old) | set(more)
    assert max(read_state(ours).batches) == 1024


@BOTH
@MODES
def test_what_vcpus_hold(saver, width, mode):
    """A vcpu that is down holds its root; one that never was up none."""
    g, _, old = guest_with_stale(width, frames=40)
    down, user, more = (g.tree(pin=False) for _ in range(3))
    g.vcpus[0] = (g.vcpus[0][0], user[-1] if width == 8 else None)
    live = LiveGuest(g)
    live.offline_vcpu(down[-1], more[-1] if width == 8 else None)
    live.new_vcpu()
    stale = set(old) if width == 8 else {*old, *user, *more}
    mended(saver, live, mode, stale)


@BOTH
def test_live(saver, width):
    """What changes while a live save goes on."""
    g, _, old = guest_with_stale(width)
    unpinned = g.tree(pin=False)
    page = g.table(1, {0: to(0)})
    gone = g.new()
    g.pages[gone] = (b.XTAB, None)
    live = LiveGuest(g)
    # Pinned when the save begins, and written to when it has gone.
    live.early_types[unpinned[-1]] |= b.PIN
    # A table at first, then data that the guest has written.
    live.types[page] = b.NOTAB
    live.early_pages[page] = live.pages[page]
    live.pages[page] = b.pattern(page, 5)
    # A table at first; then the guest gives the frame away.
    given = live.end_mfn - 1
    p2m = g.p2m_frames[0]
    raw = bytearray(live.pages[p2m])
    raw[gone * width:(gone + 1) * width] = given.to_bytes(width, "little")
    live.early_pages[p2m] = bytes(raw)
    live.mfns[gone], live.early_types[gone] = given, 1
    live.early_pages[gone] = live.pages[gone] = page_of({})
    # One that is stale all along, and dirty in the end.
    live.dirty = {unpinned[-1], page, gone, old[0], p2m}
    mended(saver, live, "live", set(old) | set(unpinned))


REFUSED = [("types:2", "reading the types of"),
           ("map:2", "mapping 1 page tables"),
           ("map:5", "cannot map 1 pages of the machine-to-physical"),
           ("map:6", "mapping 4 pages"),
           ("vcpu:1", "vcpu 0: reading its registers")]


@pytest.mark.parametrize("fail, said", REFUSED)
def test_what_is_not_known(saver, fail, said):
    """Then the image is stock's, the save succeeds, and a line says it."""
    g, _, _ = guest_with_stale(8)
    live = LiveGuest(g)
    err, ours = saver.save(live, "plain", FAIL=fail)
    assert f"page state: {said}" in err, err
    assert "convert --page-state mends" in err
    assert ours == saver.save(live, "plain", "stock")[1]


def test_calls_that_do_not_pass_through(saver):
    g, _, _ = guest_with_stale(8)
    live = LiveGuest(g)
    err, ours = saver.save(live, "plain", "blind")
    assert "page state: libxenguest has not called this program" in err
    assert ours == saver.save(live, "plain", "stock")[1]


def test_an_entry_that_cannot_be(saver):
    """A validated table refers to no table: nothing is concluded."""
    g, loaded, _ = guest_with_stale(8)
    g.set(loaded[1], 2, {0: to(loaded[0]), 7: to(0)})
    live = LiveGuest(g)
    err, ours = saver.save(live, "plain")
    assert "entry 7 is of a frame that is no page table" in err
    assert ours == saver.save(live, "plain", "stock")[1]


def test_a_root_that_is_no_table(saver):
    g, loaded, _ = guest_with_stale(8)
    g.vcpus = [(loaded[0], None)]
    err, _ = saver.save(LiveGuest(g), "plain")
    assert "vcpu 0: cr3 is machine frame" in err


def test_a_frame_without_its_number(saver):
    """A guest may write any number into Xen's table for its frames."""
    g, _, old = guest_with_stale(8)
    live = LiveGuest(g)
    taken = {pfn: read_state(saver.save(
        live, "plain", LIE=f"{live.mfns[old[0]]}:{pfn}")[1])
        for pfn in (len(g.pages), NONE, old[1])}
    for pfn, state in taken.items():
        left = [p for p in old if state.frames[p].last]
        assert left == old[:1 + (pfn == old[1])], pfn
        assert len(state.frames) == len(g.pages)


def test_a_verify_pass(saver):
    """A receiver would keep nothing of what stands behind it."""
    g, _, _ = guest_with_stale(8)
    live = LiveGuest(g)
    err, ours = saver.save(live, "plain", VERIFY="1")
    assert "4 of 8 page tables are not validated, and they cannot be" in err
    assert ours == saver.save(live, "plain", "stock")[1]


def test_the_stream_breaks(saver):
    """In our record: the save fails, and the line is ours."""
    g, _, old = guest_with_stale(8)
    live = LiveGuest(g)
    _, ours = saver.save(live, "plain")
    head = struct.pack("<III", 1, 8 + len(old) * (8 + 4096), len(old))
    at = ours.index(head)
    for room in (0, 3, 8, 47, 48, 4096 + 48, 4 * 4096 + 47):
        code, err, cut = saver.run(live, "plain", FULL=str(at + room))
        assert code == 1 and cut == ours[:at + room]
        assert "error: save: domain 5: writing 4 pages that are page" in err
    code, err, _ = saver.run(live, "plain", FULL=str(
        at + len(head) + 8 * len(old) + 4 * 4096 + 4))
    assert code == 1 and "error: save" not in err


@pytest.mark.parametrize("point", [30, 31])
def test_faults(saver, point):
    g, _, _ = guest_with_stale(8)
    code, err, _ = saver.run(LiveGuest(g), "plain",
                             LIBXL_EXT_FAULT=f"{point}:error")
    assert code == 1 and f"fault point {point} " in err


def random_live(rng):
    g = random_guest(rng)
    live = LiveGuest(g)
    for pfn, (kind, page) in g.first.items():
        if page is not None:
            live.early_types[pfn] = kind
            live.early_pages[pfn] = live.in_memory(kind, page)
            live.dirty.add(pfn)
    live.dirty |= set(rng.sample(range(live.nr), 5))
    return live


def test_random_guests(saver):
    seed = int(os.environ.get("LXE_SEED", random.getrandbits(32)))
    found = 0
    for n in range(40):
        rng = random.Random(seed + n)
        live = random_live(rng)
        try:
            _, stale = mended(saver, live, rng.choice(("plain", "live")))
        except BaseException:
            print(f"LXE_SEED={seed + n}")
            raise
        found += len(stale)
    assert found
