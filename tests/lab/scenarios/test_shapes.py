# SPDX-License-Identifier: LGPL-2.1-only
"""Guests of other shapes than the scenarios' usual one: several vcpus,
more memory promised than given, no device, many of them, names that
need care.  Each is saved and restored by xl with the helper, live and
with a verify pass, and by xl-ext, and migrated by xl-ext.
"""

import os
import shlex

import pytest

from xenlab.guest import SMALL
from xenlab.host import EXT

XL_EXT = f"{EXT}/xl-ext"
RECEIVE = shlex.quote(f"{XL_EXT} migrate-receive")

# What is not SMALL of it; POD: the guest's balloon gives back what Xen
# never had for it, by the time that it says that it is alive.
POD = {"extra_cfg": "maxmem = 224"}
SHAPES = {
    "pvh-two-vcpus": ("pvh", {"vcpus": 2}),
    "pv-two-vcpus": ("pv", {"vcpus": 2}),
    "hvm-two-vcpus": ("hvm", {"vcpus": 2}),
    "pvh-populated-on-demand": ("pvh", POD),
    "hvm-populated-on-demand": ("hvm", POD),
    "pv-ballooned-from-birth": ("pv", POD),
    "pvh-no-device": ("pvh", {"disk": None, "nics": 0}),
    "hvm-no-device": ("hvm", {"disk": None, "nics": 0}),
    "pvh-four-cards": ("pvh", {"nics": 4}),
    "pvh-odd-name": ("pvh", {"name": "a.b_c-d+e:f@9"}),
}
FEW = ["pvh-two-vcpus"]


def xl_ext(g, args):
    g._mark()
    r = g.host.run(f"{XL_EXT} {args}", timeout=600)
    g._mark()
    return r


@pytest.mark.drives(client="xl", kind="pvh")
@pytest.mark.parametrize(
    "shape", list(SHAPES) if os.environ.get("LXE_ALL") == "1" else FEW)
def test_guest_of_this_shape(guest, shape):
    kind, more = SHAPES[shape]
    g = guest(kind, **SMALL | more)
    limits = g.limits()
    if shape not in ("pv-ballooned-from-birth", "pv-two-vcpus"):
        limits = g.raise_limit(mib=4, populate_pages=1024)
    print(f"{shape}: {limits}")

    def same():
        g.wait_alive()
        for key in ("max_pages", "tot_pages"):
            assert g.limits()[key] == limits[key], key

    same()
    g.save(ext=True, live=True, debug=True)
    assert g.restore(ext=True, verify=True).wrong_frames == 0
    same()
    name = shlex.quote(g.name)
    xl_ext(g, f"save {name} {g.save_path}")
    assert not g.exists
    xl_ext(g, f"restore {g.save_path}")
    same()
    xl_ext(g, f"migrate -s '' {name} {RECEIVE}")
    same()
