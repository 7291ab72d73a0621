# SPDX-License-Identifier: LGPL-2.1-only
"""A running lab: a machine from the ready state, its overlay, its dom0.

A lab's directory under paths.run_root() holds everything of it; lab.json
there says what it is and which process it is.
"""

import fcntl
import json
import os
import shutil
import time

from . import flavours, image, machine, paths, payload, proc, ready
from .host import Host
from .proc import LabError, say

INFO = "lab.json"


class Lab:
    def __init__(self, name, info):
        self.name, self.info = name, info
        self.run = paths.run_root() / name
        self.flavour = flavours.FLAVOURS[info["flavour"]]
        self.machine = machine.Machine(self.run, info["pid"],
                                       info["started"])
        self.host = Host(self.flavour, info["port"], self.run / "ssh_key",
                         self.run)

    # -- start

    @classmethod
    def up(cls, name, flavour, smp, keep, wiring=None):
        """keep: the lab is to outlive this process."""
        base, state = image.get(flavour), ready.get(flavour, smp)
        load = payload.get(flavour, base)
        begin = time.monotonic()
        run = _claim(name)
        m = None
        try:
            shutil.copy(base / "ssh_key", run / "ssh_key")
            (run / "ssh_key").chmod(0o600)
            disk = run / "overlay.qcow2"
            ready.overlay(state / "disk.qcow2", disk)
            port = machine.free_port()
            m = machine.Machine.start(
                machine.command(flavour, base, smp, run, disk, port,
                                state / "state", wiring), run, keep)
            info = {"flavour": flavour.name, "smp": smp, "port": port,
                    "pid": m.pid, "started": m.started,
                    "since": time.time(), "keep": keep}
            _write_info(run, info)
            lab = cls(name, info)
            lab.machine = m
            lab._resume()
            payload.push(lab.host, load)
        except BaseException:
            if m:
                m.stop()
            kept = _keep_logs(run, name)
            shutil.rmtree(run, ignore_errors=True)
            say(f"lab {name} did not start; logs kept in {kept}")
            raise
        say(f"lab {name} is up after {time.monotonic() - begin:.1f} s "
            f"(ssh port {port})")
        return lab

    def _resume(self):
        qmp = self.machine.qmp()
        end = time.monotonic() + 120
        while qmp("query-status")["status"] == "inmigrate":
            if time.monotonic() > end:
                raise LabError("the ready state does not load")
            time.sleep(0.05)
        qmp("cont")
        qmp.close()
        self.host.wait_ready(120, self.machine)

    # -- find

    @classmethod
    def find(cls, name):
        """The lab of that name, or None; a dead one is tidied away."""
        run = paths.run_root() / name
        try:
            info = json.loads((run / INFO).read_text())
        except (OSError, ValueError):
            return None
        lab = cls(name, info)
        if not lab.machine.alive():
            kept = _keep_logs(run, name)
            shutil.rmtree(run, ignore_errors=True)
            say(f"lab {name} had ended by itself; logs kept in {kept}")
            return None
        return lab

    @classmethod
    def all(cls):
        root = paths.run_root()
        names = sorted(p.name for p in root.iterdir()) if root.is_dir() \
            else []
        return [lab for n in names if (lab := cls.find(n))]

    # -- end

    def down(self, failed=False):
        self.host.close()
        self.machine.stop()
        if failed:
            say(f"logs kept in {_keep_logs(self.run, self.name)}")
        shutil.rmtree(self.run, ignore_errors=True)

    def keep_guest_logs(self):
        """What guests and xl said, for a failed test."""
        where = self.run / "dom0-logs"
        where.mkdir(exist_ok=True)
        r = self.host.run("tar -C /var/log -cf - xen 2>/dev/null | "
                          "base64 -w0", check=False)
        import base64
        (where / "xen.tar").write_bytes(base64.b64decode(r.stdout))
        r = self.host.run("xl dmesg; dmesg | tail -200", check=False)
        (where / "dmesg.txt").write_text(r.stdout)


def _claim(name):
    """The directory of a new lab; two `up` of one name cannot both win."""
    if not name or "/" in name or name.startswith("."):
        raise LabError(f"a lab cannot be named {name!r}")
    root = paths.run_root()
    root.mkdir(mode=0o700, exist_ok=True)
    with open(root / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = root / name
        if run.exists():
            if Lab.find(name):
                raise LabError(f"lab {name} is up already; `lab down "
                               f"--name {name}` first, or choose another")
            if (run / "claim").exists() and _claim_alive(run):
                raise LabError(f"lab {name} is being started by another "
                               "process")
            shutil.rmtree(run, ignore_errors=True)
        run.mkdir(mode=0o700)
        (run / "claim").write_text(
            f"{os.getpid()} {proc.start_time(os.getpid())}")
    return run


def _claim_alive(run):
    try:
        pid, started = (run / "claim").read_text().split()
        return proc.start_time(int(pid)) == int(started)
    except (OSError, ValueError):
        return False


def _write_info(run, info):
    tmp = run / (INFO + ".tmp")
    tmp.write_text(json.dumps(info))
    os.replace(tmp, run / INFO)


def _keep_logs(run, name):
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kept = paths.kept_root() / f"{name}-{stamp}"
    kept.mkdir(parents=True, exist_ok=True)
    for f in ("console.log", "qemu.log", INFO):
        if (run / f).exists():
            shutil.copy(run / f, kept)
    if (run / "dom0-logs").exists():
        shutil.copytree(run / "dom0-logs", kept / "dom0-logs",
                        dirs_exist_ok=True)
    return kept
