# SPDX-License-Identifier: LGPL-2.1-only
"""The dom0 file system: Debian, Xen, and what the lab adds to it.

The artefact holds base.qcow2, the three things that QEMU starts (xen,
vmlinuz, initrd), the ssh key, and the modules a test guest loads.
"""

import gzip
import lzma
import os
import shutil
import subprocess
import zlib
from pathlib import Path

from . import cache, hypervisor, paths
from .proc import LabError, call, step

DOM0 = paths.LAB / "dom0"       # files copied into dom0 as they are
DISK_GIB = 6

INITRAMFS_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "ext4")
GUEST_MODULES = ("xen-blkfront", "xen-netfront")

# Nothing of this serves a dom0 without a user, and emulated CPU time is
# dear.
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "man-db.timer", "systemd-tmpfiles-clean.timer", "getty@tty1.service",
    "getty-static.service", "serial-getty@hvc0.service",
    "systemd-logind.service", "systemd-random-seed.service",
    "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
    "systemd-timesyncd.service", "systemd-pstore.service",
    "systemd-journal-flush.service", "systemd-binfmt.service",
    "systemd-rfkill.service", "rc-local.service", "hwclock.service",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "dev-mqueue.mount", "keyboard-setup.service",
    "console-setup.service", "xendomains.service", "nmbd.service",
    "libvirt-guests.service", "logrotate.timer",
)

# Started by the scenarios that want them, and by nothing else.
NOT_AT_BOOT = ("libvirtd*", "virtlogd*", "virtlockd*", "nbd*", "apparmor*")


def name(flavour):
    own = sorted(p for p in DOM0.rglob("*") if p.is_file())
    key = cache.digest(
        flavour.as_dict(), Path(__file__),
        [str(p.relative_to(DOM0)) for p in own], *own)
    return f"{flavour.name}-{key}"


def get(flavour):
    return cache.artefact(name(flavour), lambda tmp: _build(flavour, tmp),
                          f"the {flavour.name} image")


def _build(flavour, out):
    root = out / "root"
    with step(f"installing {flavour.suite} with Xen {flavour.xen}"):
        _bootstrap(flavour, root, out / "mmdebstrap.log")
    with step("making the disk"):
        _ssh_key(root, out)
        _configure(root)
        _boot_files(flavour, root, out)
        _guest_modules(flavour, root, out / "modules")
        _disk(root, out)
    shutil.rmtree(root)


def _bootstrap(flavour, root, log):
    conf = ("MODULES=list\nCOMPRESS=gzip\nFSTYPE=ext4\n")
    mods = "".join(m + "\n" for m in INITRAMFS_MODULES)
    hook = ('mkdir -p "$1/etc/initramfs-tools/conf.d"; '
            f"printf '{conf}' > \"$1/etc/initramfs-tools/conf.d/lab\"; "
            f"printf '{mods}' > \"$1/etc/initramfs-tools/modules\""
            ).replace("\n", "\\n")
    # Debian's security updates of Xen are built without shadow paging,
    # which hap=0 and live migration of PV guests need: the release's own
    # hypervisor comes first.
    pin = (f"Package: xen-hypervisor-{flavour.xen}-amd64\\n"
           "Pin: release l=Debian\\nPin-Priority: 1001\\n")
    prefer = ('mkdir -p "$1/etc/apt/preferences.d"; '
              f"printf '{pin}' > \"$1/etc/apt/preferences.d/lab\"")
    drop = [f"--dpkgopt=path-exclude=/usr/share/{d}/*"
            for d in ("doc", "man", "locale", "info")]
    call(["mmdebstrap", "--mode=root", "--variant=minbase",
          "--format=directory", "--dpkgopt=force-unsafe-io", *drop,
          f"--setup-hook={prefer}", f"--essential-hook={hook}",
          "--include=" + ",".join(flavour.packages),
          flavour.suite, root], log=log)


def _ssh_key(root, out):
    """One key: the host enters dom0 with it, and dom0 enters itself."""
    key = out / "ssh_key"
    call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab",
          "-f", key])
    ssh = root / "root/.ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(key, ssh / "id_ed25519")
    shutil.copy(f"{key}.pub", ssh / "authorized_keys")
    (ssh / "config").write_text(
        "Host *\n  StrictHostKeyChecking no\n"
        "  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
        "  ServerAliveInterval 5\n  ServerAliveCountMax 3\n")


