# SPDX-License-Identifier: LGPL-2.1-only
"""A peer that hangs: whoever waits for it has a bound, 30 s unless told
otherwise, and says in one line what did not come.  Each test here hung
once."""

import errno
import json
import os
import signal
import struct
import subprocess
import threading
import time

import pytest

from world import BUILD, full_pipe
from xl_ext import TOP

GREETING = b"xl-ext migration receiver ready, protocol 1\n"
UUID = "00000000-0000-0000-0000-0000000000{:02x}"
BOUND = 1500                    # ms
PATIENCE = 20                   # s, for what takes BOUND or is ended


class Receiver:
    """xl-ext migrate-receive, and its sender's end of two pipes."""

    def __init__(self, world, *args, stdout=subprocess.PIPE):
        self.start = time.monotonic()
        self.p = subprocess.Popen(
            [BUILD / "xl-ext", "migrate-receive", *args], env=world.env,
            stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE)
        assert not self.p.stdout or self.p.stdout.readline() == GREETING

    def offer(self, **change):
        """Of a guest that is not here."""
        offer = {
            "version": "0", "name": "other", "dry_run": False,
            "config": json.dumps({"c_info": {"type": "pvh",
                                             "name": "other",
                                             "uuid": UUID.format(9)},
                                  "b_info": {"type": "pvh"}}),
            "limits": {"uuid": UUID.format(9), "max_pages": 1000,
                       "tot_pages": 1000, "stock_max_kb": 5000}} | change
        body = json.dumps(offer).encode()
        self.p.stdin.write(struct.pack("<II", ord("O"), len(body)) + body)
        self.p.stdin.flush()

    def answer(self):
        head = self.p.stdout.read(8)
        assert len(head) == 8, self.p.stderr.read()
        kind, length = struct.unpack("<II", head)
        assert kind == ord("A")
        return json.loads(self.p.stdout.read(length))

    def line(self):
        """What it says at its end; the pipes stay open until then."""
        err = self.p.stderr.read().decode()
        assert self.p.wait(PATIENCE) == 2
        assert err.count("\n") == 1, err
        passed = (time.monotonic() - self.start) * 1000
        assert BOUND * 0.9 <= passed < PATIENCE * 1000
        return err

    def close(self):
        self.p.kill()
        self.p.communicate()


@pytest.fixture
def receiver(world):
    started = []

    def start(*args, **kw):
        started.append(Receiver(world, *args, **kw))
        return started[-1]

    # A test that hangs fails so, and does not hang those behind it.
    hangs = threading.Timer(2 * PATIENCE,
                            lambda: [r.p.kill() for r in started])
    hangs.start()
    yield start
    hangs.cancel()
    for r in started:
        r.close()


def test_a_sender_that_says_nothing(receiver):
    r = receiver(f"--timeout={BOUND}")
    assert f"no offer from the sender within {BOUND} ms" in r.line()


def test_a_sender_that_stops_within_its_offer(receiver):
    r = receiver(f"--timeout={BOUND}")
    r.p.stdin.write(struct.pack("<II", ord("O"), 100) + b"{")
    r.p.stdin.flush()
    assert f"no offer from the sender within {BOUND} ms" in r.line()


@pytest.mark.parametrize("sent", [b"", b"LibxlFmt\0\0\0\2\0\0\0\0"],
                         ids=["nothing", "header"])
def test_a_sender_that_sends_no_stream(receiver, sent):
    """It was told to come, and does not."""
    r = receiver(f"--timeout={BOUND}")
    r.offer()
    answer = r.answer()
    assert answer["accepted"], answer
    r.p.stdin.write(sent)
    r.p.stdin.flush()
    assert f"from the sender within {BOUND} ms" in r.line()


TWO_TYPES = {"type.pvh": {}, "type.hvm": {}}


@pytest.mark.parametrize("b_info, words", [
    (TWO_TYPES, 'both "type.pvh" and "type.hvm"'),
    ({"x": [{"y": TWO_TYPES}]}, 'both "type.pvh" and "type.hvm"'),
    ({f"{n}.x": 0 for n in range(9)}, "more than 8 keyed unions"),
    ({"x": json.loads("[" * 20 + "]" * 20)}, "nests deeper than 16"),
    ({"avail_vcpus": [2147483647]}, "avail_vcpus 2147483647 is not a whole"
     " number from 0 to 16383"),
    ({"avail_vcpus": [0, 2147483640]}, "avail_vcpus 2147483640"),
    ({"avail_vcpus": [16384]}, "avail_vcpus 16384"),
    ({"nodemap": [-100]}, "nodemap -100"),
    ({"vcpu_hard_affinity": [[0], [1 << 64]]},
     "vcpu_hard_affinity 18446744073709551616"),
    ({"type.pvh": {}, "cpumap": [1.5]}, "cpumap 1.5"),
], ids=["types", "below", "many", "deep", "large", "large-8", "above",
        "negative", "nested", "fraction"])
def test_a_sender_whose_configuration_would_end_libxl(receiver, b_info,
                                                      words):
    r = receiver()
    r.offer(config=json.dumps({"c_info": {"type": "pvh", "name": "other",
                                          "uuid": UUID.format(9)},
                               "b_info": b_info}))
    answer = r.answer()
    assert not answer["accepted"] and words in answer["reason"]


@pytest.mark.parametrize("b_info", [
    {"type.hvm": {}}, {"type.hvm": {}, "device_model_stubdomain": "True"}],
    ids=["here", "stub domain"])
