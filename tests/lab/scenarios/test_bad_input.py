# SPDX-License-Identifier: LGPL-2.1-only
"""Bad images, bad settings, wrong callers: each with its own one line,
before anything is changed, and the good image restores afterwards."""

import struct

import pytest

from xenlab.guest import SMALL

pytestmark = pytest.mark.drives(client="xl", kind="pvh")
MARK = b"\xff" * 8 + b"XENF"
HEADERS = 40
BODY = {"version": 0, "flags": 4, "uuid": 8, "max_pages": 24,
        "tot_pages": 32}


@pytest.fixture
def image(guest, host):
    """A saved, raised guest: (guest, offset of the memory record)."""
    g = guest("pvh", load="", **SMALL)
    g.raise_limit()
    g.save(ext=True)
    code = ("import sys; d = open(sys.argv[1], 'rb').read(1 << 20); "
            f"print(d.find({MARK!r}))")
    at = int(host.run(f"python3 -c {quote(code)} {g.save_path}").out)
    assert at > 0
    return g, at + HEADERS


def quote(s):
    import shlex
    return shlex.quote(s)


def patched(host, g, edits, cut=None, twice=None):
    """The head of the image with (offset, bytes) edits: what is to be
    refused is refused before any page is read."""
    path = f"/var/lab/{g.name}.bad"
    code = f"""
import sys

d = bytearray(open({g.save_path!r}, 'rb').read(1 << 18))
for at, new in {edits!r}:
    d[at:at + len(new)] = new
if {twice!r}:
    a, b = {twice!r}
    d[b:b] = d[a:b]
if {cut!r} is not None:
    d = d[:{cut!r}]
open({path!r}, 'wb').write(d)
"""
    host.run(f"python3 -c {quote(code)}")
    return path


def refused(g, path, *words, env=None):
    r = g.restore(path, ext=True, check=False, env=env)
    assert r.rc != 0
    lines = [line for line in r.stderr.splitlines()
             if "libxl-ext" in line]
    assert len(lines) == 1, r.stderr
    for w in words:
        assert w in lines[0], lines[0]
    assert not g.exists
    # xl deletes nothing: the image is still good.


def test_bad_records(image, host):
    g, at = image
    u64 = lambda v: struct.pack("<Q", v)
    u32 = lambda v: struct.pack("<I", v)
    body = at + 8
    cases = [
        ([(body + BODY["version"], u32(2))], ("version 2", "1")),
        ([(body + BODY["flags"], u32(0x80000001))], ("flags",)),
        ([(body + BODY["uuid"], b"\x01" * 16)], ("uuid",)),
        ([(body + BODY["max_pages"], u64(0))], ("max_pages", "0")),
        ([(body + BODY["max_pages"], u64((1 << 64) - 1))],
         ("max_pages",)),
        ([(body + BODY["max_pages"], u64(1 << 30))],
         ("max_pages", str(1 << 30), "host")),
        ([(body + BODY["max_pages"], u64(200000))],
         ("max_pages", "200000", "memory_bump")),
        ([(at - HEADERS, b"\x00")], ("marker",)),
        ([(at - HEADERS + 8, b"Y")], ("id ",)),
        ([(at + 4, u32(1 << 27))], ("length",)),
    ]
    for edits, words in cases:
        refused(g, patched(host, g, edits), *words)
    r = int(host.run("python3 -c " + quote(
        "import struct; f = open(%r, 'rb'); f.seek(%d); "
        "print(struct.unpack('<I', f.read(4))[0])"
        % (g.save_path, at + 4))).out)
    refused(g, patched(host, g, [], twice=(at, at + 8 + r)),
            "second one")
    for cut in (at - 10, at + 3, at + 20, at + 8 + r + 2):
        refused(g, patched(host, g, [], cut=cut), "cut short")

    # A host without room: refused by figures, before any page.
    free = int(host.run("xl info | awk '/^free_memory/ {print $3}'").out)
    pages = u64((free + 50) * 256)
    host.write("/var/lab/track.conf", 'memory_bump = "track"\n')
    refused(g, patched(host, g, [(body + BODY["max_pages"], pages),
                                 (body + BODY["tot_pages"], pages)]),
            "short", env={"LIBXL_EXT_CONFIG": "/var/lab/track.conf"})

    # And the good one restores.
    g.restore(ext=True)
    g.wait_alive()


BAD_POLICIES = [
    ("memory_bump = \n", ("syntax error",)),
    ("memory_jump = \"strict\"\n", ("memory_jump",)),
    ("memory_bump_limit = -1\n", ("memory_bump_limit", "-1")),
    ("memory_bump = \"sometimes\"\n", ("memory_bump", "sometimes")),
]


def test_policy_refuses_and_the_guest_runs_on(guest, host):
    g = guest("pvh", load="", **SMALL)
    before = g.raise_limit()

    # A file that is wrong refuses, it does not allow by accident.
    for text, words in BAD_POLICIES:
        host.write("/var/lab/bad.conf", text)
        r = g.save(ext=True, check=False,
                   env={"LIBXL_EXT_CONFIG": "/var/lab/bad.conf"})
        assert r.rc != 0
        lines = [x for x in r.stderr.splitlines() if "libxl-ext" in x]
        assert len(lines) == 1, r.stderr
        for w in (*words, "/var/lab/bad.conf"):
            assert w in lines[0]

    # A verdict: which limit, by how much, which setting allows it.
    host.write("/var/lab/strict.conf", 'memory_bump = "strict"\n')
    env = {"LIBXL_EXT_CONFIG": "/var/lab/strict.conf"}
    r = g.save(ext=True, check=False, env=env)
    assert r.rc != 0
    for w in ("max_pages", "2048 pages", "8192 KiB", "memory_bump"):
        assert w in r.stderr
    g.set_mark()
    g.wait_alive(reports=2)
    assert g.limits() == before

    # The receiver judges for itself.
    g.save(ext=True)
    r = g.restore(ext=True, check=False, env=env)
    assert r.rc != 0 and "memory_bump" in r.stderr and not g.exists
    g.restore(ext=True)
    g.wait_alive(reports=2)


@pytest.mark.drives(kind="none")
def test_wrong_callers(host):
    helper = "/opt/libxl-ext/libxl-ext-save-helper"
    r = host.run(f"{helper} --save-domain 1 -1 4242 0 8 0 </dev/null",
                 check=False)
    assert "4242" in r.stdout and "no such domain" in r.stdout.lower()
    r = host.run(f"cp {helper} /tmp/h; chmod 755 /tmp/h; setpriv"
                 " --reuid=65534 --regid=65534 --clear-groups /tmp/h"
                 " --save-domain 1 -1 1 0 8 0 </dev/null 2>&1",
                 check=False)
    assert "root" in r.stdout
    for args in ("", "--save-domain", "--save-domain 1 -1 x 0 0 0",
                 "--save-domain 1 -1 70000 0 0 0",
                 "--restore-domain 0 -1 1 1 0 1 0 0 0 7"):
        assert host.run(f"{helper} {args}", check=False).rc == 2
