# SPDX-License-Identifier: LGPL-2.1-only
"""What restore says of a guest that is not gone."""

import json
import socket
import subprocess

import pytest

from world import BUILD

HOST = socket.gethostname()


@pytest.fixture
def host(short_world):
    return short_world


def xl_ext(host, *args, **kw):
    return subprocess.run(
        [BUILD / "xl-ext", *args], env=host.env, check=False, timeout=60,
        **{"capture_output": True, **kw})


def test_a_guest_that_is_not_gone_is_not_called_gone(host):
    """Its image cannot be restored beside it."""
    image = host.path / "image"
    assert xl_ext(host, "save", "-c", "web", image).returncode == 0
    with open(image, "ab") as f:
        f.write(b"LibxlFmt\0\0\0\2\0\0\0\0\1\0\0\0\0\0\0\0")
    p = xl_ext(host, "restore", "--json", image)
    assert p.returncode == 2
    outcome = json.loads(p.stdout)
    assert (outcome["state"], outcome["domid"], outcome["host"]) == \
        ("running", 5, HOST)
    assert f"web is on {HOST}, domain 5, running".encode() in \
        p.stderr.splitlines()[-1]


@pytest.mark.parametrize("file", ["/nonexistent", "/etc/passwd",
                                  "/dev/null", "/tmp"])
def test_what_is_no_image_is_not_called_one(host, file):
    """Then it is of no guest, and nothing was looked at."""
    p = xl_ext(host, "restore", "--json", file)
    assert p.returncode == 2
    outcome = json.loads(p.stdout)
    assert (outcome["state"], outcome["file"]) == ("unknown", None)
    [line] = p.stderr.decode().splitlines()
    assert line.startswith("xl-ext restore: ") and file in line
