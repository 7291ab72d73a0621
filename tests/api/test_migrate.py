# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext migrate and migrate-receive: what the options ask of the other
end, and the two-phase end of a migration, killed at each of its points.
One end is the real process, with fake_world.c's libxl and guest; the other
is a script that says what that end would."""

import json
import os
import pathlib
import select
import signal
import struct
import subprocess
import sys
import time

import pytest

from world import BUILD, wait_for

AFTER_SAVE, AFTER_READY, AFTER_COMMIT, AFTER_GO, AFTER_DONE = range(60, 65)

# PEER WORLD host remote: GO is written down ahead of anything else, and
# so is that it was asked.
PEER = r'''
import json, os, struct, sys
world, host, remote = sys.argv[1:4]
def note(name, text=""):
    with open(f"{world}/{name}", "a") as f:
        f.write(text + "\n")
def get():
    head = sys.stdin.buffer.read(8)
    if len(head) < 8:
        sys.exit(0)
    kind, size = struct.unpack("<II", head)
    return chr(kind), sys.stdin.buffer.read(size)
def put(kind, body):
    body = json.dumps(body).encode()
    os.write(1, struct.pack("<II", ord(kind), len(body)) + body)
if "--ask" in remote:
    note("asked", f"{host} {remote}")
    if os.path.exists(f"{world}/hang"):
        import time
        time.sleep(60)
    try:
        print(open(f"{world}/answer").read())
    except OSError:
        sys.exit(1)
    sys.exit(0)
note("remote", remote)
if os.path.exists(f"{world}/stock"):
    os.write(1, b"xl migration receiver ready, send binary domain data.\n")
    came = b""
    while b"c_info" not in came or not came.endswith(b"\0"):
        more = os.read(0, 4096)
        if not more:
            sys.exit(0)
        came += more
    os.write(1, b"domain received, ready to unpause\0")
    go = b"domain is yours, you are cleared to unpause\0"
    assert sys.stdin.buffer.read(len(go)) == go
    note("go")
    os.write(1, b"my copy unpause results are as follows\0\0")
    sys.exit(0)
os.write(1, b"xl-ext migration receiver ready, protocol 1\n")
note("offer", get()[1].decode())
put("A", {"accepted": True})
if os.path.exists(f"{world}/meddle"):
    # Behind the save, and ahead of READY, which is when a sender waits.
    import time
    while "suspended" not in open(f"{world}/state").read():
        time.sleep(0.01)
    open(f"{world}/state", "w").write("running")
put("R", {"ok": True})
assert get()[0] == "G"
note("go")
if os.path.exists(f"{world}/returns"):
    put("D", {"ok": False, "reason": "it is not let run"})
elif not os.path.exists(f"{world}/silent"):
    put("D", {"ok": True})
'''


class Migration:
    def __init__(self, world):
        self.world = world
        self.guest = "web"
        world.put("peer.py", PEER)
        world.put("ssh", f'#!/bin/sh\nexec env -u LD_PRELOAD'
                  f' {sys.executable} {world.path}/peer.py'
                  f' {world.path} "$@"\n')
        (world.path / "ssh").chmod(0o700)
        # As the helper leaves it; its guardian is not of this story.
        world.put("run/5.journal", "libxl-ext-freeze 1\ndomain 5 " +
                  "00" * 15 + "05\nsuspend\nanswered\nwhole\n")

    def run(self, rc=0, fault=None, host="beta", args=()):
        env = self.world.env | (
            {"LIBXL_EXT_FAULT": fault} if fault else {})
        p = self.start(host, env, args)
        err = p.communicate(timeout=90)[1]
        assert p.returncode == rc, (p.returncode, err)
        return err

    def start(self, host="beta", env=None, args=()):
        return subprocess.Popen(
            [BUILD / "xl-ext", "migrate", f"-s{self.world.path}/ssh",
             *args, self.guest, host], env=env or self.world.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def said(self, name):
        path = self.world.path / name
        return path.read_text() if path.exists() else None

    def call(self, name):
        """So the guest is called."""
        self.guest = name
        self.world.put("store/local/domain/5/name", name)

    def wait_until_asked(self):
        wait_for(lambda: self.said("asked"), 20, "the peer is asked")

    @property
    def state(self):
        return self.said("state")

    @property
    def name(self):
        return self.said("store/local/domain/5/name")

    @property
    def committed(self):
        return "commit" in self.world.journal


@pytest.fixture
def migration(short_world):
    return Migration(short_world)


def test_it_goes_there(migration):
    assert "web is on beta" in migration.run()
    assert migration.state == "gone" and migration.said("go")


def test_it_goes_there_as_scripts_for_xl_have_it(migration):
    assert "web is on beta" in migration.run(args=["--live"])


@pytest.mark.parametrize("args", [["-p"], ["-ep"]])
def test_it_is_left_paused_there(migration, args):
    """The receiver is told; who is not is not asked for what is new."""
    assert "web is on beta, running" in migration.run()
    assert "paused" not in json.loads(migration.said("offer"))
    (migration.world.path / "offer").unlink()
    migration.world.put("state", "running")
    assert " is on beta, paused" in migration.run(args=args)
    assert json.loads(migration.said("offer"))["paused"] is True
    assert migration.state == "gone"


def stock(migration):
    """The other host has no libxl-ext; the guest fits there."""
    migration.world.put("stock", "")
    for name, value in ("target", 100000), ("static-max", 100000):
        migration.world.put(f"store/local/domain/5/memory/{name}",
                            str(value))


def test_stock_is_started_so_that_it_leaves_it_paused(migration):
    stock(migration)
    assert "web is on beta, paused" in migration.run(args=["-ep"])
    remote = migration.said("remote")
    assert "exec xl-ext migrate-receive -e;" in remote
    assert "exec xl migrate-receive -e -p;" in remote
    assert migration.said("go") and migration.state == "gone"


def receivers(migration, *args):
    """What is run on a host with libxl-ext, and on one without."""
    migration.run(args=args)
    remote = migration.said("remote").rstrip()
    (migration.world.path / "remote").unlink()
    migration.world.put("state", "running")
    migration.world.put("store/local/domain/5/name", "web")
    return [w.split(";")[0] for w in remote.split("exec ")[1:]]


def test_the_other_end_is_as_verbose(migration):
    """As with xl -v migrate; what is the caller's own is not touched."""
    assert receivers(migration) == ["xl-ext migrate-receive",
                                    "xl migrate-receive"]
    assert receivers(migration, "-v") == [
        "xl-ext migrate-receive -v", "xl -vvv migrate-receive"]
    assert receivers(migration, "-e", "-v", "-p") == [
        "xl-ext migrate-receive -e -v", "xl -vvv migrate-receive -e -p"]
    migration.run(args=["-v", "--receive", "mine"])
    assert migration.said("remote") == "mine\n"


