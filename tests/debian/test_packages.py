# SPDX-License-Identifier: LGPL-2.1-only
"""What is in the packages, what lintian says of them, and that the two
helpers find each other."""

import re
import subprocess

import pytest

from conftest import DEBS, TOP, field


def files(deb):
    out = subprocess.run(["dpkg-deb", "-c", deb], check=True, text=True,
                         capture_output=True).stdout
    return {re.sub(r" (->|link to) .*", "", line).split(" ./")[-1]
            for line in out.splitlines() if not line.startswith("d")}


def test_lintian_has_nothing_to_say(debs):
    changes, = DEBS.glob("*.changes")
    p = subprocess.run(["lintian", "--allow-root", "--fail-on",
                        "error,warning", changes], check=False, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert p.returncode == 0, p.stdout


def test_the_version_is_that_of_the_header(debs):
    header = (TOP / "include/libxl_ext.h").read_text(encoding="utf-8")
    version = re.search(r'VERSION_STRING "(.*)"', header)[1]
    soname = version.split(".")[0]
    assert f"libxlext{soname}" in debs
    for deb in debs.values():
        assert field(deb, "Version").split("-")[0] == version


def test_the_library_wants_the_helper_of_its_own_version(debs):
    """They refuse to talk to another (session/message.c)."""
    library = debs["libxlext0"]
    assert field(library, "Recommends") == \
        f"libxl-ext (= {field(library, 'Version')})"


def test_each_package_has_its_files(debs):
    main = files(debs["libxl-ext"])
    assert {"etc/xen/libxl-ext.conf", "usr/sbin/xl-ext",
            "usr/libexec/libxl-ext/libxl-ext-save-helper",
            "usr/libexec/libxl-ext/libxl-ext-guardian",
            "usr/libexec/libxl-ext/libxl-ext-qemu",
            "usr/libexec/libxl-ext/xl-ext-host",
            "usr/share/man/man8/xl-ext.8.gz",
            "usr/share/man/man7/libxl-ext.7.gz",
            "usr/share/man/man5/libxl-ext.conf.5.gz",
            "usr/share/man/man5/xl-ext.conf.5.gz",
            "usr/share/bash-completion/completions/xl-ext"} <= main
    # By it a running daemon would miss the helper of a removed package.
    assert not [f for f in main if f.startswith("usr/lib/systemd")]
    assert not [f for f in main if "save-helper" in f and "xen" in f]
    lib = files(debs["libxlext0"])
    assert [f for f in lib if f.endswith("/libxlext.so.0")]
    dev = files(debs["libxlext-dev"])
    headers = {f"usr/include/{p.name}"
               for p in (TOP / "include").glob("*.h")}
    assert headers | {"usr/include/_libxl_ext_types.h",
                      "usr/share/man/man3/libxl_ext.3.gz"} <= dev
    assert [f for f in dev if f.endswith("/pkgconfig/xlext.pc")]
    # As sources: "make" in there leaves programs behind.
    assert {f.rsplit("/", 1)[1].removesuffix(".gz") for f in dev
            if "/examples/" in f} == {"Makefile", "checkpoint.c", "limits.c"}
    assert not main & lib and not main & dev and not lib & dev


def test_conf_is_a_conffile(debs, tmp_path):
    subprocess.run(["dpkg-deb", "-e", debs["libxl-ext"], tmp_path],
                   check=True)
    assert (tmp_path / "conffiles").read_text() == \
        "/etc/xen/libxl-ext.conf\n"


def test_xl_ext_and_the_library_run(host):
    host.run("dpkg -i /mnt/libxlext0.deb /mnt/libxl-ext.deb")
    assert "/usr/libexec/libxl-ext/libxl-ext-save-helper" in host.run(
        "xl-ext version")
    host.run("ldconfig -p | grep -q 'libxlext\\.so\\.0 '")


STOCK = """printf '#!/bin/sh\\necho STOCK "$0" "$@"\\n' > {0}.stock"""
REMUS = "{0} --save-domain 1 -1 7 0 0 1"
COLO = "{0} --restore-domain 0 -1 7 1 0 2 0 0 2"


@pytest.mark.parametrize("command", [REMUS, COLO])
def test_the_stock_helper_gets_what_is_not_ours(host, command):
    """No hypervisor is needed to see who is asked."""
    host.run("dpkg -i /mnt/libxl-ext.deb")
    host.run(STOCK.format(host.path))
    command = command.format(host.path)
    args = command.split(" ", 1)[1]
    out = host.run(command)
    assert f"STOCK {host.path}.stock {args}\n" in out
    assert out.count("STOCK") == 1
    # By its own name, as xl-ext starts it.
    ours = "/usr/libexec/libxl-ext/libxl-ext-save-helper"
    out = host.run(f"{ours} {args}")
    assert f"STOCK {host.path}.stock {args}\n" in out


@pytest.mark.parametrize("env", [{}, {"LIBXL_EXT_STOCK_HELPER": "path"}])
def test_two_helpers_do_not_send_each_other_round(host, env):
    host.run("dpkg -i /mnt/libxl-ext.deb")
    host.run(f"rm {host.path}.stock")
    p = host.try_("timeout 20 " + REMUS.format(host.path),
                  **{k: host.path for k in env})
    assert p.returncode != 124
    assert "libxl-ext's own: set stock_helper" in p.stdout
    assert p.stdout.count("libxl-ext's own") == 1


def test_xens_own_is_run_where_ours_is_gone(host):
    host.run("dpkg -i /mnt/libxl-ext.deb")
    host.run(STOCK.format(host.path))
    host.run("rm /usr/libexec/libxl-ext/libxl-ext-save-helper")
    assert host.run(f"{host.path} --save-domain 1 'a b'") == \
        f"STOCK {host.path}.stock --save-domain 1 a b\n"
