# SPDX-License-Identifier: LGPL-2.1-only
"""The two-phase end of xl-ext migrate, killed at each point of it: the
sender is the process that it is, with fake_world.c's libxl and guest; the
receiver is a script that says what a receiver would."""

import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from world import BUILD

AFTER_SAVE, AFTER_READY, AFTER_COMMIT, AFTER_GO, AFTER_DONE = range(60, 65)

# PEER WORLD host remote: GO is written down ahead of anything else, and
# so is that it was asked.
PEER = r'''
import json, os, struct, sys
world, host, remote = sys.argv[1:4]
def note(name, text=""):
    with open(f"{world}/{name}", "a") as f:
        f.write(text + "\n")
def get():
    head = sys.stdin.buffer.read(8)
    if len(head) < 8:
        sys.exit(0)
    kind, size = struct.unpack("<II", head)
    return chr(kind), sys.stdin.buffer.read(size)
def put(kind, body):
    body = json.dumps(body).encode()
    os.write(1, struct.pack("<II", ord(kind), len(body)) + body)
if "--ask" in remote:
    note("asked", f"{host} {remote}")
    try:
        print(open(f"{world}/answer").read())
    except OSError:
        sys.exit(1)
    sys.exit(0)
os.write(1, b"xl-ext migration receiver ready, protocol 1\n")
get()
put("A", {"accepted": True})
if os.path.exists(f"{world}/meddle"):
    # Behind the save, and ahead of READY, which is when a sender waits.
    import time
    while "suspended" not in open(f"{world}/state").read():
        time.sleep(0.01)
    open(f"{world}/state", "w").write("running")
put("R", {"ok": True})
assert get()[0] == "G"
note("go")
if not os.path.exists(f"{world}/silent"):
    put("D", {"ok": True})
'''


class Migration:
    def __init__(self, world):
        self.world = world
        world.put("peer.py", PEER)
        world.put("ssh", f'#!/bin/sh\nexec env -u LD_PRELOAD'
                  f' {sys.executable} {world.path}/peer.py'
                  f' {world.path} "$@"\n')
        (world.path / "ssh").chmod(0o700)
        # The name of a socket must be short.
        self.run_dir = tempfile.mkdtemp(prefix="lxe")
        (world.path / "run").symlink_to(self.run_dir)
        world.env["LIBXL_EXT_RUNDIR"] = self.run_dir
        # As the helper leaves it; its guardian is not of this story.
        world.put("run/5.journal", "libxl-ext-freeze 1\ndomain 5 " +
                  "00" * 15 + "05\nsuspend\nanswered\nwhole\n")

    def run(self, rc=0, fault=None, host="beta"):
        env = self.world.env | (
            {"LIBXL_EXT_FAULT": fault} if fault else {})
        p = subprocess.run(
            [BUILD / "xl-ext", "migrate", "-s", self.world.path / "ssh",
             "web", host], env=env, text=True, capture_output=True,
            check=False, timeout=90)
        assert p.returncode == rc, p
        return p.stderr

    def said(self, name):
        path = self.world.path / name
        return path.read_text() if path.exists() else None

    @property
    def state(self):
        return self.said("state")

    @property
    def name(self):
        return self.said("store/local/domain/5/name")

    @property
    def committed(self):
        return "commit" in self.world.journal


@pytest.fixture
def migration(world):
    m = Migration(world)
    yield m
    shutil.rmtree(m.run_dir)


def test_it_goes_there(migration):
    assert "web is on beta" in migration.run()
    assert migration.state == "gone" and migration.said("go")


@pytest.mark.parametrize("point", [AFTER_SAVE, AFTER_READY])
def test_killed_ahead_of_the_commit_no_copy_may_run(migration, point):
    """The guardian lets it run: the journal says "whole", and no more."""
    migration.run(rc=-signal.SIGKILL, fault=f"{point}:kill")
    assert migration.state == "suspended"
    assert migration.name == "web"
    assert not migration.committed and migration.said("go") is None


def test_somebody_lets_it_run_meanwhile(migration):
    """Then it runs here, and the peer is not given leave."""
    migration.world.put("meddle", "")
    err = migration.run(rc=2)
    assert "somebody let it run again here" in err
    assert migration.state == "running" and migration.name == "web"
    assert not migration.committed and migration.said("go") is None


@pytest.mark.parametrize("answer,state,name,rc", [
    ("running", "gone", "web--migratedaway", 0),
    ("none", "running", "web", 2)])
def test_a_link_that_ends_behind_go_is_settled(migration, answer, state,
                                               name, rc):
    """A guest that arrived was migrated, whatever the link did."""
    migration.world.put("silent", "")
    migration.world.put("answer", answer)
    migration.run(rc=rc)
    assert migration.said("go") and migration.committed
    assert migration.state == state and migration.name == name
