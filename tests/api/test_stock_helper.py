# SPDX-License-Identifier: LGPL-2.1-only
"""What the helper does not serve goes to Xen's own, which is never the
helper itself.  Needs no hypervisor: that it is not there is said after."""

import os
import subprocess

import pytest

REMUS = ["--save-domain", "1", "-1", "7", "0", "0", "1"]
COLO = ["--restore-domain", "0", "-1", "7", "1", "0", "2", "0", "0", "2"]
OWN = "libxl-ext's own: set stock_helper to Xen's libxl-save-helper"


def helped(build, args, **env):
    p = subprocess.run(
        [build / "libxl-ext-save-helper", *args], check=False, timeout=60,
        stdin=subprocess.DEVNULL, capture_output=True,
        env={**os.environ, "LIBXL_EXT_CONFIG": "/dev/null", **env})
    # What is for libxl is not all text.
    return p.returncode, p.stdout.decode("ascii", "replace")


def script(tmp_path, text):
    path = tmp_path / "stock"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("args", [REMUS, COLO], ids=["remus", "colo"])
def test_the_stock_helper_gets_the_arguments(build, tmp_path, args):
    stock = script(tmp_path, 'echo "STOCK $* ${LIBXL_SAVE_HELPER-unset}"')
    rc, out = helped(build, args, LIBXL_EXT_STOCK_HELPER=stock,
                     LIBXL_SAVE_HELPER="/x")
    assert rc == 0
    assert out.endswith(f"STOCK {' '.join(args)} unset\n")


def test_a_script_that_leads_back_is_seen(build, tmp_path):
    helper = build / "libxl-ext-save-helper"
    count = tmp_path / "count"
    stock = script(tmp_path, f'echo x >> {count}; exec {helper} "$@"')
    _, out = helped(build, REMUS, LIBXL_EXT_STOCK_HELPER=stock)
    assert count.read_text() == "x\n"
    assert out.count(OWN) == 1 and stock in out


def test_the_helper_itself_is_no_stock_helper(build):
    helper = str(build / "libxl-ext-save-helper")
    _, out = helped(build, REMUS, LIBXL_EXT_STOCK_HELPER=helper)
    assert out.count(OWN) == 1 and helper in out


def test_a_stock_helper_that_was_here_before_is_asked_again(
        build, tmp_path):
    """The mark of a circle is of one process and not of its children."""
    stock = script(tmp_path, "echo STOCK")
    _, out = helped(build, REMUS, LIBXL_EXT_STOCK_HELPER=stock,
                    LIBXL_EXT_STOCK_PID="1")
    assert out.endswith("STOCK\n")


def test_empty_variables_are_as_good_as_none(build):
    """As systemd's Environment=NAME= leaves them."""
    helper = [build / "libxl-ext-save-helper", *REMUS]
    said = [subprocess.run(
        helper, check=False, timeout=60, stdin=subprocess.DEVNULL,
        capture_output=True, env={"PATH": "/usr/bin", **env}).stdout
        for env in ({}, {"LIBXL_EXT_CONFIG": "",
                         "LIBXL_EXT_STOCK_HELPER": ""})]
    assert said[0] == said[1] and said[0]
