# SPDX-License-Identifier: LGPL-2.1-only
"""What the tests of the library and of xl-ext share: the tree as it was
built, and as `make install` lays it down; and a world without a Xen.

pytest-xdist's workers are sessions of their own, so what all of them use
is made under a lock: the first makes it, the others find it made."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from world import World

TOP = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def locked():
    """One at a time, of all workers and of all runs of this tree."""
    (TOP / "build").mkdir(exist_ok=True)
    with open(TOP / "build/tests-api.lock", "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def make(*args):
    subprocess.run(["make", "-s", *args], cwd=TOP, check=True)


@pytest.fixture(scope="session")
def top():
    return TOP


@pytest.fixture(scope="session")
def build():
    """The release build; making it again does nothing."""
    with locked():
        make("all")
    return TOP / "build/release"


@pytest.fixture
def moved(build, tmp_path):
    """xl-ext in a folder of its own, so that what stands beside it
    counts."""
    shutil.copy(build / "xl-ext-host", tmp_path)
    return Path(shutil.copy(build / "xl-ext", tmp_path))


@pytest.fixture(scope="session")
def installed(build, tmp_path_factory):
    """The root of an installed tree, with PREFIX /usr.  Another PREFIX is
    compiled in, so it is made of a copy: others run the release build
    meanwhile."""
    mine = tmp_path_factory.getbasetemp()
    # A worker's is a folder in the one of the whole run.
    shared = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    out, root = shared / "installed.out", shared / "installed"
    with locked():
        if not root.exists():
            part = shared / "installed.part"
            shutil.copytree(build, out / "release", symlinks=True)
            mask = os.umask(0o077)
            make("install", f"OUT={out}", f"DESTDIR={part}", "PREFIX=/usr")
            os.umask(mask)
            part.rename(root)
    return root


@pytest.fixture(scope="session")
def installed_env(installed):
    """For pkg-config and the dynamic linker to look there."""
    return {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(installed),
            "PKG_CONFIG_PATH": str(installed / "usr/lib/pkgconfig"),
            # Debian's pkgconf leaves these out as the compiler's own,
            # which they are not below a DESTDIR.
            "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1",
            "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1",
            "LD_LIBRARY_PATH": str(installed / "usr/lib")}


@pytest.fixture(scope="session")
def preload(tmp_path_factory):
    """fake_world.c, and the programs that have fault points."""
    with locked():
        make("debug")
    so = tmp_path_factory.mktemp("preload") / "fake_world.so"
    subprocess.run(
        ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror",
         f"-I{TOP}/build/debug", "-shared", "-fPIC", "-o", so,
         TOP / "tests/api/fake_world.c", TOP / "tests/api/fake_xenguest.c",
         "-ldl"], check=True)
    return so


@pytest.fixture
def world(tmp_path, preload):
    w = World(tmp_path, preload)
    yield w
    w.put("state", "gone")      # the guardians end with their domain
    end = time.monotonic() + 10
    while w.guardians() and time.monotonic() < end:
        time.sleep(0.02)
    left = w.guardians()
    w.kill(left)
    assert not left


@pytest.fixture
def short_world(world):
    """For what libxl-ext listens at: the name of a socket must be
    short."""
    run_dir = tempfile.mkdtemp(prefix="lxe")
    (world.path / "run").symlink_to(run_dir)
    world.env["LIBXL_EXT_RUNDIR"] = run_dir
    yield world
    shutil.rmtree(run_dir)