def test_stock_that_was_not_started_so_is_refused(migration):
    stock(migration)
    err = migration.run(rc=2, args=["-p", "--receive", "xl migrate-receive"])
    assert "start it with -p" in err
    assert migration.state == "running" and not migration.said("go")
    assert "web is on beta, running" in migration.run(
        args=["--receive", "xl migrate-receive"])


def test_an_option_that_would_not_arrive_is_refused(migration):
    err = migration.run(rc=2, args=["-e", "--receive", "x"])
    assert "-e is not passed on" in err and not migration.said("remote")


@pytest.mark.parametrize("args, words", [
    (["-s", "", "--receive", "x"], "--receive is not heard by HOST"),
    (["-s", "", "-e"], "-e is not passed on")])
def test_what_a_host_that_is_a_command_would_not_hear(world, args, words):
    for command in (["migrate", "web", "true"],
                    ["precheck", "web", "--to", "true"]):
        if "-e" in args and command[0] == "precheck":
            continue
        p = subprocess.run([BUILD / "xl-ext", *command, *args],
                           env=world.env, text=True, capture_output=True,
                           check=False, timeout=60)
        assert p.returncode == 2 and words in p.stderr, p


@pytest.mark.parametrize("host", ["", "-oProxyCommand=touch x", "-"])
def test_what_is_no_name_of_a_host(world, host):
    """ssh would take it for an option."""
    world.put("ssh", f"#!/bin/sh\necho called >> {world.path}/called\n")
    (world.path / "ssh").chmod(0o700)
    for command in (["migrate", "--", "web", host],
                    ["precheck", "web", f"--to={host}"]):
        for shell in ([], [f"-s{world.path}/ssh"]):
            p = subprocess.run(
                [BUILD / "xl-ext", command[0], *shell, *command[1:]],
                env=world.env, text=True, capture_output=True, check=False,
                timeout=60)
            assert p.returncode == 2
            assert f'HOST is "{host}", which names none' in p.stderr, p
    assert not (world.path / "called").exists()


