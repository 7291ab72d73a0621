# SPDX-License-Identifier: LGPL-2.1-only
"""Two hosts: two machines, a cable between them, a disk that both reach.

The second cards of the machines are joined by a pair of sockets and are
ports of the guests' bridges, so that a guest is reached at either end by
the same address. The disk is exported by qemu-nbd on this machine; it is
reached by the first cards, so that pulling the cable does not take it
away.
"""

import subprocess

from . import machine, paths
from .host import EXT, NBD
from .lab import Lab
from .proc import LabError, die_with_parent, start_time, stop

SERVER = "10.0.2.100", 10809    # as dom0 sees it; an address of our own
NAMES = ("alpha", "beta")
DISK_MIB = 32
MTU = 32000


class Pair:
    """hosts: both dom0s; labs: both machines."""

    def __init__(self, labs, export):
        self.labs, self.export = labs, export
        self.hosts = [lab.host for lab in labs]

    @classmethod
    def up(cls, name, flavour, smp):
        root = paths.run_root()
        root.mkdir(mode=0o700, exist_ok=True)
        files = {what: root / f"{name}.{what}"
                 for what in ("a", "b", "nbd", "disk")}
        labs, export = [], None
        try:
            export = _export(files["disk"], files["nbd"])
            for own, other in (("a", "b"), ("b", "a")):
                labs.append(Lab.up(
                    f"{name}-{own}", flavour, smp, keep=False,
                    wiring=machine.Wiring(
                        files[own], files[other], files["nbd"],
                        "%s:%d" % SERVER)))
            pair = cls(labs, export)
            pair.files = files
            for nr in (0, 1):
                pair._join(nr)
            pair._wait_joined()
        except BaseException:
            _down(labs, export, files, failed=True)
            raise
        return pair

    def _join(self, nr):
        """Two machines from one ready state are told apart."""
        host, peer = self.hosts[nr], 1 - nr
        mac = f"52:54:00:77:00:{nr + 1:02x}"
        host.run(f"""
            set -e
            hostname {NAMES[nr]}
            sed -i '/ {NAMES[0]}$/d;/ {NAMES[1]}$/d' /etc/hosts
            echo '192.168.77.{nr + 1} {NAMES[nr]}' >> /etc/hosts
            echo '192.168.77.{peer + 1} {NAMES[peer]}' >> /etc/hosts
            echo 'host_uuid = "{_uuid(nr)}"' >> /etc/libvirt/libvirtd.conf
            ip link set eth1 address {mac}
            ip link set xenbr0 address {mac}
            ip addr flush dev xenbr0
            ip addr add 192.168.77.{nr + 1}/24 dev xenbr0
            ip link set eth1 master xenbr0 up
            # Each packet is dear under emulation.
            ip link set eth1 mtu {MTU}
            ip link set xenbr0 mtu {MTU}
            # A guest that churns is not to starve who sends it away.
            xl sched-credit2 -d 0 -w 2048
            nbd-client {SERVER[0]} {SERVER[1]} {NBD} -N disk >/dev/null
            ln -sf {EXT}/xl-ext /usr/local/sbin/xl-ext
        """)

    def _wait_joined(self):
        r = self.hosts[0].run(f"for i in $(seq 30); do ping -q -c 1 -W 1 "
                              f"{NAMES[1]} >/dev/null && exit 0; done; "
                              "exit 1", check=False, timeout=60)
        if r.rc:
            raise LabError("the hosts of the pair do not reach each other")

    def cut(self):
        """Pulls the cable at both ends."""
        for lab in self.labs:
            lab.machine.cable(False)

    def join(self):
        for lab in self.labs:
            lab.machine.cable(True)
        self._wait_joined()

    def other(self, host):
        return self.hosts[1 - self.hosts.index(host)]

    def down(self, failed=False):
        _down(self.labs, self.export, self.files, failed)


def _uuid(nr):
    return f"77777777-7777-4777-8777-77777777770{nr + 1}"


def _export(disk, sock):
    """A block device's server, which ends with us."""
    with open(disk, "wb") as f:
        f.truncate(DISK_MIB << 20)
    return subprocess.Popen(
        ["qemu-nbd", "--format=raw", "--export-name=disk", "--shared=0",
         "--persistent", "--cache=writeback", f"--socket={sock}",
         str(disk)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent)


def _down(labs, export, files, failed):
    for lab in labs:
        lab.down(failed=failed)
    if export:
        started = start_time(export.pid)
        if started is not None:
            stop(export.pid, started)
        export.wait()
    for path in files.values():
        path.unlink(missing_ok=True)
