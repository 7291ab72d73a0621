# SPDX-License-Identifier: LGPL-2.1-only
"""Freeze and thaw by hand, as the processes that they are: xl-ext and the
guardian with fake_world.c preloaded, which has one guest (5) with one
disk."""

import json
import os
import shutil
import signal
import struct
import subprocess
import time

import pytest

from world import BACKEND, BUILD, DISK, IN_USE, PERMIT, RING_REF, wait_for

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


def test_what_is_passed_through_is_refused(world):
    """Also of a paused guest: it would be no better to suspend it."""
    world.put("store/local/domain/0/backend/pci/5/0/num_devs", "1")
    world.put("state", "paused")
    line = world.xl_ext("freeze", "5", rc=2)
    assert "pci-5-0 of domain 5 cannot be frozen" in line
    assert "xl pci-detach" in line and "suspend" not in line
    world.nothing_left()


@pytest.mark.parametrize("state", ["paused", "suspended"])
def test_usb_by_qemu_is_in_nobodys_way_by_hand(world, state):
    """Only an image of it would be of no use."""
    world.put("store/libxl/5/device/vusb/0/type", "devicemodel")
    frozen(world, state)
    world.xl_ext("thaw", "5")
    world.nothing_left(2)


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
    wait_for(lambda: not world.guardians(), 20, "no guardian is left")
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


def test_what_is_held_outlives_a_guardian_that_is_stopped(world):
    """A unit that ends with its guest frozen, as was asked for."""
    frozen(world)
    for pid in world.guardians():
        os.kill(pid, signal.SIGTERM)
    time.sleep(0.5)
    assert len(world.guardians()) == 2
    end = time.monotonic() + 7
    while world.guardians():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert world.state() == "frozen" and world.journal
    world.xl_ext("thaw", "5")
    world.nothing_left(2)


def test_a_guardian_that_is_replaced_on_a_host_short_of_memory(world):
    """What killed the first keeps the next from beginning, for a time."""
    frozen(world)
    world.put("storeless", "")
    world.kill_worker()
    time.sleep(1.5)
    assert len(world.guardians()) == 2 and not world.bound
    (world.path / "storeless").unlink()
    world.put("state", "running")
    world.nothing_left()
    assert "cannot go on guarding" in (world.path /
                                       "run/5.log").read_text()


def test_a_journal_that_makes_no_sense_fills_no_log(world):
    """It is said, but not at each look."""
    frozen(world)
    journal = world.path / "run/5.journal"
    sound = journal.stat().st_size
    with open(journal, "ab") as f:
        f.write(b"no word of ours\n")
    time.sleep(3)
    said = (world.path / "run/5.log").read_text().splitlines()
    assert len(said) == 1 and "cannot read its journal (try 1)" in said[0]
    # A person has seen to it.
    os.truncate(journal, sound)
    world.put("state", "running")
    world.nothing_left()
    assert world.state() == "connected"


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
    wait_for(lambda: state.read_text() == "6", 10, "it is closed")
    world.put("state", "gone")
    wait_for(lambda: not world.guardians() and world.journal is None, 10,
             "neither guardian nor journal is left")
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


@pytest.mark.parametrize("what", ["unmappable", "unseen"])
def test_what_cannot_be_told_is_not_taken_for_well(world, what):
    """A ring that may be in use, a device that may be there."""
    frozen(world)
    world.kill(world.guardians())
    world.ring_in_use(what == "unmappable")
    world.put(what, "")
    with subprocess.Popen([BUILD / "xl-ext", "thaw", "5"], env=world.env,
                          stderr=subprocess.PIPE) as p:
        time.sleep(1)
        if what == "unmappable":
            assert p.poll() is None and not world.bound
        (world.path / what).unlink()
        time.sleep(0.5)
        world.ring_in_use(False)
        assert p.wait(30) == 0
    world.nothing_left(2)
    assert world.bound