def test_a_host_that_is_a_command_is_not_asked(migration):
    """It would be a receiver anew, and never say where the guest is."""
    w = migration.world
    w.put("silent", "")
    peer = f"echo >> {w.path}/begun; exec {w.path}/ssh - -"
    begin = time.monotonic()
    for _ in range(2):          # and again, when it is suspended
        p = subprocess.run(
            [BUILD / "xl-ext", "migrate", "-s", "", "web", peer],
            env=w.env, text=True, capture_output=True, check=False,
            timeout=90)
        assert p.returncode == 2, p
        *_, words, last = p.stderr.splitlines()
        assert "HOST is a command and cannot be asked" in words, p
        assert f"migrate-receive --ask {UUID}" in words
        assert "xl destroy 5" in words and "--resume 5 --force" in words
        assert last.endswith("domain 5, suspended")
    assert time.monotonic() - begin < 20
    assert migration.said("begun") == "\n"


def test_a_name_that_would_arrive_as_another_is_refused(migration):
    """What the peer reads is JSON, and that is UTF-8."""
    migration.world.put("store/local/domain/5/name", b"caf\xe9")
    p = subprocess.run(
        [BUILD / "xl-ext", "migrate", f"-s{migration.world.path}/ssh", "5",
         "beta"], env=migration.world.env, capture_output=True, check=False)
    assert p.returncode == 2 and b"the offer: Invalid" in p.stderr, p
    assert migration.said("offer") is None and migration.state == "running"


def test_it_keeps_its_id(migration):
    for args, domid in ([], None), (["-D"], 5):
        migration.world.put("state", "running")
        (migration.world.path / "offer").unlink(missing_ok=True)
        migration.run(args=args)
        config = json.loads(json.loads(migration.said("offer"))["config"])
        assert config["c_info"].get("domid") == domid


@pytest.mark.parametrize("answer", ["running", "none"])
def test_killed_it_is_known_that_it_is_paused_there(migration, answer):
    """Also by a call that does not say so again."""
    migration.run(rc=-signal.SIGKILL, fault=f"{AFTER_GO}:kill", args=["-p"])
    migration.world.put("answer", answer)
    err = migration.run(rc=0 if answer == "running" else 2)
    assert ("web is on beta, paused" in err) == (answer == "running")


@pytest.mark.parametrize("point", [AFTER_SAVE, AFTER_READY])
def test_killed_ahead_of_the_commit_no_copy_may_run(migration, point):
    """The guardian lets it run: the journal says "whole", and no more."""
    migration.run(rc=-signal.SIGKILL, fault=f"{point}:kill")
    assert migration.state == "suspended"
    assert migration.name == "web"
    assert not migration.committed and migration.said("go") is None


def test_somebody_lets_it_run_meanwhile(migration):
    """Then it runs here, and the peer is not given leave."""
    migration.world.put("meddle", "")
    err = migration.run(rc=2)
    assert "somebody let it run again here" in err
    assert migration.state == "running" and migration.name == "web"
    assert not migration.committed and migration.said("go") is None


ANSWERS = pytest.mark.parametrize("answer,state,name,rc", [
    ("running", "gone", "web--migratedaway", 0),
    ("none", "running", "web", 2)])


@ANSWERS
def test_a_link_that_ends_behind_go_is_settled(migration, answer, state,
                                               name, rc):
    """A guest that arrived was migrated, whatever the link did."""
    migration.world.put("silent", "")
    migration.world.put("answer", answer)
    migration.run(rc=rc)
    assert migration.said("go") and migration.committed
    assert migration.state == state and migration.name == name


