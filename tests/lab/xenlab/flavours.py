# SPDX-License-Identifier: LGPL-2.1-only
"""What differs between the Debian releases that a dom0 is made of.

Nothing outside this table may know a release by name.
"""

from dataclasses import asdict, dataclass

COMMON = (
    "systemd-sysv", "dbus", "libpam-systemd", "udev", "kmod", "procps",
    "linux-image-amd64", "initramfs-tools",
    "xenstore-utils", "{qemu}", "ipxe-qemu", "seabios",
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
    qemu: str           # the package with the guests' device model
    module_suffix: str  # of kernel modules on disk
    includes: tuple     # packages beside COMMON
    spec_ctrl: str      # see below
    memory: int         # MiB, of the whole emulated machine
    dom0_memory: int    # MiB
    build_xen: bool     # Debian's has no shadow paging: hypervisor.py
    scenarios: tuple = ()   # that check-all runs there, if not all
    resumes: bool = True    # its Linux goes on after a checkpoint

    # Lazy FPU switching corrupts SSE registers of PV guests under
    # emulation, which looks like a migration bug and is none.

    @property
    def packages(self):
        common = tuple(p.format(qemu=self.qemu) for p in COMMON)
        return common + (f"xen-hypervisor-{self.xen}-amd64",
                         f"xen-utils-{self.xen}") + self.includes

    @property
    def xen_image(self):
        return f"boot/xen-{self.xen}-amd64.gz"

    @property
    def xen_bin(self):
        """Where Debian keeps the private programs of this Xen."""
        return f"/usr/lib/xen-{self.xen}/bin"

    def takes(self, scenario):
        """Does it make sense there?  By a name as pytest has it."""
        return not self.scenarios or \
            scenario.split("::")[0] in self.scenarios

    def as_dict(self):
        """All that an image depends on."""
        out = asdict(self) | {"packages": self.packages}
        del out["qemu"]             # it is among the packages
        del out["scenarios"], out["resumes"]
        return out


FLAVOURS = {f.name: f for f in (
    # For R5: a Xen that says of a page what it was.  Its libxenguest has
    # no verify pass in plain streams, which most scenarios go by.  After
    # "xl save -c" or -p by stock tools its Linux, 5.10.262, stops at
    # "kernel BUG at drivers/xen/events/events_fifo.c:366" (PV and PVH).
    Flavour(name="bullseye", suite="bullseye", xen="4.14",
            qemu="qemu-system-x86", module_suffix=".ko", includes=(),
            spec_ctrl="eager-fpu", memory=4096, dom0_memory=1536,
            build_xen=False,
            scenarios=("test_page_state.py", "test_golden.py",
                       "test_image.py"), resumes=False),
    Flavour(name="bookworm", suite="bookworm", xen="4.17",
            qemu="qemu-system-xen", module_suffix=".ko", includes=(),
            spec_ctrl="eager-fpu", memory=4096, dom0_memory=1536,
            build_xen=False),
    Flavour(name="trixie", suite="trixie", xen="4.20",
            qemu="qemu-system-xen", module_suffix=".ko.xz", includes=(),
            spec_ctrl="eager-fpu", memory=4096, dom0_memory=1536,
            build_xen=True),
)}

DEFAULT = "bookworm"

# CPUs of a lab.  Two labs of one CPU each run side by side on two cores
# as fast as one alone; two of two CPUs each take four times as long, as
# a waiting emulated CPU spins while the one it waits for does not run.
SMP = 1
