# SPDX-License-Identifier: LGPL-2.1-only
"""What a caller hands to xl-ext, and what it does to it: descriptors that
are closed, signals, pipes that hang."""

import json
import os
import signal
import struct
import subprocess
import time

import pytest

from world import BUILD, full_pipe, wait_for

PATIENCE = 20                   # s
# libxl's header and the record that its helper's part begins with.
STREAM = b"LibxlFmt" + struct.pack(">II", 2, 0) + struct.pack("<II", 1, 0)


def descriptors(pid):
    """Where those of a process lead to."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            pass
    return found


class Calls:
    """xl-ext in the world; what was started ends with the test."""

    def __init__(self, world):
        self.world, self.started = world, []

    def run(self, *args, **kw):
        return subprocess.run(
            [BUILD / "xl-ext", *args], env=self.world.env, check=False,
            timeout=PATIENCE, **{"capture_output": True, **kw})

    def start(self, *args, **kw):
        p = subprocess.Popen(
            [BUILD / "xl-ext", *args], env=self.world.env, **kw)
        self.started.append(p)
        return p

    def sh(self, redirect, *args):
        """With what a shell does to its descriptors."""
        return subprocess.run(
            ["sh", "-c", f'"$@" {redirect}', "sh", BUILD / "xl-ext", *args],
            env=self.world.env, check=False, timeout=PATIENCE,
            capture_output=True)

    def image(self):
        """Of the guest, which is gone then."""
        file = self.world.path / "image"
        assert self.run("save", "web", file).returncode == 0
        with open(file, "ab") as f:
            f.write(STREAM)
        return file

    @property
    def state(self):
        return (self.world.path / "state").read_text()

    def monitors(self):
        """What waits for the guest's end."""
        mine, found = f"FAKE_WORLD={self.world.path}".encode(), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                    name = f.read().strip()
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if name == "xl-ext" and mine in f.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return [p for p in found if p not in
                [s.pid for s in self.started]]


@pytest.fixture
def calls(short_world):
    c = Calls(short_world)
    yield c
    c.world.put("state", "gone")
    for p in c.started:
        p.kill()
        p.communicate()
    wait_for(lambda: not c.monitors(), PATIENCE, "no monitor is left")


# ---- descriptors