@ANSWERS
@pytest.mark.parametrize("point", [AFTER_COMMIT, AFTER_GO, AFTER_DONE])
def test_killed_behind_the_commit_it_is_settled_by_calling_again(
        migration, point, answer, state, name, rc):
    migration.run(rc=-signal.SIGKILL, fault=f"{point}:kill")
    assert (migration.said("go") is None) == (point == AFTER_COMMIT)
    assert migration.committed and migration.state == "suspended"
    assert migration.name == "web--migratedaway"
    # Nobody answers, or another host would: nothing is done.
    err = migration.run(rc=2, host="gamma")
    assert "was sent to beta" in err and migration.said("asked") is None
    assert migration.state == "suspended"
    migration.world.put("answer", answer)
    err = migration.run(rc=rc)
    assert migration.state == state and migration.name == name
    assert ("web is on beta" in err) == (answer == "running")
    asked = migration.said("asked")
    assert asked.startswith("beta ") and " --since " in asked
    if state == "running":
        # And then it can be sent as any other.
        migration.world.put("run/5.journal", "libxl-ext-freeze 1\ndomain 5"
                            " " + "00" * 15 + "05\n")
        assert "web is on beta" in migration.run()


LONG = "w" * 600
NAMES = pytest.mark.parametrize("name", [
    "web", "web--migratedaway", LONG], ids=["short", "marked", "long"])


@NAMES
def test_a_guest_that_the_peer_gives_back(migration, name):
    """Nothing stays with it of where it went."""
    migration.call(name)
    migration.world.put("returns", "")
    assert "it is not let run" in migration.run(rc=2)
    assert migration.said("go") and migration.committed
    assert migration.state == "running" and migration.name == name
    assert not migration.said("userdata")


@NAMES
@pytest.mark.parametrize("by", ["call", "guardian"])
def test_taken_back_it_has_its_name(migration, name, by):
    migration.call(name)
    migration.run(rc=-signal.SIGKILL, fault=f"{AFTER_GO}:kill")
    assert migration.name == name + "--migratedaway"
    if by == "call":
        migration.world.put("answer", "none")
        migration.run(rc=2)
    else:
        subprocess.run([BUILD / "libxl-ext-guardian", "--resume", "5",
                        "--force"], env=migration.world.env, check=True)
    assert migration.state == "running" and migration.name == name
    assert not migration.said("userdata")


def test_taken_back_it_cannot_be_resumed_at_first(migration):
    """It is still known as sent, and the next call does it."""
    migration.run(rc=-signal.SIGKILL, fault=f"{AFTER_GO}:kill")
    migration.world.put("answer", "none")
    migration.world.put("unresumable", "")
    err = migration.run(rc=2)
    assert "cannot resume domain 5 (rc -3): call this once more" in err
    assert "it runs on here" not in err
    assert err.splitlines()[-1].endswith("domain 5, suspended"), err
    assert migration.name == "web--migratedaway"
    (migration.world.path / "unresumable").unlink()
    assert "it runs on here" in migration.run(rc=2)
    assert migration.state == "running" and migration.name == "web"
    assert not migration.said("userdata")


def test_a_long_way_is_known_by_its_end(migration):
    """Another host would say that the guest does not run."""
    host = "h" * 250
    migration.run(rc=-signal.SIGKILL, fault=f"{AFTER_GO}:kill",
                  host=host + "1")
    migration.world.put("answer", "none")
    assert "was sent to" in migration.run(rc=2, host=host + "2")
    assert migration.state == "suspended" and not migration.said("asked")
    migration.run(rc=2, host=host + "1")
    assert migration.state == "running"


def test_asking_can_be_left(migration):
    """By a signal; and then it is as if it had been killed."""
    migration.world.put("silent", "")
    migration.world.put("hang", "")
    p = migration.start()
    migration.wait_until_asked()
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=20)
    assert p.returncode == 2, err
    assert "call this once more" in err
    assert err.splitlines()[-1].endswith("domain 5, suspended"), err
    (migration.world.path / "hang").unlink()
    migration.world.put("answer", "running")
    migration.run()
    assert migration.state == "gone"


def test_it_is_asked_on_when_the_clock_is_stepped(migration):
    """By an hour, which is no hour that anybody waited."""
    migration.world.put("silent", "")
    p = migration.start()
    migration.wait_until_asked()
    migration.world.put("clock", "3600")
    time.sleep(3)
    assert p.poll() is None
    migration.world.put("answer", "running")
    _, err = p.communicate(timeout=20)
    assert p.returncode == 0 and "web is on beta" in err, err


def test_a_copy_that_cannot_be_destroyed_is_said(migration):
    """It is there, and must never run."""
    migration.world.put("undestroyable", "")
    err = migration.run(rc=2).splitlines()
    assert "never resume it" in err[-2], err
    assert err[-1] == "xl-ext migrate: web is on beta, running"
    assert migration.state == "suspended"


