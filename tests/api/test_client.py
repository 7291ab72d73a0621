# SPDX-License-Identifier: LGPL-2.1-only
"""Calls of the library that xl-ext does not make: cancelled ahead of
their start or by another thread, descriptors that are none or do not
wait, values out of bounds."""

import fcntl
import os
import struct
import subprocess
import time

import pytest

from world import BUILD, DISK
from xl_ext import TOP

ABORTED, NOTFOUND, LOCK_FAIL, INVAL, FAIL = -22, -21, -15, -6, -3


@pytest.fixture(scope="module")
def program(tmp_path_factory, preload):
    path = tmp_path_factory.mktemp("client") / "client"
    [library] = [p for p in BUILD.glob("libxlext.so.*")
                 if not p.is_symlink()]
    soname = ".".join(library.name.split(".")[:3])
    (path.parent / soname).symlink_to(library)
    guardian = path.parent / "libxl-ext-guardian"
    guardian.symlink_to(BUILD / guardian.name)
    subprocess.run(
        ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror",
         f"-I{TOP}/include", f"-I{BUILD}/idl", "-o", path,
         TOP / "tests/api/client.c", library, "-lxenlight",
         f"-Wl,-rpath,{path.parent}"], check=True)
    return path


@pytest.mark.parametrize("name, rc, words", [
    ("save-cancelled", ABORTED, "save: domain 5: cancelled"),
    ("save-again", INVAL, "a libxl_ext_op serves one operation"),
    ("restore-cancelled", ABORTED, 'restore: guest "web": cancelled'),
    ("migrate-nowhere", FAIL, "Bad file descriptor"),
    ("save-control", INVAL, "save: domain 0 is the control domain"),
    ("migrate-control", INVAL, "migrate: domain 0 is the control domain"),
    ("migrate-impatient", INVAL, "timeout is 99 ms, not 100 to 3600000"),
    ("migrate-nobody", NOTFOUND, "domain id 77777 is not below"),
    ("receive-name-taken", FAIL, 'another guest is called "web" here'),
    ("freeze-childless", 0, ""),
    ("header", 0, ""),
])
def test_a_call(short_world, program, name, rc, words):
    if name.startswith("freeze"):
        short_world.put("state", "paused")
    got, line, ms = call(short_world, program, name)
    assert got == rc and words in line, line
    assert ms < 10000           # less than any time-out


def call(world, program, name):
    env = world.env | {
        "LIBXL_SAVE_HELPER": str(BUILD / "libxl-ext-save-helper")}
    p = subprocess.run([program, name], env=env, check=True, text=True,
                       timeout=90, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE)
    rc, line, ms = p.stdout.split("|")
    return int(rc), line, int(ms)


