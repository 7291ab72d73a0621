# SPDX-License-Identifier: LGPL-2.1-only
"""A program that embeds the library, with the helper as it is: threads,
forks, descriptors, limits."""

import subprocess

import pytest

from world import BUILD
from xl_ext import TOP

OK, FAIL, INVAL, ABORTED = 0, -3, -6, -22       # of libxl.h
HELPER = BUILD / "libxl-ext-save-helper"


@pytest.fixture(scope="module")
def built(tmp_path_factory, preload):
    """The program, and what is preloaded into it."""
    path = tmp_path_factory.mktemp("embedder")
    gcc = ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"]
    [library] = [p for p in BUILD.glob("libxlext.so.*")
                 if not p.is_symlink()]
    (path / ".".join(library.name.split(".")[:3])).symlink_to(library)
    subprocess.run(
        [*gcc, f"-I{TOP}/include", f"-I{BUILD}/idl", "-pthread", "-o",
         path / "embedder", TOP / "tests/api/embedder.c", library,
         "-lxenlight", "-lxentoollog", f"-Wl,-rpath,{path}"], check=True)
    subprocess.run(
        [*gcc, "-shared", "-fPIC", "-o", path / "operation.so",
         TOP / "tests/api/fake_operation.c"], check=True)
    return path / "embedder", f"{path}/operation.so {preload}"


@pytest.fixture
def checkpoint(short_world, built, tmp_path):
    """The example of that name: its exit status and what it says."""
    program = built[0].with_name("checkpoint")
    [library] = built[0].parent.glob("libxlext.so.*")
    subprocess.run(
        ["gcc", f"-I{TOP}/include", f"-I{BUILD}/idl", "-o", program,
         TOP / "docs/examples/checkpoint.c", library, "-lxenlight",
         "-lxentoollog", f"-Wl,-rpath,{program.parent}"], check=True)

    def run():
        p = subprocess.run(
            [program, "web", tmp_path / "image"], check=False, timeout=60,
            text=True, capture_output=True, env=short_world.env | {
                "LD_PRELOAD": built[1], "LIBXL_SAVE_HELPER": str(HELPER)})
        return p.returncode, p.stderr
    return run


@pytest.fixture
def embedder(short_world, built, tmp_path):
    program, preload = built

    def run(case, file=tmp_path / "image", before_helper=None, rounds=1,
            fault=None, state=None):
        """rc, line, octets that were told of; with @before_helper a
        script that becomes the helper."""
        helper = HELPER
        if before_helper:
            helper = tmp_path / "first" / HELPER.name
            helper.parent.mkdir()
            helper.write_text(
                f'#!/bin/sh\n{before_helper}\nexec {HELPER} "$@"\n')
            helper.chmod(0o755)
        short_world.put("rounds", str(rounds))
        p = subprocess.run(
            [program, case, file], check=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=short_world.env | {"LD_PRELOAD": preload,
                                   "LIBXL_SAVE_HELPER": str(helper),
                                   "LIBXL_EXT_FAULT": fault or ""})
        rc, line, octets, ms = p.stdout.split("|")
        assert int(ms) < 8000
        run.logged = p.stderr
        if not state:
            state = ("running" if int(rc) else "paused"
                     if case.startswith("restore") else "suspended")
        assert (short_world.path / "state").read_text() == state
        return int(rc), line, int(octets)
    return run


@pytest.mark.parametrize("case", ["plain", "closed", "ignored"])
def test_a_save(embedder, tmp_path, case):
    rc, line, octets = embedder(case)
    assert (rc, line) == (OK, "")
    assert octets == (tmp_path / "image").stat().st_size > 1 << 16


def test_a_file_that_is_appended_to(embedder, tmp_path):
    """What was there before is no part of the stream."""
    (tmp_path / "image").write_text("here before")
    rc, _, octets = embedder("append")
    assert rc == OK
    assert octets == (tmp_path / "image").stat().st_size - 11


@pytest.mark.parametrize("case, more", [
    ("restore-file", 0), ("restore-pipe", 1 << 14)])
