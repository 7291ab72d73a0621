# SPDX-License-Identifier: LGPL-2.1-only
"""A guest (5) with one disk for xl-ext and the guardian: the directory
that fake_world.c, preloaded into them, looks into."""

import json
import os
import signal
import struct
import subprocess
import time

from xl_ext import TOP

# Fault points need it, and so does nothing else here.
BUILD = TOP / "build/debug"
DISK = "vbd-5-51712"
BACKEND = "local/domain/0/backend/vbd/5/51712"
CARD = "vif-5-0"
RING_REF = 8
PERMIT, IN_USE = 1, 3 << 3      # of a grant entry


def full_pipe():
    """Both ends of one that takes nothing more."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    try:
        while True:
            os.write(into, bytes(4096))
    except BlockingIOError:
        os.set_blocking(into, True)
    return out, into


def wait_for(cond, seconds, what):
    """Until cond() holds, which @what says in words: what it returned."""
    end = time.monotonic() + seconds
    while not (found := cond()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


class World:
    """The directory that fake_world.c looks into."""

    def __init__(self, path, preload):
        self.path = path
        self.env = {**os.environ, "LD_PRELOAD": str(preload),
                    "FAKE_WORLD": str(path),
                    "LIBXL_EXT_RUNDIR": str(path / "run"),
                    "LIBXL_EXT_CONFIG": str(path / "conf")}
        self.env.pop("LIBXL_EXT_FAULT", None)
        self.put("conf", "")
        self.put("state", "running")
        self.put("ring", bytes(4096))
        self.put("logdirty", "on")
        self.ring_in_use(True)
        for name, value in {
                "domid": "0", "local/domain/5/name": "web",
                "libxl/5/device/vbd/51712/backend": f"/{BACKEND}",
                "libxl/5/device/vbd/51712/frontend":
                    "/local/domain/5/device/vbd/51712",
                f"{BACKEND}/state": "4",
                f"{BACKEND}/frontend": "/local/domain/5/device/vbd/51712",
                "local/domain/5/device/vbd/51712/ring-ref": str(RING_REF),
                }.items():
            self.put(f"store/{name}", value)
        for name in (f"devices/{DISK}/driver", "drivers/vbd/bind",
                     "drivers/vbd/unbind"):
            self.put(f"sys/{name}", "")

    def put(self, name, value):
        """All at once: a process that looks meanwhile sees one of both."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = value.encode() if isinstance(value, str) else value
        part = path.with_name(path.name + ".part")
        part.write_bytes(data)
        part.rename(path)

    def ring_in_use(self, in_use):
        self.put("grants", bytes(8 * RING_REF) + struct.pack(
            "<HHI", PERMIT | (IN_USE if in_use else 0), 0, 0x100) +
            bytes(4096 - 8 * RING_REF - 8))

    def unbind(self, in_flight=False):
        """As a helper that was killed behind it leaves the disk."""
        (self.path / "sys/devices" / DISK / "driver").unlink()
        self.ring_in_use(in_flight)

    def card(self, link):
        """A network card in a bridge, whose link is "up" or "down"."""
        self.put(f"sys/devices/{CARD}/driver", "")
        self.put("net/vif5.0", link)

    @property
    def link(self):
        return (self.path / "net/vif5.0").read_text()

    def xl_ext(self, *args, rc=0, fault=None):
        env = self.env | ({"LIBXL_EXT_FAULT": fault} if fault else {})
        p = subprocess.run([BUILD / "xl-ext", *args], env=env, text=True,
                           capture_output=True, check=False, timeout=60)
        assert p.returncode == rc, p
        if rc == 2:
            assert p.stdout == "" and p.stderr.count("\n") == 1, p
            return p.stderr
        return p.stdout

    def report(self, *args):
        return json.loads(self.xl_ext("freeze", "--json", "5", *args))

    def state(self):
        [b] = json.loads(self.xl_ext("backends", "--json", "5"))["backends"]
        return b["state"]

    @property
    def logdirty(self):
        return (self.path / "logdirty").read_text()

    @property
    def bound(self):
        return (self.path / "sys/devices" / DISK / "driver").exists()

    @property
    def journal(self):
        path = self.path / "run/5.journal"
        return path.read_text() if path.exists() else None

    def processes(self, called):
        """Of this world, whose name begins so: pids, in order."""
        mine, found = f"FAKE_WORLD={self.path}".encode(), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                    name = f.read()
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if mine in f.read().split(b"\0") and \
                            name.startswith(called):
                        found.append(int(pid))
            except OSError:
                pass
        return sorted(found)

    def guardians(self):
        """The one that watches over the other first."""
        return self.processes("libxl-ext-guard")

    def tasks(self):
        return self.processes("libxl-ext-task")

    def nothing_left(self, seconds=20):
        end = time.monotonic() + seconds
        while self.guardians() or self.tasks() or self.journal is not None:
            assert time.monotonic() < end, (self.guardians(), self.tasks(),
                                            self.journal)
            time.sleep(0.02)
        assert self.bound

    def kill(self, pids):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def kill_worker(self):
        """The one that works; the other starts it anew."""
        watcher, worker = self.guardians()
        self.kill([worker])
        wait_for(lambda: worker not in self.guardians() and
                 len(self.guardians()) >= 2, 10, "a new one works")
        assert watcher in self.guardians()
