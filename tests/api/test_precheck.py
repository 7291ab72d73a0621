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
UUID = "00000000-0000-0000-0000-000000000005"


@pytest.fixture
def pv(world):
    """A guest that stock xl would take as well."""
    world.put("store/local/domain/5/memory/target", "4000")
    world.put("store/local/domain/5/memory/static-max", "4000")
    return world


def precheck(world, peer, rc, *args):
    p = subprocess.run(
        [BUILD / "xl-ext", "precheck", "--json", "-s", "", "--to",
         PEERS[peer], *args, "web"], env=world.env, text=True, timeout=60,
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


@pytest.mark.parametrize("freeze", ["require", "try", "off"])
@pytest.mark.parametrize("peer", PEERS)
def test_a_device_that_is_passed_through(pv, peer, freeze):
    """Whoever would take it, and whatever the policy is."""
    pv.put("conf", f'freeze = "{freeze}"\n')
    pv.put("store/local/domain/0/backend/pci/5/0/num_devs", "2")
    answer = precheck(pv, peer, 1)
    assert not answer["accepted"]
    assert "2 PCI devices are passed through" in answer["reason"]
    listed = json.loads(pv.xl_ext(
        "backends", "--json", "5", rc=freeze != "off"))["backends"]
    [pci] = [b for b in listed if b["kind"] == "pci"]
    assert pci["state"] == "connected"
    assert (pci["method"] == "unfreezable") == (freeze != "off")
    pv.put("store/local/domain/0/backend/pci/5/0/num_devs", "0")
    assert precheck(pv, peer, 0)["accepted"]


def test_stock_that_would_not_leave_it_paused(pv):
    """As migrate -p has it: it was not started so."""
    answer = precheck(pv, "stock", 1, "-p")
    assert "start it with -p" in answer["reason"]
    assert precheck(pv, "ext", 0, "-p")["accepted"]


def test_stock_is_asked_as_it_would_be_started(pv):
    """Over ssh it is told, and so it would be taken."""
    pv.put("ssh", f'#!/bin/sh\necho "$2" >> {pv.path}/remote\n'
           f'echo {STOCK}\nexec sleep 5\n')
    (pv.path / "ssh").chmod(0o700)
    for option in ([], ["-p"]):
        p = subprocess.run(
            [BUILD / "xl-ext", "precheck", "-s", pv.path / "ssh",
             "--to=beta", *option, "web"], env=pv.env, text=True,
            timeout=60, stdout=subprocess.PIPE, check=False)
        assert p.returncode == 0 and "it would be taken" in p.stdout, p
    first, second = (pv.path / "remote").read_text().splitlines()
    assert "exec xl migrate-receive; fi" in first
    assert "exec xl migrate-receive -p; fi" in second


def test_an_id_that_another_has_there(pv):
    """Here, where both ends are one host, the guest itself."""
    assert precheck(pv, "ext", 0)["accepted"]
    assert "is to keep its id 5, which another domain has here" in \
        precheck(pv, "ext", 1, "-D")["reason"]


@pytest.mark.parametrize("c_info, b_info, words", [
    ({"name": "other"}, {}, "calls the guest other, and here it is called"
     " web"),
    ({"uuid": UUID[:-1] + "6"}, {}, "which it keeps: leave it out"),
    ({}, {"max_vcpus": 1}, "gives the guest 1 vcpus, it has 2")],
    ids=["name", "uuid", "vcpus"])
def test_a_configuration_that_migrate_would_not_send(pv, c_info, b_info,
                                                     words):
    """Nobody is asked then."""
    pv.put("vcpus", "2")
    pv.put("file", json.dumps({
        "c_info": {"type": "pvh", "name": "web"} | c_info,
        "b_info": {"type.pvh": {}, "max_vcpus": 2} | b_info}))
    for command in (["precheck", "web", "--to"], ["migrate", "web"]):
        p = subprocess.run(
            [BUILD / "xl-ext", *command, f"touch {pv.path}/asked", "-s", "",
             "-C", pv.path / "file"], env=pv.env, text=True, timeout=60,
            stderr=subprocess.PIPE, check=False)
        assert p.returncode == 2 and words in p.stderr, p
        assert not (pv.path / "asked").exists()


QDISK = {"pdev_path": "/x", "vdev": "xvda", "backend": "qdisk"}
NEEDS_QEMU = [
    ({"disks": [QDISK]}, True),
    ({"disks": [QDISK | {"backend_domid": 3}]}, False),
    ({"disks": [QDISK | {"backend_domname": "driver"}]}, False),
    ({"disks": [QDISK | {"backend": "phy"}]}, False),
    ({"vfbs": [{}]}, True),
    ({"vkbs": [{}]}, True),
    ({"vkbs": [{"backend_type": "LINUX"}]}, False),
    ({"channels": [{"name": "c"}]}, True),
    ({"channels": [{"name": "c", "backend_domid": 3}]}, False),
    ({}, False),
]


@pytest.mark.parametrize("devices, needed", NEEDS_QEMU)
def test_a_device_model_that_is_not_there(pv, devices, needed):
    """Where libxl would start it, and not else."""
    def ask(rc, model):
        pv.put("file", json.dumps({
            "c_info": {"type": "pvh", "name": "web"},
            "b_info": {"type.pvh": {}, "device_model": str(model)}}
            | devices))
        return precheck(pv, "ext", rc, "-C", pv.path / "file")["reason"]

    model = pv.path / "qemu"
    reason = ask(int(needed), model)
    if not needed:
        return
    assert f"its device model {model} cannot be executed" in reason
    assert "No such file" in reason and "install it here" in reason
    model.write_text("")
    assert "Permission denied" in ask(1, model)
    model.chmod(0o755)
    assert ask(0, model) is None


def test_a_configuration_that_the_peer_is_asked_about(pv):
    pv.put("file", json.dumps({
        "c_info": {"type": "pvh", "name": "web"},
        "b_info": {"type.pvh": {}}, "disks": [{"pdev_path": "/new"}]}))
    pv.put("answer", struct.pack("<II", ord("A"), 18) +
           b'{"accepted": true}')
    p = subprocess.run(
        [BUILD / "xl-ext", "precheck", "-s", "", "-pC", pv.path / "file",
         "--to", f"echo {EXT}; cat {pv.path}/answer; exec cat >"
         f" {pv.path}/offer", "web"], env=pv.env, timeout=60, check=False,
        stdout=subprocess.PIPE)
    assert p.returncode == 0, p
    offer = json.loads((pv.path / "offer").read_bytes()[8:])
    assert offer["dry_run"] and offer["paused"]
    assert json.loads(offer["config"])["disks"] == [{"pdev_path": "/new"}]


def odd_backend(world):
    """Of a kind that nobody can freeze."""
    backend = "local/domain/0/backend/vusb/5/0"
    for name, value in {
            "libxl/5/device/vusb/0/backend": f"/{backend}",
            "libxl/5/device/vusb/0/frontend":
                "/local/domain/5/device/vusb/0",
            f"{backend}/state": "4",
            f"{backend}/frontend": "/local/domain/5/device/vusb/0"}.items():
        world.put(f"store/{name}", value)


@pytest.mark.parametrize("peer", PEERS)
def test_a_backend_that_this_host_must_freeze_and_cannot(pv, peer):
    odd_backend(pv)
    reason = precheck(pv, peer, 1)["reason"]
    assert "vusb-5-0" in reason and "freeze = try would allow" in reason
    pv.put("conf", 'freeze = "try"\n')
    assert precheck(pv, peer, 0)["accepted"]


def test_a_limit_that_this_host_does_not_send(pv):
    """The receiver has another policy, by which it would do."""
    for name in "target", "static-max":
        pv.put(f"store/local/domain/5/memory/{name}", "1000")
    pv.put("conf", 'memory_bump = "strict"\n')
    pv.put("there", "")
    p = subprocess.run(
        [BUILD / "xl-ext", "precheck", "-s", "", "--to",
         f"LIBXL_EXT_CONFIG={pv.path}/there {PEERS['ext']}", "web"],
        env=pv.env, text=True, timeout=60,
        stdout=subprocess.PIPE, check=False)
    assert p.returncode == 1, p
    last = p.stdout.splitlines()[-1]
    assert last.startswith("it would be refused: ") and "strict" in last


def test_what_a_peer_says_is_shown_without_controls(pv):
    body = json.dumps({"accepted": False, "version": "9\x1b[2J",
                       "xen_version": "9\n\u009b2J\u00e9", "reason": "no\nway"})
    pv.put("answer", struct.pack("<II", ord("A"), len(body)) +
           body.encode())
    p = subprocess.run(
        [BUILD / "xl-ext", "precheck", "-s", "", "--to",
         f"echo {EXT}; cat {pv.path}/answer; exec sleep 60", "web"],
        env=pv.env, text=True, timeout=60, stdout=subprocess.PIPE,
        check=False)
    assert p.returncode == 1
    assert "libxl-ext 9?[2J, Xen 9??2J\u00e9\n" in p.stdout
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
