# SPDX-License-Identifier: LGPL-2.1-only
"""The lab shows what it was built for: each defect, with stock tools.

A scenario of libxl-ext proves something only where the stock toolstack
fails in the same lab; these tests fail if it does not.
"""

import os

import pytest

from xenlab.guest import SMALL

pytestmark = pytest.mark.drives(client="xl", kind="pvh")
ALL = os.environ.get("LXE_ALL") == "1"
R3_ROUNDS = 10


@pytest.mark.drives(kind="hvm")
def test_R1_hvm_with_8_e1000_cannot_be_created(host, guest):
    g = guest("hvm", nics=8, nic_model="e1000", start=False)
    r = g.create(check=False)
    assert r.rc != 0, "stock xl created the guest"
    log = host.run(f"cat /var/log/xen/qemu-dm-{g.name}.log").stdout
    assert "failed to populate ram" in log


@pytest.mark.parametrize("kind", ["pvh", "hvm"])
def test_R2_raised_guest_saves_and_cannot_be_restored(host, guest, kind):
    g = guest(kind, **SMALL)
    before = g.limits()
    after = g.raise_limit()
    assert after["max_pages"] == before["max_pages"] + 2048
    assert after["tot_pages"] == before["tot_pages"] + 2048

    saved = g.save()
    assert "error" not in saved.stderr.lower()
    r = g.restore(check=False)
    assert r.rc != 0, "stock xl restored the raised guest"
    assert "Failed to populate physmap" in r.stderr
    assert not g.exists


@pytest.mark.parametrize("kind", ["pvh", "hvm"])
def test_R3_live_save_of_a_reading_guest_has_wrong_frames(guest, kind):
    wrong = []
    for _ in range(R3_ROUNDS):
        # Wrong frames may well hurt the restored guest: each round has
        # a new one.
        g = guest(kind, load="disk", **SMALL)
        wrong.append(g.verify_save(helper="stock", live=True))
        print(f"round {len(wrong)}: {wrong[-1]} wrong frames")
        g.destroy()
        if sum(wrong) and not ALL:
            break
    assert sum(wrong) > 0, f"no wrong frame in {len(wrong)} live saves"
