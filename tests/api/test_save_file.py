# SPDX-License-Identifier: LGPL-2.1-only
"""Where xl-ext save puts an image, and what it says of it; and what
restore says of a guest that is not gone."""

import json
import os
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


def parts(path):
    return [n for n in os.listdir(path) if ".part-" in n]


def state(host):
    return (host.path / "state").read_text()


def test_a_link_leads_to_the_image(host):
    """As with xl: who made the link wants the image elsewhere."""
    elsewhere = host.path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "image").write_text("old")
    link = host.path / "link"
    link.symlink_to(elsewhere / "image")
    p = xl_ext(host, "save", "web", link)
    assert p.returncode == 0, p
    assert link.is_symlink()
    assert (elsewhere / "image").read_bytes().startswith(b"Xen saved")
    assert not parts(elsewhere) + parts(host.path)


@pytest.mark.parametrize("to", ["elsewhere/image", "{0}/elsewhere/image",
                                "second"])
def test_a_link_to_what_is_not_there_yet(host, to):
    """The image is made where it leads, and the link stays one."""
    (host.path / "elsewhere").mkdir()
    (host.path / "second").symlink_to("elsewhere/image")
    link = host.path / "link"
    link.symlink_to(to.format(host.path))
    p = xl_ext(host, "save", "web", link)
    assert p.returncode == 0, p
    assert link.is_symlink() and (host.path / "second").is_symlink()
    assert (host.path / "elsewhere/image").read_bytes().startswith(
        b"Xen saved")
    assert not parts(host.path / "elsewhere") + parts(host.path)


def test_a_link_that_leads_nowhere(host):
    """It is refused ahead of all, as with xl, and stays a link."""
    for name, to, word in (("a", "a", b"symbolic links"),
                           ("b", "no/such", b"No such file")):
        link = host.path / name
        link.symlink_to(to)
        p = xl_ext(host, "save", "web", link)
        assert p.returncode == 2 and word in p.stderr, p
        assert link.is_symlink() and state(host) == "running"


@pytest.mark.parametrize("name", [b"a" * 243, b"a" * 244, b"a" * 255,
                                  b"\xc3\xa9" * 127],
                         ids=["243", "244", "255", "utf8"])
def test_a_long_name(host, name):
    """As long as any file's may be; that it is not is said at once."""
    file = os.fsencode(host.path) + b"/" + name
    p = xl_ext(host, "save", "-c", "web", file + b"x" * 13)
    assert p.returncode == 2 and b"name too long" in p.stderr, p
    p = xl_ext(host, "save", "web", file)
    assert p.returncode == 0, p
    assert os.path.exists(file) and not parts(host.path)


def test_the_name_of_a_part_is_whole_characters(host):
    """Some file systems take no other."""
    name = "\u00e9" * 127 + "a"
    p = xl_ext(host, "save", "web", host.path / "none" / name)
    assert p.returncode == 2
    assert p.stderr.decode().count("\u00e9" * 121 + ".part-") == 1, p


def test_standard_output_by_its_name(host):
    """It is a link, too, and a file where the shell has put one there."""
    with open(host.path / "out", "wb") as out:
        p = xl_ext(host, "save", "web", "/proc/self/fd/1",
                   capture_output=False, stdout=out,
                   stderr=subprocess.PIPE)
    assert p.returncode == 0, p
    assert (host.path / "out").read_bytes().startswith(b"Xen saved")


def test_no_name_is_refused_ahead_of_all(host):
    p = xl_ext(host, "save", "web", "")
    assert p.returncode == 2
    first, last = p.stderr.decode().splitlines()
    assert first == 'xl-ext save: cannot write "": No such file or' \
        " directory"
    assert last.endswith("domain 5, running")


def test_a_file_system_that_cannot_sync_a_directory(host):
    """CIFS, for one: the image is on the disk as well as can be."""
    host.put("unsynced", "")
    p = xl_ext(host, "save", "web", host.path / "image")
    assert p.returncode == 0, p
    assert state(host) == "gone"