def stopped(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat")
    wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T",
             20, f"process {pid} has stopped")


@pytest.mark.parametrize("state", ["suspended", "running"])
def test_a_guest_that_is_renamed_meanwhile(migration, state):
    """And let run by somebody else: then it is not to be resumed, nor
    said to be suspended. No word of the host stays with it, which
    another migration would ask later."""
    p = migration.start(env=migration.world.env | {
        "LIBXL_EXT_FAULT": f"{AFTER_READY}:stop"})
    stopped(p.pid)
    migration.world.put("store/local/domain/5/name", "other")
    migration.world.put("state", state)
    p.send_signal(signal.SIGCONT)
    err = p.communicate(timeout=60)[1]
    assert p.returncode == 2 and "cannot rename it" in err, err
    assert "--resume" not in err
    assert migration.state == "running" and not migration.said("userdata")


def test_what_xl_sent_away_is_not_ours_to_settle(migration):
    migration.world.put("store/local/domain/5/name", "web--migratedaway")
    migration.world.put("state", "suspended")
    migration.world.put("answer", "none")
    assert "not by xl-ext" in migration.run(rc=2)
    assert migration.state == "suspended" and not migration.said("asked")


AFTER_OFFER, AFTER_RESTORE, AFTER_READY_THERE, AFTER_GO_THERE, AFTER_RUN = \
    range(70, 75)
UUID = "00000000-0000-0000-0000-000000000005"
OFFER = {"version": "0", "name": "web", "limits": {
    "domid": 1, "uuid": UUID, "max_pages": 1000, "tot_pages": 1000,
    "stock_max_kb": 4000}, "config": json.dumps({
        "c_info": {"type": "pvh", "name": "web", "uuid": UUID},
        "b_info": {"type.pvh": {}}})}
# libxl's header and the record that its helper's part begins with.
STREAM = b"LibxlFmt" + struct.pack(">II", 2, 0) + struct.pack("<II", 1, 0)


class Receiver:
    """xl-ext migrate-receive, and what a sender says to it."""

    def __init__(self, world, fault=None, monitor=False):
        self.world = world
        self.p = subprocess.Popen(
            [BUILD / "xl-ext", "migrate-receive",
             *([] if monitor else ["-e"])],
            env=world.env | ({"LIBXL_EXT_FAULT": fault} if fault else {}),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0)
        assert self.p.stdout.readline().startswith(b"xl-ext migration")

    def put(self, kind, body=None, more=b""):
        text = json.dumps(body).encode() if body else b""
        try:
            self.p.stdin.write(struct.pack("<II", ord(kind), len(text)) +
                               text + more)
        except BrokenPipeError:
            pass

    def get(self):
        head = self.p.stdout.read(8)
        if len(head) < 8:
            return None
        kind, size = struct.unpack("<II", head)
        return chr(kind), json.loads(self.p.stdout.read(size))

    def receive(self, **change):
        """What came of it, and how far the sender heard it."""
        heard = ""
        self.put("O", OFFER | change, STREAM)
        for due in "ARD":
            if due == "D":
                self.put("G")
            said = self.get()
            if said is None:
                break
            assert said[0] == due, said
            assert said[1].get("accepted", said[1].get("ok")), said
            heard += due
        self.p.stdin.close()
        rc = self.p.wait(timeout=60)
        self.ended = bool(select.select([self.p.stdout], [], [], 5)[0])
        return rc, heard, self.p.stderr.read().decode()


def test_a_receiver_leaves_its_link(there):
    """What waits for the guest's end has no part in it, or the sender's
    ssh would wait as long."""
    r = Receiver(there, monitor=True)
    assert r.receive()[:2] == (0, "ARD")
    assert r.ended


@pytest.fixture
def there(short_world):
    """A host to which the guest comes."""
    short_world.put("state", "gone")
    short_world.put("store/local/domain/5/name", "")
    return short_world


def ask(world, *args, rc=0):
    p = subprocess.run([BUILD / "xl-ext", "migrate-receive", "--ask", UUID,
                        *args], env=world.env, text=True,
                       capture_output=True, check=False, timeout=60)
    assert p.returncode == rc, p
    return p.stdout if not rc else p.stderr


