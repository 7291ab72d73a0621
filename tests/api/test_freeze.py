# SPDX-License-Identifier: LGPL-2.1-only
"""Freeze and thaw by hand, as the processes that they are: xl-ext and the
guardian with fake_world.c preloaded, which has one guest (5) with one
disk."""

import json
import signal
import subprocess
import time

import pytest

from world import BACKEND, BUILD, DISK

POINTS = (15, 16, 17, 18, 21, 22, 28, 29)


def frozen(w, state="paused"):
    w.put("state", state)
    report = w.report()
    assert report["backends"] == 1 and report["unfrozen"] == 0
    assert w.journal.endswith("hold\n")
    assert len(w.guardians()) == 2
    return report


def test_a_running_guest_is_refused(world):
    assert "neither suspended nor paused" in world.xl_ext("freeze", "5",
                                                          rc=2)
    assert world.state() == "connected"
    world.nothing_left()


def test_a_paused_guest_is_detached_and_thawed_by_hand(world):
    assert frozen(world)["detached"] == 1
    assert world.state() == "frozen" and not world.bound
    assert "was frozen by hand" in world.xl_ext("freeze", "5", rc=2)
    time.sleep(0.3)
    assert world.state() == "frozen" and len(world.guardians()) == 2
    world.xl_ext("thaw", "5")
    world.nothing_left(2)
    assert world.state() == "connected"
    world.xl_ext("thaw", "web")


def test_a_guest_that_runs_again_is_thawed(world):
    frozen(world)
    world.put("state", "running")
    world.nothing_left()
    assert world.state() == "connected"


def test_a_suspended_guest_is_proved(world):
    assert frozen(world, "suspended")["proved"] == 1
    assert world.bound
    # It was not theirs to resume, whoever has died.
    time.sleep(0.3)
    assert len(world.guardians()) == 2
    world.put("state", "running")
    world.nothing_left()


def test_a_suspended_guest_by_detach(world):
    world.put("conf", 'freeze_method = "detach"\n')
    assert frozen(world, "suspended")["detached"] == 1
    # Suspended and paused alike are no reason to thaw.
    world.put("state", "paused")
    time.sleep(0.3)
    assert not world.bound
    world.xl_ext("thaw", "5")
    world.nothing_left(2)


def test_freeze_off_is_for_saves(world):
    world.put("conf", 'freeze = "off"\n')
    frozen(world)
    assert not world.bound


def test_what_cannot_be_detached_is_refused(world):
    world.put("store/libxl/5/device/vbd/51712/backend",
              "/local/domain/0/backend/qdisk/5/51712")
    world.put("store/local/domain/0/backend/qdisk/5/51712/state", "4")
    world.put("state", "paused")
    line = world.xl_ext("freeze", "5", rc=2)
    assert "which is paused, can only be detached" in line
    assert "suspend the guest instead" in line
    world.nothing_left()


@pytest.mark.parametrize("state", ["paused", "suspended"])
@pytest.mark.parametrize("how", ["kill", "error"])
@pytest.mark.parametrize("point", POINTS)
def test_a_freeze_that_fails_or_is_killed_leaves_nothing(world, point, how,
                                                         state):
    world.put("conf", 'freeze_method = "detach"\n')
    world.put("state", state)
    if how == "kill":
        world.xl_ext("freeze", "5", rc=-signal.SIGKILL,
                     fault=f"{point}:kill")
    else:
        assert f"fault point {point} " in world.xl_ext(
            "freeze", "5", rc=2, fault=f"{point}:error")
    # Nobody resumes a guest either.
    end = time.monotonic() + 20
    while world.guardians():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert world.bound
    assert (world.path / "state").read_text() == state
    assert world.logdirty == "on"
    # A journal without a guardian is an empty one: of point 15.
    assert world.journal is None or "intent" not in world.journal
    assert world.state() == "connected"
    # The same without the fault.
    frozen(world, state)
    world.xl_ext("thaw", "5")
    world.nothing_left(2)


def test_a_guardian_that_is_killed_is_replaced(world):
    frozen(world)
    world.kill_worker()
    time.sleep(0.3)
    assert world.state() == "frozen"
    world.put("state", "running")
    world.nothing_left()


@pytest.mark.parametrize("state", ["paused", "running"])
def test_without_any_guardian_the_journal_is_enough(world, state):
    frozen(world)
    world.kill(world.guardians())
    world.put("state", state)
    assert world.state() == "frozen"
    world.xl_ext("thaw", "5")
    world.nothing_left(2)
    assert world.state() == "connected"


def test_a_thaw_that_is_asked_for_counts_if_the_asker_dies(world):
    frozen(world)
    # The line alone: what is left of a thaw killed right behind it.
    with open(world.path / "run/5.journal", "a", encoding="ascii") as f:
        f.write("thaw\n")
    world.nothing_left()


def test_libxl_can_close_what_is_frozen(world):
    """Nobody else would answer while the driver is away."""
    frozen(world)
    state = world.path / "store" / BACKEND / "state"
    state.write_text("5")
    end = time.monotonic() + 10
    while state.read_text() != "6":
        assert time.monotonic() < end
        time.sleep(0.02)
    world.put("state", "gone")
    end = time.monotonic() + 10
    while world.guardians() or world.journal is not None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert "see xl list" in world.xl_ext("thaw", "5", rc=2)


def test_what_nobody_knows_of_is_lost(world):
    (world.path / "sys/devices" / DISK / "driver").unlink()
    p = json.loads(world.xl_ext("backends", "--json", "5", rc=1))
    assert p["backends"][0]["state"] == "lost"
    assert "unbound" in p["backends"][0]["why"]


def test_several_at_once(world):
    """One of them freezes, or none, and it is known what is frozen."""
    done = 0
    for _ in range(5):
        world.put("state", "paused")
        ps = [subprocess.Popen([BUILD / "xl-ext", "freeze", "5"],
                               env=world.env, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
              for _ in range(4)]
        out = [(p.communicate(timeout=60)[1], p.returncode) for p in ps]
        codes = sorted(rc for _, rc in out)
        # Each may be told that the other has just begun.
        assert codes in ([0, 2, 2, 2], [2, 2, 2, 2]), out
        assert all(e.count("\n") == rc // 2 for e, rc in out), out
        frozen_now = codes[0] == 0
        done += frozen_now
        assert world.state() == ("frozen" if frozen_now else "connected")
        assert world.bound != frozen_now
        world.xl_ext("thaw", "5")
        world.nothing_left(5)
    assert done
