# SPDX-License-Identifier: LGPL-2.1-only
"""Golden streams: a small guest of each kind, saved by stock tools, by
stock tools with our helper and by xl-ext, read, and restored.

What was saved is left in build/golden, compressed.  A new Xen, or a
stream that is another one by now, comes to tests/image/golden from
there: tests/image/golden.py take build/golden/*.xz
"""

import sys

import pytest

from xenlab import paths
from xenlab.guest import LIVE
from xenlab.host import LABDIR, XL_EXT
from xenlab.tiny import TinyGuest

sys.path.insert(0, str(paths.CHECKOUT / "tests/image"))

import golden                                               # noqa: E402

OUT = paths.CHECKOUT / "build/golden"
MEMORY = {"pv": 8, "pvh": 8, "hvm": 16}                     # MiB
RAISED = "1"                                                # MiB
POPULATED = {"pv": 0, "pvh": 64, "hvm": 64}                 # pages
MOST = 200 << 10                                            # octets


def raise_limit(g):
    g.host.run(f"{LABDIR}/raise {g.domid} {RAISED} {POPULATED[g.kind]}")


def by_stock(g):
    g.host.run(f"xl save {g.name} {g.image}", timeout=300)


def by_helper(g):
    raise_limit(g)
    g.host.run(f"xl save {g.name} {g.image}", timeout=300,
               env=g.host.helper_env(True, LIVE))


def by_xl_ext(g):
    raise_limit(g)
    g.host.run(f"{XL_EXT} save {g.name} {g.image}", timeout=300)


SAVE = {"stock": by_stock, "helper": by_helper, "xl-ext": by_xl_ext}
CLIENT = {"stock": "xl", "helper": "xl", "xl-ext": "xl-ext"}


def restore(g, way):
    if CLIENT[way] == "xl-ext":
        g.host.run(f"{XL_EXT} restore {g.image}", timeout=300)
    else:
        g.host.run(f"xl restore {g.image}", timeout=300,
                   env=g.host.helper_env(way == "helper"))


def check(host, g, way):
    """No rule is broken, and the way back is there."""
    restores = host.verify(g.image)["restores"]
    who = "stock" if way == "stock" else "libxl_ext"
    assert restores[who]["fate"] == "restored", restores
    assert restores["libxl_ext"]["fate"] != "refused", restores


def is_well(row):
    """What the guest says of itself."""
    if "errors" in row:
        return row.errors == 0
    return row.pinned[0] == row.pinned[2] == 0 and row.stale[2] == 0 and \
        row.written[1:] == (0, 0)


@pytest.mark.parametrize("way", [
    pytest.param(way, marks=pytest.mark.drives(client=client))
    for way, client in CLIENT.items()])
@pytest.mark.parametrize("kind", MEMORY)
def test_small_guest(host, kind, way):
    g = TinyGuest(host, kind, f"golden-{kind}", MEMORY[kind])
    g.create()
    g.wait("nothing wrong", is_well)
    SAVE[way](g)
    check(host, g, way)
    data = golden.packed(host.pull(g.image))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{kind}-{host.flavour.xen}-{way}.xz").write_bytes(data)
    assert len(data) <= MOST
    before = g.said()
    restore(g, way)
    last = before[-1].t
    g.wait(f"t over {last}", lambda row: row.t > last, since=len(before))
    assert all(map(is_well, g.said())), g.console()[-800:]