def second_disk(world):
    """Beside the first; in the order in which xenstore has them."""
    other = "local/domain/0/backend/vbd/5/51728"
    for name, value in {
            "libxl/5/device/vbd/51728/backend": f"/{other}",
            "libxl/5/device/vbd/51728/frontend":
                "/local/domain/5/device/vbd/51728",
            f"{other}/state": "4",
            f"{other}/frontend": "/local/domain/5/device/vbd/51728",
            "local/domain/5/device/vbd/51728/ring-ref": str(RING_REF + 1),
            }.items():
        world.put(f"store/{name}", value)
    world.put("sys/devices/vbd-5-51728/driver", "")
    grant = struct.pack("<HHI", PERMIT | IN_USE, 0, 0x100)
    world.put("grants", bytes(8 * RING_REF) + 2 * grant +
              bytes(4096 - 8 * RING_REF - 16))
    return [f"vbd-5-{d}" for d in os.listdir(
        world.path / "store/libxl/5/device/vbd")]


def test_a_disk_that_is_stuck_keeps_no_other_from_coming_back(world):
    """Nor does the process that waits for it keep anything open."""
    first, second = second_disk(world)
    world.put("conf", "freeze_timeout = 2000\n")
    world.put("state", "paused")
    world.put("stuck", second)
    out, into = os.pipe()
    p = subprocess.Popen([BUILD / "xl-ext", "freeze", "5"], env=world.env,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         pass_fds=[into])
    os.close(into)
    driver = world.path / "sys/devices" / first / "driver"
    wait_for(lambda: f"undone unbind {first}\n" in (world.journal or ""),
             30, f"{first} is undone")
    assert driver.exists()
    assert p.wait(30) == 2
    assert (world.path / "stuck").exists()
    os.set_blocking(out, False)
    assert os.read(out, 1) == b""
    line = p.stderr.read()      # to its end, which there is
    assert f"unbind {second}: not done within".encode() in line, line
    (world.path / "stuck").unlink()
    world.nothing_left(30)
    assert (world.path / "sys/devices" / second / "driver").exists()
    os.close(out)


def network_card(world, link):
    card = "local/domain/0/backend/vif/5/0"
    for name, value in {
            "libxl/5/device/vif/0/backend": f"/{card}",
            "libxl/5/device/vif/0/frontend": "/local/domain/5/device/vif/0",
            f"{card}/state": "4",
            f"{card}/frontend": "/local/domain/5/device/vif/0",
            "local/domain/5/device/vif/0/tx-ring-ref": str(RING_REF),
            "local/domain/5/device/vif/0/rx-ring-ref": str(RING_REF),
            }.items():
        world.put(f"store/{name}", value)
    for name in ("devices/vif-5-0/driver", "drivers/vif/bind",
                 "drivers/vif/unbind"):
        world.put(f"sys/{name}", "")
    world.put("net/vif5.0", link)
    return world.path / "net/vif5.0"


@pytest.mark.parametrize("before", ["up", "down"])
def test_a_link_is_as_it_was(world, before):
    """One that an administrator has set down is not set up by a save."""
    link = network_card(world, before)
    world.put("state", "suspended")
    assert world.report()["proved"] == 2
    assert link.read_text() == "down"
    assert ("intent link vif-5-0" in world.journal) == (before == "up")
    world.put("state", "running")
    world.nothing_left()
    assert link.read_text() == before


def test_a_link_that_is_left_down_is_set_up(world):
    link = network_card(world, "up")
    world.put("state", "suspended")
    world.report()
    world.kill(world.guardians())
    world.put("state", "running")
    world.xl_ext("thaw", "5")
    world.nothing_left(2)
    assert link.read_text() == "up"


def test_a_link_that_hangs_is_left_alone(world):
    """Somebody else holds the lock of the network's configuration.  It is
    set down when that ends, and then up again."""
    link = network_card(world, "up")
    world.put("conf", "freeze_timeout = 1000\n")
    world.put("stuck_link", "vif5.0")
    world.put("state", "suspended")
    start = time.monotonic()
    p = subprocess.run([BUILD / "xl-ext", "freeze", "5"], env=world.env,
                       capture_output=True, check=False, text=True)
    assert p.returncode == 2
    assert "interface vif5.0: not down within" in p.stderr, p
    assert "guardian of domain 5 goes on" in p.stderr, p
    assert time.monotonic() < start + 15
    assert len(world.guardians()) == 2 and world.bound
    assert "intent link vif-5-0" in world.journal
    assert "unbind" not in world.journal
    assert link.read_text() == "up"
    (world.path / "stuck_link").unlink()
    world.nothing_left(30)
    assert link.read_text() == "up"


