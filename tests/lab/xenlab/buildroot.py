# SPDX-License-Identifier: LGPL-2.1-only
"""Where programs for a dom0 are built: in the Debian it is made of.

A program runs with the libraries that it was linked with: libxenguest of
Xen 4.20 is not that of 4.17.  A machine that runs the flavour's release
builds by itself; for any other flavour there is a build root: that
release in a directory, with what build-aux names for builds and for
Debian packages, entered by chroot and thrown away afterwards.  Only its
archive is kept.
"""

import platform
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from . import cache, hypervisor, paths
from .proc import call, die_with_parent, step

PACKAGES = [paths.CHECKOUT / "build-aux" / name
            for name in ("packages", "packages-debian")]

# Mounts are the namespace's and end with the command.
ENTER = """
set -e
root=$1 cwd=$2
shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    shift
done
shift
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$cwd" "$@"
"""


def native(flavour):
    """Is this machine what the flavour's dom0 is made of?"""
    return (platform.freedesktop_os_release().get("VERSION_CODENAME") ==
            flavour.suite)


def packages():
    return sorted({*hypervisor.PACKAGES, *(
        line.strip() for path in PACKAGES
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith("#"))})


def get(flavour):
    """The artefact with root.tar."""
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase",
            "--format=tar", "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt=path-exclude=/usr/share/{d}/*"
              for d in ("doc", "man", "locale", "info")),
            *hypervisor.hooks(flavour),
            "--include=" + ",".join(packages()), flavour.suite]

    def build(out):
        with step(f"installing {flavour.suite} to build in"):
            call([*argv, out / "root.tar"], log=out / "mmdebstrap.log")

    return cache.artefact(f"buildroot-{flavour.name}-{cache.digest(argv)}",
                          build, f"the build root of {flavour.name}")


@contextmanager
def opened(flavour, *dirs, cwd="/", force=False):
    """A function that makes of a command one that runs in the flavour's
    Debian, in directory cwd.  The checkout and dirs have there the paths
    that they have here, and nothing else of this machine is there.
    force: in the build root, even if this machine would do."""
    if native(flavour) and not force:
        yield lambda *argv: [str(a) for a in argv]
        return
    kept = get(flavour)
    shared = [str(Path(d).resolve()) for d in (paths.CHECKOUT, *dirs)]
    with tempfile.TemporaryDirectory(prefix="buildroot-",
                                     dir=paths.cache_root()) as root:
        with step(f"unpacking the build root of {flavour.name}"):
            call(["tar", "-xf", kept / "root.tar", "-C", root])
        yield lambda *argv: [
            "unshare", "--mount", "--pid", "--fork", "--kill-child",
            "sh", "-c", ENTER, "sh", root, str(cwd), *shared, "--",
            "env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "LC_ALL=C.UTF-8",
            *(str(a) for a in argv)]


def out_dir(flavour):
    """What `make OUT=...` is told: builds of several releases stand
    side by side."""
    return "build" if native(flavour) else f"build/{flavour.name}"


def programs(flavour):
    """Where `make debug` leaves the project's programs."""
    return paths.CHECKOUT / out_dir(flavour) / "debug"


def make(flavour, targets):
    """`make` with these targets for that flavour; its exit status."""
    with opened(flavour, cwd=paths.CHECKOUT) as inside:
        argv = inside("make", f"OUT={out_dir(flavour)}", *targets)
        return subprocess.run(argv, cwd=paths.CHECKOUT, check=False,
                              preexec_fn=die_with_parent).returncode


def install(flavour, dest):
    """`make install PREFIX=/usr` for that flavour, below @dest."""
    with opened(flavour, dest) as inside:
        call(inside("make", "-s", "-C", paths.CHECKOUT,
                    f"OUT={out_dir(flavour)}", "install", "PREFIX=/usr",
                    f"DESTDIR={dest}"))
