# SPDX-License-Identifier: LGPL-2.1-only
"""Which tree is tested, so that a result can be told from one of
another.

A commit has another name after a rebase, and one that adds results has
another, too: what counts is what HEAD has but for the two files that
tests/lab/tested writes.  "+" behind a name says that the checkout differed
from it, or that the programs were of elsewhere (LXE_BUILD).
"""

import hashlib
import os
import subprocess

from . import paths

RECORD, README = "docs/tested.md", "README.md"


def git(top, *words):
    return subprocess.run(["git", "-C", top, *words], text=True, check=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def here(top=paths.CHECKOUT):
    """(commit, tree), both short."""
    try:
        commit = git(top, "rev-parse", "--short=10", "HEAD").strip()
        files = [line for line in
                 git(top, "ls-tree", "-r", "--full-tree", "HEAD")
                 .splitlines()
                 if line.split("\t")[1] not in (RECORD, README)]
        changed = git(top, "status", "--porcelain", "--", ".",
                      f":!{RECORD}", f":!{README}")
    except (OSError, subprocess.CalledProcessError):
        return "unknown+", "unknown+"
    name = hashlib.sha1("\n".join(files).encode()).hexdigest()[:12]
    plus = "+" if changed or os.environ.get("LXE_BUILD") else ""
    return commit + plus, name + plus


def is_exact(name):
    return not name.endswith("+")
