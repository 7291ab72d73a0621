# SPDX-License-Identifier: LGPL-2.1-only
"""libvirt as Debian has it, with the plug-in switched on by what "make
install" installs: the guests of R1 and R2 through virsh."""

import pytest

from xenlab import virsh
from xenlab.guest import SMALL, same_limits
from xenlab.virsh import VirshGuest

pytestmark = pytest.mark.drives(client="virsh", kind="pvh")
CONF = "/var/lab/libvirt.conf"
KINDS = ["pvh", "pv", "hvm"]


@pytest.fixture(scope="module")
def libvirt(host):
    virsh.install(host)
    yield host
    virsh.stop_daemon(host)


@pytest.fixture
def virt_guest(libvirt, clean_host):
    made = []

    def make(kind, **kwargs):
        g = VirshGuest(libvirt, kind, **kwargs)
        made.append(g)
        return g

    yield make
    for g in made:
        g.destroy()


def check_image(host, path):
    image = host.verify(path)
    assert image["container"] == "libvirt" and image["complete"]


@pytest.mark.parametrize("kind", KINDS)
def test_raised_guest(virt_guest, libvirt, kind):
    """R2: stock libvirt writes an image that it cannot restore, or of a
    PV guest one without the limit."""
    g = virt_guest(kind, **SMALL)
    virsh.start_daemon(libvirt, plug_in=False)
    g.start()
    raised = g.raise_limit()
    g.save()
    r = g.restore(check=False)
    if kind == "pv":
        assert r.rc == 0
        assert g.limits()["max_pages"] < raised["max_pages"]
    else:
        assert r.rc != 0 and not g.exists
        print(f"stock: {r.stderr.strip()}")

    g.destroy()
    virsh.start_daemon(libvirt)
    g.start()
    raised = g.raise_limit()
    g.save()
    assert not g.exists
    check_image(libvirt, g.save_path)
    g.restore()
    g.wait_alive()
    same_limits(raised, g.limits())
    g.virsh(f"managedsave {g.name}")
    assert not g.exists
    g.virsh(f"start {g.name}")
    g.wait_alive()
    same_limits(raised, g.limits())


def managed(g):
    return f"/var/lib/libvirt/libxl/save/{g.name}.save"


def test_managed_save_refused(virt_guest, libvirt):
    """libvirt removes a managed save before it is restored: what stock
    refuses is lost; what we refuse is put back, and restored later."""
    g = virt_guest("pvh", **SMALL)
    libvirt.write(CONF, "")
    virsh.start_daemon(libvirt, env={"LIBXL_EXT_CONFIG": CONF})
    g.start()
    g.raise_limit()
    g.virsh(f"managedsave {g.name}")
    virsh.start_daemon(libvirt, plug_in=False)
    r = g.virsh(f"start {g.name}", check=False)
    assert r.rc != 0 and not g.exists
    assert libvirt.run(f"test -e {managed(g)}", check=False).rc != 0
    print(f"stock: {r.stderr.strip()}, and the image is gone")

    g.virsh(f"undefine {g.name}")       # start() makes another uuid up
    virsh.start_daemon(libvirt, env={"LIBXL_EXT_CONFIG": CONF})
    g.start()
    raised = g.raise_limit()
    g.virsh(f"managedsave {g.name}")
    before = libvirt.run(f"sha256sum {managed(g)}").stdout
    for conf, why in (('memory_bump = "strict"\n', "memory_bump=strict"),
                      ("new_key = 1\n", "unknown key")):
        libvirt.write(CONF, conf)
        r = g.virsh(f"start {g.name}", check=False)
        assert r.rc != 0 and not g.exists
        log = libvirt.read(virsh.DRIVER_LOG)
        assert why in log
        assert f"was put back as {managed(g)}" in log
        assert libvirt.run(f"sha256sum {managed(g)}").stdout == before
    libvirt.write(CONF, "")
    g.set_mark()
    g.virsh(f"start {g.name}")
    g.wait_alive()
    same_limits(raised, g.limits())
    assert libvirt.run(f"test -e {managed(g)}", check=False).rc != 0


def test_managed_save_without_a_policy(virt_guest, libvirt):
    """A guest that needs no raise needs none that can be read."""
    g = virt_guest("pvh", **SMALL)
    libvirt.write(CONF, "")
    virsh.start_daemon(libvirt, env={"LIBXL_EXT_CONFIG": CONF})
    g.start()
    before = g.limits()
    g.virsh(f"managedsave {g.name}")
    libvirt.write(CONF, "new_key = 1\n")
    g.set_mark()
    g.virsh(f"start {g.name}")
    g.wait_alive()
    same_limits(before, g.limits())
    assert "unknown key" in libvirt.read(virsh.DRIVER_LOG)


@pytest.mark.drives(kind="hvm")
def test_eight_cards(virt_guest, libvirt):
    """R1: stock libvirt cannot start it; with our emulator it can, and it
    is saved and restored."""
    g = virt_guest("hvm", nics=8, nic_model="e1000", **SMALL)
    virsh.start_daemon(libvirt, plug_in=False)
    g.emulator = virsh.STOCK_EMULATOR
    r = g.start(check=False)
    assert r.rc != 0 and not g.exists
    log = libvirt.run(f"cat /var/log/xen/qemu-dm-{g.name}.log").stdout
    assert "failed to populate ram" in log
    g.destroy()
    virsh.start_daemon(libvirt)
    g.emulator = virsh.EMULATOR
    g.start()
    before = g.limits()
    g.save()
    g.restore()
    g.wait_alive(600)
    same_limits(before, g.limits())