def test_what_came_here_and_is_gone_was_here(world):
    """It powered off, or went on, before anybody asked: the sender's is
    old, and would write to a disk that is newer."""
    world.put("state", "gone")
    assert ask(world) == "none\n"
    world.put(f"run/{UUID}.given", "")
    assert ask(world) == "running\n"


def test_the_answer_as_json(world):
    world.put("state", "gone")
    for given in (False, True):
        if given:
            world.put(f"run/{UUID}.given", "")
        assert json.loads(ask(world, "--json")) == {
            "uuid": UUID, "given": given}


@pytest.mark.parametrize("option, words", [
    # A receiver's standard output is the sender's.
    ("--json", b"--json is for --ask"),
    ("--since=3", b"--since is for --ask")])
def test_an_option_of_a_question_that_is_not_asked(world, option, words):
    p = subprocess.run([BUILD / "xl-ext", "migrate-receive", option],
                       env=world.env, capture_output=True, check=False,
                       timeout=60, stdin=subprocess.DEVNULL)
    assert (p.returncode, p.stdout) == (2, b"")
    assert words in p.stderr


def test_a_copy_that_has_leave_runs_and_one_without_does_not(world):
    world.put(f"run/{UUID}.unpause", "")
    world.put("state", "paused")
    assert ask(world) == "running\n"
    assert (world.path / "state").read_text() == "running"
    world.put("state", "gone")
    assert ask(world) == "running\n"
    (world.path / f"run/{UUID}.given").unlink()
    world.put("store/local/domain/5/name", "web--incoming")
    world.put("state", "paused")
    assert ask(world) == "none\n"
    assert (world.path / "state").read_text() == "gone"


def test_behind_a_boot_nobody_knows(world):
    world.put("state", "gone")
    assert ask(world, "--since", "1") == "none\n"
    boot = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    for sent in (boot - 30, 999999999):     # on its way for up to 60 s
        assert "nobody knows" in ask(world, "--since", str(sent), rc=2)
    assert ask(world, "--since", str(boot - 90)) == "none\n"
    assert "is a number of seconds" in ask(world, "--since", "x", rc=2)
    world.put("state", "running")
    assert ask(world, "--since", "999999999") == "running\n"


def test_what_was_given_on_an_earlier_journey(world):
    """A receiver of stock's, by which it came now, takes no word away."""
    world.put("state", "gone")
    boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    world.put(f"run/{UUID}.given", f"{int(boot) - 1000}\n")
    assert ask(world, "--since", "900") == "none\n"
    assert ask(world, "--since", "980") == "running\n"
    assert ask(world) == "running\n"


def test_a_receiver_that_was_stopped_and_told_to_end(there):
    """Whoever asked has gone on: the guest may run at its source."""
    r = Receiver(there, f"{AFTER_GO_THERE}:stop")
    r.put("O", OFFER, STREAM)
    assert [r.get()[0], r.get()[0]] == ["A", "R"]
    r.put("G")
    stopped(r.p.pid)
    r.p.send_signal(signal.SIGTERM)
    r.p.send_signal(signal.SIGCONT)
    kind, done = r.get()
    assert kind == "D" and not done["ok"]
    assert "cancelled before it was let run" in done["reason"]
    assert r.p.wait(timeout=60) == 2
    assert (there.path / "state").read_text() == "gone"
    assert ask(there) == "none\n"


def test_a_guest_comes_here(there):
    assert Receiver(there).receive()[:2] == (0, "ARD")
    assert (there.path / "state").read_text() == "running"
    there.put("state", "gone")
    assert ask(there) == "running\n"


@pytest.mark.parametrize("fault", [None, "AFTER_RUN"])
def test_a_guest_that_ran_and_was_paused_since(there, fault):
    """By whoever wants it so: asking lets nobody run."""
    Receiver(there, fault and f"{AFTER_RUN}:kill").receive()
    state = there.path / "state"
    assert state.read_text() == "running"
    there.put("state", "paused")
    assert ask(there) == "running\n" and state.read_text() == "paused"
    # It was saved, and its image restored with -p: it never ran as this
    # domain.
    there.put("cpu_time", "0")
    assert ask(there) == "running\n" and state.read_text() == "paused"


