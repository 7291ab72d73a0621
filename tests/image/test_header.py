# SPDX-License-Identifier: LGPL-2.1-only
"""The public header of images stands alone."""

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
