# SPDX-License-Identifier: LGPL-2.1-only
"""Images of real guests break no rule of docs/image.md, and the verdict
on who restores them is what the hosts then do.
"""

import json

import pytest

from xenlab.guest import SMALL

pytestmark = pytest.mark.drives(client="xl", kind="pvh")
XL_EXT = "/opt/libxl-ext/xl-ext"


def verify(host, g, quick=False):
    r = host.run(f"{XL_EXT} image verify --json "
                 f"{'--quick ' if quick else ''}{g.save_path}",
                 check=False, timeout=300)
    assert r.rc in (0, 1), r.stderr
    im = json.loads(r.stdout)
    assert im["faults"] == [], im["faults"]
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
    g.raise_limit(mib=8, populate_pages=2048)
    g.save(ext=True, live=True, debug=True)
    assert verify(host, g) == ("refused", "restored")
    assert g.restore(check=False).rc != 0
    g.restore(ext=True)
    g.wait_alive()
