# SPDX-License-Identifier: LGPL-2.1-only
"""The guardian of a save as the process that it is: this file is the
helper that starts it and the toolstack that it watches; the guest is
that of fake_world.c."""

import fcntl
import os
import signal
import socket
import subprocess
import time

import pytest

from world import BUILD, CARD, DISK, wait_for

HEAD = "libxl-ext-freeze 1\ndomain 5 " + "00" * 15 + "05\n"
# decide.h
ORPHAN, LEFT, STILL = 3, 20, 5


class Save:
    """A save's helper, as far as the guardian hears of it."""

    def __init__(self, world, journal=""):
        self.world = world
        self.toolstack = subprocess.Popen(["sleep", "600"])
        run = world.path / "run"
        run.mkdir(mode=0o700)
        self.fd = os.open(run / "5.journal", os.O_RDWR | os.O_CREAT |
                          os.O_APPEND)
        self.write(HEAD + journal)
        self.orders, theirs = socket.socketpair()
        ready, said = os.pipe()
        self.caller = subprocess.Popen(["sleep", "600"])
        caller = os.pidfd_open(self.caller.pid)
        pidfd = os.pidfd_open(self.toolstack.pid)
        fds = [theirs.fileno(), said, self.fd, caller, pidfd]
        subprocess.run(
            ["bash", "-c", 'exec 3<&"$1" 4>&"$2" 5<&"$3" 6<&"$4" 7<&"$5";'
             ' shift 5; for fd; do eval "exec $fd<&-"; done;'
             ' setsid env --default-signal "$0" --guard 5 </dev/null'
             ' >/dev/null 2>&1 &',
             BUILD / "libxl-ext-guardian", *map(str, fds),
             *map(str, fds)],
            pass_fds=fds, env=world.env, check=True)
        theirs.close()
        os.close(said)
        os.close(caller)
        os.close(pidfd)
        assert os.read(ready, 1) == b"R"
        os.close(ready)

    def write(self, words):
        os.write(self.fd, words.encode())

    def suspends(self):
        """As far as the guest is suspended for the save."""
        self.write("suspend\n")
        self.orders.send(b"S")
        self.world.put("state", "suspended")
        self.write("answered\n")
        self.orders.send(b"A")

    def dies(self):
        self.orders.close()
        os.close(self.fd)

    def caller_dies(self):
        """Its stream stays open: a child of it has that, too."""
        self.caller.kill()
        self.caller.wait()

    def toolstack_dies(self):
        self.toolstack.kill()
        self.toolstack.wait()


@pytest.fixture
def save(world):
    saves = []

    def start(journal=""):
        saves.append(Save(world, journal))
        return saves[-1]

    yield start
    for s in saves:
        s.caller_dies()
        s.toolstack_dies()


def runs(world, seconds):
    wait_for(lambda: (world.path / "state").read_text() == "running",
             seconds, "the guest runs")


def runs_after(world, seconds):
    """Suspended up to then, and let run soon after it."""
    start = time.monotonic()
    runs(world, seconds + 10)
    assert time.monotonic() > start + seconds - 1
    world.nothing_left()


@pytest.mark.parametrize("kills", [0, 1])
def test_a_guest_that_its_toolstack_forgets_runs_again(world, save, kills):
    """libvirt 9.0 lives and does nothing, and a guardian that is killed
    behind all that it was told is no reason to forget it, too."""
    s = save()
    s.suspends()
    time.sleep(0.5)
    s.dies()
    time.sleep(0.5)
    for _ in range(kills):
        world.kill_worker()
    runs_after(world, LEFT - 1)


def test_the_same_where_the_toolstack_has_died(world, save):
    s = save()
    s.suspends()
    s.dies()
    s.toolstack_dies()
    time.sleep(0.5)
    world.kill_worker()
    runs_after(world, ORPHAN - 1)


def test_a_device_that_hangs_keeps_no_guest_suspended(world, save):
    """Its toolstack has died; the disk comes back when it can."""
    s = save()
    s.suspends()
    s.write(f"intent unbind {DISK} vbd - -\n")
    world.unbind(in_flight=True)
    s.toolstack_dies()
    s.dies()
    runs(world, 20)             # behind a try of 10 s
    assert not world.bound and len(world.guardians()) == 2
    world.ring_in_use(False)
    world.nothing_left(30)


@pytest.mark.parametrize("kills", [0, 1])
def test_a_stream_that_stays_open_when_its_process_dies(world, save, kills):
    """A worker, say, that another thread has forked meanwhile."""
    s = save()
    s.write(f"intent unbind {DISK} vbd - -\n")
    world.unbind()
    for _ in range(kills):
        world.kill_worker()
    s.caller_dies()
    world.nothing_left(10)


