# SPDX-License-Identifier: LGPL-2.1-only
"""Which scenarios there are, and what each one drives.

A scenario says so by the mark "drives": the client (xl, xl-ext, virsh)
and the kind of its guests, for a file, for a test, or by parameters that
are named client and kind.  It needs two hosts if it uses the fixture
`pair`.  pytest alone knows them all, so it is asked: see the end of
conftest.py.
"""

import os
import subprocess
import tempfile
from dataclasses import astuple, dataclass, fields

from . import paths

CLIENTS = ("xl", "xl-ext", "virsh")
KINDS = ("pv", "pvh", "hvm", "none")
LIST = "LXE_LIST"               # the file that conftest.py writes


@dataclass(frozen=True)
class Scenario:
    id: str             # test_limits.py::test_eight_cards
    client: str
    kind: str
    hosts: str          # one, two


def describe(item):
    """A Scenario of what pytest collected."""
    drives = {}
    for mark in reversed(list(item.iter_markers("drives"))):
        drives |= mark.kwargs
    params = item.callspec.params if hasattr(item, "callspec") else {}
    drives |= {k: params[k] for k in ("client", "kind") if k in params}
    s = Scenario(f"{item.path.name}::{item.name}", drives.get("client"),
                 drives.get("kind"),
                 "two" if "pair" in item.fixturenames else "one")
    if s.client not in CLIENTS or s.kind not in KINDS:
        raise ValueError(f"{s.id}: the mark \"drives\" says client"
                         f" {s.client}, kind {s.kind}; there are"
                         f" {', '.join(CLIENTS)} and {', '.join(KINDS)}")
    return s


def write(path, scenarios):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines("\t".join(astuple(s)) + "\n" for s in scenarios)


def read(path):
    with open(path, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    if any(len(row) != len(fields(Scenario)) for row in rows):
        raise ValueError(f"{path}: not a list of scenarios")
    return [Scenario(*row) for row in rows]


def collect(everything=True):
    """Those of make check-all, or without LXE_ALL."""
    env = {k: v for k, v in os.environ.items() if k != "LXE_ALL"}
    with tempfile.TemporaryDirectory() as d:
        env |= {LIST: f"{d}/list"} | ({"LXE_ALL": "1"} if everything else {})
        p = subprocess.run(
            ["/usr/bin/python3", "-m", "pytest", "--collect-only", "-q",
             "-p", "no:cacheprovider", paths.SCENARIOS], env=env, text=True,
            cwd=paths.CHECKOUT, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        if p.returncode:
            raise RuntimeError(f"pytest --collect-only {paths.SCENARIOS}:"
                               f" status {p.returncode}\n{p.stdout}")
        return read(env[LIST])
