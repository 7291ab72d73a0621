# SPDX-License-Identifier: LGPL-2.1-only
"""libxlext.so: what it shows is what the headers say, the headers stand
alone, and programs build against an installed tree."""

import os
import re
import shutil
import subprocess

import pytest

PUBLIC = ["libxl_ext.h", "libxl_ext_operation.h", "libxl_ext_image.h"]
C99 = ["gcc", "-xc", "-std=c99", "-pedantic-errors"]
CXX = ["g++", "-xc++", "-std=c++98", "-pedantic-errors"]
STRICT = ["-Wall", "-Wextra", "-Werror"]


def includes(top, build):
    return [f"-I{top}/include", f"-I{build}/idl"]


def declared(top, build):
    """The functions that the public headers declare."""
    text = "".join(f'#include "{h}"\n' for h in PUBLIC)
    out = subprocess.run(
        ["gcc", "-E", "-P", "-xc", "-", *includes(top, build)],
        input=text, capture_output=True, text=True, check=True).stdout
    # The type of a callback is no function.
    out = re.sub(r"\btypedef [^;{]*;", "", out)
    return set(re.findall(r"\b(libxl_ext_\w+)\s*\(", out))


def exported(build):
    """The symbols that the library defines, versions taken off."""
    so = [p for p in build.glob("libxlext.so.*") if not p.is_symlink()]
    assert len(so) == 1, so
    out = subprocess.run(["nm", "-D", "--defined-only", so[0]],
                         capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines()]
    # The version's own node is absolute and no function.
    return {r[2].split("@")[0] for r in rows if r[1] != "A"}


def test_exported_is_what_is_declared(top, build):
    d, e = declared(top, build), exported(build)
    assert len(d) > 50, d       # or the headers were not read
    assert e - d == set(), "exported, and in no header"
    assert d - e == set(), "declared, and not in the library"


def test_the_soname_is_the_major_version(build):
    so = next(build.glob("libxlext.so.*"))
    out = subprocess.run(["readelf", "-d", so], capture_output=True,
                         text=True, check=True).stdout
    major = so.name.split(".")[2]
    assert f"soname: [libxlext.so.{major}]" in out


@pytest.mark.parametrize("compiler", [C99, CXX], ids=["c99", "c++98"])
@pytest.mark.parametrize("header", PUBLIC + ["_libxl_ext_types.h"])
def test_a_header_compiles_alone(top, build, header, compiler):
    # long long is no part of C++98, but stdint.h is neither.
    flags = ["-Wno-long-long"] if compiler is CXX else []
    subprocess.run([*compiler, *STRICT, *flags, *includes(top, build),
                    "-fsyntax-only", "-"],
                   input=f'#include "{header}"\n', text=True, check=True)


def test_the_version_is_said_once(top, build):
    """The number, the text and the library's file name agree."""
    text = (top / "include/libxl_ext.h").read_text(encoding="utf-8")
    number = int(re.search(r"LIBXL_EXT_VERSION\s+(0x\w+)", text)[1], 16)
    words = re.search(r'LIBXL_EXT_VERSION_STRING "(.*)"', text)[1]
    assert words == f"{number >> 16}.{number >> 8 & 255}.{number & 255}"
    assert (build / f"libxlext.so.{words}").exists()


def pkg_config(env, *args):
    return subprocess.run(["pkg-config", *args, "xlext"], env=env,
                          capture_output=True, text=True,
                          check=True).stdout.split()


def test_examples_build_against_the_installed_tree(
        top, tmp_path, installed, installed_env):
    examples = tmp_path / "examples"
    shutil.copytree(top / "docs/examples", examples)
    subprocess.run(["make", "-s", "-C", examples, "CC=gcc",
                    f"CFLAGS={' '.join(STRICT)}"], env=installed_env,
                   check=True)
    built = {p.stem for p in examples.glob("*.c")}
    assert built and all((examples / b).exists() for b in built)
    assert not [p for p in top.glob("docs/examples/*") if
                p.suffix not in (".c", "") or p.name in built]


@pytest.mark.skipif(os.path.exists("/dev/xen/privcmd"),
                    reason="a Xen host")
def test_an_example_runs_and_says_what_is_wrong(
        top, tmp_path, installed, installed_env):
    program = tmp_path / "limits"
    subprocess.run(
        ["gcc", "-std=c99", *STRICT, "-o", program,
         top / "docs/examples/limits.c",
         *pkg_config(installed_env, "--cflags", "--libs")],
        env=installed_env, check=True)
    p = subprocess.run([program], env=installed_env, capture_output=True,
                       text=True, check=False)
    assert p.returncode == 1 and p.stdout == ""
    assert p.stderr.startswith("limits: opening the hypervisor interface")
    assert p.stderr.count("\n") == 1


def test_pkg_config_knows_the_version(build, installed_env):
    [version] = pkg_config(installed_env, "--modversion")
    assert (build / f"libxlext.so.{version}").exists()
