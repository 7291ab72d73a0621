# SPDX-License-Identifier: LGPL-2.1-only
"""A TCP link that dies under a save or a restore, and one that is only
slow; see dead_link.c, which needs root for a network of its own."""

import errno
import subprocess

import pytest

from xl_ext import TOP

TIMEOUT = 3000                  # ms


@pytest.fixture(scope="module")
def dead_link(tmp_path_factory):
    program = tmp_path_factory.mktemp("link") / "dead_link"
    source = TOP / "libxl-ext"
    subprocess.run(
        ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror",
         f"-I{source}", "-o", program, TOP / "tests/api/dead_link.c",
         source / "stream/link.c", source / "base/err.c", "-pthread"],
        check=True)

    def run(who):
        out = subprocess.run([program, who, str(TIMEOUT)], timeout=120,
                             text=True, stdout=subprocess.PIPE,
                             check=True).stdout
        seconds, code, message = out.split(" ", 2)
        return float(seconds) * 1000, int(code), message

    return run


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_a_dead_link_is_given_up(dead_link, who):
    passed, code, message = dead_link(who)
    # The kernel alone would take a quarter of an hour, or for ever.
    assert TIMEOUT / 2 <= passed < 60000
    assert code == errno.ETIMEDOUT
    assert "3000 ms" in message and "link_timeout" in message


def test_a_slow_receiver_is_waited_for(dead_link):
    passed, code, message = dead_link("slow")
    assert passed >= 2.5 * TIMEOUT
    assert (code, message) == (0, "\n")
