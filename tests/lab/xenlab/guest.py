# SPDX-License-Identifier: LGPL-2.1-only
"""Test guests: made, watched, saved, restored, migrated, destroyed.

Booting a guest takes three times as long as restoring it, for HVM much
more. So the first guest of each configuration in a lab is booted and,
when it is alive, saved by stock tools together with its disk: a seed.
The next one begins as a copy of that, with its name and addresses.
"""

import re
import shlex
import time
from dataclasses import dataclass

from .console import Console
from .host import CONSOLES, LABDIR, NBD, SEEDS, WORK, CommandFailed
from .proc import LabError

DISK_LOADS = {"disk", "aio"}

POKE = 10       # seconds between signs of life for an idle dom0

LIVE, VERIFY = 1, 2             # of the save helper's FLAGS

CHURN = re.compile(
    r"churn: t=(\d+) mem_ops=(\d+) disk_ops=(\d+) wr_ops=(\d+) "
    r"net_rx=(\d+) errors=(\d+)")
# What an emulated boot would spend half of its time on: patching lock
# prefixes out, looking for an AGP bridge, testing ciphers.
QUICK = ("noreplace-smp iommu=off mitigations=off nokaslr apparmor=0 "
         "audit=0 cryptomgr.notests nowatchdog")

# Quick to save.  Linux 6.1 loses about 1 MiB at each resume of a disk
# that is busy (stock tools or ours), and one that runs out hangs: with
# this a guest has 40 MiB to spare.
SMALL = {"mem": 128, "churn_mem": 8}

BAD = re.compile(r"churn: ERROR.*|Kernel panic.*|BUG: .*|Oops.*")
WRONG = re.compile(r"verify pfn .* failed", re.IGNORECASE)
INCOMING = "--incoming"


def same_limits(before, after):
    """Of Guest.limits(), or of what a domain's limits are, to the page."""
    keys = ("max_pages", "tot_pages")
    want, got = ({k: d[k] for k in keys} for d in (before, after))
    assert got == want, f"{got}, not {want}"


class GuestError(LabError):
    """The guest saw an error, or is not heard of any more."""


@dataclass
class Churn:
    """One line of the guest's report."""
    t: int
    mem_ops: int
    disk_ops: int
    wr_ops: int
    net_rx: int
    errors: int

    def ahead_of(self, other, load):
        return (self.t > other.t and self.mem_ops > other.mem_ops and
                (not load & DISK_LOADS or
                 self.disk_ops > other.disk_ops) and
                ("disk" not in load or self.wr_ops > other.wr_ops))


