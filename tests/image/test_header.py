# SPDX-License-Identifier: LGPL-2.1-only
"""The public header stands alone; make install puts the command in
place."""

import shutil
import subprocess

import pytest

from test_verify import TOP

HEADER = TOP / "include" / "libxl_ext_image.h"


@pytest.mark.parametrize("compiler, flags", [
    ("gcc", ["-xc", "-std=c99", "-pedantic"]),
    ("g++", ["-xc++", "-std=c++11", "-pedantic"])])
def test_it_compiles_alone(compiler, flags):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    subprocess.run([compiler, *flags, "-Wall", "-Wextra", "-Werror",
                    "-fsyntax-only", HEADER], check=True)


def test_install_puts_the_command_in_place(tmp_path):
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}",
                    "PREFIX=/usr"], cwd=TOP, check=True)
    p = subprocess.run([tmp_path / "usr/sbin/xl-ext", "--help"], check=False,
                       stdout=subprocess.PIPE)
    assert p.returncode == 0 and b"image verify" in p.stdout
