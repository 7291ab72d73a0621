# SPDX-License-Identifier: LGPL-2.1-only
"""A restore's helper as the process that it is, in the place of which
libxl is this file: what an error in the policy refuses, and what becomes
of an image that its caller has removed, as libvirt does."""

import os
import signal
import struct
import subprocess

import pytest

from world import BUILD

LOG, COMPLETE = 1, 10
BAD = "memory_bump = \"track\"\nnew_key = 1\n"
OPTIONAL, MANDATORY, RAISED = 0x80004C58, 0x4C58, 2
LIBVIRT = b"what libvirt writes first" * 99
PUT_BACK = "the file that its caller had removed was put back as "
NOT_PUT_BACK = "the file that its caller had removed was not put back as "


def record(kind, body):
    return struct.pack("<II", kind, len(body)) + body + \
        bytes(-len(body) % 8)


def image(max_pages=1000, memory_record=True):
    """Of domain 5; the limit that libxl has set is 1000 pages."""
    stream = b"\xff" * 8 + struct.pack(">II", 0x58454E46, 3) + bytes(8) + \
        struct.pack("<IHHII", 1, 12, 0, 4, 17)
    if memory_record:
        raised = max_pages > 1000
        stream += record(MANDATORY if raised else OPTIONAL, struct.pack(
            "<II16s8Q", 1, RAISED if raised else 0, bytes(15) + b"\5",
            max_pages, 1000, 0, 0, 0, 2976, 2976, 4000))
    return stream + record(0x10, b"") + b"".join(
        record(0x80000077, os.urandom(32768)) for _ in range(40)) + \
        record(0, b"")


