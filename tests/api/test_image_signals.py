# SPDX-License-Identifier: LGPL-2.1-only
"""Signals to the commands on images while they wait for a pipe: they end
at once, say what is left, and die of the signal."""

import os
import signal
import subprocess
import time

import pytest

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IMAGE = {"verify": ["verify"], "quick": ["verify", "--quick"],
         "inspect": ["inspect", "--json"]}
UNCHANGED = "ended by a signal: nothing was changed\n"


def takes(pid, sig):
    """Has it a handler for that, or is it to hear it elsewhere?"""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        fields = dict(line.split(":\t") for line in f if ":\t" in line)
    return (int(fields["SigCgt"], 16) | int(fields["SigBlk"], 16)) >> (
        sig - 1) & 1


def ended(build, sig, *args, stdin=None, ignored=False):
    """Its one line."""
    def before():
        for s in ENDING:
            signal.signal(s, signal.SIG_DFL)
        if ignored:
            signal.signal(sig, signal.SIG_IGN)

    p = subprocess.Popen([build / "xl-ext", "image", *args], text=True,
                         stdin=stdin, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, preexec_fn=before)
    end = time.monotonic() + 20
    while not takes(p.pid, sig):
        assert p.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.3)
    start = time.monotonic()
    p.send_signal(sig)
    err = p.stderr.read()
    assert p.wait(10) == -sig and p.stdout.read() == ""
    assert time.monotonic() - start < 2
    assert err.startswith(f"xl-ext image {args[0]}: "), err
    assert err.count("\n") == 1
    return err


@pytest.fixture
def silent():
    out, into = os.pipe()
    os.write(into, b"Xen s")
    yield out
    os.close(out)
    os.close(into)


@pytest.mark.parametrize("sig", ENDING)
@pytest.mark.parametrize("command", IMAGE)
def test_a_silent_pipe_can_be_left(build, silent, command, sig):
    assert ended(build, sig, *IMAGE[command], "-",
                 stdin=silent).endswith(UNCHANGED)


def test_a_silent_pipe_that_is_converted_can_be_left(build, silent,
                                                     tmp_path):
    line = ended(build, signal.SIGTERM, "convert", "--max-pages=9", "-",
                 tmp_path / "out", stdin=silent)
    assert "stopped at byte 0: nothing was left behind" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("args", [["verify"], ["inspect"], ["diff"],
                                  ["convert", "--max-pages=9"]],
                         ids=lambda a: a[0])
def test_a_fifo_with_nobody_behind_it_can_be_left(build, tmp_path, args):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    more = {"diff": [fifo], "convert": [tmp_path / "out"]}
    assert ended(build, signal.SIGTERM, *args, fifo,
                 *more.get(args[0], [])).endswith(UNCHANGED)
    assert list(tmp_path.iterdir()) == [fifo]


@pytest.mark.parametrize("command", [["verify", "-"], ["convert",
                                     "--max-pages=9", "-", "out"]],
                         ids=lambda a: a[0])
def test_in_the_background_of_a_shell_script(build, silent, tmp_path,
                                             monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    ended(build, signal.SIGINT, *command, stdin=silent, ignored=True)