def test_a_restore_counts_what_it_reads(embedder, tmp_path, case, more):
    embedder("plain", rounds=20)
    size = (tmp_path / "image").stat().st_size
    rc, line, octets = embedder(case)
    assert (rc, line) == (OK, "")
    assert size <= octets <= size + more


@pytest.mark.parametrize("case", ["thread-cancels", "callback-cancels"])
def test_who_may_cancel(embedder, case):
    rc, line, _ = embedder(case, rounds=100)
    assert (rc, line) == (ABORTED, "save: domain 5: cancelled")


@pytest.mark.parametrize("fault", ["6:stop", "10:stop"])
def test_a_cancel_ends_a_helper_that_hears_nothing(embedder, fault):
    """One that is stopped stands for a write to storage that hangs, which
    only SIGKILL ends; the guest runs, or is suspended and frozen."""
    rc, line, _ = embedder("thread-cancels", fault=fault, rounds=5)
    assert (rc, line) == (ABORTED, "save: domain 5: cancelled")


def test_a_worker_that_is_forked_meanwhile(embedder):
    """It has the connection to the helper, too, which must hear of the
    failure all the same."""
    rc, line, _ = embedder("fork", file="/dev/full")
    assert rc == FAIL and "No space left" in line


def test_a_line_in_place_of_the_helpers_is_logged(embedder, short_world):
    """The helper's own goes to the libxl_ctx's logger, by libxl."""
    embedder("logs", fault="8:error")
    assert not embedder.logged
    short_world.put("unresumable", "")
    rc, line, _ = embedder("logs", fault="8:error", state="suspended")
    assert rc == FAIL and "libxl could not resume it" in line
    assert line in embedder.logged


def test_no_descriptor_for_the_helper(embedder):
    """The program's other threads have them all, and keep them."""
    rc, line, _ = embedder("no-descriptors", before_helper="sleep 1")
    assert rc == FAIL and line.startswith("session: cannot accept: Too")


def test_a_file_that_may_not_grow(embedder):
    """ulimit -f: SIGXFSZ, which would end the helper without a word."""
    rc, line, _ = embedder("file-size")
    assert rc == FAIL and "File too large" in line


def test_the_control_domain_is_not_saved(embedder):
    rc, line, octets = embedder("domain-0")
    assert rc == INVAL and "the control domain" in line and not octets


SAY_HI = """/usr/bin/python3 -c '
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
run = os.environ["LIBXL_EXT_RUNDIR"]
s.connect(run + "/" + [n for n in os.listdir(run) if ".save" in n][0])
s.send(b"hi")
s.recv(1)'"""


def test_a_save_that_went_well_has_no_error(embedder):
    """Somebody else of root's who connected first did no harm."""
    assert embedder("plain", before_helper=SAY_HI)[:2] == (OK, "")


@pytest.mark.parametrize("unresumable", [False, True])
def test_the_example_keeps_an_image_that_is_whole(
        short_world, checkpoint, tmp_path, unresumable):
    """Where the guest does not go on, it is all that there is of it."""
    if unresumable:
        short_world.put("unresumable", "")
    rc, said = checkpoint()
    assert rc == unresumable
    assert ("could not be resumed" in said) == unresumable
    assert (tmp_path / "image").stat().st_size > 1 << 16


@pytest.mark.parametrize("unresumable", [False, True])
def test_the_example_says_that_its_copy_is_not_on_the_disk(
        short_world, checkpoint, tmp_path, unresumable):
    """NFS says so at the end. While the guest runs it is no loss."""
    short_world.put("unwritable", "")
    if unresumable:
        short_world.put("unresumable", "")
    rc, said = checkpoint()
    assert rc == 1 and f"{tmp_path}/image: No space left" in said
    assert (tmp_path / "image").exists() == unresumable


def test_the_example_leaves_no_part_of_an_image(
        short_world, checkpoint, tmp_path):
    short_world.put("conf", "no such = 1")
    assert checkpoint()[0] == 1
    assert not (tmp_path / "image").exists()