class Restore:
    """libxl's end of a restore from @fd."""

    def __init__(self, world, fd, fault=None):
        env = world.env | ({"LIBXL_EXT_FAULT": fault} if fault else {})
        self.said, self.result = "", None
        self.process = subprocess.Popen(
            [BUILD / "libxl-ext-save-helper", "--restore-domain", str(fd),
             "-1", "5", "1", "0", "2", "0", "0", "0"], env=env,
            pass_fds=[fd], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def hear(self):
        """Until it has ended: 0, or -1 where the restore failed."""
        while len(head := self.process.stdout.read(4)) == 4:
            length, what = struct.unpack("=HH", head)
            body = self.process.stdout.read(length - 2)
            if what == LOG:
                self.said += body[8:].decode("ascii", "replace").replace(
                    "\0", "") + "\n"
            if what == COMPLETE:
                self.result = struct.unpack("=ii", body)[0]
                self.process.stdin.write(bytes(4))
                self.process.stdin.flush()
        self.process.wait(20)
        return self.result


@pytest.fixture
def restore(short_world):
    started = []

    def start(fd, **args):
        started.append(Restore(short_world, fd, **args))
        return started[-1]

    yield start
    for r in started:
        r.process.kill()
        r.process.wait()


class Saved:
    """An image in a file as libvirt has it, opened behind its header."""

    def __init__(self, directory, data):
        self.directory, self.data = directory, LIBVIRT + data
        directory.mkdir()
        self.path = directory / "web.save"
        self.path.write_bytes(self.data)
        self.path.chmod(0o640)
        self.fd = os.open(self.path, os.O_RDONLY)
        os.lseek(self.fd, len(LIBVIRT), os.SEEK_SET)

    def is_back(self):
        assert self.path.read_bytes() == self.data
        assert self.path.stat().st_mode & 0o7777 == 0o640
        assert os.listdir(self.directory) == ["web.save"]
        return True


@pytest.fixture
def saved(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(Saved(tmp_path / "saved", image(*args, **kwargs)))
        return made[-1]

    yield make
    for s in made:
        os.close(s.fd)


@pytest.mark.parametrize("memory_record", [True, False])
def test_a_guest_without_a_raise_needs_no_policy(short_world, restore,
                                                 saved, memory_record):
    short_world.put("conf", BAD)
    r = restore(saved(memory_record=memory_record).fd)
    assert r.hear() == 0, r.said
    assert f"{short_world.path}/conf: line 2: unknown key" in r.said
    assert "the defaults hold" in r.said


@pytest.mark.parametrize("conf", ["", BAD])
def test_a_raise_needs_a_policy_that_can_be_read(short_world, restore,
                                                 saved, conf):
    """"track", in the line ahead of the error, allows nothing."""
    short_world.put("conf", conf)
    r = restore(saved(max_pages=2000).fd)
    assert r.hear() == (-1 if conf else 0), r.said
    limit = short_world.path / "max_pages"
    if conf:
        assert "no raise is allowed: policy file" in r.said
        assert "line 2: unknown key" in r.said
        assert not limit.exists()
    else:
        assert limit.read_text() == "2000"


def refused(world, saved):
    """An image that the policy refuses."""
    world.put("conf", 'memory_bump = "strict"\n')
    return saved(max_pages=2000)


def test_an_image_that_was_removed_is_put_back(short_world, restore, saved):
    s = refused(short_world, saved)
    s.path.unlink()
    r = restore(s.fd)
    assert r.hear() == -1
    assert "memory_bump=strict" in r.said
    assert PUT_BACK + str(s.path) + "\n" in r.said
    assert s.is_back()


def test_one_that_is_damaged_is_put_back(restore, saved):
    s = saved()
    s.data = s.data[:-40000]
    os.truncate(s.path, len(s.data))
    s.path.unlink()
    r = restore(s.fd)
    assert r.hear() == -1
    assert s.is_back()


def test_one_that_is_restored_is_not(restore, saved):
    s = saved()
    s.path.unlink()
    assert restore(s.fd).hear() == 0
    assert os.listdir(s.directory) == []


def test_one_that_has_its_name_is_left_alone(short_world, restore, saved):
    s = refused(short_world, saved)
    inode = s.path.stat().st_ino
    r = restore(s.fd)
    assert r.hear() == -1 and "caller" not in r.said
    assert s.is_back() and s.path.stat().st_ino == inode


def test_one_that_has_another_name_is_left_alone(short_world, restore,
                                                 saved):
    s = refused(short_world, saved)
    s.path.rename(s.directory / "moved")
    r = restore(s.fd)
    assert r.hear() == -1 and "caller" not in r.said
    assert os.listdir(s.directory) == ["moved"]


@pytest.mark.parametrize("other", ["file", "link"])
def test_what_has_its_name_now_is_not_replaced(short_world, restore, saved,
                                               other):
    s = refused(short_world, saved)
    s.path.unlink()
    if other == "file":
        s.path.write_text("another")
    else:
        s.path.symlink_to("nowhere")
    r = restore(s.fd)
    assert r.hear() == -1
    assert NOT_PUT_BACK + f"{s.path}: another file has that name" in r.said
    assert "unless there is another copy" in r.said
    assert os.listdir(s.directory) == ["web.save"]
    assert s.path.is_symlink() or s.path.read_text() == "another"


def test_without_its_directory_it_is_said(short_world, restore, saved):
    s = refused(short_world, saved)
    s.path.unlink()
    s.directory.rmdir()
    r = restore(s.fd)
    assert r.hear() == -1
    assert NOT_PUT_BACK + str(s.path) in r.said
    assert "No such file or directory" in r.said


@pytest.mark.parametrize("kind", ["pipe", "memfd", "nameless"])
def test_what_never_had_a_name_gets_none(short_world, restore, tmp_path,
                                         kind):
    short_world.put("conf", 'memory_bump = "strict"\n')
    data = image(max_pages=2000)
    place = tmp_path / "place"
    place.mkdir()
    if kind == "pipe":
        fd, into = os.pipe()
        os.write(into, data[:65536])
        os.close(into)
    elif kind == "memfd":
        fd = os.memfd_create("web")
    else:
        fd = os.open(place, os.O_TMPFILE | os.O_RDWR, 0o600)
    if kind != "pipe":
        os.pwrite(fd, data, 0)
    try:
        r = restore(fd)
        assert r.hear() == -1
        assert "memory_bump=strict" in r.said and "caller" not in r.said
    finally:
        os.close(fd)
    assert os.listdir(place) == []


@pytest.mark.parametrize("removed", [True, False])
@pytest.mark.parametrize("point", [40, 43, 45, 46, 47])
def test_a_stop_puts_it_back(restore, saved, point, removed):
    """Wherever it comes; twice is no more than once."""
    s = saved()
    if removed:
        s.path.unlink()
    r = restore(s.fd, fault=f"{point}:stop")
    os.waitpid(r.process.pid, os.WUNTRACED)
    r.process.send_signal(signal.SIGTERM)
    r.process.send_signal(signal.SIGTERM)
    r.process.send_signal(signal.SIGCONT)
    if removed:
        assert r.hear() == -1 and r.process.returncode == 0, r.said
        assert PUT_BACK in r.said
        if point != 40:
            assert "told to stop by SIGTERM" in r.said
    else:
        assert r.hear() is None
        assert r.process.returncode == -signal.SIGTERM
    assert s.is_back()


def test_a_stop_does_not_cut_it_short(short_world, restore, saved):
    s = refused(short_world, saved)
    s.path.unlink()
    r = restore(s.fd, fault="49:stop")
    os.waitpid(r.process.pid, os.WUNTRACED)
    assert not s.path.exists()
    r.process.send_signal(signal.SIGTERM)
    r.process.send_signal(signal.SIGCONT)
    assert r.hear() == -1 and r.process.returncode == 0
    assert s.is_back()


@pytest.mark.parametrize("how", ["error", "kill"])
@pytest.mark.parametrize("point", [48, 49, 50])
def test_half_of_it_never_has_its_name(short_world, restore, saved, point,
                                       how):
    s = refused(short_world, saved)
    s.path.unlink()
    r = restore(s.fd, fault=f"{point}:{how}")
    assert r.hear() == (-1 if how == "error" else None)
    if point == 50:
        assert s.is_back()
    else:
        assert not s.path.exists()
        assert how == "kill" or os.listdir(s.directory) == []
        assert how == "kill" or NOT_PUT_BACK in r.said


def test_a_full_disk_is_said(short_world, restore, saved):
    """Its place is taken by a limit on the size of files."""
    s = refused(short_world, saved)
    s.path.unlink()
    r = restore(s.fd, fault="48:stop")
    os.waitpid(r.process.pid, os.WUNTRACED)
    subprocess.run(["prlimit", "--fsize=100000", "--pid",
                    str(r.process.pid)], check=True)
    r.process.send_signal(signal.SIGCONT)
    assert r.hear() == -1
    assert NOT_PUT_BACK + f"{s.path}: writing at byte 0 of" in r.said
    assert "File too large" in r.said
    assert os.listdir(s.directory) == []


def test_a_libxl_that_dies_leaves_it(restore, saved):
    """Nobody reads what is said any more."""
    s = saved()
    s.path.unlink()
    r = restore(s.fd, fault="45:stop")
    os.waitpid(r.process.pid, os.WUNTRACED)
    r.process.stdout.close()
    r.process.stdin.close()
    r.process.send_signal(signal.SIGTERM)
    r.process.send_signal(signal.SIGCONT)
    r.process.wait(20)
    assert s.is_back()
