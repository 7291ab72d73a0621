# SPDX-License-Identifier: LGPL-2.1-only
"""What of a file is read: verify reads what a rule speaks of, and does not
mind a disk that has lost the rest; --read-all and inspect read all of it,
and name the first byte that cannot be had."""

import os
import subprocess
from pathlib import Path

import pytest

import build_image as b
from test_verify import XL_EXT, built                       # noqa: F401

HERE = Path(__file__).resolve().parent


def preload(tmp_path_factory, name):
    so = tmp_path_factory.mktemp("storage") / f"{name}.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Wextra",
                    "-Werror", "-o", so, HERE / f"{name}.c"], check=True)
    return so


@pytest.fixture(scope="session")
def bad_storage(tmp_path_factory):
    """Runs xl-ext image on a file of which some bytes cannot be read."""
    so = preload(tmp_path_factory, "bad_storage")

    def run(path, start, length, *args):
        p = subprocess.run(
            [XL_EXT, "image", *args, path], check=False,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | {"LD_PRELOAD": so, "BAD_FROM": str(start),
                              "BAD_TO": str(start + length)})
        return p.returncode, p.stdout.decode(), p.stderr.decode()
    return run


def lost(start):
    return f"image: read at byte {start}: Input/output error"


QUICK, RULES, ALL = ["verify", "--quick"], ["verify"], ["verify",
                                                        "--read-all"]


def check(bad_storage, tmp_path, im, start, length, reads):
    """Those of reads fail there; the others do not notice."""
    path = tmp_path / "image"
    path.write_bytes(im.bytes())
    for args in (QUICK, RULES, ALL, ["inspect"]):
        said = bad_storage(path, start, length, *args)
        if args in reads:
            assert said[:2] == (2, "") and lost(start) in said[2], args
        else:
            assert said == bad_storage(path, 0, 0, *args), args
            assert said[0] == 0


def contents(im, nth):
    """Where a PAGE_DATA record has its pages, and where it ends."""
    p = im.part("PAGE_DATA", nth)
    count = int.from_bytes(p.body[:4], "little")
    return (im.body_offset("PAGE_DATA", nth) + 8 + 8 * count,
            im.offset("PAGE_DATA", nth) + len(p.bytes()))


@pytest.mark.parametrize("guest", ["hvm", "pvh", "pv"])
def test_pages_that_no_rule_speaks_of_are_not_read(guest, bad_storage,
                                                   tmp_path):
    im = b.build(guest, live=True)
    # Of the PV guest: frames 10 to 19, without a table.
    start, end = contents(im, 1)
    assert end - start >= 6 * b.PAGE
    check(bad_storage, tmp_path, im, start, end - start,
          [ALL, ["inspect"]])
    check(bad_storage, tmp_path, im, end - 1, 1, [ALL, ["inspect"]])


def test_tables_and_start_info_are_read_and_their_neighbours_are_not(
        bad_storage, tmp_path):
    im = b.build("pv")
    start = contents(im, 0)[0]
    for pfn in range(10):
        judged = pfn == b.START_INFO or b.ROOT <= pfn <= b.USER_ROOT
        check(bad_storage, tmp_path, im, start + pfn * b.PAGE, b.PAGE,
              [RULES, ALL, ["inspect"]] if judged else [ALL, ["inspect"]])


@pytest.mark.parametrize("name", ["EMULATOR", "CPUID_POLICY"])
def test_other_bodies_that_no_rule_speaks_of_are_read_with_all(
        name, bad_storage, tmp_path):
    im = b.build("hvm")
    im.part(name).body += bytes(48 * 1000)
    check(bad_storage, tmp_path, im, im.body_offset(name) + 40, 30000,
          [ALL, ["inspect"]])


@pytest.mark.parametrize("what", ["entries", "header"])
def test_what_every_reading_needs_fails_in_each(what, bad_storage,
                                                tmp_path):
    im = b.build("pvh")
    start = im.offset("PAGE_DATA", 2) + (16 if what == "entries" else 0)
    check(bad_storage, tmp_path, im, start, 8,
          [QUICK, RULES, ALL, ["inspect"]])


def test_what_was_read_is_said(bad_storage, tmp_path):
    im = b.build("pv")
    path = tmp_path / "image"
    path.write_bytes(im.bytes())
    for args, words in ((QUICK, "pages were not looked at"),
                        (RULES, "contents that no rule speaks of were not"
                         " looked at"),
                        (ALL, f"all {len(im.bytes())} bytes were read")):
        assert f"no rule is broken; {words}\n" in bad_storage(
            path, 0, 0, *args)[1]


@pytest.fixture(scope="session")
def asked(tmp_path_factory):
    """Octets that the kernel is asked to read ahead, and how often."""
    so = preload(tmp_path_factory, "read_ahead")

    def run(path, *args, **env):
        said = path.with_name("asked")
        subprocess.run([XL_EXT, "image", *args, path], check=True,
                       stdout=subprocess.DEVNULL,
                       env=os.environ | {"LD_PRELOAD": so, "ASKED": said} |
                       env)
        return tuple(map(int, said.read_text().split()))
    return run


def can_tell_what_is_cached(path):
    """Not every file system of every Linux can."""
    with open(path, "rb") as f:
        try:
            return os.preadv(f.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except OSError:
            return 0


@pytest.mark.parametrize("size, near", [(1, True), (8, True), (400, False)])
def test_small_records_are_read_ahead_and_large_ones_are_not(
        size, near, asked, tmp_path):
    """Each is a read; with the disk's wait at each it would take long."""
    im = b.build("pvh", container="libxc")
    page = b.pattern(1)
    at = im.at("PAGE_DATA")
    im.parts = [p for p in im.parts if p.name != "PAGE_DATA"]
    im.parts[at:at] = b.batches(im, [(n, b.NOTAB, page)
                                     for n in range(2000)], size)
    path = tmp_path / "image"
    path.write_bytes(im.bytes())
    octets, times = asked(path, *QUICK)
    length = path.stat().st_size
    assert (octets >= length) if near else (octets < length / 2)
    assert times <= octets / (64 << 10)
    assert asked(path, *ALL) == (0, 0)      # in order: the kernel sees it
    if can_tell_what_is_cached(path):
        assert asked(path, *QUICK, CACHED="1") == (0, 0)    # just written
