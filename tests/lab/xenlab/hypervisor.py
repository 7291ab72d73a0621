# SPDX-License-Identifier: LGPL-2.1-only
"""A hypervisor with shadow paging where Debian's has none.

PV guests cannot migrate live without it, and HVM guests need hap=0 under
emulation.  So Xen is built anew from Debian's own source, with Debian's
own configuration and this one setting changed.
"""

import os

from . import cache
from .proc import call, step

PACKAGES = ("bison", "flex", "xz-utils")     # beside those that all builds need
SHADOW = "CONFIG_SHADOW_PAGING=y"
SOURCES = "/etc/apt/sources.list.d/source.list"

BUILD = """
set -e
mkdir /tmp/xen
cd /tmp/xen
tar -xf /srv/xen_*.orig.tar.xz --strip-components=1
cp "$1/config" xen/.config
make -C xen olddefconfig
make -C xen -j "$2"
cp xen/xen "$1/xen"
cp xen/.config "$1/config"
"""


def hooks(flavour):
    """For mmdebstrap: the upstream part of Debian's source, in /srv.  Of
    the release itself: Debian's changes to it are none of a hypervisor
    that is only tested with."""
    if not flavour.build_xen:
        return []
    lines = (f'sed -n "/ {flavour.suite} /s/^deb /deb-src /p"'
             f' "$1/etc/apt/sources.list" > "$1{SOURCES}"')
    fetch = (f'cd "$1/srv" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG'
             f' apt-get source --tar-only --download-only xen')
    return [f"--setup-hook={lines}", f"--customize-hook={fetch}"]


def get(flavour, config):
    """The artefact with xen, which QEMU starts, and the config that it
    was built with.  config: text of the one that Debian's has."""
    from . import buildroot     # which has our packages and hooks
    lines = [line for line in config.splitlines()
             if "CONFIG_SHADOW_PAGING" not in line] + [SHADOW]

    def build(out):
        (out / "config").write_text("\n".join(lines) + "\n")
        with buildroot.opened(flavour, out, force=True) as inside, \
                step(f"building Xen {flavour.xen} with shadow paging"):
            call(inside("sh", "-c", BUILD, "sh", out,
                        len(os.sched_getaffinity(0))),
                 log=out / "build.log")

    key = cache.digest(lines, BUILD, hooks(flavour))
    return cache.artefact(f"xen-{flavour.name}-{key}", build,
                          f"the hypervisor of {flavour.name}")
