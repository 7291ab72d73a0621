# SPDX-License-Identifier: LGPL-2.1-only
"""A Debian with Xen's toolstack in a directory, and dpkg inside it.

The base is made once and kept in the lab's cache.  Each test has an
overlay of its own on it, which is mounted anew for every command in a
mount namespace of that command: nothing is left to be unmounted.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lab"))

from xenlab import cache                                # noqa: E402
from xenlab.proc import call, step                      # noqa: E402

DEBS = TOP / os.environ.get("LXE_DEBS", "build/deb")
SUITE = platform.freedesktop_os_release()["VERSION_CODENAME"]


def field(deb, name):
    return subprocess.run(["dpkg-deb", "-f", deb, name], check=True,
                          capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session")
def debs():
    """Package -> its file, as `make deb` left them."""
    found = {p.name.split("_")[0]: p for p in DEBS.glob("*.deb")}
    assert {"libxl-ext", "libxlext0", "libxlext-dev"} <= set(found), (
        "make deb comes first")
    return found


@pytest.fixture(scope="session")
def xen(debs):
    """The version of Xen that the package serves."""
    return re.search(r"xen-utils-([\d.]+)", field(debs["libxl-ext"],
                                                  "Depends"))[1]


@pytest.fixture(scope="session")
def base(xen, tmp_path_factory):
    """Debian with this Xen; the packages of Xen lie in /srv."""
    packages = [f"xen-utils-{xen}", "libyajl2"]
    hook = ('cd "$1/srv" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG'
            f' apt-get download xen-utils-{xen}')
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase",
            "--format=tar", "--dpkgopt=force-unsafe-io",
            "--include=" + ",".join(packages), f"--customize-hook={hook}",
            SUITE]

    def build(out):
        with step(f"installing {SUITE} for dpkg"):
            call([*argv, out / "root.tar"], log=out / "log")

    kept = cache.artefact(f"dpkg-{SUITE}-{cache.digest(argv)}", build,
                          "the Debian for dpkg")
    root = tmp_path_factory.mktemp("base")
    subprocess.run(["tar", "-xf", kept / "root.tar", "-C", root],
                   check=True)
    return root


class Host:
    """A Debian that can be changed."""

    def __init__(self, base, where, xen, debs):
        self.base, self.where, self.xen = base, where, xen
        self.debs = debs
        for d in ("upper", "work", "root"):
            (where / d).mkdir(parents=True)
        self.path = f"/usr/lib/xen-{xen}/bin/libxl-save-helper"

    def try_(self, command, **env):
        """A shell command in it, with the packages as /mnt."""
        at = self.where
        script = (
            f"mount -t overlay -o lowerdir={self.base},"
            f"upperdir={at}/upper,workdir={at}/work overlay {at}/root &&"
            f" mount -t proc proc {at}/root/proc &&"
            f" mount --bind {self.debs} {at}/root/mnt &&"
            f' exec chroot {at}/root sh -c "$0"')
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
            timeout=600, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                 "DEBIAN_FRONTEND": "noninteractive", **env})

    def run(self, command, **env):
        p = self.try_(command, **env)
        assert p.returncode == 0, p.stdout
        return p.stdout

    # What is at Xen's path.

    def helper(self, path=None):
        """"stock", "ours", or what else is at the path."""
        path = path or self.path
        return self.run(
            f"if [ ! -x {path} ]; then echo none;"
            f" elif cmp -s {path} /srv/stock; then echo stock;"
            f" elif grep -q '^# libxl-ext:' {path}; then echo ours;"
            f" else ls -la {path}; fi").strip()

    def diverted(self):
        return self.run("dpkg-divert --list '*libxl-save-helper'")

    def assert_on(self):
        assert self.helper() == "ours"
        assert self.helper(self.path + ".stock") == "stock"
        assert self.diverted() == (f"diversion of {self.path} to"
                                   f" {self.path}.stock by libxl-ext\n")
        out = self.run(f"{self.path} --help")
        assert out.startswith("usage: libxl-ext-save-helper ")
        self.assert_no_strays(["libxl-save-helper",
                               "libxl-save-helper.stock"])

    def assert_off(self):
        assert self.helper() == "stock"
        assert self.diverted() == ""
        assert self.run(f"dpkg -V xen-utils-{self.xen}") == ""
        self.assert_no_strays(["libxl-save-helper"])

    def assert_no_strays(self, names):
        out = self.run(f"ls -A {Path(self.path).parent}")
        assert [n for n in out.split() if "save-helper" in n] == names


@pytest.fixture
def host(base, xen, tmp_path, repacked):
    """A host with Xen, and without us."""
    h = Host(base, tmp_path / "host", xen, repacked)
    h.run(f"cp -p {h.path} /srv/stock")
    return h


@pytest.fixture(scope="session")
def repacked(debs, xen, tmp_path_factory):
    """A directory with what is installed here: ours as they are, the
    next version as new.deb, that for another Xen as other.deb, and that
    Xen as xen-other.deb."""
    out = tmp_path_factory.mktemp("debs")
    for name in ("libxl-ext", "libxlext0", "libxlext-dev"):
        (out / f"{name}.deb").write_bytes(debs[name].read_bytes())
    version = field(debs["libxl-ext"], "Version")

    def pack(tree, name):
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b",
                        tree, out / name], check=True,
                       stdout=subprocess.DEVNULL)

    def repack(name, edit):
        tree = tmp_path_factory.mktemp("tree")
        subprocess.run(["dpkg-deb", "-R", debs["libxl-ext"], tree],
                       check=True)
        edit(tree / "DEBIAN")
        pack(tree, name)

    def bump(control):
        path = control / "control"
        path.write_text(path.read_text().replace(
            f"Version: {version}", f"Version: {version}+next"))

    def other(control):
        bump(control)
        for path in control.iterdir():
            if path.name not in ("md5sums", "conffiles"):
                path.write_text(path.read_text()
                                .replace(f"xen-{xen}/", "xen-9.9/")
                                .replace(f" {xen} ;;", " 9.9 ;;")
                                .replace(f"_on {xen}\n", "_on 9.9\n")
                                .replace(f"utils-{xen}", "utils-9.9"))

    repack("new.deb", bump)
    repack("other.deb", other)
    tree = tmp_path_factory.mktemp("xen")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: xen-utils-9.9\nVersion: 1\nArchitecture: all\n"
        "Maintainer: a test <a@b.example>\nDescription: another Xen\n")
    lib = tree / "usr/lib/xen-9.9/bin"
    lib.mkdir(parents=True)
    (lib / "libxl-save-helper").write_text("#!/bin/sh\necho another\n")
    (lib / "libxl-save-helper").chmod(0o755)
    pack(tree, "xen-other.deb")
    return out
