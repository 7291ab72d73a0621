# SPDX-License-Identifier: LGPL-2.1-only
"""build-aux/deps.sh, which "make" runs first."""

import os
import subprocess
from pathlib import Path
from shutil import which

TOP = Path(__file__).resolve().parents[2]


def deps(tmp_path, tools, packages):
    for tool in tools:
        (tmp_path / tool).symlink_to(which(tool))
    (tmp_path / "list").write_text(packages, encoding="utf-8")
    return subprocess.run(["/bin/sh", TOP / "build-aux/deps.sh",
                           tmp_path / "list"], check=False, text=True,
                          capture_output=True,
                          env={**os.environ, "PATH": str(tmp_path)})


def test_without_dpkg_the_build_goes_on(tmp_path):
    p = deps(tmp_path, ["cat", "dirname", "grep", "sed"], "gcc\n")
    assert (p.returncode, p.stdout, p.stderr) == (0, "", "")


def test_what_is_missing_is_named_where_it_cannot_be_installed(tmp_path):
    p = deps(tmp_path, ["cat", "dirname", "dpkg-query", "grep", "id", "sed"],
             "# some\nlibxl-ext-no-such-package\n")
    assert p.returncode == 1
    assert p.stderr.startswith("deps.sh: missing packages:"
                               " libxl-ext-no-such-package:")
