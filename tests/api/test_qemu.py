# SPDX-License-Identifier: LGPL-2.1-only
"""libxl-ext-qemu, which becomes QEMU: the limit that it leaves, and the
line that says where it comes from."""

import subprocess

import pytest

from world import BUILD

TAKEN = 1000                    # pages that the guest has in use
ROM = ("-device", "e1000,romsize=0x40000")              # 64 pages
VGA = ("-device", "VGA,vgamem_mb=1,romfile=")           # 256 pages
HVMLOADER = 32


@pytest.fixture
def limit(world):
    world.put("conf", 'memory_bump = "track"\nqemu = "/bin/true"\n')

    def set_limit(pages):
        world.put("max_pages", str(pages))
    return set_limit


def start(world, *args):
    """The limit, and what is said."""
    p = subprocess.run([BUILD / "libxl-ext-qemu", "-xen-domid", "5", *args],
                       env=world.env, text=True, capture_output=True,
                       check=False, timeout=60)
    assert p.returncode == 0, p
    return int((world.path / "max_pages").read_text()), p.stderr


def test_the_line_adds_up(world, limit):
    limit(TAKEN + 244)
    to, said = start(world, *ROM * 8, *VGA)
    assert to == TAKEN + 8 * 64 + 256 + HVMLOADER
    assert said == (
        "libxl-ext-qemu: domain 5: max_pages raised from 1244 to 1800, by 556"
        " pages: option ROMs 512 (8), video memory 256, hvmloader 32, less"
        " 244 that the limit left\n")


def test_the_policy_is_the_guest_s_while_it_comes_in(world, limit):
    limit(TAKEN)
    world.put("store/local/domain/5/name", "web--incoming")
    world.put("conf", 'memory_bump = "strict"\nqemu = "/bin/true"\n'
              'memory_bump_overrides = [ "web=track" ]\n')
    to, _ = start(world, *ROM)
    assert to == TAKEN + 64 + HVMLOADER


@pytest.mark.parametrize("args, pages", [
    ((), TAKEN),
    (ROM, TAKEN + 64 + HVMLOADER),
    # The pages of its ROMs come with the image.
    ((*ROM, "-incoming", "fd:9"), TAKEN),
], ids=["no-rom", "enough", "incoming"])
def test_a_limit_that_need_not_be_raised_stays(world, limit, args, pages):
    limit(pages)
    assert start(world, *args) == (pages, "")
