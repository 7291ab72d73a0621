# SPDX-License-Identifier: LGPL-2.1-only
"""Whether another host would take a guest, and whether this one could send
it: a Xen without shadow paging cannot see what a PV guest changes."""

import json
import struct
import subprocess

import pytest

from world import BUILD

NO_SHADOW = "0xf"
EXT = "xl-ext migration receiver ready, protocol 1"
STOCK = "xl migration receiver ready, send binary domain data."
PEERS = {"ext": f"{BUILD}/xl-ext migrate-receive",
         "stock": f"echo {STOCK}; exec sleep 5"}


@pytest.fixture
def pv(world):
    """A guest that stock xl would take as well."""
    world.put("store/local/domain/5/memory/target", "4000")
    world.put("store/local/domain/5/memory/static-max", "4000")
    return world


def precheck(world, peer, rc):
    p = subprocess.run(
        [BUILD / "xl-ext", "precheck", "--json", "-s", "", "--to",
         PEERS[peer], "web"], env=world.env, text=True, timeout=60,
        stdout=subprocess.PIPE, check=False)
    assert p.returncode == rc
    said = json.loads(p.stdout)
    assert said["peer"] == peer and said["answer"]["need_pages"] == 1000
    return said["answer"]


@pytest.mark.parametrize("peer", PEERS)
def test_a_guest_that_would_be_taken(pv, peer):
    answer = precheck(pv, peer, 0)
    assert answer["accepted"] and answer["reason"] is None


@pytest.mark.parametrize("peer", PEERS)
def test_pv_without_shadow_paging_cannot_be_sent(pv, peer):
    """Whoever would take it."""
    pv.put("capabilities", NO_SHADOW)
    answer = precheck(pv, peer, 1)
    assert not answer["accepted"]
    assert "without shadow paging" in answer["reason"]
    assert "save it without live" in answer["reason"]


def test_what_a_peer_says_is_shown_without_controls(pv):
    body = json.dumps({"accepted": False, "version": "9\x1b[2J",
                       "xen_version": "9\n", "reason": "no\nway"})
    pv.put("answer", struct.pack("<II", ord("A"), len(body)) +
           body.encode())
    p = subprocess.run(
        [BUILD / "xl-ext", "precheck", "-s", "", "--to",
         f"echo {EXT}; cat {pv.path}/answer; exec sleep 60", "web"],
        env=pv.env, text=True, timeout=60, stdout=subprocess.PIPE,
        check=False)
    assert p.returncode == 1
    assert "libxl-ext 9?[2J, Xen 9?\n" in p.stdout
    assert p.stdout.endswith("\nit would be refused: no?way\n")


@pytest.mark.parametrize("greeting", [EXT, STOCK])
def test_it_is_refused_before_a_byte_is_sent(pv, greeting):
    pv.put("capabilities", NO_SHADOW)
    sent = pv.path / "sent"
    p = subprocess.run(
        [BUILD / "xl-ext", "migrate", "-s", "", "web",
         f"echo {greeting}; exec cat > {sent}"], env=pv.env, text=True,
        timeout=60, stderr=subprocess.PIPE, check=False)
    assert p.returncode == 2
    assert "without shadow paging" in p.stderr
    assert p.stderr.splitlines()[-1].endswith("domain 5, running")
    assert sent.read_bytes() == b""