@pytest.mark.parametrize("name, words", [
    ("header-read-cancelled", "image header: cancelled while it was read"),
    ("header-write-cancelled", "header: cancelled while it was written"),
    ("precheck-cancelled", "cancelled while waiting for the greeting"),
    ("ask-cancelled", "has been told to end: ask again"),
])
def test_what_moves_no_guest_is_cancelled(short_world, program, name,
                                          words):
    held = short_world.path / "run" / \
        "01000000-0000-0000-0000-000000000000.receive"
    with open(held, "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        rc, line, ms = call(short_world, program, name)
    assert rc == ABORTED and 500 <= ms < 5000, (rc, line, ms)
    assert words in line


@pytest.mark.parametrize("held", [True, False])
def test_a_question_that_is_cancelled_before_does_nothing(short_world,
                                                          program, held):
    """A receiver that waits goes on, and its guest is left as it is."""
    w = short_world
    w.put("store/local/domain/5/name", "web--incoming")
    w.put("state", "paused")
    with open(w.path / "run" / "00000000-0000-0000-0000-000000000005"
              ".receive", "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        receiver = subprocess.Popen(["sleep", "60"], pass_fds=[f.fileno()])
        print(receiver.pid, file=f, flush=True)
    try:
        if not held:
            receiver.kill()
            receiver.wait()
        rc, line, ms = call(w, program, "ask-cancelled-before")
        assert rc == ABORTED and ms < 500, (rc, line, ms)
        assert line == "receive: cancelled before it asked"
        assert (w.path / "state").read_text() == "paused"
        assert (receiver.poll() is None) == held
    finally:
        receiver.kill()
        receiver.wait()


def test_a_freeze_whose_device_hangs_is_cancelled(short_world, program):
    """Its time is a minute.  What hangs comes back when it answers."""
    w = short_world
    w.put("conf", "freeze_timeout = 60000\n")
    w.put("state", "paused")
    w.put("stuck", DISK)
    rc, line, ms = call(w, program, "freeze-cancelled")
    assert rc == ABORTED and 500 <= ms < 5000, (rc, line, ms)
    assert "domain 5: cancelled, and the guest is as it was" in line
    assert f"{DISK}: what was begun with it" in line, line
    assert line.endswith("the guardian of domain 5 goes on trying")
    assert (w.path / "state").read_text() == "paused"
    (w.path / "stuck").unlink()
    w.nothing_left(30)
    assert w.state() == "connected"


@pytest.mark.parametrize("killed", [False, True])
def test_a_worker_that_is_forked_meanwhile_holds_no_freeze(
        short_world, program, killed):
    """It has what leads to the guardian, and lives for 20 s."""
    w = short_world
    w.put("conf", "freeze_timeout = 2000\n")
    w.put("state", "paused")
    w.put("stuck", DISK)
    p = subprocess.Popen([program, "freeze-forked"], env=w.env,
                         stdout=subprocess.PIPE)
    if killed:
        time.sleep(1.2)
        assert w.journal and "intent" in w.journal
        p.kill()
        p.wait()
    else:
        assert int(p.stdout.readline()) < 0
    assert len(w.processes("client")) == 2 - killed and w.guardians()
    (w.path / "stuck").unlink()
    w.nothing_left(6)
    assert len(w.processes("client")) == 2 - killed
    w.kill(w.processes("client"))
    p.wait()
    p.stdout.close()


def test_a_freeze_whose_requests_stay_is_cancelled(short_world, program):
    """No device hangs: all is as it was when the call returns."""
    w = short_world
    w.put("conf", "freeze_timeout = 60000\nfreeze_method = \"prove\"\n")
    w.put("state", "suspended")
    w.put("ring", struct.pack("<I", 3) + bytes(4092))   # req_prod
    rc, line, ms = call(w, program, "freeze-cancelled")
    assert rc == ABORTED and 500 <= ms < 2000, (rc, line, ms)
    assert "cancelled: none of its backends is frozen" in line
    assert w.bound and w.state() == "connected"
    w.nothing_left(5)
    assert (w.path / "state").read_text() == "suspended"


@pytest.mark.parametrize("guarded", [True, False])
def test_a_thaw_whose_device_hangs_is_cancelled(short_world, program,
                                                guarded):
    """Its guardian goes on; without one the journal has what is left."""
    w = short_world
    w.put("state", "paused")
    w.report()
    if not guarded:
        w.kill(w.guardians())
    w.put("stuck_bind", DISK)
    rc, line, ms = call(w, program, "thaw-cancelled")
    assert rc == ABORTED and 500 <= ms < 5000, (rc, line, ms)
    assert w.state() == "frozen"
    assert (w.path / "state").read_text() == "paused"
    assert ("its guardian goes on" if guarded else
            "it stays in the journal: xl-ext thaw 5 goes on") in line
    (w.path / "stuck_bind").unlink()
    if not guarded:
        w.xl_ext("thaw", "5")
    w.nothing_left(30)
    assert w.state() == "connected"


def test_a_thaw_whose_qemu_hangs_is_cancelled(short_world, program):
    """A save died and so did its guardian, more than 20 s ago; libxl lets
    the guest run, as soon as its QEMU answers."""
    w = short_world
    w.put("state", "suspended")
    w.put("conf", "freeze_method = \"detach\"\n")
    w.report()
    w.kill(w.guardians())
    journal = w.path / "run/5.journal"
    journal.write_text(journal.read_text().replace("hold\n", "suspend\n"),
                       encoding="ascii")
    old = time.time() - 60
    os.utime(journal, (old, old))
    w.put("resume_hangs", "")
    rc, line, ms = call(w, program, "thaw-cancelled")
    assert rc == ABORTED and 500 <= ms < 5000, (rc, line, ms)
    assert "cancelled; its backends are back, and libxl has not" in line
    assert w.state() == "connected" and w.journal
    assert (w.path / "state").read_text() == "suspended"
    (w.path / "resume_hangs").unlink()
    os.utime(journal, (old, old))
    w.xl_ext("thaw", "5")
    assert (w.path / "state").read_text() == "running"
    assert w.journal is None


def test_a_process_that_asks_for_its_own_receiver(short_world, program):
    """It would end itself, and all else that it does."""
    def hold():
        f = os.open(short_world.path / "run" /
                    "01000000-0000-0000-0000-000000000000.receive",
                    os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(f, fcntl.LOCK_EX)
        os.write(f, f"{os.getpid()}\n".encode())
        os.set_inheritable(f, True)

    p = subprocess.run([program, "ask-cancelled"], env=short_world.env,
                       check=True, text=True, timeout=60,
                       stdout=subprocess.PIPE, preexec_fn=hold,
                       close_fds=False)
    rc, line, ms = p.stdout.split("|")
    assert int(rc) == LOCK_FAIL and int(ms) < 500, p.stdout
    assert "is locked by this process" in line