class Guest:
    _count = 0

    def __init__(self, host, kind, disk="blkback", nics=1, name=None,
                 mem=160, load="disk", churn_mem=24, nic_model=None,
                 hap=0, vcpus=1, cmdline="", extra_cfg=""):
        """
        kind        pv, pvh or hvm
        disk        blkback, qdisk, nbd (by blkback, from a server that
                    both hosts of a pair reach) or None
        nics        number of network cards, all on xenbr0
        mem         MiB
        load        "" or some of "disk", "aio", "net", joined by "+";
                    "disk" reads and writes and waits for each request,
                    "aio" reads and has requests in flight at any time;
                    memory is churned always
        churn_mem   MiB of memory that churn works on
        nic_model   of HVM's emulated cards (e1000, ...)
        cmdline     added to the kernel's command line
        extra_cfg   lines added to the configuration
        """
        if kind not in ("pv", "pvh", "hvm"):
            raise LabError(f"no kind of guest {kind!r}")
        if disk not in ("blkback", "qdisk", "nbd", None):
            raise LabError(f"no kind of disk {disk!r}")
        Guest._count += 1
        self.host, self.kind, self.disk, self.nics = host, kind, disk, nics
        self.nr = Guest._count % 200 + 10
        self.name = name or f"{kind}{Guest._count}"
        self.mem, self.churn_mem, self.hap = mem, churn_mem, hap
        self.load = set(filter(None, load.split("+")))
        if not disk:
            self.load -= DISK_LOADS
        self.nic_model, self.extra_cfg = nic_model, extra_cfg
        self.vcpus, self.cmdline = vcpus, cmdline
        self.ip = f"192.168.77.{self.nr}"
        self.cfg = f"{WORK}/{self.name}.cfg"
        self.loop = None
        # Positions in the console: of the last operation, of creation
        self._console, self.mark, self.born = None, 0, 0
        self.times = {}         # seconds that each operation took

    def __repr__(self):
        return f"<{self.kind} guest {self.name}>"

    # -- making and ending

    @property
    def image(self):
        return NBD if self.disk == "nbd" else f"{WORK}/{self.name}.img"

    @property
    def save_path(self):
        return f"{WORK}/{self.name}.save"

    def config(self):
        """The xl configuration."""
        onoff = {False: "off", True: "on"}
        extra = (f"console=hvc0 loglevel=4 panic=0 {QUICK} "
                 f"churn.disk={onoff[bool(self.load & DISK_LOADS)]} "
                 f"churn.threads={8 if 'disk' in self.load else 0} "
                 f"churn.aio={16 if 'aio' in self.load else 0} "
                 f"churn.net={onoff[self.nics > 0]} churn.ip={self.ip} "
                 f"churn.mem={self.churn_mem} {self.cmdline}")
        kernel = "vmlinuz" if self.kind == "hvm" else "vmlinux"
        lines = [f'name = "{self.name}"', f'type = "{self.kind}"',
                 f"memory = {self.mem}", f"vcpus = {self.vcpus}",
                 f'kernel = "{LABDIR}/{kernel}"',
                 f'ramdisk = "{LABDIR}/guest.cpio"']
        if self.kind != "pv":
            lines.append(f"hap = {self.hap}")
        if self.kind == "hvm":
            # An interrupt that the emulator delivers late must not make
            # the guest's kernel give up on its timer.
            extra += " pci=noearly no_timer_check"
            lines += ['vga = "none"', "vnc = 0", "usb = 0"]
        lines.append(f'extra = "{extra}"')
        # A crashed guest that started again would look healthy.
        lines += [f'{on} = "preserve"' for on in (
            "on_crash", "on_reboot", "on_poweroff", "on_watchdog")]
        if self.disk in ("blkback", "nbd"):
            lines.append(f"disk = [ 'phy:{self.loop or NBD},xvda,w' ]")
        elif self.disk == "qdisk":
            lines.append("disk = [ 'format=raw, vdev=xvda, access=rw, "
                         f"backendtype=qdisk, target={self.image}' ]")
        if self.nics:
            model = (f"type=ioemu, model={self.nic_model}, "
                     if self.nic_model else "")
            script = (f", script={LABDIR}/vif-quick" if self.nics > 2
                      else "")
            lines.append("vif = [ " + ", ".join(
                f"'{model}mac=00:16:3e:00:{self.nr:02x}:{i:02x}, "
                f"bridge=xenbr0{script}'"
                for i in range(self.nics)) + " ]")
        return "\n".join(lines) + "\n" + self.extra_cfg + "\n"

    def prepare(self, disk=f"{LABDIR}/disk.template"):
        """The disk and the configuration, no domain yet."""
        if self.disk:
            self.host.run(f"cp {disk} {self.image}")
        if self.disk == "blkback" and not self.loop:
            self.loop = self.host.run(
                f"losetup -f --show {self.image}").out
        self.host.write(self.cfg, self.config())

    def create(self, check=True, env=None, timeout=600):
        self.prepare()
        self.set_mark()
        self.born = self.mark
        return self.xl("create", f"create {self.cfg}", check, env, timeout,
                       keep_marks=True)

    def start(self):
        """Created, or grown from a seed, and alive."""
        timeout = 600 if self.kind == "hvm" else 240
        key = (self.kind, self.disk, self.nics, self.mem, self.churn_mem,
               tuple(sorted(self.load)), self.nic_model, self.hap,
               self.vcpus, self.cmdline, self.extra_cfg)
        seed = self.host.seeds.get(key)
        if seed and seed.name not in self.host.domains():
            self._grow(seed)
            self.wait_alive(timeout)
            return
        self.create()
        self.wait_alive(timeout)
        if not seed and self.host.flavour.resumes:
            self._make_seed()
            self.host.seeds[key] = self

    def _make_seed(self):
        """The guest goes on; its disk is copied while it cannot write."""
        seed = f"{SEEDS}/{self.name}"
        self.host.run(f"mkdir -p {SEEDS}; rm -f {seed}.*")
        self.xl("seed", f"save -p {self.name} {seed}.save",
                env=self.host.helper_env(False))
        if self.disk:
            self.host.run(f"sync; cp {self.image} {seed}.img")
        self.host.run(f"xl unpause {self.name}")
        self.set_mark()
        self.wait_alive()

    def _grow(self, seed):
        self.name, self.nr, self.ip = seed.name, seed.nr, seed.ip
        self.cfg = seed.cfg
        self.prepare(f"{SEEDS}/{self.name}.img")
        self.set_mark()
        self.born = self.mark
        self.xl("create", f"restore {self.cfg} {SEEDS}/{self.name}.save",
                env=self.host.helper_env(False), keep_marks=True)

    def destroy(self):
        """Gone, with its disk; it is no error if it is gone already."""
        self.host.run(f"xl destroy {self.name} 2>/dev/null", check=False,
                      timeout=120)
        if self.name + INCOMING in self.host.domains():
            self.host.run(f"xl destroy {self.name}{INCOMING}", check=False,
                          timeout=120)
        end = time.monotonic() + 60
        while {self.name, self.name + INCOMING} & set(self.host.domains()):
            if time.monotonic() > end:
                raise GuestError(f"{self.name} cannot be destroyed")
            time.sleep(0.5)
        if self.loop:
            self.host.run(f"losetup -d {self.loop}", check=False)
            self.loop = None
        if self._console:
            self._console.close()

    def xl(self, what, args, check=True, env=None, timeout=600, verbose=0,
           keep_marks=False):
        """xl with these arguments; what: the entry in times, and the
        console is looked at from here on, or of a save or migration
        from its end on."""
        if not keep_marks:
            self.set_mark()
        v = "-" + "v" * verbose if verbose else ""
        start = time.monotonic()
        r = self.host.run(f"xl {v} {args}", check=check, env=env,
                          timeout=timeout)
        self.times[what] = time.monotonic() - start
        if what in ("save", "migrate"):
            # The guest ran on meanwhile: only what it says from here on
            # tells how it is afterwards.
            self.set_mark()
        r.wrong_frames = len(WRONG.findall(r.stdout + r.stderr))
        return r

    # -- watching

    @property
    def domid(self):
        try:
            return self.host.domains()[self.name]
        except KeyError:
            raise GuestError(f"no domain {self.name}") from None

    def moved(self, host):
        """It has gone to that host, and is looked for there from now
        on."""
        self._console.close()
        self.host = host
        self.set_mark()
        self.born = self.mark

    def flags(self):
        """Of xl list: "r-----", "-b----", "--p---" ..."""
        return self.host.run(f"xl list {self.domid}").out.split()[-2]

    @property
    def exists(self):
        return self.name in self.host.domains()

    def limits(self):
        return self.host.limits(self.domid)

    def set_mark(self):
        """What the console said so far is not looked at any more."""
        if self._console is None or self._console.closed:
            self._console = Console(self.host, [
                f"{CONSOLES}/guest-{self.name}{s}.log"
                for s in ("", INCOMING)])
        self.mark = self._console.position()

    def console(self, since_mark=True):
        """Text of the guest's console."""
        if self._console is None:
            return ""
        return self._console.text(self.mark if since_mark else self.born)

    def reports(self, since_mark=True):
        """Every line that churn wrote, as numbers."""
        return [Churn(*map(int, m.groups()))
                for m in CHURN.finditer(self.console(since_mark))]

    def status(self):
        """Last report, or None before the first."""
        if self._console and not self._console.closed:
            self._console.settle()
        rows = self.reports(since_mark=False)
        return rows[-1] if rows else None

    def check_console(self):
        """Raises if the guest ever saw an error."""
        text = self.console(since_mark=False)
        bad = BAD.search(text)
        if bad is None:
            bad = next((m for m in CHURN.finditer(text)
                        if int(m.group(6))), None)
        if bad:
            self.host.check_void(self.name)
            raise GuestError(f"{self.name}: {bad.group(0).strip()}")

    def wait_alive(self, timeout=240, reports=3):
        """Until the guest has said so many times since the last
        operation that it makes progress; raises on any error."""
        start = time.monotonic()
        end, poke = start + timeout, start + POKE
        while True:
            rows = self.reports()
            self.check_console()
            if len(rows) >= reports and rows[-1].ahead_of(
                    rows[-reports], self.load):
                break
            if time.monotonic() > poke:
                # The emulator loses a timer interrupt of Xen's once in
                # some hours; until another device interrupts, nobody's
                # timers go off ("Platform timer appears to have
                # unexpectedly wrapped").
                self.host.run("true")
                poke += POKE
            if time.monotonic() > end:
                self.host.check_void(self.name)
                tail = "\n".join(self.console(False).splitlines()[-8:])
                raise GuestError(
                    f"{self.name}: no progress within {timeout} s; the "
                    f"console ends with:\n{tail}\n{self.autopsy()}")
            time.sleep(0.1)
        self.times["alive"] = time.monotonic() - start
        return rows[-1]

    def autopsy(self):
        """Where a guest that says nothing is stuck, as far as that can be
        seen from outside."""
        return self.host.run(f"""
            d={self.domid}
            xl list $d; xl vcpu-list $d
            for n in $(xenstore-list /local/domain/$d/device); do
                for i in $(xenstore-list /local/domain/$d/device/$n); do
                    f=/local/domain/$d/device/$n/$i
                    b=$(xenstore-read $f/backend)
                    echo $n $i: frontend $(xenstore-read $f/state), \
                        backend $(xenstore-read $b/state)
                done
            done
            for v in 0 1; do
                /usr/lib/xen-*/bin/xenctx -a $d $v | head -40
            done
            xl sysrq $d w; sleep 5; xl sysrq $d m; sleep 5
            tail -c 6000 {CONSOLES}/guest-{self.name}.log
            """, check=False, timeout=120).stdout

    # -- save, restore, migrate

    def save(self, path=None, ext=False, live=False, debug=False,
             checkpoint=False, check=True, env=None, timeout=600,
             verbose=0):
        """xl save; live and debug (the verify pass) by added flags."""
        flags = (LIVE if live else 0) | (VERIFY if debug else 0)
        c = "-c " if checkpoint else ""
        return self.xl("save", f"save {c}{self.name} "
                       f"{shlex.quote(path or self.save_path)}", check,
                       self.host.helper_env(ext, flags) | (env or {}),
                       timeout, verbose)

    def restore(self, path=None, ext=False, verify=False, check=True,
                env=None, timeout=600, verbose=0):
        """xl restore; wrong_frames of the result is the number of
        frames that the verify pass found different."""
        return self.xl("restore", "restore "
                       f"{shlex.quote(path or self.save_path)}", check,
                       self.host.helper_env(ext) | (env or {}),
                       timeout, 3 if verify else verbose)

    def migrate(self, ext=False, ext_receiver=None, live=True, debug=False,
                via="local", to="localhost", check=True, env=None,
                timeout=600, verbose=0, verify=False, options=""):
        """xl migrate, to this same host or by ssh to another. The
        receiver's messages are in receiver_log of the result."""
        if ext_receiver is None:
            ext_receiver = ext
        log = f"{WORK}/{self.name}.recv.log"
        flags = (VERIFY if debug or verify else 0)
        e = self.host.helper_env(ext, flags) | {
            "LAB_VIA": via, "LAB_RECV_LOG": log,
            "LAB_RECV_HELPER": (self.host.ext_helper if ext_receiver
                                else self.host.stock_helper),
            "LAB_RECV_XL_ARGS": "-vvv" if verify else ""} | (env or {})
        at_receiver = "" if to == "localhost" else f"ssh {to} "
        self.host.run(f"{at_receiver}rm -f {log}")
        r = self.xl("migrate", f"migrate {options} -s "
                    f"{LABDIR}/migrate-via {self.name} {to}", check, e,
                    timeout, verbose)
        r.receiver_log = self.host.run(f"{at_receiver}cat {log}",
                                       check=False).stdout
        r.wrong_frames += len(WRONG.findall(r.receiver_log))
        return r

    def verify_save(self, helper="stock", live=True, path=None, env=None,
                    restore_env=None):
        """A save with the verify pass and the restore of it: the number
        of frames that differ. The guest is the restored one then."""
        ext = {"stock": False, "ours": True}[helper]
        self.save(path, ext=ext, live=live, debug=True, env=env)
        r = self.restore(path, ext=ext, verify=True, env=restore_env)
        self.verify_log = r.stderr
        return r.wrong_frames

    # -- memory and network

    def raise_limit(self, mib=8, populate_pages=None):
        """Raises max_pages and fills so many more pages in, as QEMU does
        for option ROMs: as many as fit if that is not said, and none for
        a PV guest, since a page that it did not ask for is in none of its
        tables and does not travel.  Returns the limits afterwards."""
        if populate_pages is None:
            populate_pages = 0 if self.kind == "pv" else mib * 256
        self.host.run(f"{LABDIR}/raise {self.domid} {mib} {populate_pages}")
        return self.limits()

    def flood(self, per_second=500, seconds=30):
        """Datagrams to the guest for a while; a Popen of the sender."""
        return self.host.spawn(f"{LABDIR}/churn flood {self.ip} "
                               f"{per_second} {seconds}")

    def ping(self, count=3):
        return self.host.run(f"ping -q -c {count} -i 0.2 -W 5 {self.ip}",
                             check=False).rc == 0


__all__ = ["Guest", "GuestError", "Churn", "CommandFailed", "SMALL",
           "same_limits"]
