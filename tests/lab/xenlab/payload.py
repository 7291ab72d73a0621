# SPDX-License-Identifier: LGPL-2.1-only
"""What the lab pushes into dom0: the test guest and its own tools.

An artefact of its own: a change of churn.c costs seconds and no new
dom0.
"""

import os
import shutil
from pathlib import Path

from . import buildroot, cache, paths
from .host import LABDIR
from .proc import call

CFLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
# Of a kernel that has no libc, no interrupts and no FPU, at low addresses.
KERNEL_CFLAGS = (
    "-ffreestanding", "-fno-pic", "-no-pie", "-mno-red-zone",
    "-mgeneral-regs-only", "-fno-stack-protector", "-fcf-protection=none",
    "-fno-asynchronous-unwind-tables", "-fno-strict-aliasing",
    "-fno-tree-loop-distribute-patterns", "-nostdlib", "-static",
    "-Wl,--build-id=none")
TINY = paths.GUEST_SRC / "tiny"
# Name of a kernel -> what it is made of, and how.
KERNELS = {
    "stale": ("stale", "-mcmodel=small"),
    "plain-pvh": ("plain", "-m32"),
    "plain-hvm": ("plain", "-m32", "-DAS_HVM"),
}
DISK_MIB = 32           # of a guest's disk


def get(flavour, base):
    """base: the dom0 image, for the modules of its kernel."""
    sources = sorted(p for d in (paths.GUEST_SRC, paths.TOOLS_SRC)
                     for p in d.rglob("*") if p.is_file())
    key = cache.digest(base.name, Path(__file__),
                       [p.name for p in sources], *sources)
    return cache.artefact(f"payload-{flavour.name}-{key}",
                          lambda tmp: _build(flavour, base, tmp),
                          "the test guest")


def _build(flavour, base, out):
    log = out / "payload.log"
    with buildroot.opened(flavour, out) as inside:
        call(inside("gcc", *CFLAGS, "-static", "-pthread", "-o",
                    out / "churn", paths.GUEST_SRC / "churn.c"), log=log)
        for name, (source, *flags) in KERNELS.items():
            call(inside("gcc", *CFLAGS, *KERNEL_CFLAGS, *flags, "-Wl,-T",
                        TINY / "tiny.lds", "-o", out / name,
                        TINY / f"{source}_entry.S", TINY / f"{source}.c",
                        TINY / "ring.c"), log=log)
        for src in sorted(paths.TOOLS_SRC.glob("*.c")):
            call(inside("gcc", *CFLAGS, "-o", out / src.stem, src,
                        "-lxenctrl"), log=log)
    for src in sorted(paths.TOOLS_SRC.iterdir()):
        if os.access(src, os.X_OK):
            shutil.copy(src, out / src.name)
    _initramfs(base, out)
    log.unlink(missing_ok=True)


def _initramfs(base, out):
    """churn as /init and the modules that it loads; not compressed,
    since unpacking is slower than reading under emulation."""
    root = out / "root"
    for d in ("modules", "dev", "proc", "sys"):
        (root / d).mkdir(parents=True)
    shutil.copy(out / "churn", root / "init")
    call(["strip", root / "init"])
    for m in (base / "modules").iterdir():
        shutil.copy(m, root / "modules" / m.name)
        if m.suffix == ".ko":
            call(["strip", "--strip-debug", root / "modules" / m.name])
    # The kernel opens /dev/console for process 1 before anything is
    # mounted.
    os.mknod(root / "dev/console", 0o020600, os.makedev(5, 1))
    call(["sh", "-c", f"cd {root} && find . | LC_ALL=C sort | "
          f"cpio -o -H newc -R 0:0 --quiet > {out}/guest.cpio"])
    shutil.rmtree(root)


def push(host, payload):
    """Into dom0, unless it is there already."""
    stamp = f"{LABDIR}/stamp"
    if host.run(f"cat {stamp} 2>/dev/null", check=False).out == payload.name:
        return
    host.run(f"rm -rf {LABDIR}; mkdir -p {LABDIR}")
    host.push_tree(payload, LABDIR)
    host.run(f"cd {LABDIR} && ./churn format disk.template {DISK_MIB} && "
             f"ln -s /boot/vmlinuz-$(uname -r) vmlinuz && "
             f"ln -s /boot/vmlinux vmlinux && "
             f"echo {payload.name} > {stamp}")