def test_a_directory_that_cannot_be_synced(host):
    """The file is replaced by then: whoever wants the old one must know."""
    image = host.path / "image"
    image.write_text("old")
    host.put("unsyncable", "")
    p = xl_ext(host, "save", "web", image)
    assert p.returncode == 2
    first, last = p.stderr.decode().splitlines()
    assert f"cannot sync the directory of {image}: Input/output error" in \
        first and "has been replaced, and is only a copy" in first
    assert last.endswith("domain 5, running")
    assert image.read_bytes().startswith(b"Xen saved")
    assert state(host) == "running" and not parts(host.path)


def test_a_full_disk(host):
    p = xl_ext(host, "save", "web", "/dev/full")
    assert p.returncode == 2
    assert b"No space left on device" in p.stderr
    assert p.stderr.endswith(b"domain 5, running\n"), p
    assert os.path.exists("/dev/full")


def test_an_outcome_that_cannot_be_written(host):
    """Where the guest is stays the last line."""
    with open("/dev/full", "wb") as full:
        p = xl_ext(host, "save", "--json", "web", host.path / "image",
                   capture_output=False, stdout=full,
                   stderr=subprocess.PIPE)
    assert p.returncode == 2
    first, last = p.stderr.decode().splitlines()
    assert "cannot write to standard output: No space left" in first
    assert "web is on no host; its image is " in last, p


def test_a_guest_that_cannot_be_paused(host):
    """Who wants it paused must not take it for that."""
    assert xl_ext(host, "save", "-p", "web", host.path / "one").returncode \
        == 0
    host.put("unpausable", "")
    p = xl_ext(host, "save", "-p", "web", host.path / "two")
    assert p.returncode == 2
    first, last = p.stderr.decode().splitlines()
    assert "cannot pause domain 5" in first
    assert "domain 5, running; its image is " in last


@pytest.mark.parametrize("name", [b"caf\xe9", b"caf\xc3\xa9", b'"\\\n\x01'],
                         ids=["latin1", "utf8", "controls"])
def test_a_file_of_any_name(host, name):
    """The guest is gone: what says so must be JSON, and one line."""
    file = os.fsencode(host.path) + b"/" + name
    p = xl_ext(host, "save", "--json", "web", file)
    assert p.returncode == 0, p
    outcome = json.loads(p.stdout)
    assert outcome["state"] == "gone" and os.path.exists(file)
    assert p.stderr.count(b"\n") == len(p.stderr.splitlines())
    last = p.stderr.splitlines()[-1]
    assert b"web is on no host; its image is " in last, p


@pytest.mark.parametrize("args", [
    ["memory"], ["memory", "5"], ["policy", "5"],
    ["save", "-c", "5", "image"]], ids=lambda a: " ".join(a))
def test_a_guest_of_any_name(host, args):
    """One whose name is no UTF-8 must not hide what is said of others."""
    host.put("store/local/domain/5/name", b"caf\xe9")
    p = xl_ext(host, *args, "--json", cwd=host.path)
    assert p.returncode == 0 and p.stderr.count(b"\n") <= 1, p
    assert "caf?" in json.dumps(json.loads(p.stdout)), p


def test_an_error_of_any_name_is_one_line(host):
    p = xl_ext(host, "save", "web", "/nonexistent/a\nb\x1b[2J")
    assert p.returncode == 2
    assert p.stderr.count(b"\n") == 2 and b"\x1b" not in p.stderr, p


def test_a_guest_that_is_not_gone_is_not_called_gone(host):
    """Its image cannot be restored beside it."""
    image = host.path / "image"
    assert xl_ext(host, "save", "-c", "web", image).returncode == 0
    with open(image, "ab") as f:
        f.write(b"LibxlFmt\0\0\0\2\0\0\0\0\1\0\0\0\0\0\0\0")
    assert state(host) == "running"
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
