# SPDX-License-Identifier: LGPL-2.1-only
"""What the tests of the library and of xl-ext share: the tree as it was
built, and as `make install` lays it down."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from world import World

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def top():
    return TOP


@pytest.fixture(scope="session")
def build():
    """The release build; making it again does nothing."""
    subprocess.run(["make", "-s", "all"], cwd=TOP, check=True)
    return TOP / "build/release"


@pytest.fixture(scope="session")
def installed(build, tmp_path_factory):
    """The root of an installed tree, with PREFIX /usr."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["make", "-s", "install", f"DESTDIR={root}",
                    "PREFIX=/usr"], cwd=TOP, check=True)
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
    subprocess.run(["make", "-s", "debug"], cwd=TOP, check=True)
    so = tmp_path_factory.mktemp("preload") / "fake_world.so"
    subprocess.run(
        ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror",
         "-shared", "-fPIC", "-o", so, TOP / "tests/api/fake_world.c",
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
