# SPDX-License-Identifier: LGPL-2.1-only
"""Calls of the library that xl-ext does not make: cancelled ahead of
their start, descriptors that are none or do not wait, values out of
bounds."""

import subprocess

import pytest

from world import BUILD
from xl_ext import TOP

ABORTED, NOTFOUND, INVAL, FAIL = -22, -21, -6, -3   # of libxl.h


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
    ("save-cancelled", ABORTED, "save: dom 5: cancelled"),
    ("save-again", INVAL, "a libxl_ext_op serves one operation"),
    ("restore-cancelled", ABORTED, 'restore: guest "web": cancelled'),
    ("migrate-nowhere", FAIL, "Bad file descriptor"),
    ("save-control", INVAL, "save: dom 0 is the control domain"),
    ("migrate-control", INVAL, "migrate: dom 0 is the control domain"),
    ("migrate-impatient", INVAL, "timeout is 99 ms, not 100 to 3600000"),
    ("migrate-nobody", NOTFOUND, "domain id 77777 is not below"),
    ("freeze-childless", 0, ""),
    ("header", 0, ""),
])
def test_a_call(short_world, program, name, rc, words):
    if name.startswith("freeze"):
        short_world.put("state", "paused")
    env = short_world.env | {
        "LIBXL_SAVE_HELPER": str(BUILD / "libxl-ext-save-helper")}
    p = subprocess.run([program, name], env=env, check=True, text=True,
                       timeout=60, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE)
    got, line, ms = p.stdout.split("|")
    assert int(got) == rc and words in line, p.stdout
    assert int(ms) < 10000      # less than any time-out
