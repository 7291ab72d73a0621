# SPDX-License-Identifier: LGPL-2.1-only
"""The state that every lab starts from.

A cold boot takes a minute or more under emulation; this is done once per
image, machine and payload-independent script, and ends as a file of
QEMU's migration stream beside the disk as it was at that instant. A lab
starts from both with an overlay of its own, so several can run at once.
"""

import os
import time
from pathlib import Path

from . import cache, image, machine, payload
from .host import Host
from .proc import LabError, call, step

BOOT_TIMEOUT = 1200     # beside other labs; alone 110


def name(flavour, smp):
    here = Path(__file__).parent
    key = cache.digest(image.name(flavour), smp, here / "machine.py",
                       here / "ready.py")
    return f"ready-{flavour.name}-{key}"


def get(flavour, smp):
    base = image.get(flavour)
    return cache.artefact(
        name(flavour, smp), lambda tmp: _build(flavour, smp, base, tmp),
        f"the ready state of {flavour.name} with {smp} CPUs")


def overlay(backing, path):
    call(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2",
          "-b", backing, path])


def _build(flavour, smp, base, out):
    # Relative: the cache may be moved.
    overlay(os.path.relpath(base / "base.qcow2", out), out / "disk.qcow2")
    port = machine.free_port()
    m = machine.Machine.start(
        machine.command(flavour, base, smp, out, out / "disk.qcow2", port),
        out, keep=False)
    host = Host(flavour, port, base / "ssh_key", out)
    try:
        with step("booting Xen (once)"):
            host.wait_ready(BOOT_TIMEOUT, m)
        with step("warming up"):
            _warm_up(host, base)
        host.close()
        with step("saving the ready state"):
            _save(m, out)
    finally:
        host.close()
        m.stop()
    for junk in ("qmp.sock", "ssh.sock"):
        (out / junk).unlink(missing_ok=True)


def _warm_up(host, base):
    """The first guest is slow: page cache, xenstored, hotplug scripts."""
    payload.push(host, payload.get(host.flavour, base))
    from .guest import Guest
    for kind in ("pvh", "pv"):
        g = Guest(host, kind, name=f"warm-{kind}")
        g.create()
        try:
            g.wait_alive(timeout=120)
        finally:
            g.destroy()
    host.run("rm -rf /var/log/xen/console/* /var/lab/*; sync; "
             "fstrim / 2>/dev/null; xl dmesg -c >/dev/null; "
             "echo 1 > /proc/sys/vm/compact_memory", timeout=60)


def _save(m, out):
    qmp = m.qmp()
    qmp("stop")
    qmp("migrate-set-parameters", **{"max-bandwidth": 8 << 30})
    qmp("migrate", uri=f"exec:cat > {out}/state")
    end = time.monotonic() + 120
    while (s := qmp("query-migrate").get("status")) != "completed":
        if s == "failed" or time.monotonic() > end:
            raise LabError(f"saving the ready state: migration {s}")
        time.sleep(0.1)
    qmp("quit")
    qmp.close()
    m.popen.wait(20)
