# SPDX-License-Identifier: LGPL-2.1-only
"""Guests of a few MiB, with kernels of our own: tests/lab/guest/tiny.

They have no disk and no card, and say once a second on the console what
they find of themselves.
"""

import re
import time

from .host import CONSOLES, LABDIR, WORK
from .proc import LabError

KERNELS = {"pv": "stale", "pvh": "plain-pvh", "hvm": "plain-hvm"}
LINES = {
    "stale": re.compile(
        r"stale: t=(?P<t>\d+) resumes=(?P<resumes>\d+) moved=(?P<moved>\d+)"
        r" stale=(?P<stale>\d+:\d+:\d+) pinned=(?P<pinned>\d+:\d+:\d+)"
        r" written=(?P<written>\d+:\d+:\d+)"),
    "plain": re.compile(
        r"plain: t=(?P<t>\d+) suspends=(?P<suspends>\d+)"
        r" errors=(?P<errors>\d+)"),
}


class Said(dict):
    """A line of a guest: numbers, and tuples of what has colons."""

    def __init__(self, match):
        super().__init__(
            (k, tuple(map(int, v.split(":"))) if ":" in v else int(v))
            for k, v in match.groupdict().items())

    __getattr__ = dict.__getitem__


class TinyGuest:
    def __init__(self, host, kind, name, mem):
        """mem: MiB."""
        self.host, self.kind, self.name, self.mem = host, kind, name, mem
        self.kernel = KERNELS[kind]
        self.line = LINES[self.kernel.split("-")[0]]
        self.cfg = f"{WORK}/{name}.cfg"
        self.image = f"{WORK}/{name}.save"
        self.log = f"{CONSOLES}/guest-{name}.log"

    def config(self):
        kernel = f"{LABDIR}/{self.kernel}"
        lines = [f'name = "{self.name}"', f'type = "{self.kind}"',
                 "vcpus = 1", f"memory = {self.mem}",
                 f"maxmem = {self.mem}"]
        if self.kind == "hvm":
            # In the place of hvmloader: there is no firmware to start it.
            lines += [f'firmware_override = "{kernel}"', 'vga = "none"',
                      "vnc = 0", "usb = 0"]
        else:
            lines.append(f'kernel = "{kernel}"')
        if self.kind != "pv":
            lines.append("hap = 0")
        lines += [f'{on} = "preserve"' for on in (
            "on_crash", "on_reboot", "on_poweroff", "on_watchdog")]
        return "\n".join(lines) + "\n"

    def create(self):
        self.host.run(f"rm -f {self.log}")
        self.host.write(self.cfg, self.config())
        self.host.run(f"xl create {self.cfg}")

    def destroy(self):
        """With what it said so far."""
        self.host.run(f"xl destroy {self.name}; rm -f {self.log}")

    @property
    def domid(self):
        return self.host.domains()[self.name]

    def console(self):
        return self.host.run(f"cat {self.log}", check=False).stdout

    def said(self, since=0):
        """All its lines but the first so many."""
        return [Said(m) for m in self.line.finditer(self.console())][since:]

    def wait(self, what, wanted, count=2, since=0, timeout=120):
        """The last of so many lines for which wanted(line) holds."""
        end = time.monotonic() + timeout
        while True:
            rows = [row for row in self.said(since) if wanted(row)]
            if len(rows) >= count:
                return rows[count - 1]
            if time.monotonic() > end:
                self.host.check_void(self.name)
                raise LabError(
                    f"{self.name}: {len(rows)} lines of {count} with {what}"
                    f" within {timeout} s: {self.console()[-800:]!r}")
            time.sleep(0.5)