def _configure(root):
    # Not copytree: it would give directories of the image our times
    # and modes.
    for src in sorted(p for p in DOM0.rglob("*") if p.is_file()):
        dst = root / src.relative_to(DOM0)
        dst.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(src, dst)
        dst.chmod(0o755 if os.access(src, os.X_OK) else 0o644)
    units = root / "etc/systemd/system"
    for u in MASKED:
        (units / u).unlink(missing_ok=True)
        (units / u).symlink_to("/dev/null")
    for pattern in NOT_AT_BOOT:
        for link in units.glob(f"*.wants/{pattern}"):
            link.unlink()
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "lab-net.service").symlink_to("../lab-net.service")
    for d in ("opt/lab", "opt/libxl-ext", "var/lab", "var/log/xen/console"):
        (root / d).mkdir(parents=True, exist_ok=True)
    (root / "etc/hostname").write_text("dom0\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost dom0\n")
    (root / "etc/fstab").write_text("/dev/vda / ext4 defaults,noatime 0 0\n")


def _one(where, pattern):
    found = sorted(where.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{len(found)} files match {where}/{pattern}, "
                       "one was expected")
    return found[0]


def _boot_files(flavour, root, out):
    config = _one(root / "boot", f"xen-{flavour.xen}-*.config").read_text()
    if hypervisor.SHADOW in config:
        with gzip.open(root / flavour.xen_image) as f:
            (out / "xen").write_bytes(f.read())
    elif flavour.build_xen:
        shutil.copy(hypervisor.get(flavour, config) / "xen", out / "xen")
    else:
        raise LabError(
            "this build of Xen has no shadow paging, without which HVM "
            "guests fail under emulation and PV guests cannot migrate "
            "live; pin another version in xenlab/image.py, or set "
            f"build_xen of flavour {flavour.name}")
    shutil.copy(_one(root / "boot", "vmlinuz-*"), out / "vmlinuz")
    shutil.copy(_one(root / "boot", "initrd.img-*"), out / "initrd")
    # Unpacking a kernel costs 6 s and more of each guest's start.
    data = _unpacked((out / "vmlinuz").read_bytes())
    (root / "boot/vmlinux").write_bytes(data)


def _unpacked(kernel):
    """The ELF file inside a bzImage."""
    for magic, unpack in (
            (b"\xfd7zXZ\0", lambda d: lzma.LZMADecompressor().decompress(d)),
            (b"\x1f\x8b\x08", lambda d: zlib.decompressobj(31).decompress(d)),
            (b"\x28\xb5\x2f\xfd", _unzstd)):
        at = kernel.find(magic)
        while at >= 0:
            try:
                data = unpack(kernel[at:])
            except (lzma.LZMAError, zlib.error, LabError):
                data = b""
            if data.startswith(b"\x7fELF"):
                return data
            at = kernel.find(magic, at + 1)
    raise LabError("the kernel is packed in a way that xenlab/image.py "
                   "does not know")


def _unzstd(data):
    # What follows the frame is not its business: status is ignored.
    p = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True)
    return p.stdout


def _guest_modules(flavour, root, out):
    """The frontends and what they need, unpacked, in loading order."""
    out.mkdir()
    base = _one(root / "lib/modules", "*")
    deps = {}
    for line in (base / "modules.dep").read_text().splitlines():
        mod, _, needs = line.partition(":")
        deps[mod] = needs.split()
    order = []
    for want in GUEST_MODULES:
        mod = next((m for m in deps if m.endswith(
            f"/{want}{flavour.module_suffix}")), None)
        if mod is None:
            raise LabError(f"no module {want}{flavour.module_suffix} in "
                           f"{base}; correct module_suffix of flavour "
                           f"{flavour.name}")
        # modules.dep names the deepest dependency last
        order += [m for m in (*reversed(deps[mod]), mod)
                  if m not in order]
    names = []
    for m in order:
        data = (base / m).read_bytes()
        ko = Path(m).name
        if ko.endswith(".xz"):
            data, ko = lzma.decompress(data), ko[:-3]
        (out / ko).write_bytes(data)
        names.append(ko)
    (out / "order").write_text("".join(n + "\n" for n in names))


def _disk(root, out):
    raw = out / "disk.raw"
    with open(raw, "wb") as f:
        f.truncate(DISK_GIB << 30)
    call(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal",
          "-E", "lazy_itable_init=1,nodiscard", "-d", root, raw])
    call(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw,
          out / "base.qcow2"])
    raw.unlink()