@pytest.mark.parametrize("closed", [
    "<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_what_is_said_never_gets_into_an_image(calls, closed):
    """A descriptor that is closed is the next one that is opened."""
    whole = calls.image().read_bytes().removesuffix(STREAM)
    calls.world.put("state", "running")
    calls.world.put("chatty", "")
    file = calls.world.path / "other"
    p = calls.sh(closed, "save", "web", file)
    assert p.returncode == 0, p
    assert file.read_bytes() == whole
    assert calls.state == "gone"


def test_an_answer_without_an_output_is_no_success(calls):
    p = calls.sh(">&-", "version")
    assert p.returncode == 2, p
    assert b"cannot write to standard output: Bad file" in p.stderr


@pytest.mark.parametrize("b_info, words", [
    (b'"type.pvh": {}, "type.hvm": {}', b'both "type.pvh" and "type.hvm"'),
    (b'"nodemap": [-17]', b"nodemap -17 is not a whole number")],
    ids=["types", "bitmap"])
def test_a_configuration_that_would_end_libxl(calls, b_info, words):
    """An image's."""
    file = calls.image()
    data = file.read_bytes()
    config = (b'{"c_info": {"type": "pvh", "name": "web"},'
              b' "b_info": {' + b_info + b'}}\0')
    head = data[:44] + struct.pack("<II", len(config) + 4, len(config))
    behind = 48 + struct.unpack_from("<I", data, 44)[0]
    file.write_bytes(head + config + data[behind:])
    p = calls.run("restore", file)
    assert p.returncode == 2, p
    assert words in p.stderr
    assert p.stderr.count(b"\n") == 1


def test_a_monitor_keeps_no_image_open(calls):
    """Its space could not be had back for as long as the guest runs."""
    file = calls.image()
    p = calls.run("restore", file)
    assert p.returncode == 0 and calls.state == "running", p
    [monitor] = calls.monitors()
    wait_for(lambda: "/dev/null" == descriptors(monitor).get(2), PATIENCE,
             "the monitor's standard error is /dev/null")
    assert str(file) not in descriptors(monitor).values()


# ---- signals

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("sig", ENDING)
def test_a_restore_in_the_foreground_can_be_left(calls, sig):
    """The guest runs on, as with xl."""
    p = calls.start("restore", "-F", calls.image())
    wait_for(lambda: calls.state == "running", PATIENCE, "the guest runs")
    time.sleep(0.5)
    p.send_signal(sig)
    assert p.wait(PATIENCE) == -sig
    assert calls.state == "running"


@pytest.mark.parametrize("anew", [True, False])
def test_a_restore_in_the_foreground_says_how_it_ended(calls, anew):
    """Nobody is told of an image that is older than the disks."""
    image = calls.image()
    if not anew:
        (calls.world.path / "made_anew").mkdir()
    p = calls.start("restore", "-F", image, stderr=subprocess.PIPE,
                    text=True)
    wait_for(lambda: calls.state == "running", PATIENCE, "the guest runs")
    time.sleep(0.5)
    calls.world.put("state", "ended")
    if anew:
        wait_for((calls.world.path / "made_anew").exists, PATIENCE,
                 "it is made anew")
        p.send_signal(signal.SIGTERM)
        assert p.wait(PATIENCE) == -signal.SIGTERM
        return
    _, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 2
    assert "waiting for the end of domain 5" in err
    assert err.splitlines()[-1].endswith("web is on no host"), err


def test_a_monitor_can_be_ended(calls):
    assert calls.run("restore", calls.image()).returncode == 0
    [monitor] = calls.monitors()
    time.sleep(0.5)
    os.kill(monitor, signal.SIGTERM)
    wait_for(lambda: not calls.monitors(), PATIENCE, "no monitor is left")
    assert calls.state == "running"


@pytest.mark.parametrize("sig", ENDING)
def test_a_source_that_says_nothing_can_be_left(calls, sig):
    p = calls.start("restore", "-", stdin=subprocess.PIPE,
                    stderr=subprocess.PIPE)
    wait_for(lambda: len(descriptors(p.pid)) > 3, PATIENCE,
             "it has opened something")
    time.sleep(0.5)
    p.send_signal(sig)
    assert p.wait(PATIENCE) == 2
    assert p.stderr.read() == (b"xl-ext restore: -: image header:"
                               b" cancelled while it was read: no guest"
                               b" was made\n")


@pytest.mark.parametrize("args", [["save", "web"], ["restore"]],
                         ids=["save", "restore"])
def test_a_fifo_with_nobody_behind_it_can_be_left(calls, args):
    fifo = calls.world.path / "fifo"
    os.mkfifo(fifo)
    p = calls.start(*args, fifo)
    time.sleep(1)
    p.send_signal(signal.SIGINT)
    assert p.wait(PATIENCE) == -signal.SIGINT
    assert calls.state == "running"


@pytest.mark.parametrize("sig", ENDING)
@pytest.mark.parametrize("args", [
    ["save", "web", "image"], ["save", "web", "image", "config"],
    ["migrate", "web", "beta", "-s", "true"],
    ["precheck", "web", "--to=beta", "-s", "true"],
], ids=["save", "save with CONFIG", "migrate", "precheck"])
def test_libxl_that_waits_ahead_of_the_operation_can_be_left(
        calls, args, sig):
    """For its lock on the guest's configuration: nothing was changed."""
    calls.world.put("config_hangs", "")
    p = calls.start(*args, cwd=calls.world.path, stderr=subprocess.PIPE)
    time.sleep(1)
    assert p.poll() is None
    p.send_signal(sig)
    assert p.wait(PATIENCE) == -sig
    assert p.stderr.read() == b""
    assert calls.state == "running"
    assert not list(calls.world.path.glob("image*"))


def test_a_full_pipe_can_be_left(calls):
    """Ahead of the operation, too."""
    out, into = full_pipe()
    p = calls.start("save", "web", "-", stdout=into,
                    stderr=subprocess.PIPE)
    time.sleep(1)
    p.send_signal(signal.SIGTERM)
    assert p.wait(PATIENCE) == 2
    lines = p.stderr.read().splitlines()
    assert b"cancelled while it was written" in lines[0]
    assert lines[-1].endswith(b"domain 5, running")
    assert calls.state == "running"
    os.close(out)
    os.close(into)


def test_what_a_save_starts_has_no_part_in_its_output(calls):
    """Who reads it would wait for the end of that."""
    out, into = full_pipe()
    p = calls.start("save", "web", "-", stdout=into,
                    stderr=subprocess.PIPE)
    pipe = os.readlink(f"/proc/self/fd/{into}")
    mine = []
    wait_for(lambda: mine.extend(
        fd for fd, to in descriptors(p.pid).items()
        if to == pipe and fd > 2) or mine, PATIENCE, "it has the pipe")
    for fd in mine:
        with open(f"/proc/{p.pid}/fdinfo/{fd}", encoding="ascii") as f:
            [flags] = [x.split()[1] for x in f if x.startswith("flags:")]
        assert int(flags, 8) & os.O_CLOEXEC
    os.close(out)
    os.close(into)


def test_a_file_that_may_not_grow(calls):
    """ulimit -f: nothing is left of it, and the guest runs on."""
    file = calls.world.path / "image"
    p = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", BUILD / "xl-ext",
         "save", "web", file], env=calls.world.env, check=False,
        timeout=PATIENCE, capture_output=True)
    assert p.returncode == 2 and b"File too large" in p.stderr, p
    assert not list(calls.world.path.glob("image*"))
    assert calls.state == "running"


