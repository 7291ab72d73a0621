# SPDX-License-Identifier: LGPL-2.1-only
"""A save's helper as the process that it is: this file is libxl, which
starts it and speaks with it (helper/protocol.h); the guest is that of
fake_world.c, and the libxenguest below it fake_xenguest.c."""

import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from world import BUILD, DISK, IN_USE, PERMIT, RING_REF, wait_for

LOG, SUSPEND, COMPLETE = 1, 3, 10
# "A cancel leaves a running guest within 5 s": the helper's part of it.
CANCELLED = 4


class Helper:
    """One save; libxl lets the guest run when it has failed."""

    def __init__(self, world, fault=None, live=False, libxl=()):
        self.world = world
        self.said, self.result = [], None
        world.put("store/local/domain/5/memory/target", "8192")
        world.put("store/local/domain/5/memory/static-max", "8192")
        env = world.env | ({"LIBXL_EXT_FAULT": fault} if fault else {})
        with open(world.path / "image", "wb") as image:
            fd = image.fileno()
            self.process = subprocess.Popen(
                [*libxl, BUILD / "libxl-ext-save-helper", "--save-domain",
                 str(fd), "-1", "5", str(int(live)), str(1 << SUSPEND),
                 "0"], env=env,
                pass_fds=[fd], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def hear(self):
        """What it wants; log and progress are taken by the way."""
        while True:
            head = self.process.stdout.read(4)
            if len(head) < 4:
                return None
            length, what = struct.unpack("=HH", head)
            body = self.process.stdout.read(length - 2)
            if what == SUSPEND:
                return what
            if what == COMPLETE:
                self.result = struct.unpack("=ii", body)
                return what
            if what == LOG:
                self.said.append(body[8:].decode("ascii", "replace"))

    def answer(self, value):
        self.process.stdin.write(struct.pack("=i", value))
        self.process.stdin.flush()

    def suspend(self):
        assert self.hear() == SUSPEND, self.said
        self.world.put("state", "suspended")
        self.answer(1)

    def complete(self):
        """To its end; a guest whose save failed runs."""
        assert self.hear() == COMPLETE, self.said
        self.answer(0)
        if self.result[0]:
            self.world.put("state", "running")
        assert self.process.wait(10) == 0
        return self.result[0]

    def cancel(self):
        """Seconds until it has ended."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.complete() == -1
        return time.monotonic() - start


@pytest.fixture
def helper(short_world):
    started = []

    def start(**args):
        started.append(Helper(short_world, **args))
        return started[-1]

    yield start
    for h in started:
        h.process.kill()
        h.process.wait()


def use_grant(world, ref):
    grants = bytearray((world.path / "grants").read_bytes())
    struct.pack_into("<HHI", grants, 8 * ref, PERMIT | IN_USE, 0, 0x100)
    world.put("grants", bytes(grants))


def card(world, devid, script):
    """A network card, which is to be detached, and its script's text."""
    back = f"local/domain/0/backend/vif/5/{devid}"
    path, ref = world.path / f"script{devid}", RING_REF + 2 + devid
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    for name, value in {
            f"libxl/5/device/vif/{devid}/backend": f"/{back}",
            f"libxl/5/device/vif/{devid}/frontend":
                f"/local/domain/5/device/vif/{devid}",
            f"{back}/state": "4", f"{back}/script": str(path),
            f"{back}/hotplug-status": "connected",
            f"{back}/frontend": f"/local/domain/5/device/vif/{devid}",
            f"local/domain/5/device/vif/{devid}/tx-ring-ref": str(ref),
            f"local/domain/5/device/vif/{devid}/rx-ring-ref": str(ref),
            }.items():
        world.put(f"store/{name}", value)
    for name in (f"devices/vif-5-{devid}/driver", "drivers/vif/bind",
                 "drivers/vif/unbind"):
        world.put(f"sys/{name}", "")
    use_grant(world, ref)


def connect(world, devid):
    """What a script does in the end."""
    return f"printf connected > {world.path / online(devid)}"


def online(devid):
    return f"store/local/domain/0/backend/vif/5/{devid}/hotplug-status"


def hang(world, devid):
    """Until there is a file of that name no more; told by its start."""
    world.put("hang", "")
    return (f"echo x >> {world.path}/started\n"
            f"while [ -e {world.path}/hang ]; do sleep 0.05; done\n" +
            connect(world, devid))


DETACH = 'freeze_method = "detach"\n'
FROZEN = "10:error"             # all is, and then the save fails


def test_a_save_is_committed(world, helper):
    world.put("conf", DETACH)
    h = helper()
    h.suspend()
    assert h.complete() == 0
    assert world.journal.endswith("commit\n") and not world.bound
    world.put("state", "running")
    world.nothing_left()


def test_what_xenstore_says_is_heard_while_the_guest_runs(world, helper):
    """Or a guest could let it pile up; and it is heeded: a card came."""
    world.put("conf", DETACH)
    world.put("rounds", "40")
    h = helper()
    wait_for(lambda: (world.path / "image").stat().st_size, 20,
             "the image begins")
    card(world, 0, connect(world, 0))
    world.put("events", "")
    wait_for(lambda: not (world.path / "events").exists(), 1,
             "the event is seen")
    assert "suspend" not in world.journal
    h.suspend()
    assert h.complete() == 0
    assert "intent unbind vif-5-0" in world.journal
    world.put("state", "running")
    world.nothing_left()


@pytest.mark.parametrize("word", [0, 1])
def test_a_guest_that_does_not_suspend_is_not_frozen(world, helper, word):
    """It was shut down, or libxl 4.17 gave up waiting."""
    world.put("conf", DETACH)
    h = helper()
    assert h.hear() == SUSPEND
    h.answer(word)
    assert h.complete() == -1
    assert "did not suspend" in "".join(h.said) or not word
    world.nothing_left()


def let_go(world):
    """In place, where the helper looks."""
    with open(world.path / "grants", "r+b") as grants:
        grants.write(bytes(4096))


@pytest.mark.parametrize("in_use", [False, True])
def test_a_backend_whose_domain_ends(world, helper, in_use):
    """Requests are left, and nobody is that would answer them."""
    world.put("conf", 'freeze_method = "prove"\nfreeze_timeout = 1000\n')
    world.put("ring", struct.pack("=I", 1) + bytes(4092))
    h = helper(fault="17:stop")         # nothing is frozen
    h.suspend()
    os.waitpid(h.process.pid, os.WUNTRACED)
    if not in_use:
        let_go(world)
    h.process.send_signal(signal.SIGCONT)
    assert h.complete() == (-1 if in_use else 0)
    assert in_use or "will answer nothing more" in "".join(h.said)
    world.put("state", "running")
    world.nothing_left()


@pytest.mark.parametrize("in_use", [False, True])
def test_what_is_unplugged_while_the_guest_stands_still(world, helper,
                                                        in_use):
    """It is gone, unless somebody still has its ring."""
    world.put("conf", DETACH)
    h = helper(fault="21:stop")         # the journal names it
    h.suspend()
    os.waitpid(h.process.pid, os.WUNTRACED)
    shutil.rmtree(world.path / "sys/devices" / DISK)
    if not in_use:
        let_go(world)
    h.process.send_signal(signal.SIGCONT)
    assert h.complete() == (-1 if in_use else 0)
    world.put("state", "running")
    wait_for(lambda: not world.guardians() and world.journal is None, 20,
             "neither guardian nor journal is left")


def cancelled_behind(act, world, helper):
    """A save that is cancelled when it has begun this act, and hangs."""
    h = helper()
    h.suspend()
    wait_for(lambda: f"intent {act}" in world.journal, 20,
             f"{act} is in the journal")
    time.sleep(0.3)
    assert h.cancel() < CANCELLED
    assert "told to stop" in "".join(h.said)
    return h


@pytest.mark.parametrize("freeze", ["require", "try"])
@pytest.mark.parametrize("where", ["unbind", "flight"])
def test_a_cancel_does_not_wait_for_a_disk_that_is_stuck(world, helper,
                                                         where, freeze):
    """In its unbind, or with requests that are in flight behind it.  It is
    back when it can be."""
    world.put("conf", f'{DETACH}freeze = "{freeze}"\n')
    if where == "unbind":
        world.put("stuck", DISK)
    else:
        world.put("store/local/domain/5/device/vbd/51712/ring-ref", "30")
        use_grant(world, 30)
    h = cancelled_behind("unbind", world, helper)
    assert "guardian of domain 5 goes on" in "".join(h.said)
    assert len(world.guardians()) == 2
    world.put("stuck", "")
    world.ring_in_use(False)
    world.nothing_left(30)


def test_a_cancel_does_not_wait_for_a_link_that_hangs(world, helper):
    card(world, 0, connect(world, 0))
    world.put("net/vif5.0", "up")
    world.put("stuck_link", "vif5.0")
    cancelled_behind("link", world, helper)
    assert len(world.guardians()) == 2
    (world.path / "stuck_link").unlink()
    world.nothing_left(30)
    assert (world.path / "net/vif5.0").read_text() == "up"


@pytest.mark.parametrize("act", ["link", "unbind"])
def test_what_may_hang_is_made_ready_while_the_guest_runs(world, helper,
                                                          act):
    """The process that was there does it: none is made meanwhile."""
    if act == "link":
        card(world, 0, connect(world, 0))
        world.put("net/vif5.0", "up")
        world.put("stuck_link", "vif5.0")
    else:
        world.put("conf", DETACH)
        world.put("stuck", DISK)
    h = helper()
    assert h.hear() == SUSPEND, h.said
    wait_for(world.tasks, 20, "a task runs")
    [ready] = world.tasks()
    world.put("state", "suspended")
    h.answer(1)
    wait_for(lambda: f"intent {act}" in world.journal, 20,
             f"{act} is in the journal")
    time.sleep(0.3)
    assert world.tasks() == [ready]
    (world.path / ("stuck_link" if act == "link" else "stuck")).unlink()
    assert h.complete() == 0
    assert not world.tasks()


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_what_was_made_ready_ends_with_the_helper(world, helper, how):
    world.put("conf", DETACH)
    h = helper()
    assert h.hear() == SUSPEND, h.said
    wait_for(world.tasks, 20, "a task runs")
    if how == "kill":
        h.process.kill()
    else:
        h.answer(0)
        assert h.complete() == -1
    wait_for(lambda: not world.tasks(), 20, "no task is left")
    world.nothing_left(60)      # the guest may yet be suspended: 20 s


@pytest.mark.parametrize("when", ["killed", "another view"])
def test_without_what_was_made_ready_it_is_done_as_well(world, helper,
                                                        when):
    world.put("conf", DETACH)
    h = helper()
    assert h.hear() == SUSPEND, h.said
    wait_for(world.tasks, 20, "a task runs")
    if when == "killed":
        world.kill(world.tasks())
        wait_for(lambda: not world.tasks(), 20, "no task is left")
    else:
        world.put("store/local/domain/5/device/vbd/51712/event-channel",
                  "7")
    world.put("state", "suspended")
    h.answer(1)
    assert h.complete() == 0, h.said
    assert not world.bound and not world.tasks()


def test_a_cancel_counts_in_a_thaw_as_well(world, helper):
    world.put("conf", DETACH)
    world.put("stuck_bind", DISK)
    h = helper(fault=FROZEN)
    h.suspend()
    wait_for(lambda: "intent unbind" in world.journal and not world.bound,
             20, "the disk is unbound")
    time.sleep(0.5)
    assert h.cancel() < CANCELLED
    (world.path / "stuck_bind").unlink()
    world.nothing_left(30)


@pytest.mark.parametrize("late", [0, 1])
def test_a_script_that_hangs_keeps_no_other_card_off_the_net(world, helper,
                                                             late):
    """Nor the guest from running; and it is not run twice."""
    world.put("conf", DETACH)
    card(world, late, hang(world, late))
    card(world, 1 - late, connect(world, 1 - late))
    h = helper(fault=FROZEN)
    h.suspend()
    start = time.monotonic()
    wait_for(lambda: f"undone unbind vif-5-{1 - late}\n" in world.journal,
             8, "the other card is undone")
    assert h.complete() == -1
    assert time.monotonic() < start + 15
    assert not (world.path / online(late)).exists()
    time.sleep(1)               # the guardian looks after it
    (world.path / "hang").unlink()
    world.nothing_left(30)
    assert (world.path / online(late)).exists()
    assert (world.path / "started").read_text() == "x\n"


def test_scripts_run_side_by_side(world, helper):
    """Each waits for all others to have begun."""
    world.put("conf", DETACH)
    begun = f"{world.path}/begun"
    for devid in range(4):
        card(world, devid, f"touch {begun}{devid}\n"
             f"until [ -e {begun}0 -a -e {begun}1 -a -e {begun}2 -a"
             f" -e {begun}3 ]; do sleep 0.05; done\n" +
             connect(world, devid))
    h = helper(fault=FROZEN)
    h.suspend()
    assert h.complete() == -1
    world.nothing_left(30)


def test_what_a_script_prints_is_not_for_libxl(world, helper):
    """Nor does what it leaves running hold anything of the save."""
    world.put("conf", DETACH)
    card(world, 0, "echo noise; echo noise >&2; sleep 20 &\n" +
         connect(world, 0))
    h = helper(fault=FROZEN)
    h.suspend()
    assert h.complete() == -1
    start = time.monotonic()
    assert h.process.stdout.read() == b""
    assert b"noise" not in h.process.stderr.read()
    world.nothing_left(5)
    assert time.monotonic() < start + 10


def test_a_script_that_fails_is_tried_again(world, helper):
    world.put("conf", DETACH)
    card(world, 0, f"rmdir {world.path}/twice || exit 3\n" +
         connect(world, 0))
    h = helper(fault=FROZEN)
    h.suspend()
    assert h.complete() == -1
    assert "online failed (wait status 0x300)" in "".join(h.said)
    (world.path / "twice").mkdir()
    world.nothing_left()


@pytest.mark.parametrize("word", ["suspend", "intent", "undone", "commit"])
def test_a_run_directory_that_is_full(world, helper, word):
    """A save fails of it where it would not be known what is frozen; what
    has been thawed is, whether that can be written or not."""
    world.put("conf", DETACH)
    world.put("full", word)
    h = helper(fault=FROZEN if word == "undone" else None)
    h.suspend()
    assert h.complete() == (0 if word == "suspend" else -1)
    world.put("state", "running")
    world.nothing_left()


def ended(world, h, how):
    """By a signal or in order; what libxl does then."""
    if how == "error":
        assert h.complete() == -1
    else:
        assert h.process.wait(30) == -signal.SIGKILL
        world.put("state", "running")


@pytest.mark.parametrize("how", ["kill", "error"])
@pytest.mark.parametrize("point", [8, 10, 12, 13, 14, 18, 21, 22, 25, 26,
                                   27])
def test_a_save_that_ends_anywhere_leaves_a_guest_with_its_devices(
        world, helper, point, how):
    world.put("conf", DETACH)
    card(world, 0, connect(world, 0))
    if point in (25, 26):
        world.put("full", "commit")     # a reason to thaw
    h = helper(fault=f"{point}:{how}")
    h.suspend()
    ended(world, h, how)
    world.nothing_left()
    assert (world.path / online(0)).exists()
    assert (world.path / "state").read_text() == "running"


def pass_through(world, devices="1"):
    """PCI devices, as libxl 4.15 and newer leave that: HVM's state."""
    back = "store/local/domain/0/backend/pci/5/0"
    world.put(f"{back}/num_devs", devices)
    world.put(f"{back}/state", "1")


@pytest.mark.parametrize("freeze", ["require", "try", "off"])
def test_a_live_save_with_a_device_that_is_passed_through(world, helper,
                                                          freeze):
    """Xen would refuse it in the middle, whatever the policy is."""
    world.put("conf", f'freeze = "{freeze}"\n')
    pass_through(world)
    h = helper(live=True)
    assert h.complete() == -1
    assert "1 PCI device is passed through" in "".join(h.said)
    assert "xl pci-detach" in "".join(h.said)
    assert (world.path / "image").stat().st_size == 0
    world.nothing_left()


@pytest.mark.parametrize("freeze", ["require", "try", "off"])
def test_a_save_with_a_device_that_is_passed_through(world, helper, freeze):
    """It writes into the guest although that is suspended."""
    world.put("conf", f'freeze = "{freeze}"\n')
    pass_through(world)
    h = helper()
    if freeze == "require":
        assert h.complete() == -1
        assert "pci-5-0 of domain 5 cannot be frozen" in "".join(h.said)
        assert "freeze = try would allow it" in "".join(h.said)
        assert (world.path / "image").stat().st_size == 0
    else:
        h.suspend()
        assert h.complete() == 0, h.said
        assert ("pci-5-0" in "".join(h.said)) == (freeze == "try")
    world.put("state", "running")
    world.nothing_left()


@pytest.mark.parametrize("killed", [False, True])
def test_a_save_without_a_freeze_has_its_guardian(short_world, helper,
                                                  killed):
    """Killed together with its libxl, it leaves a guest that runs."""
    world = short_world
    world.put("conf", 'freeze = "off"\n')
    h = helper(fault="8:kill" if killed else None,
               libxl=[sys.executable, "-c", PARENT] if killed else ())
    h.suspend()
    if killed:
        assert h.process.wait(10)
        wait_for(lambda: (world.path / "state").read_text() == "running", 20,
                 "the guest runs")
    else:
        assert h.complete() == 0, h.said
        assert world.journal.endswith("answered\ncommit\n")
        assert len(world.guardians()) == 2
        world.put("state", "running")
    world.nothing_left()


def test_without_a_freeze_it_needs_no_guardian(short_world, helper):
    short_world.put("conf", 'freeze = "off"\n')
    h = helper(fault="15:error")
    h.suspend()
    assert h.complete() == 0, h.said
    assert "going on because of freeze = off" in "".join(h.said)
    short_world.nothing_left()


def served_by_qemu(world, ref=RING_REF):
    """The disk; nobody could detach it."""
    back = "/local/domain/0/backend/qdisk/5/51712"
    world.put("store/libxl/5/device/vbd/51712/backend", back)
    world.put(f"store{back}/state", "4")
    world.put("store/local/domain/5/device/vbd/51712/ring-ref", str(ref))


def refused_at_once(world, h, words):
    """Before the guest was suspended, and any byte."""
    assert h.complete() == -1
    said = "".join(h.said)
    assert "of domain 5 cannot be frozen" in said and words in said, said
    assert "freeze = try would allow it" in said
    assert (world.path / "image").stat().st_size == 0
    world.nothing_left()


@pytest.mark.parametrize("disk", ["dead", "nonsense", "no access"])
def test_a_disk_by_qemu_that_nobody_serves(world, helper, disk):
    served_by_qemu(world, {"nonsense": "x", "no access": 30}.get(
        disk, RING_REF))
    world.ring_in_use(disk != "dead")
    refused_at_once(world, helper(), {
        "dead": "request ring 0 is grant 8, which no backend has in use:"
                " its backend seems to have died",
        "nonsense": "ring-ref", "no access": "gives no access"}[disk])


def test_rings_that_make_no_sense(world, helper):
    """Without them, it could not be seen to be detached."""
    world.put("store/local/domain/5/device/vbd/51712/ring-ref", "x")
    refused_at_once(world, helper(), "ring-ref")


def test_a_disk_that_can_be_detached_instead(world, helper):
    """It has let go of its ring, and is in nobody's way."""
    world.ring_in_use(False)
    h = helper()
    h.suspend()
    assert h.complete() == 0, h.said
    world.put("state", "running")
    world.nothing_left()


def test_a_disk_that_nobody_serves_by_try(world, helper):
    world.put("conf", 'freeze = "try"\n')
    served_by_qemu(world)
    world.ring_in_use(False)
    h = helper()
    h.suspend()
    assert h.complete() == 0
    assert "seems to have died; backend qdisk-5-51712 is not frozen" in \
        "".join(h.said)
    world.put("state", "running")
    world.nothing_left()


def test_a_device_that_is_just_being_connected(world, helper):
    """Its state is there before its ring is in use."""
    world.put("conf", 'freeze_method = "prove"\n')
    world.ring_in_use(False)
    h = helper()
    wait_for(lambda: "/grants" in Path(
        f"/proc/{h.process.pid}/maps").read_text(), 20,
        "the grant table is mapped")
    use_grant(world, RING_REF)
    h.suspend()
    assert h.complete() == 0, h.said
    world.put("state", "running")
    world.nothing_left()


def test_a_cancel_while_a_device_is_looked_at_again(world, helper):
    """Nothing has been begun, so the signal may end it."""
    served_by_qemu(world)
    world.ring_in_use(False)
    h = helper()
    wait_for(lambda: "/grants" in Path(
        f"/proc/{h.process.pid}/maps").read_text(), 20,
        "the grant table is mapped")
    h.process.send_signal(signal.SIGTERM)
    assert h.process.wait(0.3) == -signal.SIGTERM
    assert (world.path / "image").stat().st_size == 0
    world.nothing_left()


def test_usb_by_qemu_is_refused_for_what_it_is(world, helper):
    """QEMU would not read its state at a restore."""
    world.put("store/libxl/5/device/vusb/0/type", "devicemodel")
    refused_at_once(world, helper(), "xl usbctrl-detach")


@pytest.mark.parametrize("kept", ["blocked", "ignored"])
def test_sigterm_ends_a_restore_whatever_its_caller_does(short_world, kept):
    """What a daemon's signal mask or ignored signals are goes through
    fork and exec; a cancel comes by SIGTERM, as with stock's helper."""
    def inherit():
        if kept == "ignored":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    silent, into = os.pipe()
    p = subprocess.Popen(
        [BUILD / "libxl-ext-save-helper", "--restore-domain", str(silent),
         "-1", "5", "1", "0", "2", "0", "0", "0"], env=short_world.env,
        pass_fds=[silent], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        preexec_fn=inherit)
    try:
        os.write(into, b"\xff" * 8)     # of a stream that falls silent
        wait_for(lambda: not select.select([silent], [], [], 0)[0], 20,
                 "the stream is read")
        p.send_signal(signal.SIGTERM)
        assert p.wait(5) == -signal.SIGTERM
    finally:
        p.kill()
        os.close(into)
        os.close(silent)


# In libxl's place: argv is the helper's. By a thread that ends first, as
# libvirt's do.
PARENT = """
import subprocess, sys, threading, time
def start():
    global p
    p = subprocess.Popen(sys.argv[1:], close_fds=False)
    time.sleep(0.3)
t = threading.Thread(target=start)
t.start()
t.join()
sys.exit(p.wait())
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_helper_whose_libxl_dies_does_not_go_on(short_world, helper,
                                                  killed):
    """Its pipes stay open here: by them it does not hear of it. Without
    its end the guest would stand still until all is written."""
    short_world.put("rounds", "40")
    h = helper(libxl=[sys.executable, "-c", PARENT])
    image = short_world.path / "image"
    wait_for(lambda: image.stat().st_size, 20, "the image begins")
    time.sleep(0.5)
    if not killed:
        h.suspend()
        assert h.complete() == 0
        return
    start = time.monotonic()
    h.process.kill()
    assert h.hear() == COMPLETE and h.result[0], h.said
    assert time.monotonic() - start < 1