def test_an_emulator_that_is_not_there(receiver, b_info):
    """Of an HVM guest, which has one here in any case."""
    r = receiver()
    r.offer(config=json.dumps({
        "c_info": {"type": "hvm", "name": "other", "uuid": UUID.format(9)},
        "b_info": b_info | {"device_model": "/nowhere/qemu"}}))
    answer = r.answer()
    assert not answer["accepted"], answer
    assert 'guest "other": its device model /nowhere/qemu cannot be' in \
        answer["reason"]


def test_numbers_that_libxl_takes(receiver):
    """The largest bit; and what is no bit, of a card's sounds for one."""
    r = receiver()
    r.offer(dry_run=True, config=json.dumps({
        "c_info": {"type": "pvh", "name": "other", "uuid": UUID.format(9)},
        "b_info": {"type.pvh": {}, "avail_vcpus": [0, 16383],
                   "vcpu_hard_affinity": [[16383], []],
                   "vnuma_nodes": [{"distances": [10, 4294967295]}],
                   "irqs": [4294967295]},
        "vsnds": [{"params": {"sample_rates": [44100, 192000]}}]}))
    answer = r.answer()
    assert answer["accepted"], answer


def test_a_sender_that_takes_nothing(receiver):
    out, into = full_pipe()
    r = receiver(f"--timeout={BOUND}", stdout=into)
    assert f"did not take the greeting within {BOUND} ms" in r.line()
    os.close(out)
    os.close(into)


def refused(world, peer):
    """By xl-ext migrate, with @peer as the command that is the link; what
    it says, and then where the guest is."""
    p = subprocess.run(
        [BUILD / "xl-ext", "migrate", "-s", "", f"--timeout={BOUND}",
         "web", f"unset LD_PRELOAD; {peer}"], env=world.env, text=True,
        capture_output=True, check=False, timeout=PATIENCE)
    assert p.returncode == 2, p
    line, last = p.stderr.removesuffix("\n").split("\n")
    assert last.endswith("domain 5, running")
    return line


@pytest.mark.parametrize("peer, words", [
    ("printf half; exec sleep 60", 'within 1500 ms; it said "half"'),
    ("printf 'No\\033[2J way'; exit 255",
     'ended ahead of its greeting; it said "No.[2J way"'),
    ("exit 255", "ended ahead of its greeting"),
    ("printf 'Welcome to beta\\n'; exec sleep 60",
     'greets with "Welcome to beta.": it is neither xl-ext nor xl'),
    ("printf '%0999d' 0", 'it is neither xl-ext nor xl'),
    ("echo xl-ext migration receiver ready, protocol 2; exec sleep 60",
     'speaks "protocol 2", known here is protocol 1: install the same'
     " version of libxl-ext on both hosts"),
], ids=["half", "half and end", "end", "motd", "endless", "newer"])
def test_a_wrong_greeting_is_shown(world, peer, words):
    assert words in refused(world, peer)


def test_a_reason_from_outside_is_one_line(world):
    body = json.dumps({"accepted": False, "reason": "no\n\x1b[2Jway"})
    world.put("answer", struct.pack("<II", ord("A"), len(body)) +
              body.encode())
    line = refused(world, "echo xl-ext migration receiver ready, protocol"
                   f" 1; cat {world.path}/answer; exec sleep 60")
    assert "no  [2Jway" in line


@pytest.fixture(scope="module")
def transport(tmp_path_factory):
    program = tmp_path_factory.mktemp("transport") / "transport"
    subprocess.run(
        ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror",
         f"-I{TOP}/xl-cmd", "-o", program, TOP / "tests/api/transport.c",
         TOP / "xl-cmd/transport.c"], check=True)

    def ask(shell, host, **env):
        out = subprocess.run(
            [program, shell, host, str(BOUND)], text=True, check=True,
            timeout=PATIENCE, stdout=subprocess.PIPE,
            env={**os.environ, **env}).stdout
        name, code, said = out.removesuffix("\n").split("|")
        return name, int(code), said

    return ask


def test_a_host_that_is_asked_again_and_hangs(transport):
    peer = "printf run; exec sleep 60"
    assert transport("", peer) == (peer, errno.ETIMEDOUT, "run")


def test_a_host_that_answers(transport, tmp_path):
    """And what it was asked with, by its name."""
    assert transport("printf %s-%s", "h") == ("printf %s-%s", 0, "h-words")
    assert transport("", "printf yes") == ("printf yes", 0, "yes")
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nprintf by-ssh\n", encoding="ascii")
    ssh.chmod(0o755)
    assert transport("-", "h", PATH=f"{tmp_path}:{os.environ['PATH']}") == (
        "ssh", 0, "by-ssh")


def test_a_question_can_be_left(world):
    """It waits for a receiver that does not end."""
    name = f"run/{UUID.format(9)}.receive"
    world.put(name, "")
    holder = subprocess.Popen(
        ["flock", "--no-fork", world.path / name, "sh", "-c",
         "echo held; exec sleep 60"],
        stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    p = subprocess.Popen([BUILD / "xl-ext", "migrate-receive", "--ask",
                          UUID.format(9)], env=world.env)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            p.wait(1)
        p.send_signal(signal.SIGINT)
        assert p.wait(5) == -signal.SIGINT
    finally:
        p.kill()
        holder.kill()
