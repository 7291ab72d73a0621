# SPDX-License-Identifier: LGPL-2.1-only
"""What differs between the Debian releases that a dom0 is made of.

Nothing outside this table may know a release by name.
"""

from dataclasses import asdict, dataclass

COMMON = (
    "systemd-sysv", "dbus", "libpam-systemd", "udev", "kmod", "procps",
    "linux-image-amd64", "initramfs-tools",
    "xenstore-utils", "qemu-system-xen", "ipxe-qemu", "seabios",
    "openssh-server", "busybox-static", "python3-minimal",
    "iproute2", "iputils-ping", "bridge-utils", "ethtool", "strace",
    "nbd-client", "libvirt-daemon-system", "libvirt-daemon-driver-xen",
    "libvirt-clients", "apparmor",
)


@dataclass(frozen=True)
class Flavour:
    name: str           # of the flavour
    suite: str          # Debian release
    xen: str            # Xen's version, as in package and path names
    module_suffix: str  # of kernel modules on disk
    includes: tuple     # packages beside COMMON
    spec_ctrl: str      # see below
    memory: int         # MiB, of the whole emulated machine
    dom0_memory: int    # MiB
    build_xen: bool     # Debian's has no shadow paging: hypervisor.py

    # Lazy FPU switching corrupts SSE registers of PV guests under
    # emulation, which looks like a migration bug and is none.

    @property
    def packages(self):
        return COMMON + (f"xen-hypervisor-{self.xen}-amd64",
                         f"xen-utils-{self.xen}") + self.includes

    @property
    def xen_image(self):
        return f"boot/xen-{self.xen}-amd64.gz"

    @property
    def xen_bin(self):
        """Where Debian keeps the private programs of this Xen."""
        return f"/usr/lib/xen-{self.xen}/bin"

    def as_dict(self):
        return asdict(self) | {"packages": self.packages}


FLAVOURS = {f.name: f for f in (
    Flavour(name="bookworm", suite="bookworm", xen="4.17",
            module_suffix=".ko", includes=(),
            spec_ctrl="eager-fpu", memory=4096, dom0_memory=1536,
            build_xen=False),
    Flavour(name="trixie", suite="trixie", xen="4.20",
            module_suffix=".ko.xz", includes=(),
            spec_ctrl="eager-fpu", memory=4096, dom0_memory=1536,
            build_xen=True),
)}

DEFAULT = "bookworm"

# CPUs of a lab.  Two labs of one CPU each run side by side on two cores
# as fast as one alone; two of two CPUs each take four times as long, as
# a waiting emulated CPU spins while the one it waits for does not run.
SMP = 1
