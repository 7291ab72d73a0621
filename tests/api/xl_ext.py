# SPDX-License-Identifier: LGPL-2.1-only
"""Calling xl-ext, and reading its --help."""

import os
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
XL_EXT = TOP / "build/release/xl-ext"


def run(*args, program=XL_EXT, env=None):
    return subprocess.run([program, *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False,
                          env={**os.environ, **(env or {})})


def helped():
    """Command -> (its arguments, option -> (its value, its help))."""
    out, options = {}, None
    for line in run("--help").stdout.splitlines():
        m = re.fullmatch(r"xl-ext ((?:[a-z-]+ ?)+?)((?: \[--?\w.*?\])*)"
                         r"(?: ((?:\[(?!--\w)|[A-Z]).*))?", line)
        if m and not line.startswith("xl-ext --"):
            options = {}
            out[m[1]] = (m[3] or "", options)
            continue
        m = re.match(r"    (--?[A-Za-z-]+)(?: ([A-Z]+))? +(.*)", line)
        if m and options is not None:
            options[m[1]] = (m[2], m[3])
    return out
