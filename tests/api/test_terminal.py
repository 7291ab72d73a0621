# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext on a terminal: narrow ones, dumb ones, and an image for one."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest

from world import BUILD
from xl_ext import TOP


class Terminal:
    def __init__(self, columns=80):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))

    def said(self):
        """What was shown; nobody else has it any more."""
        os.close(self.slave)
        said = b""
        try:
            while more := os.read(self.master, 4096):
                said += more
        except OSError:         # as Linux says it
            pass
        os.close(self.master)
        return said.decode()


@pytest.fixture(scope="module")
def progress(tmp_path_factory, preload):
    path = tmp_path_factory.mktemp("progress") / "progress"
    subprocess.run(
        ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror",
         f"-I{TOP}/include", f"-I{BUILD}/idl", f"-I{TOP}/xl-cmd",
         "-o", path, TOP / "tests/api/progress.c",
         TOP / "xl-cmd/progress.c", BUILD / "libxlext-internal.a",
         "-lyajl", "-pthread"], check=True)
    return path


def show(progress, terminal, term):
    env = {k: v for k, v in os.environ.items() if k != "TERM"}
    env |= {"TERM": term} if term is not None else {}
    subprocess.run([progress], env=env, stderr=terminal.slave, check=True,
                   timeout=20)
    return terminal.said()


@pytest.mark.parametrize("columns", [1, 20, 40, 80, 132, 0])
def test_the_bar_is_one_line(progress, columns):
    """One that is longer would be left standing at each step.  0: the
    terminal does not say."""
    first, *lines = show(progress, Terminal(columns), "xterm").split(
        "\r\x1b[K")
    assert first == "" and len(lines) == 2
    for line in lines:
        assert len(line) < (columns or 80) or not line
    if columns >= 20:
        assert lines[1].startswith("acknowledge"), lines
        assert ("[" in lines[1]) == (columns > 100), lines
    if columns >= 80:
        assert lines[1].endswith("16777216.0 MiB, 100000.0 s"), lines


@pytest.mark.parametrize("term, bar", [("dumb", False), ("", False),
                                       (None, False), ("xterm", True)])
def test_a_terminal_that_cannot_clear_a_line(progress, term, bar):
    """It would show what was meant as a command."""
    said = show(progress, Terminal(), term)
    assert ("\x1b" in said) == bar
    assert bar or said.splitlines() == [
        "last_pass, 0.0 MiB, 0.0 s",
        "acknowledge, 16777216.0 MiB, 100000.0 s"]


def test_an_image_is_not_written_to_a_terminal(short_world):
    """It would be lost, and the guest with it."""
    t = Terminal()
    for file, out in (("-", t.slave), (os.ttyname(t.slave), None)):
        p = subprocess.run([BUILD / "xl-ext", "save", "web", file],
                           env=short_world.env, stdout=out, text=True,
                           stderr=subprocess.PIPE, check=False, timeout=60)
        assert p.returncode == 2
        assert f"cannot write {file}: it is a terminal" in p.stderr
        assert p.stderr.splitlines()[-1].endswith("domain 5, running")
    assert t.said() == ""
