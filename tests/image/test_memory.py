# SPDX-License-Identifier: LGPL-2.1-only
"""At most 64 MiB and 16 bytes a frame, whatever the image says."""

import struct
import subprocess

import pytest

import build_image as b
from test_verify import XL_EXT, built                       # noqa: F401


# A child is charged with what its parent had at the fork, so the parent
# must be small: a Python of its own.
MEASURE = """
import os, subprocess, sys
p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(p.pid, 0)
p.returncode = os.waitstatus_to_exitcode(status)
print(p.returncode, usage.ru_maxrss)
"""


def peak(*args, status=(0, 1)):
    """Peak of memory in bytes."""
    out = subprocess.run(
        ["/usr/bin/python3", "-c", MEASURE, XL_EXT, "image", *args],
        stdout=subprocess.PIPE, check=True).stdout.split()
    assert int(out[0]) in status
    return int(out[1]) << 10


def deep_config():
    im = b.build("pvh")
    text = b'{"x": ' + b"[" * (15 << 20)
    im.parts[0] = b.Part("xl", im.part("xl").body[:44] + struct.pack(
        "<II", len(text) + 4, len(text)) + text)
    return im


def long_string():
    im = b.build("pvh")
    text = b'{"x": "' + b"y" * (15 << 20) + b'"}'
    im.parts[0] = b.Part("xl", im.part("xl").body[:44] + struct.pack(
        "<II", len(text) + 4, len(text)) + text)
    return im


def scattered():
    """As many maps as may be: one frame more would be a fault."""
    im = b.build("pvh")
    im.poke("dhdr", 8, bytes(4))
    im.parts.insert(im.at("TSC_INFO"), b.page_data(
        im, [(n * 4096, b.XTAB, None) for n in range(1, 640)]))
    return im


def vcpus():
    im = b.build("pv")
    for kind, data in ((b.VCPU_BASIC, b.context(8)), (b.VCPU_EXT, b"e")):
        im.parts.insert(im.at("END"), b.vcpu(im, "last", kind, 8191, data))
    return im


def entries():
    """One record of 2^20 frames without contents."""
    im = b.build("pvh")
    im.parts.insert(im.at("TSC_INFO"), b.page_data(
        im, [(n, b.XTAB, None) for n in range(1 << 20)]))
    return im


@pytest.mark.parametrize("make, frames", [
    (deep_config, 0), (long_string, 0), (scattered, 0), (vcpus, 0),
    (entries, 1 << 20)], ids=lambda v: getattr(v, "__name__", str(v)))
def test_an_image_cannot_make_it_take_more(make, frames, tmp_path):
    bound = (64 << 20) + 16 * frames
    (tmp_path / "image").write_bytes(make().bytes())
    used = peak("verify", tmp_path / "image")
    print(f"{used >> 20} MiB of {bound >> 20}")
    assert used < bound


def later_rounds():
    """All of 2^18 frames allocated, and again in a second round: the
    first pass of a conversion writes them, the second has their types."""
    im = b.build("pvh")
    im.poke("dhdr", 8, bytes(4))
    for kind in (b.XALLOC, b.XTAB):
        im.parts.insert(im.at("TSC_INFO"), b.page_data(
            im, [(n, kind, None) for n in range(40, 1 << 18)]))
    return im


@pytest.mark.parametrize("make, frames", [
    (scattered, 0), (later_rounds, 1 << 18)],
    ids=lambda v: getattr(v, "__name__", str(v)))
@pytest.mark.parametrize("options", [
    ["--drop-superseded"], ["--max-pages", str(1 << 20)]],
    ids=lambda v: v[0])
def test_nor_a_conversion_of_it(make, frames, options, tmp_path):
    bound = (64 << 20) + 16 * frames
    (tmp_path / "image").write_bytes(make().bytes())
    used = peak("convert", *options, tmp_path / "image", tmp_path / "out",
                status=(0,))
    print(f"{used >> 20} MiB of {bound >> 20}")
    assert used < bound
    used = peak("diff", tmp_path / "image", tmp_path / "out",
                status=(0,) if options[0] == "--drop-superseded" else (1,))
    print(f"diff: {used >> 20} MiB of {2 * bound >> 20}")
    assert used < 2 * bound
