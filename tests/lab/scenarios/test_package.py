# SPDX-License-Identifier: LGPL-2.1-only
"""The Debian packages, in a dom0: installing them switches the plug-in on
for xl, with no variable set, and removing them switches it off."""

import pytest

from xenlab import paths
from xenlab.guest import SMALL
from xenlab.host import WORK
from xenlab.proc import call

pytestmark = pytest.mark.drives(client="xl", kind="pvh")


@pytest.fixture
def package(host, clean_host):
    """Built here and installed there; gone afterwards."""
    call(["make", "-s", "-C", paths.CHECKOUT, "deb"])
    names = ("libxl-ext", "libxlext0")
    debs = [d for n in names for d in
            (paths.CHECKOUT / "build/deb").glob(f"{n}_*.deb")]
    assert len(debs) == len(names)
    for d in debs:
        host.run(f"cat > {WORK}/{d.name}", input=d.read_bytes())
    host.run(f"dpkg -i {WORK}/*.deb", timeout=300)
    yield
    host.run(f"dpkg -P {' '.join(names)}", check=False, timeout=300)


def test_package_switches_on_and_off(guest, host, package):
    g = guest("pvh", **SMALL)
    raised = g.raise_limit(mib=8, populate_pages=2048)
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
