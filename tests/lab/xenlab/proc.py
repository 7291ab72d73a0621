# SPDX-License-Identifier: LGPL-2.1-only
"""Processes and locks, so that nothing outlives its lab."""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager


class LabError(Exception):
    """Something that the user of the lab must hear of, in one line."""


class LabVoid(LabError):
    """The emulator failed, not what was tested: the run says nothing."""


PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """For preexec_fn: the child ends when its parent does."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text):
    """Announces what takes time, and how long it took."""
    say(f"{text} ...")
    start = time.monotonic()
    yield
    say(f"{text}: {time.monotonic() - start:.1f} s")


def call(argv, log=None, **kwargs):
    """Runs a command of the build; its output is kept for the error."""
    p = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, errors="replace",
                       preexec_fn=die_with_parent, **kwargs)
    if log:
        with open(log, "a") as f:
            f.write(p.stdout)
    if p.returncode:
        tail = "\n".join(p.stdout.splitlines()[-15:])
        raise LabError(f"{argv[0]} failed with status {p.returncode}: "
                       f"{' '.join(map(str, argv))}\n{tail}")
    return p.stdout


@contextmanager
def locked(path):
    """One builder at a time; says so when it has to wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another builder ({path})")
            fcntl.flock(f, fcntl.LOCK_EX)
        yield


def start_time(pid):
    """Tells a process from a later one with the same number."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def stop(pid, started, grace=5.0):
    """Ends a process that we started, by number and start time."""
    for sig, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        if start_time(pid) != started:
            return
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            return
        end = time.monotonic() + wait
        while time.monotonic() < end:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            if start_time(pid) != started:
                return
            time.sleep(0.05)
    raise LabError(f"process {pid} does not end")


def on_signal_exit():
    """SIGTERM and SIGHUP unwind like Ctrl-C, so that cleanups run."""
    def handler(signum, frame):
        raise SystemExit(128 + signum)
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, handler)
