# SPDX-License-Identifier: LGPL-2.1-only
"""The QEMU process that is a Xen host, and its monitor.

What stands on the command line was tried: other CPU models, lazy FPU
switching and QEMU 10 each bring emulation faults that look like bugs of
a migration. Hardware virtualisation is never used.
"""

import json
import os
import socket
import subprocess
import time

from dataclasses import dataclass

from . import proc
from .proc import LabError

QEMU = "qemu-system-x86_64"

# What the second card of a machine is called on its command line.
LINK = "n1"


@dataclass(frozen=True)
class Wiring:
    """What a machine is joined to besides the host's ssh client."""
    local: str          # socket of its end of the cable to another machine
    remote: str         # and of the other end
    storage: str        # socket of a server for block devices
    address: str        # where dom0 finds that, HOST:PORT


def command(flavour, image, smp, run, disk, port, incoming=None,
            wiring=None):
    """Everything but the paths, the port and the wiring is part of the
    ready state: what stands at the host's end of a card is not."""
    xen = (f"console=com1 com1=115200,8n1 loglvl=info guest_loglvl=info "
           f"dom0_mem={flavour.dom0_memory}M,max:{flavour.dom0_memory}M "
           f"dom0_max_vcpus={smp} spec-ctrl={flavour.spec_ctrl} "
           f"conring_size=256k")
    dom0 = ("console=hvc0 root=/dev/vda rw net.ifnames=0 quiet "
            "mitigations=off audit=0 systemd.show_status=0")
    argv = [
        QEMU, "-name", "libxl-ext-lab",
        "-accel", "tcg,thread=multi,tb-size=1024",
        "-cpu", "qemu64,+svm,+npt",
        "-smp", str(smp), "-m", str(flavour.memory),
        "-display", "none", "-no-reboot", "-nodefaults", "-no-user-config",
        "-kernel", str(image / "xen"), "-append", xen,
        "-initrd", f"{image}/vmlinuz {dom0},{image}/initrd",
        "-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe",
        "-netdev", f"user,id=n0,restrict=on,"
                   f"hostfwd=tcp:127.0.0.1:{port}-:22" + (
                       f",guestfwd=tcp:{wiring.address}-cmd:"
                       f"socat STDIO UNIX-CONNECT:{wiring.storage}"
                       if wiring else ""),
        "-device", "virtio-net-pci,netdev=n0,romfile=",
        "-netdev", (f"dgram,id={LINK},"
                    f"local.type=unix,local.path={wiring.local},"
                    f"remote.type=unix,remote.path={wiring.remote}"
                    if wiring else f"hubport,id={LINK},hubid=1"),
        "-device", f"virtio-net-pci,netdev={LINK},romfile=",
        "-object", "rng-random,id=rng0,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng0",
        "-qmp", f"unix:{run}/qmp.sock,server=on,wait=off",
        "-serial", f"file:{run}/console.log",
    ]
    if incoming:
        argv += ["-incoming", f"exec:cat {incoming}"]
    return argv


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Qmp:
    """The monitor; one connection, commands one after another."""

    def __init__(self, path, timeout=20):
        end = time.monotonic() + timeout
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(str(path))
                break
            except OSError:
                self.sock.close()
                if time.monotonic() > end:
                    raise LabError(f"QEMU's monitor {path} does not answer")
                time.sleep(0.05)
        self.sock.settimeout(60)
        self.file = self.sock.makefile("rw")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        msg = {"execute": command}
        if arguments:
            msg["arguments"] = arguments
        self.file.write(json.dumps(msg) + "\n")
        self.file.flush()
        while line := self.file.readline():
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise LabError(f"QEMU refuses {command}: "
                               f"{answer['error']['desc']}")
        raise LabError(f"QEMU ended during {command}")

    def close(self):
        self.file.close()
        self.sock.close()


class Machine:
    """One QEMU, known by number and start time."""

    def __init__(self, run, pid, started):
        self.run, self.pid, self.started = run, pid, started

    @classmethod
    def start(cls, argv, run, keep):
        """keep: it is to outlive this process (`lab up`)."""
        log = open(run / "qemu.log", "ab")
        p = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
            preexec_fn=None if keep else proc.die_with_parent)
        log.close()
        m = cls(run, p.pid, proc.start_time(p.pid))
        m.popen = p     # else Python waits for it behind our back
        return m

    def alive(self):
        return (self.started is not None and
                proc.start_time(self.pid) == self.started)

    def qmp(self):
        try:
            return Qmp(self.run / "qmp.sock")
        except LabError as e:
            raise LabError(f"{e}; {self.last_words()}") from None

    def cable(self, plugged):
        """Plugs the cable to the other machine in, or pulls it."""
        qmp = self.qmp()
        qmp("set_link", name=LINK, up=plugged)
        qmp.close()

    def last_words(self):
        try:
            text = (self.run / "qemu.log").read_text().strip()
        except OSError:
            text = ""
        state = "runs" if self.alive() else "has ended"
        return f"QEMU {state}: {text.splitlines()[-1] if text else 'silent'}"

    def stop(self):
        proc.stop(self.pid, self.started)
