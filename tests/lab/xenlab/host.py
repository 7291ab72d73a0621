# SPDX-License-Identifier: LGPL-2.1-only
"""dom0 over one ssh connection.

A handshake costs a second or more under emulation, so every command goes
through one master connection.
"""

import json
import shlex
import subprocess
import time
from dataclasses import dataclass

from .proc import LabError, LabVoid, die_with_parent, say

CONSOLES = "/var/log/xen/console"
EXT = "/opt/libxl-ext"          # where the project's programs go
XL_EXT = f"{EXT}/xl-ext"
LABDIR = "/opt/lab"             # where the lab's own tools go
WORK = "/var/lab"               # disks and images of the guests
SEEDS = "/var/lab-seeds"        # guests to begin with, see guest.py
NBD = "/dev/nbd0"               # the disk that both hosts of a pair reach
JOURNALS = "/run/libxl-ext /var/run/libxl-ext"


class CommandFailed(LabError):
    def __init__(self, result):
        self.result = result
        tail = (result.stderr.strip() or result.stdout.strip())[-1500:]
        super().__init__(f"dom0: status {result.rc} from {result.cmd!r}: "
                         f"{tail}")


@dataclass
class Result:
    cmd: str
    rc: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def out(self):
        return self.stdout.strip()


class Host:
    def __init__(self, flavour, port, key, run):
        self.flavour, self.port, self.run_dir = flavour, port, run
        self.control = run / "ssh.sock"
        self.ssh = [
            "ssh", "-F", "/dev/null", "-i", str(key), "-p", str(port),
            "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
            "-o", f"ControlPath={self.control}"]
        self.target = "root@127.0.0.1"
        self.voids = 0          # runs that the emulator spoilt
        self.seeds = {}         # see guest.py

    # -- the connection

    def connect(self, timeout=30):
        """Starts the master connection; False if dom0 does not answer."""
        self.close()
        try:
            p = subprocess.run(
                [*self.ssh, "-o", "ControlMaster=yes",
                 "-o", "ControlPersist=yes",
                 "-o", f"ConnectTimeout={int(timeout)}", "-fN", self.target],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, timeout=timeout + 10)
        except subprocess.TimeoutExpired:
            return False
        return p.returncode == 0

    def close(self):
        if self.control.exists():
            subprocess.run([*self.ssh, "-O", "exit", self.target],
                           stdin=subprocess.DEVNULL, capture_output=True)
            self.control.unlink(missing_ok=True)

    def wait_ready(self, timeout, m):
        """Until ssh and the toolstack answer."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not m.alive():
                raise LabError(f"the machine ended: {m.last_words()}")
            if self.connect(timeout=10):
                break
            time.sleep(0.5)
        while time.monotonic() < end:
            if self.run("xl list >/dev/null 2>&1 && "
                        "systemctl is-active -q lab-net",
                        check=False, timeout=60).rc == 0:
                self.set_clock()
                return
            time.sleep(1)
        raise LabError(f"dom0 was not up within {timeout} s; see "
                       f"{self.run_dir}/console.log")

    def set_clock(self):
        """A machine from a snapshot lives in the past."""
        self.run(f"date -s @{time.time():.3f} >/dev/null")

    # -- commands

    def argv(self, *command, tty=False):
        return [*self.ssh, *(["-t"] if tty else []), self.target, *command]

    def run(self, cmd, check=True, timeout=120, input=None, env=None):
        """Runs a shell command in dom0; it is killed there after timeout."""
        if env:
            cmd = "".join(f"export {k}={shlex.quote(str(v))}; "
                          for k, v in env.items()) + cmd
        remote = f"timeout -k 5 {timeout} sh -c {shlex.quote(cmd)}"
        data = input.encode() if isinstance(input, str) else input
        start = time.monotonic()
        try:
            p = subprocess.run(
                self.argv(remote), capture_output=True,
                **({"input": data} if data is not None
                   else {"stdin": subprocess.DEVNULL}),
                timeout=timeout + 30, preexec_fn=die_with_parent)
        except subprocess.TimeoutExpired:
            raise LabError(f"dom0 did not answer within {timeout + 30} s: "
                           f"{cmd!r}") from None
        r = Result(cmd, p.returncode, p.stdout.decode(errors="replace"),
                   p.stderr.decode(errors="replace"),
                   time.monotonic() - start)
        if r.rc == 124:
            r.stderr += f"\nstopped after {timeout} s"
        if check and r.rc:
            raise CommandFailed(r)
        return r

    def spawn(self, cmd, env=None):
        """Starts a command and returns at once: a Popen of the ssh
        client, whose output is the command's."""
        if env:
            cmd = "".join(f"export {k}={shlex.quote(str(v))}; "
                          for k, v in env.items()) + cmd
        return subprocess.Popen(
            self.argv(f"sh -c {shlex.quote(cmd)}"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace",
            preexec_fn=die_with_parent)

    # -- files

    def push_tree(self, src, dst):
        """Copies what is in directory src into dst, replacing files."""
        tar = subprocess.Popen(["tar", "-C", str(src), "-cf", "-", "."],
                               stdout=subprocess.PIPE,
                               preexec_fn=die_with_parent)
        p = subprocess.run(
            self.argv(f"mkdir -p {dst} && "
                      f"tar -C {dst} --unlink-first --no-same-owner -xf -"),
            stdin=tar.stdout, capture_output=True, timeout=300)
        tar.stdout.close()
        if tar.wait() or p.returncode:
            raise LabError(f"copying {src} to dom0:{dst} failed: "
                           f"{p.stderr.decode(errors='replace')}")

    def write(self, path, text):
        self.run(f"cat > {shlex.quote(path)}", input=text)

    def read(self, path):
        return self.run(f"cat {shlex.quote(path)}").stdout

    def pull(self, path):
        """The octets of a file."""
        p = subprocess.run(self.argv(f"cat {shlex.quote(path)}"),
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=300, preexec_fn=die_with_parent)
        if p.returncode:
            raise LabError(f"reading dom0:{path} failed: "
                           f"{p.stderr.decode(errors='replace')}")
        return p.stdout

    def deploy(self, build):
        """The project's programs; returns their names."""
        programs = [p for p in sorted(build.iterdir())
                    if p.is_file() and p.stat().st_mode & 0o111
                    and p.name != "unit"]
        if not programs:
            raise LabError(f"no program in {build}; run make debug")
        tar = subprocess.run(
            ["tar", "-C", str(build), "-cf", "-",
             *(p.name for p in programs)],
            capture_output=True, check=True).stdout
        self.run(f"rm -rf {EXT}; mkdir -p {EXT}; tar -C {EXT} "
                 "--no-same-owner -xf -", input=tar, timeout=120)
        return [p.name for p in programs]

    # -- Xen

    @property
    def stock_helper(self):
        return f"{self.flavour.xen_bin}/libxl-save-helper"

    @property
    def ext_helper(self):
        return f"{EXT}/libxl-ext-save-helper"

    def helper_env(self, ext, flags=0):
        """Which helper libxl starts, and with which flags added (LIVE
        and VERIFY of guest.py)."""
        helper = self.ext_helper if ext else self.stock_helper
        if flags:
            return {"LIBXL_SAVE_HELPER": f"{LABDIR}/helper-flags",
                    "LAB_HELPER": helper, "LAB_FLAGS": flags}
        return {"LIBXL_SAVE_HELPER": helper} if ext else {}

    def domains(self):
        """Name to domain id, dom0 left out."""
        out = self.run("xl list").stdout.splitlines()[1:]
        rows = [line.split() for line in out]
        return {r[0]: int(r[1]) for r in rows if r and r[1] != "0"}

    def limits(self, domid):
        """Xen's own record of a domain's memory, as a dict."""
        return json.loads(self.run(f"{LABDIR}/limits {domid}").stdout)

    def verify(self, path, quick=False, timeout=300):
        """The facts of an image that breaks no rule; the exit status
        agrees."""
        r = self.run(f"{XL_EXT} image verify --json"
                     f"{' --quick' if quick else ''} {shlex.quote(path)}",
                     check=False, timeout=timeout)
        assert r.rc in (0, 1), r.stderr
        image = json.loads(r.stdout)
        assert image["faults"] == [], image["faults"]
        fate = image["restores"]["libxl_ext"]["fate"]
        assert (r.rc == 1) == (fate == "refused"), (r.rc, fate)
        return image

    def dmesg(self):
        return self.run("xl dmesg").stdout

    def check_void(self, what):
        """Raises LabVoid if the emulator mixed host and guest state, or
        if Xen's own timers stood still for minutes."""
        for line in self.dmesg().splitlines():
            if ("Triple fault" in line and "ffff82d0" in line or
                    "Platform timer appears to have unexpectedly" in line):
                self.voids += 1
                raise LabVoid(f"{what}: void, the emulator failed: {line}")

    def clean(self):
        """No guests, no journals, no disks: how a test starts."""
        self.run(f"""
            for d in $(xl list | awk 'NR>1 && $2 != 0 {{print $2}}'); do
                xl destroy $d
            done
            for j in {JOURNALS}; do rm -rf $j/*; done
            losetup -D
            rm -rf {WORK}/* {CONSOLES}/*
            xl dmesg -c >/dev/null
        """, timeout=180)
        if left := self.domains():
            raise LabError(f"domains that cannot be destroyed: {left}; "
                           "start a fresh lab")

    def report_voids(self):
        if self.voids:
            say(f"{self.voids} runs were void (the emulator failed)")
