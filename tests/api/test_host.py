# SPDX-License-Identifier: LGPL-2.1-only
"""The two programs of the commands: xl-ext, which runs those on images
and needs no library of Xen, and xl-ext-host, which it becomes for the
rest."""

import os
import re
import subprocess
import sys

import pytest

from test_commands import one_line
from world import BUILD
from xl_ext import TOP, XL_EXT, run

sys.path.insert(0, str(TOP / "tests" / "image"))
import build_image                                          # noqa: E402

pytestmark = pytest.mark.usefixtures("build")
ALL = [["memory"], ["--help"], ["save", "--help"], ["frob"], [],
       ["--completion", "bash"]]


def needed(program):
    out = subprocess.run(["objdump", "-p", program], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return set(re.findall(r"NEEDED +(\S+)", out))


def of_xen(program):
    return {lib for lib in needed(program)
            if re.match(r"libx(en|l[^e])", lib)}


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(build_image.build(guest="pv").bytes())
    return path


def images_can_be_read(program, image, env=None):
    other = image.with_name("other")
    for args in (["verify", "--quick", image], ["verify", image],
                 ["inspect", image], ["diff", image, image],
                 ["convert", "--force", "--drop-superseded", image, other],
                 ["verify", "--help"], ["--help"]):
        p = run("image", *args, program=program, env=env)
        assert (p.returncode, p.stderr) == (0, ""), p
    one_line(run("image", "mend", program=program, env=env),
             "xl-ext: no command image mend")


@pytest.mark.usefixtures("preload")
def test_xl_ext_links_no_library_of_xen():
    for flavour in ("release", "debug"):
        build = TOP / "build" / flavour
        assert not of_xen(build / "xl-ext")
        assert len(of_xen(build / "xl-ext-host")) > 5


@pytest.mark.parametrize("contents", [b"", b"no library"])
def test_images_need_no_library_of_xen(image, tmp_path, contents):
    """Those of Xen cannot be loaded."""
    broken = tmp_path / "broken"
    broken.mkdir()
    for lib in of_xen(XL_EXT.parent / "xl-ext-host"):
        (broken / lib).write_bytes(contents)
    env = {"LD_LIBRARY_PATH": str(broken)}
    images_can_be_read(XL_EXT, image, env)
    for args in ALL:
        p = run(*args, env=env)
        assert p.returncode == 127 and p.stdout == ""
        assert re.fullmatch(rf".*/xl-ext: error while .*: {broken}/libx.*\n",
                            p.stderr), p.stderr


@pytest.mark.skipif(os.path.exists("/usr/local/libexec/libxl-ext"),
                    reason="libxl-ext is installed here")
def test_without_the_host_program_a_line_says_so(moved, image):
    host = moved.with_name("xl-ext-host")
    host.chmod(0o600)
    for _ in range(2):
        images_can_be_read(moved, image)
        for args in ALL:
            one_line(run(*args, program=moved), "xl-ext: /usr/local/libexec"
                     "/libxl-ext/xl-ext-host cannot be run: No such file or"
                     " directory: install libxl-ext's programs\n")
        host.unlink(missing_ok=True)


def test_a_host_program_that_cannot_be_started_is_a_line(moved):
    host = moved.with_name("xl-ext-host")
    host.write_bytes(b"\x7fELF")
    one_line(run("memory", program=moved), f"xl-ext: {host} cannot be run:"
             " Exec format error: install")


def test_the_host_program_is_xl_ext_to_those_who_look(world):
    with subprocess.Popen(
            ["as it was called", "migrate-receive"], env=world.env,
            executable=BUILD / "xl-ext", stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
        p.stdout.readline()
        proc = f"/proc/{p.pid}"
        assert os.readlink(f"{proc}/exe") == str(BUILD / "xl-ext-host")
        with open(f"{proc}/comm", encoding="ascii") as f:
            assert f.read() == "xl-ext\n"
        with open(f"{proc}/cmdline", "rb") as f:
            assert f.read() == b"as it was called\0migrate-receive\0"
        with open(f"{proc}/environ", "rb") as f:
            there = set(f.read().split(b"\0"))
        assert {f"{k}={v}".encode() for k, v in world.env.items()} <= there
        p.kill()
