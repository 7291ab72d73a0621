# SPDX-License-Identifier: LGPL-2.1-only
"""A configuration file that is given to xl save, restore or migrate. It
rarely has a uuid, and xl makes one up, which is not that of the memory
record (docs/memory-record.md, "The record of another uuid")."""

import pytest

from xenlab.guest import SMALL, same_limits

pytestmark = pytest.mark.drives(client="xl", kind="pvh")


def uuid_of(g):
    vm = g.host.run(f"xenstore-read /local/domain/{g.domid}/vm").out
    return vm.rpartition("/")[2]


def save(g, ext, cfg=""):
    g.xl("save", f"save {g.name} {g.save_path} {cfg}",
         env=g.host.helper_env(ext))


def restore(g, ext, cfg="", check=True):
    return g.xl("restore", f"restore {cfg} {g.save_path}", check=check,
                env=g.host.helper_env(ext))


@pytest.mark.parametrize("ext", [False, True], ids=["stock", "ours"])
def test_save_and_restore_take_one(guest, ext):
    """Of a guest whose limit is stock's, whoever does it."""
    g = guest("pvh", **SMALL)
    before, uuid = g.limits(), uuid_of(g)
    save(g, ext)
    restore(g, ext, cfg=g.cfg)
    g.wait_alive()
    assert uuid_of(g) != uuid
    uuid = uuid_of(g)
    save(g, ext, cfg=g.cfg)
    restore(g, ext)
    g.wait_alive()
    assert uuid_of(g) != uuid
    same_limits(before, g.limits())


@pytest.mark.parametrize("ext", [False, True], ids=["stock", "ours"])
def test_a_migration_takes_one(guest, ext):
    """Without a disk, which Xen's block script would give to nobody else
    on one host; that of another uuid is somebody else."""
    g = guest("pvh", disk=None, **SMALL)
    before, uuid = g.limits(), uuid_of(g)
    g.migrate(ext=ext, options=f"-C {g.cfg}")
    g.wait_alive()
    assert uuid_of(g) != uuid
    same_limits(before, g.limits())


def test_a_raised_guest_keeps_its_uuid(guest, host):
    """The record of another uuid raises no limit; the line says with
    which configuration the guest is restored."""
    g = guest("pvh", **SMALL)
    raised, uuid = g.raise_limit(), uuid_of(g)
    save(g, True, cfg=g.cfg)
    for cfg in ("", g.cfg):
        r = restore(g, True, cfg=cfg, check=False)
        assert r.rc != 0 and not g.exists
        assert f'restore it with uuid = "{uuid}"' in r.stderr
    own = f"{g.cfg}.own"
    host.write(own, g.config() + f'uuid = "{uuid}"\n')
    restore(g, True, cfg=own)
    g.wait_alive()
    same_limits(raised, g.limits())
    assert uuid_of(g) == uuid
