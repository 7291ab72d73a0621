# SPDX-License-Identifier: LGPL-2.1-only
"""A configuration file in place of the guest's: in JSON, or in xl's
syntax, which a script in xl's place turns into JSON."""

import json
import os
import socket
import subprocess

import pytest

from test_migrate import Migration
from world import BUILD

HOST = socket.gethostname()
UUID = "00000000-0000-0000-0000-000000000005"
# What follows xl's header in an image that libxl's stand-in takes.
STREAM = b"LibxlFmt\0\0\0\2\0\0\0\0\1\0\0\0\0\0\0\0"


def config(**c_info):
    """With something that the guest's own does not have."""
    b_info = {"max_vcpus": 2, "target_memkb": 4000}
    b_info |= {f"type.{c_info.pop('built', 'pvh')}": {}}
    b_info |= c_info.pop("b_info", {})
    return {"c_info": {"type": "pvh", "name": "web"} | c_info,
            "b_info": b_info, "disks": [{"pdev_path": "/new"}]}


class Host:
    def __init__(self, world):
        self.world, self.path = world, world.path
        world.put("vcpus", "2")
        world.put("target_kb", "4000")
        world.put("bin/xl", f"#!/bin/sh\nunset LD_PRELOAD\n"
                  f"echo \"$@\" >> {world.path}/xl-args\n"
                  f"cat {world.path}/xl-says\n")
        (world.path / "bin/xl").chmod(0o700)
        self.env = world.env | {
            "PATH": f"{world.path}/bin:{os.environ['PATH']}"}
        self.file, self.image = world.path / "file", world.path / "image"

    def give(self, as_json, uuid=None, **c_info):
        """Writes the file; in xl's syntax without a uuid xl makes one
        up."""
        made = config(**c_info)
        if as_json:
            made["c_info"] |= {"uuid": uuid} if uuid else {}
            self.file.write_text(json.dumps(made))
            return
        made["c_info"]["uuid"] = uuid or UUID.replace("0", "7")
        self.world.put("xl-says", json.dumps(made, indent=4) + "\n")
        self.file.write_text('# of xl\nname = "web"\n' +
                             (f'uuid = "{uuid}"\n' if uuid else ""))

    def run(self, *args, rc=0):
        p = subprocess.run([BUILD / "xl-ext", *args], env=self.env,
                           capture_output=True, text=True, check=False,
                           timeout=60)
        assert p.returncode == rc, p
        return p.stderr

    def saved(self):
        text = self.image.read_bytes()
        text = text[text.index(b"{"):].decode("latin-1")
        return json.JSONDecoder().raw_decode(text)[0]

    @property
    def state(self):
        return (self.path / "state").read_text()


@pytest.fixture
def host(short_world):
    return Host(short_world)


FORMS = pytest.mark.parametrize("as_json", [True, False],
                                ids=["json", "xl"])


@FORMS
@pytest.mark.parametrize("uuid", [None, UUID])
def test_save_puts_it_into_the_image(host, as_json, uuid):
    host.give(as_json, uuid=uuid, name="other")
    host.run("save", "web", host.image, host.file)
    saved = host.saved()
    assert saved["disks"] == [{"pdev_path": "/new"}]
    assert saved["c_info"]["name"] == "other"
    assert saved["c_info"]["uuid"] == UUID
    assert host.state == "gone"
    if not as_json:
        assert (host.path / "xl-args").read_text() == \
            f"-N create -q -f {host.file}\n"


def test_the_id_is_kept_with_it(host):
    host.give(True, domid=9)
    host.run("save", "-c", "web", host.image, host.file)
    assert "domid" not in host.saved()["c_info"]
    host.run("save", "-cD", "web", host.image, host.file)
    assert host.saved()["c_info"]["domid"] == 5


WRONG = pytest.mark.parametrize("change, words", [
    ({"uuid": UUID[:-1] + "6"}, "which it keeps: leave it out"),
    ({"type": "hvm", "built": "hvm"},
     "is of a guest of type hvm, this one is pvh"),
    ({"built": "pv"}, "has two types, pvh and pv"),
    ({"name": ""}, "gives the guest no name"),
    ({"b_info": {"max_vcpus": 1}}, "gives the guest 1 vcpus, it has 2"),
    ({"b_info": {"target_memkb": 3999}},
     "gives the guest 3999 KiB of memory, it has 4000"),
], ids=lambda v: next(iter(v)) if isinstance(v, dict) else "")


@FORMS
@WRONG
def test_one_of_another_guest_is_refused(host, as_json, change, words):
    """Ahead of all: no image, and the guest runs."""
    host.give(as_json, **change)
    first, last = host.run("save", "web", host.image, host.file,
                           rc=2).splitlines()
    assert words in first and str(host.file) in first
    assert last.endswith("domain 5, running")
    assert not host.image.exists()


@pytest.mark.parametrize("text, says, words", [
    ("name = ", "", "xl does not take it"),
    ("name = 'web'", "(domain)", 'output_format="sxp"'),
    ('[{"config": {}}]', "", "jq '.[0].config'"),
    ("{ 1", "", "from JSON: parse error"),
    ("a\0b", "", "is no configuration"),
    ("#" * (1 << 20) + "#", "", "at most 1048576 bytes"),
], ids=["refused", "sxp", "list", "json", "nul", "long"])
def test_what_is_no_configuration(host, text, says, words):
    host.world.put("xl-says", says)
    host.file.write_text(text)
    err = host.run("save", "web", host.image, host.file, rc=2)
    assert words in err and host.state == "running"


def test_files_that_are_none(host):
    os.mkfifo(host.file)
    for file in (host.file, host.path / "none", host.path):
        err = host.run("save", "web", host.image, file, rc=2)
        assert f"cannot read the configuration {file}: " in err


@FORMS
def test_restore_takes_it_in_place_of_the_image_s(host, as_json):
    host.run("save", "web", host.image)
    with open(host.image, "ab") as f:
        f.write(STREAM)
    host.give(as_json, name="other")
    err = host.run("restore", "-ed", host.file, host.image)
    shown = json.loads(err[err.index("{"):err.rindex("}") + 1])
    assert shown["disks"] == [{"pdev_path": "/new"}]
    assert shown["c_info"]["uuid"] == UUID
    assert err.splitlines()[-1].endswith(
        f"other is on {HOST}, domain 5, running")


def test_restore_refuses_one_of_another_guest(host):
    host.run("save", "web", host.image)
    host.give(True, b_info={"target_memkb": 1000})
    err = host.run("restore", host.file, host.image, rc=2)
    assert "it could not be restored" in err and host.state == "gone"


@FORMS
def test_migrate_sends_it(host, as_json):
    host.give(as_json)
    m = Migration(host.world)
    host.world.env = host.env
    m.run(args=["-C", host.file])
    offer = json.loads(m.said("offer"))
    assert json.loads(offer["config"])["disks"] == [{"pdev_path": "/new"}]
    assert json.loads(offer["config"])["c_info"]["uuid"] == UUID


@pytest.mark.parametrize("name, words", [
    ("other", "calls the guest other, and here it is called web"),
    ("", "gives the guest no name")])
def test_migrate_refuses_another_name(host, name, words):
    host.give(True, name=name)
    m = Migration(host.world)
    assert words in m.run(rc=2, args=["-C", host.file])
    assert m.state == "running" and not m.said("offer")
