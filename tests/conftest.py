# SPDX-License-Identifier: LGPL-2.1-only
"""For the tests of every folder: what they start gets the signals that a
program at a terminal gets."""

import ctypes
import signal


def pytest_configure():
    """Of a shell's background job SIGINT is ignored, of nohup's SIGHUP,
    and a program keeps to that.  Not by the module signal, which only a
    process's first thread may use: a worker of xdist can be another."""
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = ctypes.c_int, ctypes.c_void_p
    for s in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(s) == signal.SIG_IGN:
            libc.signal(s, None)
