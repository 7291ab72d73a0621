# SPDX-License-Identifier: LGPL-2.1-only
"""Memory limits travel with the guest: what stock tools lose, ours keep.

Every test here ends with the limits of Xen itself, to the page.
"""

import os

import pytest

from xenlab.guest import SMALL, same_limits

pytestmark = pytest.mark.drives(client="xl", kind="pvh")
ALL = os.environ.get("LXE_ALL") == "1"
KINDS = ["pvh", "hvm"]
MANDATORY = "Mandatory record 0x4c58"


@pytest.mark.parametrize("kind", KINDS)
def test_raised_guest_is_lost_by_stock_and_kept_by_ours(guest, kind):
    g = guest(kind, **SMALL)
    start = g.limits()
    raised = g.raise_limit()
    assert raised["max_pages"] == start["max_pages"] + 2048
    assert raised["tot_pages"] == start["tot_pages"] + 2048

    # Our image, given to stock: refused before any page.
    r = g.save(ext=True)
    assert "only a host with libxl-ext can restore it" in r.stderr
    r = g.restore(ext=False, check=False, verbose=3)
    assert r.rc != 0 and MANDATORY in r.stderr
    assert "populate" not in r.stderr.lower()
    assert not g.exists

    # Given to ours: restored, to the page.
    g.restore(ext=True)
    g.wait_alive()
    same_limits(raised, g.limits())

    # Stock's own image: saved without a word, and lost.
    assert g.save(ext=False).rc == 0
    r = g.restore(ext=False, check=False)
    assert r.rc != 0
    assert "Failed to populate physmap" in r.stderr
    assert not g.exists


@pytest.mark.parametrize("kind", KINDS if ALL else ["pvh"])
def test_migration_of_a_raised_guest(guest, kind):
    g = guest(kind, **SMALL)
    raised = g.raise_limit()

    # The receiver is stock: it refuses, and the source runs on.
    r = g.migrate(ext=True, ext_receiver=False, check=False)
    assert r.rc != 0 and MANDATORY in r.receiver_log
    g.wait_alive()
    assert list(g.host.domains()) == [g.name]
    same_limits(raised, g.limits())

    g.migrate(ext=True)
    g.wait_alive()
    assert list(g.host.domains()) == [g.name]
    same_limits(raised, g.limits())

    # Stock on both sides: what R2 does to a migration.
    r = g.migrate(ext=False, check=False)
    assert r.rc != 0 and "Failed to populate physmap" in r.receiver_log


@pytest.mark.parametrize("kind", ["pv", "pvh", "hvm"] if ALL else ["pv"])
def test_unraised_image_is_understood_by_both(guest, kind):
    g = guest(kind, **SMALL)
    before = g.limits()
    r = g.save(ext=True)
    assert "optional record" in r.stderr
    g.restore(ext=False)
    g.wait_alive()
    same_limits(before, g.limits())
    g.save(ext=False)
    g.restore(ext=True)
    g.wait_alive()
    same_limits(before, g.limits())


@pytest.mark.parametrize("kind", ["pv"] + KINDS if ALL else ["pvh"])
def test_cycles_do_not_drift(guest, kind):
    cycles = 50 if ALL and kind == "pvh" else 3
    # Linux loses about 1 MiB each time that it resumes.
    g = guest(kind, mem=128 + cycles, churn_mem=8)
    before = g.limits()
    if kind != "pv":
        before = g.raise_limit(mib=3, populate_pages=500)
    for _ in range(cycles):
        g.save(ext=True)
        g.restore(ext=True)
        same_limits(before, g.limits())
    g.wait_alive()


def test_checkpoint_and_mem_set(guest, host):
    """xl save -c lets the guest go on; a limit that xl mem-set lowered
    is the one that comes back: Xen is the record, not the past."""
    g = guest("pvh", **SMALL)
    before = g.limits()
    g.save(ext=True, checkpoint=True)
    g.wait_alive()
    same_limits(before, g.limits())
    assert g.ping()
    g.raise_limit(mib=8, populate_pages=0)
    host.run(f"xl mem-set {g.name} {g.mem - 16}")
    before = g.limits()
    g.save(ext=True)
    g.restore(ext=True)
    g.wait_alive()
    assert g.limits()["max_pages"] == before["max_pages"]


@pytest.mark.drives(kind="hvm")
def test_eight_cards(guest, host):
    """R1: created, saved, restored and migrated, the limit exact."""
    arbiter = 'device_model_override = "/opt/libxl-ext/libxl-ext-qemu"'
    stock = guest("hvm", nics=8, nic_model="e1000", start=False)
    r = stock.create(check=False)
    assert r.rc != 0
    stock.destroy()

    g = guest("hvm", nics=8, nic_model="e1000", extra_cfg=arbiter)
    before = g.limits()
    # More than stock's limit is in use, and little is left over.
    assert before["tot_pages"] > (g.mem + 1) * 256
    assert before["max_pages"] - before["tot_pages"] <= 64
    g.save(ext=True)
    g.restore(ext=True)
    g.wait_alive()
    same_limits(before, g.limits())
    g.migrate(ext=True)
    g.wait_alive()
    same_limits(before, g.limits())