def test_what_was_said_ahead_of_an_end_counts(world, save):
    """By who held it and ended; the stream stays open."""
    world.put("state", "paused")
    s = save()
    s.write(f"intent unbind {DISK} vbd - -\nhold\n")
    world.unbind()
    s.orders.send(b"H")
    s.caller_dies()
    time.sleep(1)
    assert not world.bound and len(world.guardians()) == 2
    s.write("thaw\n")
    world.nothing_left()


def test_a_guardian_that_came_too_late_touches_nothing(world, save):
    """Its helper had given it up, and another saves the guest by now."""
    s = save()
    (world.path / "run/5.journal").unlink()
    world.put("run/5.journal", HEAD)
    s.dies()
    wait_for(lambda: not world.guardians(), 10, "no guardian is left")
    assert world.journal == HEAD and world.logdirty == "on"


def test_whole_and_the_toolstack_has_died_ahead_of_its_word(world, save):
    s = save()
    s.suspends()
    s.write("whole\n")
    s.orders.send(b"W")
    s.dies()
    time.sleep(0.5)
    world.kill_worker()
    s.toolstack_dies()
    runs_after(world, ORPHAN - 1)


def test_committed_it_stays_suspended(world, save):
    s = save()
    s.suspends()
    s.write("whole\n")
    s.orders.send(b"W")
    s.write("commit\n")
    s.dies()
    s.toolstack_dies()
    world.kill_worker()
    time.sleep(ORPHAN + 2)
    assert (world.path / "state").read_text() == "suspended"
    assert len(world.guardians()) == 2


def test_a_guest_that_ran_is_not_ours_any_more(world, save):
    """Seen running while it is thawed, which takes long; what suspends it
    then is another save, behind which a copy may run."""
    s = save()
    s.suspends()
    s.write(f"intent unbind {DISK} vbd - -\n")
    world.unbind(in_flight=True)
    world.put("state", "running")
    s.dies()
    wait_for(lambda: world.journal.endswith("ran\n"), 20,
             "that it ran is in the journal")
    world.put("state", "suspended")
    world.kill_worker()
    s.toolstack_dies()
    world.ring_in_use(False)
    world.nothing_left(30)
    assert (world.path / "state").read_text() == "suspended"


@pytest.mark.parametrize("word", [None, "W", "C", "D"])
def test_logdirty_is_switched_off_for_a_helper_that_was_killed(
        world, save, word):
    """Else libxenguest has done it, and the toolstack may be in the midst
    of the next save."""
    s = save()
    if word:
        s.write({"W": "whole\n", "C": "commit\n", "D": ""}[word])
        s.orders.send(word.encode())
    s.dies()
    world.nothing_left()
    assert world.logdirty == ("on" if word else "off")


def test_an_old_journal_is_thawed(world, save):
    """Of a release that did not say whose it is."""
    world.unbind()
    s = save(f"intent unbind {DISK} vbd - -\n")
    world.put("state", "suspended")
    s.dies()
    world.nothing_left()
    assert (world.path / "state").read_text() == "suspended"


def stopped(world, s, sig=signal.SIGTERM, toolstack=True):
    """As systemd stops a unit: all of it at once, in which the helper
    has its own way to end, and the tasks have none."""
    pids = world.guardians()
    assert len(pids) == 2
    if toolstack:
        s.toolstack_dies()
    for pid in pids + world.tasks():
        os.kill(pid, sig)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP,
                                 signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("what", ["unbind", "link"])
def test_stopped_behind_a_commit_it_thaws(world, save, what, sig):
    """A unit that runs `xl save -c`: xl has ended."""
    s = save()
    s.suspends()
    if what == "unbind":
        s.write(f"intent unbind {DISK} vbd - -\n")
        world.unbind()
    else:
        world.card("down")
        s.write(f"intent link {CARD} vif vif5.0 -\n")
    s.write("commit\n")
    s.orders.send(b"C")
    s.dies()
    time.sleep(0.2)
    stopped(world, s, sig)
    time.sleep(0.2)
    assert len(world.guardians()) == 2
    world.put("state", "running")
    world.nothing_left(5)
    assert what == "unbind" or world.link == "up"


def test_stopped_in_the_midst_of_a_thaw_it_thaws_all_the_same(world, save):
    """The task that binds is stopped, too."""
    s = save()
    s.suspends()
    s.write(f"intent unbind {DISK} vbd - -\ncommit\n")
    s.orders.send(b"C")
    world.unbind()
    world.put("stuck_bind", DISK)
    world.put("state", "running")
    s.dies()
    wait_for(world.tasks, 10, "a task runs")
    stopped(world, s)
    (world.path / "stuck_bind").unlink()
    world.nothing_left(5)


@pytest.mark.parametrize("kills", [0, 1])
def test_stopped_mid_save_the_guest_runs_again(world, save, kills):
    s = save()
    s.suspends()
    s.write(f"intent unbind {DISK} vbd - -\n")
    world.unbind()
    stopped(world, s)
    for _ in range(kills):
        world.kill_worker()
    s.dies()
    runs_after(world, ORPHAN - 1)


