# SPDX-License-Identifier: LGPL-2.1-only
"""What our programs do in dom0, and what they leave there."""

import re
import time

HELPER = "libxl-ext-save-"      # comm is 15 long


def naps(program=HELPER):
    """A shell's test: does a process of this name (comm) nap at a fault
    point?"""
    return (f"(for p in $(pgrep -x {program}); do"
            " grep -q nanosleep /proc/$p/wchan && exit 0; done; exit 1)")


def wait_for_nap(host, program=HELPER, timeout=90):
    host.run(f"until {naps(program)}; do sleep 0.1; done", timeout=timeout)


def guardians(host):
    """Processes, with their command lines."""
    return host.run("pgrep -af '^/.*[l]ibxl-ext-guardian'",
                    check=False).out


def journals(host):
    return host.run("ls /run/libxl-ext/*.journal 2>/dev/null",
                    check=False).out


def bound(host, domid):
    """Device name -> is it bound to its driver."""
    out = host.run("cd /sys/bus/xen-backend/devices && for d in *; do "
                   "[ -e $d/driver ] && echo $d 1 || echo $d 0; done").out
    return {name: flag == "1" for name, flag in
            (line.split() for line in out.splitlines())
            if re.fullmatch(rf"(vbd|vif)-{domid}-\d+", name)}


def nothing_left(host, g=None, seconds=150):
    """No guardian and no journal, within so many seconds; and of the
    guest, every backend is bound."""
    end = time.monotonic() + seconds
    while left := guardians(host) + journals(host):
        assert time.monotonic() < end, left
        time.sleep(0.2)
    if g:
        devices = bound(host, g.domid)
        assert all(devices.values()), devices


def goes_on(g):
    """The guest, from now on, with its disk and its card."""
    g.set_mark()
    g.wait_alive()
    # A card that was detached comes back when its hotplug script has
    # run, which takes half a minute under emulation.
    end = time.monotonic() + 150
    while not g.ping():
        assert time.monotonic() < end, f"{g.name} is off the network"
