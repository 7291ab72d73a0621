# SPDX-License-Identifier: LGPL-2.1-only
"""Page tables that are not validated any more (R5), in a guest that has
some: tests/lab/guest/tiny/stale.c, which says what became of them.

Up to Xen 4.15 stock tools rewrite them; saved by ours, and by anybody
since 4.16, they stay what the guest had.
"""

import pytest

from xenlab.guest import LIVE
from xenlab.host import XL_EXT
from xenlab.tiny import TinyGuest

pytestmark = pytest.mark.drives(client="xl", kind="pv")
MEMORY = 32                     # MiB
ALL_ENTRIES = 515
KEPT, FOLLOWED = 0, 1


def stale_guest(host, name):
    return TinyGuest(host, "pv", name, MEMORY)


def said(g, resumes):
    """The second line, of those that the guest says after so many
    resumes."""
    return g.wait(f"resumes={resumes}", lambda row: row.resumes == resumes)


def all_are(what, counts):
    """Of the entries of a set whose frame is another one by now."""
    return (counts[what] > ALL_ENTRIES // 2 and
            sum(counts) == counts[what])


def stale_in(host, path):
    """Frames of P1 in an image that breaks no rule."""
    im = host.verify(path)
    assert im["restores"]["libxl_ext"]["fate"] != "refused", im["restores"]
    assert im["page_state"]["judged"]
    return im["page_state"]["stale"]


def is_old(host):
    return [int(n) for n in host.flavour.xen.split(".")] < [4, 16]


def restored(host, g, path, filler):
    """What it says once it is restored, in other frames than before."""
    other = stale_guest(host, filler)
    other.create()
    host.run(f"xl restore {g.cfg} {path}")
    now = said(g, 1)
    print(now)
    # What must be so in any case.
    assert all_are(FOLLOWED, now.pinned), now
    assert all_are(KEPT, now.written), now
    return now


@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
def test_saved_by_stock(host, live):
    g = stale_guest(host, "stale")
    g.create()
    assert said(g, 0).moved == 0
    host.run(f"xl save {g.name} {g.image}",
             env=host.helper_env(False, LIVE if live else 0))
    old = is_old(host)
    assert stale_in(host, g.image) == (4 if old else 0)
    if old:
        host.run(f"{XL_EXT} image convert --page-state {g.image}"
                 f" {g.image}.mended")
        assert stale_in(host, f"{g.image}.mended") == 0
    now = restored(host, g, g.image, "filler")
    assert all_are(FOLLOWED if old else KEPT, now.stale), now
    if old:
        g.destroy()
        now = restored(host, g, f"{g.image}.mended", "filler2")
        assert all_are(KEPT, now.stale), now


@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
def test_saved_by_ours(host, live):
    g = stale_guest(host, "stale")
    g.create()
    assert said(g, 0).moved == 0
    r = host.run(f"xl save {g.name} {g.image}",
                 env=host.helper_env(True, LIVE if live else 0))
    assert stale_in(host, g.image) == 0
    if is_old(host):
        assert "page state: 4 of " in r.stdout + r.stderr
    now = restored(host, g, g.image, "filler")
    assert all_are(KEPT, now.stale), now


def test_forced_where_nothing_is_stale(host):
    """On a Xen since 4.16 the walk agrees with it: nothing is found."""
    if is_old(host):
        pytest.skip("here it is not forced, and finds what there is")
    g = stale_guest(host, "stale")
    g.create()
    said(g, 0)
    r = host.run(f"xl -vvv save {g.name} {g.image}",
                 env=host.helper_env(True) | {"LIBXL_EXT_PAGE_STATE": 1})
    assert "page state: 0 of " in r.stdout + r.stderr
