# SPDX-License-Identifier: LGPL-2.1-only
"""The console and the viewer that xl-ext restore leaves behind, which are
xl's: a script in xl's place says what it is asked for."""

import json
import os
import subprocess
import time

import pytest

from world import BUILD

STREAM = b"LibxlFmt\0\0\0\2\0\0\0\0\1\0\0\0\0\0\0\0"


class Host:
    def __init__(self, world):
        self.path = world.path
        world.put("bin/xl", f"#!/bin/sh\nunset LD_PRELOAD\n"
                  f"echo \"$@: $(cat {world.path}/state)\" >>"
                  f" {world.path}/asked\n"
                  f"readlink /proc/$$/fd/* > {world.path}/open\n"
                  "[ $1 != console ] || { echo it says so; exit 7; }\n")
        (world.path / "bin/xl").chmod(0o700)
        self.env = world.env | {
            "PATH": f"{world.path}/bin:{os.environ['PATH']}"}
        self.image = world.path / "image"
        self.run("save", "web", self.image)
        with open(self.image, "ab") as f:
            f.write(STREAM)

    def run(self, *args, rc=0, env=None):
        p = subprocess.run(
            [BUILD / "xl-ext", *args], env=self.env | (env or {}),
            text=True, capture_output=True, check=False, timeout=60)
        assert p.returncode == rc, p
        return p

    def asked(self, lines=0):
        """xl for what, once it was that often."""
        end = time.monotonic() + 10
        path = self.path / "asked"
        while True:
            said = path.read_text().splitlines() if path.exists() else []
            if len(said) >= lines:
                return said
            assert time.monotonic() < end, said
            time.sleep(0.02)


@pytest.fixture
def host(short_world):
    return Host(short_world)


@pytest.mark.parametrize("option, state", [("-c", "running"),
                                           ("-cp", "paused")])
def test_the_console_follows_the_last_line(host, option, state):
    """And its status is that of the command."""
    p = host.run("restore", "-e", option, host.image, rc=7)
    assert p.stdout == "it says so\n"
    assert f"domain 5, {state}" in p.stderr.splitlines()[-1]
    assert host.asked() == [f"console 5: {state}"]


def test_the_outcome_comes_ahead_of_the_console(host):
    p = host.run("restore", "-ec", "--json", host.image, rc=7)
    outcome, end = json.JSONDecoder().raw_decode(p.stdout)
    assert outcome["state"] == "running"
    assert p.stdout[end:].strip() == "it says so"


@pytest.mark.parametrize("option, words", [
    ("-V", "vncviewer 5"), ("--vncviewer", "vncviewer 5"),
    ("-A", "vncviewer --autopass 5"),
    ("--vncviewer-autopass", "vncviewer --autopass 5")])
def test_the_viewer_is_not_waited_for(host, option, words):
    host.run("restore", "-e", option, host.image)
    [asked] = host.asked(1)
    assert asked.startswith(words + ": ")


def test_xl_gets_no_descriptor_but_the_three(host):
    host.run("restore", "-ec", host.image, rc=7)
    left = (host.path / "open").read_text().splitlines()
    # The script that the shell reads, and this list.
    own = [f"{host.path}/bin/xl", f"{host.path}/open"]
    assert len([name for name in left if name not in own]) <= 3, left


def test_both(host):
    host.run("restore", "-eVc", host.image, rc=7)
    assert {a.partition(":")[0] for a in host.asked(2)} == {
        "console 5", "vncviewer 5"}


def test_a_guest_that_is_not_restored_has_none(host):
    host.image.write_bytes(b"")
    host.run("restore", "-cV", host.image, rc=2)
    assert host.asked() == []


def test_a_console_cannot_wait_for_what_happens_behind_it(host):
    p = host.run("restore", "-cF", host.image, rc=2)
    assert "-c and -F exclude each other" in p.stderr
    assert (host.path / "state").read_text() == "gone"


def test_without_xl_it_runs_all_the_same(host):
    p = host.run("restore", "-ec", host.image, rc=2,
                 env={"PATH": "/nonexistent"})
    assert p.stderr.splitlines()[-1] == \
        "xl-ext restore: the guest is restored, and its console is not" \
        " opened: cannot run xl: No such file or directory"
    assert (host.path / "state").read_text() == "running"
