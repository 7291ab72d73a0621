# SPDX-License-Identifier: LGPL-2.1-only
"""A guest's console, followed as xenconsoled writes it.

One `tail` for the guest's whole life: asking again and again would cost
more emulated CPU time than the guest itself.
"""

import subprocess
import threading
import time

from .proc import LabError, die_with_parent


class Console:
    def __init__(self, host, files):
        """Follows files, which need not exist yet; lines of all of them
        come as one text."""
        self.host, self.files = host, files
        names = " ".join(files)
        self.proc = subprocess.Popen(
            # Standard input is our hold on it: tail ends when that does.
            host.argv(f"touch {names}; tail -q -c +1 -F {names} "
                      "2>/dev/null & cat >/dev/null; kill $!"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.data, self.closed = bytearray(), False
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while chunk := self.proc.stdout.read1(65536):
            with self.lock:
                self.data += chunk

    def position(self):
        """Where the console stands in dom0 at this instant: what comes
        later was said later."""
        sizes = self.host.run(
            f"stat -c %s {' '.join(self.files)} 2>/dev/null",
            check=False).out
        return sum(map(int, sizes.split()))

    def text(self, since=0):
        with self.lock:
            return self.data[since:].decode(errors="replace")

    def settle(self, timeout=20):
        """Until all that was written so far has come."""
        want, end = self.position(), time.monotonic() + timeout
        while len(self.data) < want:
            if time.monotonic() > end:
                raise LabError(f"the console {self.files[0]} does not "
                               f"come: {len(self.data)} of {want} bytes")
            time.sleep(0.05)

    def close(self):
        """Ends the following; the text stays."""
        if self.closed:
            return
        self.closed = True
        self.proc.stdin.close()
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.thread.join(5)
