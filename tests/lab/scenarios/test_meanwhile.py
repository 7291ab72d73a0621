# SPDX-License-Identifier: LGPL-2.1-only
"""What an administrator does to a guest while it is being saved, or has
done before: it is as it was, or as it was told to be."""

import time

import pytest

from test_compat import stalled_save
from test_freeze import settings
from xenlab.guest import SMALL
from xenlab.traces import HELPER, goes_on, nothing_left

pytestmark = pytest.mark.drives(client="xl", kind="pvh")

AFTER_ROUND, AFTER_FREEZE = 6, 10       # base/fault.h
NOISY = "/var/lab/vif-noisy"


def wait_stopped(host):
    end = time.monotonic() + 60
    while "T" not in host.run(f"ps -o stat= -C {HELPER}", check=False).out:
        assert time.monotonic() < end, "the helper came to no round's end"
        time.sleep(0.2)


def test_memory_is_taken_and_given_back_during_a_live_save(guest, host):
    """What was sent is what may not be exceeded, and no less."""
    g = guest("pvh", **SMALL)
    before = g.limits()["max_pages"]
    _, go_on = stalled_save(
        g, env={"LIBXL_EXT_FAULT": f"{AFTER_ROUND}:stop"})
    # Ahead of the round's end, which sees it, and stops.
    host.run(f"xl mem-set {g.name} {g.mem - 8}")
    assert g.limits()["max_pages"] < before
    host.run(f"touch /var/lab/{g.name}.fifo.go")
    wait_stopped(host)
    host.run(f"xl mem-set {g.name} {g.mem}")
    assert g.limits()["max_pages"] == before
    host.run(f"pkill -CONT -x {HELPER}")
    save = go_on()
    assert save.returncode == 0, save.text
    assert "was lowered" in save.text and "put back" not in save.text
    g.restore(ext=True)
    g.wait_alive()
    assert g.limits()["max_pages"] == before


def test_a_card_that_is_off_the_network_stays_so(guest, host):
    g = guest("pvh", **SMALL)
    vif = f"vif{g.domid}.0"
    host.run(f"ip link set {vif} down")
    g.save(ext=True, live=True, checkpoint=True,
           env=settings(host, freeze="require"))
    g.set_mark()
    g.wait_alive()
    nothing_left(host, g)
    assert "state DOWN" in host.run(f"ip link show {vif}").out
    host.run(f"ip link set {vif} up")
    goes_on(g)


def test_a_hotplug_script_that_prints(guest, host):
    """Its words are not messages to libxl, and what it leaves running
    keeps no save waiting."""
    g = guest("pvh", **SMALL)
    node = f"/local/domain/0/backend/vif/{g.domid}/0/script"
    script = host.run(f"xenstore-read {node}").out.strip()
    host.write(NOISY, f'#!/bin/sh\necho noise\nsleep 300 &\n'
                      f'exec {script} "$@"\n')
    host.run(f"chmod +x {NOISY}; xenstore-write {node} {NOISY}")
    env = settings(host, freeze="require", freeze_method="detach")
    r = g.save(ext=True, live=True, check=False, timeout=250,
               env=env | {"LIBXL_EXT_FAULT": f"{AFTER_FREEZE}:error"})
    assert r.rc != 0
    assert f"fault point {AFTER_FREEZE} " in r.stderr, r.stderr[-2000:]
    assert "message" not in r.stderr, r.stderr[-2000:]
    host.run(f"xenstore-write {node} {script}; pkill -x sleep",
             check=False)
    goes_on(g)
    nothing_left(host, g)


def test_a_disk_is_unplugged_during_a_live_save(guest, host):
    """The image is made without it, or the save fails and says why; no
    stale journal is left either way."""
    g = guest("pvh", **SMALL)
    host.run("truncate -s 16M /var/lab/second.img")
    host.run(f"xl block-attach {g.name} "
             "'format=raw,vdev=xvdb,access=rw,target=/var/lab/second.img'",
             timeout=120)
    _, go_on = stalled_save(g)
    host.run(f"xl block-detach {g.name} xvdb", check=False, timeout=120)
    save = go_on()
    if save.returncode:
        assert "freeze: " in save.text, save.text
        goes_on(g)
        nothing_left(host, g)
    else:
        assert not host.run("ls /run/libxl-ext", check=False).out.strip()