def test_stopped_with_nothing_to_undo_it_ends(world, save):
    s = save()
    stopped(world, s)
    s.dies()
    world.nothing_left(2)


def test_stopped_with_a_guest_that_is_to_be_destroyed_it_ends(world, save):
    """What it leaves is what it would leave if it were killed."""
    s = save()
    s.suspends()
    s.write(f"intent unbind {DISK} vbd - -\ncommit\n")
    s.orders.send(b"C")
    world.unbind()
    s.dies()
    time.sleep(0.2)
    stopped(world, s)
    start = time.monotonic()
    wait_for(lambda: not world.guardians(), STILL + 2, "no guardian is left")
    assert time.monotonic() > start + STILL - 1
    assert (world.path / "state").read_text() == "suspended"
    assert not world.bound and world.journal.endswith("commit\n")
    assert "ends because signal 15 told it to" in (
        world.path / "run/5.log").read_text()
    guardian(world, "--resume", "5", "--force")
    world.nothing_left(2)


@pytest.mark.parametrize("words", ["", "whole\n", "commit\n"])
def test_stopped_beside_a_living_toolstack_it_goes_on(world, save, words):
    """One that ignores the signal and goes on with its part."""
    s = save()
    s.suspends()
    s.write(f"intent unbind {DISK} vbd - -\n" + words)
    world.unbind()
    if words:
        s.orders.send({"w": b"W", "c": b"C"}[words[0]])
        s.dies()
    time.sleep(0.2)
    stopped(world, s, toolstack=False)
    time.sleep(STILL + 1)
    assert (world.path / "state").read_text() == "suspended"
    assert len(world.guardians()) == 2 and not world.bound
    world.put("state", "running")
    if not words:
        s.orders.send(b"D")
        world.put(f"sys/devices/{DISK}/driver", "")
        s.dies()
    world.nothing_left(5)


def all_killed(world, s, words="suspend\nanswered\n", age=0):
    """Helper and both guardians; the journal is left, @age s old."""
    world.unbind()
    s.write(words + f"intent unbind {DISK} vbd - -\n")
    world.put("state", "suspended")
    world.kill(world.guardians())
    s.dies()
    then = time.time() - age
    os.utime(world.path / "run/5.journal", (then, then))


def guardian(world, *args, rc=0):
    p = subprocess.run([BUILD / "libxl-ext-guardian", *args], text=True,
                       env=world.env, capture_output=True, check=False,
                       timeout=60)
    assert p.returncode == rc, p
    return p.stderr


@pytest.mark.parametrize("how", ["--thaw", "--thaw-all", "xl-ext"])
def test_with_all_killed_a_thaw_lets_it_run(world, save, how):
    s = save()
    all_killed(world, s, age=LEFT + 1)
    if how == "xl-ext":
        world.xl_ext("thaw", "5")
    else:
        guardian(world, *[how, "5"][:1 + (how == "--thaw")])
    world.nothing_left(2)
    assert (world.path / "state").read_text() == "running"


def test_a_thaw_gives_the_toolstack_its_time(world, save):
    s = save()
    all_killed(world, s, age=LEFT - 3)
    start = time.monotonic()
    guardian(world, "--thaw", "5")
    assert time.monotonic() > start + 1
    assert (world.path / "state").read_text() == "running"


@pytest.mark.parametrize("words", ["", "suspend\nanswered\nran\n"])
def test_a_thaw_lets_nobody_elses_run(world, save, words):
    s = save()
    all_killed(world, s, words, age=LEFT + 1)
    guardian(world, "--thaw", "5")
    world.nothing_left(2)
    assert (world.path / "state").read_text() == "suspended"


@pytest.mark.parametrize("words", ["whole\n", "whole\ncommit\n"])
@pytest.mark.parametrize("how", ["--thaw", "--resume"])
def test_where_a_copy_may_run_a_person_decides(world, save, how, words):
    s = save()
    all_killed(world, s, "suspend\nanswered\n" + words, age=LEFT + 1)
    assert "image is complete" in guardian(world, how, "5", rc=1)
    assert (world.path / "state").read_text() == "suspended"
    assert not world.bound
    guardian(world, how, "5", "--force")
    world.nothing_left(2)
    # A thaw by force is no word that it may run.
    assert (world.path / "state").read_text() == (
        "running" if how == "--resume" else "suspended")


@pytest.mark.parametrize("how", ["--thaw", "--resume"])
def test_an_operation_that_lives_keeps_its_guest(world, save, how):
    """Its guardians were killed, and it is about to give a peer leave."""
    s = save()
    all_killed(world, s)
    lock = open(world.path / "run/5.operation", "w", encoding="ascii")
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("a migrate by process 1 (xl-ext)", file=lock, flush=True)
    assert "a migrate by process 1" in guardian(world, how, "5", rc=1)
    assert (world.path / "state").read_text() == "suspended"
    lock.close()
    guardian(world, "--resume", "5")
    assert (world.path / "state").read_text() == "running"
