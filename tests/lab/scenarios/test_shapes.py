# SPDX-License-Identifier: LGPL-2.1-only
"""Guests of other shapes than the scenarios' usual one: several vcpus,
more memory promised than given, no device, many of them, names that
need care.  Each is saved and restored by xl with the helper, live and
with a verify pass, and by xl-ext, and migrated by xl-ext.
"""

import os
import shlex

import pytest

from xenlab.guest import SMALL, same_limits
from xenlab.host import XL_EXT

RECEIVE = shlex.quote(f"{XL_EXT} migrate-receive")

# What is not SMALL of it.  POD: a PV guest is ballooned from birth; of the
# others the balloon gives back what Xen never had for it, by the time that
# the guest says that it is alive.
POD = {"extra_cfg": "maxmem = 224"}
SHAPES = {
    "two-vcpus": {"vcpus": 2},
    "maxmem": POD,
    "no-device": {"disk": None, "nics": 0},
    "four-cards": {"nics": 4},
    "odd-name": {"name": "a.b_c-d+e:f@9"},
}
ALL = [("pvh", s) for s in SHAPES] + [
    ("pv", "two-vcpus"), ("pv", "maxmem"), ("hvm", "two-vcpus"),
    ("hvm", "maxmem"), ("hvm", "no-device")]
FEW = ALL[:1]


def xl_ext(g, args):
    g.set_mark()
    r = g.host.run(f"{XL_EXT} {args}", timeout=600)
    g.set_mark()
    return r


@pytest.mark.drives(client="xl")
@pytest.mark.parametrize(
    "kind, shape", ALL if os.environ.get("LXE_ALL") == "1" else FEW)
def test_guest_of_this_shape(guest, kind, shape):
    g = guest(kind, **SMALL | SHAPES[shape])
    limits = g.limits()
    if kind != "pv":
        limits = g.raise_limit(mib=4, populate_pages=1024)
    print(f"{kind}, {shape}: {limits}")

    def same():
        g.wait_alive()
        same_limits(limits, g.limits())

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