def ignore_hangup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def ignore_interrupt():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_a_job_in_the_background_can_be_cancelled(calls):
    """A shell without job control lets it ignore SIGINT."""
    p = calls.start("restore", "-", stdin=subprocess.PIPE,
                    preexec_fn=ignore_interrupt)
    wait_for(lambda: len(descriptors(p.pid)) > 3, PATIENCE,
             "it has opened something")
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    assert p.wait(PATIENCE) == 2


def test_a_hangup_that_the_caller_ignores_is_ignored(calls):
    """nohup(1)."""
    p = calls.start("migrate-receive", "--timeout=3000", "-e",
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, preexec_fn=ignore_hangup)
    assert p.stdout.readline().startswith(b"xl-ext migration")
    p.send_signal(signal.SIGHUP)
    assert b"no offer" in p.stderr.read()
    assert p.wait(PATIENCE) == 2


def ignore_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def test_a_caller_that_ignores_its_children(calls):
    """exec(2) keeps that, and then there is nobody to wait for."""
    calls.world.put("state", "paused")
    p = calls.run("freeze", "5", preexec_fn=ignore_children)
    assert p.returncode == 0, p
    assert calls.run("thaw", "5").returncode == 0


def test_a_freeze_that_cannot_be_told(calls):
    """It is done all the same, and that is the last line."""
    calls.world.put("state", "paused")
    with open("/dev/full", "wb") as full:
        p = calls.run("freeze", "5", capture_output=False, stdout=full,
                      stderr=subprocess.PIPE, text=True)
    assert p.returncode == 2
    assert p.stderr.splitlines()[-1].endswith(
        "domain 5 is frozen all the same, until it runs again, or xl-ext"
        " thaw 5"), p
    assert calls.run("thaw", "5").returncode == 0


# ---- what waits for the guest's end


@pytest.mark.parametrize("times", [1, 3])
def test_a_guest_that_reboots_is_made_anew(calls, times):
    """Also right behind a save that was cancelled, and again and again."""
    made = calls.world.path / "made_anew"
    assert calls.run("restore", calls.image()).returncode == 0
    calls.world.put("state", "suspended")
    time.sleep(0.5)
    calls.world.put("state", "running")
    time.sleep(1)
    for _ in range(times):
        calls.world.put("state", "ended")
        wait_for(lambda: calls.state == "gone", PATIENCE, "it has gone")
        wait_for(lambda: calls.state == "running", PATIENCE,
                 "it is made anew")
        assert made.read_text() == "web"
        made.unlink()
    assert len(calls.monitors()) == 1


# ---- a guest that ends meanwhile


@pytest.fixture(params=["save", "migrate"])
def command(request, calls):
    calls.world.put("reboots", "")
    if request.param == "save":
        return ["save", "--json", "web", calls.world.path / "image"]
    # No peer of its own: it takes the guest, and no more comes of it.
    calls.world.put("peer", """#!/usr/bin/python3
import os, struct, sys
os.write(1, b"xl-ext migration receiver ready, protocol 1\\n")
sys.stdin.buffer.read(struct.unpack("<II", sys.stdin.buffer.read(8))[1])
os.write(1, struct.pack("<II", ord("A"), 18) + b'{"accepted": true}')
sys.stdin.buffer.read()
""")
    (calls.world.path / "peer").chmod(0o700)
    return ["migrate", "--json", f"-senv -u LD_PRELOAD"
            f" {calls.world.path}/peer", "web", "beta"]


def last_line(p):
    out, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 2, err
    outcome = json.loads(out)
    return err.decode().splitlines()[-1], outcome["state"], outcome["domid"]


def test_a_guest_that_reboots_meanwhile_is_found(calls, command):
    """As another domain, which whoever waits for its end makes."""
    p = calls.start(*command, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)
    wait_for(lambda: calls.state == "gone", PATIENCE, "it has gone")
    time.sleep(2)
    calls.world.put("second", "paused")     # as while it is made
    time.sleep(0.5)
    calls.world.put("second", "running")
    line, *outcome = last_line(p)
    assert line.startswith(f"xl-ext {command[0]}: web is on ")
    assert line.endswith(", domain 6, running")
    assert outcome == ["running", 6]


@pytest.mark.parametrize("sig", [None, signal.SIGINT])
def test_a_guest_that_ends_meanwhile_is_not_called_lost(calls, command,
                                                        sig):
    p = calls.start(*command, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)
    wait_for(lambda: calls.state == "gone", PATIENCE, "it has gone")
    time.sleep(1)
    start = time.monotonic()
    if sig:
        p.send_signal(sig)
    line, *outcome = last_line(p)
    assert (time.monotonic() < start + 2) == bool(sig)
    assert line == f"xl-ext {command[0]}: domain 5 of web ended meanwhile" \
        ' (rebooted, powered off or destroyed): see "xl list"'
    assert outcome == ["gone", 0]