def test_a_thaw_does_not_wait_for_one_link_with_all_others(world):
    link = network_card(world, "up")
    world.put("state", "suspended")
    world.report()
    world.kill(world.guardians())
    with open(world.path / "run/5.journal", "a", encoding="ascii") as f:
        f.write(f"intent unbind {DISK} vbd - -\n")
    world.unbind()
    world.put("stuck_link", "vif5.0")
    world.put("state", "running")
    with subprocess.Popen([BUILD / "xl-ext", "thaw", "5"], env=world.env):
        wait_for(lambda: world.bound, 10, "the disk is bound")
        assert link.read_text() == "down"
        (world.path / "stuck_link").unlink()
    world.nothing_left(10)
    assert link.read_text() == "up"


def test_what_holds_a_directory_in_sysfs_keeps_nobody(world):
    """Any user of the host can open it."""
    world.put("state", "paused")
    with subprocess.Popen(["flock", world.path / "sys/devices" / DISK,
                           "sleep", "60"]) as p:
        assert world.report()["detached"] == 1
        world.put("state", "running")
        world.nothing_left(5)
        p.terminate()


def test_what_is_unplugged_while_it_is_listed_is_gone(world):
    """A link that leads nowhere is listed, and there is nothing there."""
    (world.path / "store/libxl/5/device/vbd/51728").symlink_to("gone")
    world.put("state", "suspended")
    assert world.report()["proved"] == 1


def test_what_cannot_be_listed_is_not_taken_for_none(world):
    world.put("store/libxl/5/device/vif", "no directory")
    world.put("state", "suspended")
    assert "cannot list /libxl/5/device/vif: Not a dir" in world.xl_ext(
        "freeze", "5", rc=2)
    world.nothing_left()


def test_a_state_that_cannot_be_read_is_not_taken_for_none(world):
    shutil.rmtree(world.path / "store" / BACKEND)
    world.put(f"store/{BACKEND}", "no directory")
    world.put("state", "suspended")
    line = world.xl_ext("freeze", "5", rc=2)
    assert "backend vbd-5-51712 of domain 5 cannot be frozen: its nodes" \
        " in xenstore cannot be read" in line
    world.nothing_left()


def signalled(world, command, sig, begun, ignored=False):
    """The one line of a command that a signal ends in its time, when it
    has @begun; @ignored as in the background of a shell script."""
    def before():
        signal.signal(sig, signal.SIG_IGN if ignored else signal.SIG_DFL)

    p = subprocess.Popen([BUILD / "xl-ext", command, "5"], env=world.env,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, preexec_fn=before)
    wait_for(begun, 20, f"{command} has begun")
    start = time.monotonic()
    p.send_signal(sig)
    out, err = p.communicate(timeout=30)
    assert time.monotonic() - start < 5
    assert p.returncode == 2 and out == "" and err.count("\n") == 1, err
    return err


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM,
                                 signal.SIGHUP])
def test_a_signal_cancels_a_freeze(world, sig):
    world.put("conf", "freeze_timeout = 60000\n")
    world.put("state", "paused")
    world.put("stuck", DISK)
    line = signalled(world, "freeze", sig,
                     lambda: f"intent unbind {DISK}" in
                     (world.journal or ""), ignored=sig == signal.SIGINT)
    assert line.startswith("xl-ext freeze: freeze: domain 5: cancelled,"
                           " and the guest is as it was; ")
    assert line.endswith("the guardian of domain 5 goes on trying\n")
    (world.path / "stuck").unlink()
    world.nothing_left(30)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_signal_cancels_a_thaw(world, guarded):
    frozen(world)
    if not guarded:
        world.kill(world.guardians())
    world.put("stuck_bind", DISK)
    line = signalled(world, "thaw", signal.SIGTERM,
                     lambda: guarded and "thaw\n" in world.journal or
                     world.tasks())
    assert ("its guardian goes on with what is frozen: xl-ext backends 5"
            if guarded else "it stays in the journal: xl-ext thaw 5 goes"
            " on with it") in line
    (world.path / "stuck_bind").unlink()
    if not guarded:
        world.xl_ext("thaw", "5")
    world.nothing_left(30)