def test_xen_says_that_it_ran_where_its_receiver_could_not(world):
    """Which was killed between letting it run and noting that."""
    world.put("state", "paused")
    world.put(f"run/{UUID}.unpause", "")
    world.put("cpu_time", "1000")
    state = world.path / "state"
    assert ask(world) == "running\n" and state.read_text() == "paused"
    # Known now, whatever Xen would say of a domain that is made of it.
    world.put("cpu_time", "0")
    assert ask(world) == "running\n" and state.read_text() == "paused"


def test_a_guest_that_never_came_here_is_left_as_it_is(world):
    """It has the uuid, and was made here: xl create -p."""
    world.put("state", "paused")
    assert ask(world) == "running\n"
    assert (world.path / "state").read_text() == "paused"


def test_a_guest_that_is_to_stay_paused(there):
    """Asking, too, leaves it so; and it is forgotten when it comes anew."""
    state = there.path / "state"
    assert Receiver(there).receive(paused=True)[:2] == (0, "ARD")
    assert state.read_text() == "paused"
    assert ask(there) == "running\n" and state.read_text() == "paused"
    there.put("state", "gone")
    assert Receiver(there).receive(paused=False)[:2] == (0, "ARD")
    assert state.read_text() == "running"


@pytest.mark.parametrize("point,answer", [
    (AFTER_READY_THERE, "none"), (AFTER_RUN, "running")])
def test_a_receiver_of_one_that_stays_paused_is_killed(there, point,
                                                       answer):
    Receiver(there, f"{point}:kill").receive(paused=True)
    assert ask(there) == answer + "\n"
    assert (there.path / "state").read_text() == (
        "paused" if answer == "running" else "gone")


def test_an_id_that_another_has_here_is_refused_ahead_of_all(there):
    there.put("state", "running")
    there.put("store/local/domain/5/name", "another")
    uuid = UUID[:-1] + "9"
    config = json.dumps({
        "c_info": {"type": "pvh", "name": "web", "uuid": uuid, "domid": 5},
        "b_info": {"type.pvh": {}}})
    r = Receiver(there)
    r.put("O", OFFER | {"limits": OFFER["limits"] | {"uuid": uuid},
                        "config": config})
    kind, answer = r.get()
    assert kind == "A" and not answer["accepted"]
    assert "is to keep its id 5, which another domain has here" in \
        answer["reason"]
    r.p.stdin.close()
    assert r.p.wait(timeout=60) == 2
    assert (there.path / "state").read_text() == "running"


@pytest.mark.parametrize("point,heard,answer", [
    (AFTER_OFFER, "", "none"), (AFTER_RESTORE, "A", "none"),
    (AFTER_READY_THERE, "AR", "none"), (AFTER_GO_THERE, "AR", "none"),
    (AFTER_RUN, "AR", "running")])
def test_a_receiver_that_is_killed(there, point, heard, answer):
    r = Receiver(there, f"{point}:kill").receive()
    assert r[:2] == (-signal.SIGKILL, heard), r
    state = there.path / "state"
    assert state.read_text() == (
        "gone" if point == AFTER_OFFER else
        "running" if answer == "running" else "paused")
    assert ask(there) == answer + "\n"
    assert state.read_text() == ("gone" if answer == "none" else "running")


def test_what_a_killed_receiver_left_is_in_nobodys_way(there):
    """The sender, whose guest runs on, sends it again."""
    Receiver(there, f"{AFTER_READY_THERE}:kill").receive()
    assert (there.path / "state").read_text() == "paused"
    r = Receiver(there).receive()
    assert r[:2] == (0, "ARD"), r
    assert (there.path / "state").read_text() == "running"


@pytest.mark.parametrize("fault", [None, f"{AFTER_RESTORE}:kill"])
def test_an_emulator_has_no_part_in_the_link(there, fault):
    """It lives as long as the guest: a sender would wait for the link's
    end, and with a receiver that was killed for its answer."""
    there.put("emulator", "")
    r, start = Receiver(there, fault), time.monotonic()
    rc, heard, _ = r.receive()
    emulator = int((there.path / "emulator").read_text())
    try:
        assert (rc, heard) == ((-signal.SIGKILL, "A") if fault
                               else (0, "ARD"))
        assert r.ended and time.monotonic() < start + 20    # of 60
    finally:
        os.kill(emulator, signal.SIGKILL)
