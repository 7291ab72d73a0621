# SPDX-License-Identifier: LGPL-2.1-only
"""Images of real guests break no rule of docs/image.md, and the verdict
on who restores them is what the hosts then do.  A guest whose image was
converted goes on where it was.
"""

import pytest

from xenlab.guest import SMALL
from xenlab.host import XL_EXT

pytestmark = pytest.mark.drives(client="xl", kind="pvh")


def verify(host, g, quick=False):
    im = host.verify(g.save_path, quick)
    if im["stream"]["type"] == "x86 PV" and not quick:
        # All vcpus are online, so the walk must find what holds each
        # table; all but those that Xen up to 4.15 still calls tables.
        state = im["page_state"]
        new = [int(n) for n in im["stream"]["xen"].split(".")] >= [4, 16]
        assert state["judged"] and state["tables"] > 0
        assert state["held"] == 0 and (state["stale"] == 0 or not new), state
    return tuple(im["restores"][h]["fate"] for h in ("stock", "libxl_ext"))


@pytest.mark.parametrize("kind", ["pv", "pvh", "hvm"])
def test_images_of_real_guests(guest, host, kind):
    g = guest(kind, **SMALL)
    # Stock's own, of a guest that ran meanwhile, with a verify pass.
    g.save(live=True, debug=True)
    assert verify(host, g) == ("restored", "restored")
    assert verify(host, g, quick=True) == ("restored", "restored")
    g.restore()
    g.wait_alive()
    if kind == "pv":
        g.save(ext=True)
        assert verify(host, g) == ("restored", "restored")
        return
    g.raise_limit()
    g.save(ext=True, live=True, debug=True)
    assert verify(host, g) == ("refused", "restored")
    assert g.restore(check=False).rc != 0
    g.restore(ext=True)
    g.wait_alive()


def convert(host, g, *options):
    """In place of what was saved.  (octets before, after)"""
    path, new = g.save_path, f"{g.save_path}.new"
    before = int(host.run(f"stat -c %s {path}").stdout)
    host.run(f"{XL_EXT} image convert {' '.join(options)} {path} {new} &&"
             f" mv {new} {path}", timeout=300)
    return before, int(host.run(f"stat -c %s {path}").stdout)


@pytest.mark.parametrize("kind", ["pv", "pvh", "hvm"])
def test_converted_image_restores(guest, host, kind):
    """The guest's churn program, which checks what it has in memory and
    on disk, goes on without an error."""
    g = guest(kind, **SMALL)
    more = ["--page-state"] if kind == "pv" else []
    g.save(live=True)
    before, after = convert(host, g, "--drop-superseded", *more)
    print(f"{kind}: {before} octets, {after} without superseded copies")
    assert after < before
    assert verify(host, g) == ("restored", "restored")
    g.restore()
    g.wait_alive()
    raised = g.raise_limit()
    g.save(ext=True, live=True)
    limit = raised["max_pages"] + 256
    convert(host, g, "--drop-superseded", "--max-pages", str(limit), *more)
    assert verify(host, g)[1] == "restored"
    g.restore(ext=True)
    g.wait_alive()
    assert g.limits()["max_pages"] == limit
