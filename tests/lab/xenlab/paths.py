# SPDX-License-Identifier: LGPL-2.1-only
"""Where things live: sources, caches, running labs, kept logs."""

import os
from pathlib import Path

LAB = Path(__file__).resolve().parents[1]       # tests/lab
CHECKOUT = LAB.parents[1]
GUEST_SRC = LAB / "guest"
TOOLS_SRC = LAB / "tools"
SCENARIOS = LAB / "scenarios"


def cache_root():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "libxl-ext" / "lab"


def run_root():
    """Running labs; short, because a socket's path has 108 bytes."""
    return Path(f"/tmp/libxl-ext-lab.{os.getuid()}")


def kept_root():
    """Logs of labs that failed."""
    return cache_root() / "kept"
