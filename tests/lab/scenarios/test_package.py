# SPDX-License-Identifier: LGPL-2.1-only
"""The Debian packages, in a dom0: installing them switches the plug-in on
for xl, with no variable set, and removing them switches it off."""

import pytest

from xenlab import buildroot, paths
from xenlab.guest import SMALL
from xenlab.host import WORK

NAMES = ("libxl-ext", "libxlext0")


def build(flavour):
    """For the Debian and the Xen of that dom0: the files."""
    assert buildroot.make(flavour, ["-s", "deb"]) == 0
    where = paths.CHECKOUT / buildroot.out_dir(flavour) / "deb"
    debs = [d for n in NAMES for d in where.glob(f"{n}_*.deb")]
    assert len(debs) == len(NAMES)
    return debs

pytestmark = pytest.mark.drives(client="xl", kind="pvh")


@pytest.fixture
def package(lab, host, clean_host):
    """Built here and installed there; gone afterwards."""
    debs = build(lab.flavour)
    for d in debs:
        host.run(f"cat > {WORK}/{d.name}", input=d.read_bytes())
    host.run(f"dpkg -i {WORK}/*.deb", timeout=300)
    yield
    host.run(f"dpkg -P {' '.join(NAMES)}", check=False, timeout=300)


def test_package_switches_on_and_off(guest, host, package):
    g = guest("pvh", **SMALL)
    raised = g.raise_limit()
    # ext=False: no variable is set.
    r = g.save(verbose=1)
    assert "libxl-ext" in r.stderr
    g.restore()
    g.wait_alive()
    after = g.limits()
    for key in ("max_pages", "tot_pages"):
        assert after[key] == raised[key]
    host.run("dpkg -r libxl-ext", timeout=300)
    g.save()
    r = g.restore(check=False)
    assert r.rc != 0 and "populate" in r.stderr and not g.exists
