# SPDX-License-Identifier: LGPL-2.1-only
"""build-aux/check-includes.sh: the tree keeps to the direction of
includes, and what does not is found and named."""

import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SCRIPT = "build-aux/check-includes.sh"
NEEDED = {"libxl-ext/*/*.[ch]", "include/*.h", "xl-cmd/*.[ch]", "idl/*.py",
          SCRIPT}


def check(top):
    p = subprocess.run(["/bin/sh", top / SCRIPT], check=False, text=True,
                       capture_output=True)
    return p.returncode, p.stdout + p.stderr


def test_includes_of_the_tree_point_one_way():
    assert check(TOP) == (0, "")


@pytest.mark.parametrize("file, line, said", [
    ("libxl-ext/base/err.h", '#include "memory/record.h"',
     "base/err.h: base may not include from memory"),
    ("libxl-ext/memory/policy.h", '#include "libxl_ext.h"',
     "memory/policy.h: may not include libxl_ext.h"),
    ("libxl-ext/image/image.h", "#include <xenctrl.h>",
     "above: a header of Xen, where none may be"),
    ("xl-cmd/json.h", '#include "base/json.h"',
     "xl-cmd: may not include base/json.h, which is not in include/"),
    ("libxl-ext/base/io.h", "/* */\n" * 500, "base/io.h: over 500 lines"),
], ids=["room", "types", "xen", "command", "length"])
def test_a_forbidden_include_is_named(tmp_path, file, line, said):
    for path in (p for n in NEEDED for p in TOP.glob(n)):
        copy = tmp_path / path.relative_to(TOP)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    with open(tmp_path / file, "a", encoding="utf-8") as f:
        f.write(line + "\n")
    status, out = check(tmp_path)
    assert status == 1 and out.splitlines()[-1] == said
    assert len(out.splitlines()) <= 2, "the copy lacks something"
