# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext save, restore and migrate: the library's operations, end to end.

Both ends of a migration are this one host, joined by a pipe; what cuts a
link between two real hosts is another scenario's.
"""

import json
import os
import re
import shlex
import time

import pytest

from xenlab.guest import SMALL, WRONG, same_limits
from xenlab.host import EXT, WORK, XL_EXT
from xenlab.traces import naps, wait_for_nap

pytestmark = pytest.mark.drives(client="xl-ext", kind="pvh")
ALL = os.environ.get("LXE_ALL") == "1"
KINDS = ["pvh", "pv", "hvm"] if ALL else ["pvh"]
MANDATORY = "Mandatory record 0x4c58"
RECEIVE = f"{XL_EXT} migrate-receive -v"

GUARD_POINTS = {"precopy": 6, "suspend": 8, "freeze": 10, "last_pass": 13}


def xl_ext(g, args, check=True, env=None, what="save"):
    """Runs a command on the guest; the outcome is in .json."""
    g.set_mark()
    r = g.host.run(f"{XL_EXT} {args}", check=check, env=env, timeout=600)
    if "--json" in args and r.stdout:
        r.json = json.loads(r.stdout)
    if what == "save":
        g.set_mark()
    r.wrong_frames = len(WRONG.findall(r.stderr))
    return r


def save(g, *options, **kwargs):
    return xl_ext(g, f"save {' '.join(options)} {g.name} {g.save_path}",
                  **kwargs)


def restore(g, *options, **kwargs):
    return xl_ext(g, f"restore {' '.join(options)} {g.save_path}",
                  what="restore", **kwargs)


def migrate(g, *options, receive=RECEIVE, **kwargs):
    return xl_ext(g, f"migrate -s '' {' '.join(options)} {g.name} "
                  f"{shlex.quote(receive)}", **kwargs)


def left_over(host):
    """Sockets, locks and half-written images that an operation left."""
    return host.run("ls /run/libxl-ext 2>/dev/null |"
                    " grep -Ev '[.](log|given)$'; "
                    f"ls {WORK} | grep part-", check=False).out


def runs_on(g, within=None):
    """The guest does; @within: seconds from now until it has said so."""
    start = time.monotonic()
    g.set_mark()
    g.wait_alive(reports=1 if within else 3)
    if within:
        assert time.monotonic() - start < within
        g.wait_alive()


@pytest.mark.parametrize("kind", KINDS)
def test_raised_guest_is_saved_and_restored(guest, kind):
    g = guest(kind, **SMALL)
    raised = g.raise_limit()
    r = save(g, "--json")
    out = r.json
    assert out["state"] == "gone" and out["file"] == g.save_path
    assert out["result"]["limits_sent"]["max_pages"] == raised["max_pages"]
    assert out["result"]["bytes"] > raised["tot_pages"] * 4096 * 0.9
    phases = [p["phase"] for p in out["result"]["phases"]]
    assert phases[0] == "judge" and phases[-1] == "done"
    assert {"suspend", "freeze", "last_pass"} <= set(phases)
    assert len(out["result"]["backends"]) >= 2
    assert not g.exists and not left_over(g.host)
    restores = g.host.verify(g.save_path)["restores"]
    assert [restores[h]["fate"] for h in ("stock", "libxl_ext")] == [
        "restored" if kind == "pv" else "refused", "restored"]

    # Stock libxl refuses the carrier, before there is a page, with our
    # helper or without.  That xl 4.17 crashes as it does so, and leaves an
    # empty domain, is its own.  The pages of the PV guest fit what stock
    # would set, so its image is for stock, too.
    for ext in () if kind == "pv" else (False, True):
        r = g.restore(ext=ext, check=False)
        assert r.rc != 0 and "Unrecognised record 0x00004c58" in r.stderr
        assert "populate" not in r.stderr.lower()
        g.host.run(f"xl destroy {g.name}", check=False)

    out = restore(g, "--json").json
    assert out["state"] == "running" and out["guest"] == g.name
    assert out["result"]["limits_applied"]["max_pages"] == \
        raised["max_pages"]
    g.wait_alive()
    same_limits(raised, g.limits())


def test_unraised_image_is_stocks_and_stocks_is_ours(guest):
    g = guest("pvh", **SMALL)
    before = g.limits()
    save(g)
    g.restore(ext=False)
    g.wait_alive()
    g.save(ext=False)
    restore(g)
    g.wait_alive()
    same_limits(before, g.limits())


def test_both_carriers_must_agree(guest, host):
    g = guest("pvh", **SMALL)
    save(g, "--carrier=both")
    g.host.run(f"cp {g.save_path} {g.save_path}.whole")
    restore(g)
    g.wait_alive()
    host.run(f"xl destroy {g.name}")
    # max_pages of the record in libxl's stream, one page more.
    host.run("python3 - <<'END'\n"
             f"p = {g.save_path!r}\n"
             "d = bytearray(open(p + '.whole', 'rb').read(1 << 20))\n"
             "i = d.index(b'LibxlFmt') + 16\n"
             "assert d[i:i + 2] == b'XL'\n"
             "d[i + 8 + 24] ^= 1\n"
             "f = open(p, 'r+b'); f.seek(0); f.write(d)\n"
             "END")
    r = restore(g, check=False)
    assert r.rc == 2 and "differ from byte 24" in r.stderr
    assert not g.exists


@pytest.mark.parametrize("live", [True, False])
def test_checkpoint_and_paused(guest, live):
    g = guest("pvh", **SMALL)
    option = ["--live"] if live else []
    r = save(g, "-c", "--json", *option)
    assert r.json["state"] == "running"
    assert r.json["result"]["stop"]["suspend_us"] > 0
    runs_on(g)
    r = save(g, "-p", "--json", *option)
    assert r.json["state"] == "paused"
    g.host.run(f"xl unpause {g.name}")
    runs_on(g)
    # Its disk has gone on since: what is restored must be newer.
    save(g, "-p", *option)
    g.host.run(f"xl destroy {g.name}")
    restore(g, "-p")
    assert g.flags().startswith("--p")
    g.host.run(f"xl unpause {g.name}")
    g.wait_alive()


# Waits for the nap, cancels, and takes the time to the program's end in
# dom0 itself: an ssh to it takes seconds of its own.  Not SIGINT, which a
# shell lets what it starts in the background ignore.
CANCEL = """
{command} 2>{work}/err & p=$!
i=0
until {naps}
do i=$((i+1)); [ $i -lt 900 ] || exit 99; sleep 0.1; done
read a rest < /proc/uptime
kill -TERM $p; wait $p; rc=$?
read b rest < /proc/uptime
echo $rc $a $b
"""


def cancel(host, command, point):
    """Status, seconds and standard error of a command that is told to
    stop while its helper naps at a fault point."""
    r = host.run(CANCEL.format(command=command, work=WORK, naps=naps()),
                 timeout=300, env={"LIBXL_EXT_FAULT": f"{point}:nap"})
    rc, begin, end = r.out.split()
    return int(rc), float(end) - float(begin), host.read(f"{WORK}/err")


@pytest.mark.parametrize("phase", GUARD_POINTS)
def test_cancel_leaves_a_running_guest_within_5_s(guest, host, phase):
    """The operation is in the phase, and stays there: the helper naps."""
    g = guest("pvh", **SMALL)
    g.set_mark()
    rc, took, err = cancel(host, f"{XL_EXT} save --live {g.name}"
                           f" {g.save_path}", GUARD_POINTS[phase])
    print(f"cancel in {phase}: {took:.1f} s")
    assert rc == 2 and "cancelled" in err, err
    assert err.splitlines()[-1].endswith("running"), err
    assert took < 5, f"{took:.1f} s"
    runs_on(g)
    assert not left_over(host)
    # And it can be saved after that.
    save(g)
    restore(g)
    g.wait_alive()


def test_cancel_of_a_restore_leaves_nothing(guest, host):
    g = guest("pvh", **SMALL)
    save(g)
    rc, took, err = cancel(host, f"{XL_EXT} restore {g.save_path}", 45)
    print(f"cancel of a restore: {took:.1f} s")
    assert rc == 2 and "cancelled" in err, err
    assert took < 5, f"{took:.1f} s"
    assert not g.exists and not left_over(host)
    restore(g)
    g.wait_alive()


def test_full_disk(guest, host):
    """The guest runs on, and no part of an image is left."""
    g = guest("pvh", **SMALL)
    host.run(f"mkdir -p {WORK}/small && mount -t tmpfs -o size=20m small"
             f" {WORK}/small")
    try:
        for option in ("", "--live"):
            r = xl_ext(g, f"save {option} {g.name} {WORK}/small/image",
                       check=False)
            assert r.rc == 2 and "No space left" in r.stderr
            assert f"{g.name} is on" in r.stderr.splitlines()[-1]
            assert r.stderr.splitlines()[-1].endswith("running")
            runs_on(g)
            assert host.run(f"ls -A {WORK}/small").out == ""
    finally:
        host.run(f"umount {WORK}/small")
    assert not left_over(host)


def test_second_operation_is_refused(guest, host):
    g = guest("pvh", **SMALL)
    p = host.spawn(f"exec {XL_EXT} save --live {g.name} {g.save_path}",
                   env={"LIBXL_EXT_FAULT": "6:sleep"})
    wait_for_nap(host)
    r = xl_ext(g, f"save {g.name} {WORK}/second", check=False)
    assert r.rc == 2
    assert re.search(r"a save by process \d+ \(xl-ext\) is under way",
                     r.stderr), r.stderr
    assert host.run(f"ls {WORK} | grep second", check=False).out == ""
    # xl, with our helper, meets the same lock.
    r = g.save(f"{WORK}/third", ext=True, check=False)
    assert r.rc != 0 and "is under way" in r.stderr
    host.run("pkill -INT -x xl-ext")
    assert p.wait(timeout=60) == 2
    runs_on(g)


def test_guest_that_somebody_lets_run_in_the_last_pass(guest, host):
    """A second xl that fails lets the guest go on: so the first image
    holds two moments, and must not be taken for one."""
    g = guest("pvh", **SMALL)
    p = host.spawn(f"exec {XL_EXT} save --live {g.name} {g.save_path}",
                   env={"LIBXL_EXT_FAULT": "12:nap"})
    wait_for_nap(host)
    r = g.save(f"{WORK}/second", ext=True, check=False)
    assert r.rc != 0
    p.wait(timeout=90)
    err = p.stderr.read()
    # libxenguest looks when the callback returns, the helper at the end.
    assert p.returncode == 2, err
    assert "has not been suspended" in err or "let it run again" in err
    runs_on(g)
    assert not left_over(host)


@pytest.mark.parametrize("kind", KINDS)
def test_migration(guest, host, kind):
    g = guest(kind, **SMALL)
    raised = g.raise_limit()
    wrong = 0
    for _ in range(3 if ALL else 1):
        r = migrate(g, "--json", "--verify")
        wrong += r.wrong_frames
        assert r.json["error"] is None
        assert r.json["result"]["operation"] == "migrate"
        g.wait_alive()
        assert list(host.domains()) == [g.name]
        same_limits(raised, g.limits())
    print(f"wrong frames: {wrong}")
    assert wrong == 0
    assert not left_over(host)


def test_migration_to_a_stock_peer(guest, host):
    g = guest("pvh", **SMALL)
    before = g.limits()
    migrate(g, receive="xl migrate-receive")
    g.wait_alive()
    same_limits(before, g.limits())
    raised = g.raise_limit()
    r = xl_ext(g, f"precheck -s '' --to 'xl migrate-receive' {g.name}",
               check=False)
    assert r.rc == 1 and "stock xl" in r.stdout
    over = raised["max_pages"] - before["max_pages"]
    assert f"{over} pages" in r.stdout
    r = migrate(g, receive=f"tee {WORK}/sent | xl migrate-receive",
                check=False)
    assert r.rc == 2 and "install libxl-ext there" in r.stderr
    assert host.run(f"stat -c %s {WORK}/sent").out == "0"
    runs_on(g)
    same_limits(raised, g.limits())


def test_precheck(guest, host):
    g = guest("pvh", **SMALL)
    r = xl_ext(g, f"precheck -s '' --to {shlex.quote(RECEIVE)} {g.name}")
    assert "it would be taken" in r.stdout
    host.run(f"printf 'memory_bump = \"strict\"\\n' > {WORK}/strict.conf")
    raised = g.raise_limit()
    strict = f"LIBXL_EXT_CONFIG={WORK}/strict.conf {RECEIVE}"
    r = xl_ext(g, f"precheck --json -s '' --to {shlex.quote(strict)}"
               f" {g.name}", check=False)
    assert r.rc == 1 and not r.json["answer"]["accepted"]
    assert r.json["answer"]["over_pages"] == 2048
    # And the migration itself says the same, before a byte moves.
    r = migrate(g, receive=strict, check=False)
    assert r.rc == 2 and "2048 pages" in r.stderr
    runs_on(g)
    same_limits(raised, g.limits())
    assert list(host.domains()) == [g.name]


BAD_PEERS = {
    "garbage": ("echo Welcome to this host; sleep 60", "greets with"),
    "nothing": ("sleep 60", "no greeting from the receiver within 2000 ms"),
    "gone": ("true", "the link to the receiver ended"),
    "endless": ("yes | tr -d '\\n'", "greets with"),
    "hangs": (f"printf 'xl-ext migration receiver ready, protocol 1\\n';"
              " sleep 60", "no answer from the receiver within 2000 ms"),
    "long": (f"printf 'xl-ext migration receiver ready, protocol 1\\n"
             "A\\000\\000\\000\\377\\377\\377\\377'; sleep 60",
             "above the bound of 1048576"),
    "turn": (f"printf 'xl-ext migration receiver ready, protocol 1\\n"
             "R\\000\\000\\000\\002\\000\\000\\000{}'; sleep 60",
             "was due"),
    "json": (f"printf 'xl-ext migration receiver ready, protocol 1\\n"
             "A\\000\\000\\000\\003\\000\\000\\000{x}'; sleep 60",
             "migrate_answer"),
}


def test_bad_peers(guest, host):
    g = guest("pvh", **SMALL)
    before = g.limits()
    for name, (peer, says) in BAD_PEERS.items():
        r = migrate(g, "--timeout=2000", receive=peer, check=False)
        assert r.rc == 2 and says in r.stderr, f"{name}: {r.stderr}"
        assert r.stderr.splitlines()[-1].endswith("running"), name
        print(f"{name}: {r.stderr.splitlines()[0]}")
    runs_on(g)
    same_limits(before, g.limits())
    assert not left_over(host)


# In the place of ssh: what is said again over a new link gets through,
# the first link is cut where CUT says.
FAKE_SSH = f"""#!/bin/sh
PATH={EXT}:$PATH
case $2 in *--ask*) exec sh -c "$2";; esac
case $CUT in
to:*)   python3 {WORK}/cut "${{CUT#to:}}" | sh -c "$2";;
from:*) sh -c "$2" | python3 {WORK}/cut "${{CUT#from:}}";;
esac
"""

# Passes octets on up to so many, or up to a message of a type, which is
# written alone and so is read alone.
CUT = """import os, sys
what, passed = sys.argv[1], 0
while True:
    data = os.read(0, 65536)
    if not data or data[:4] == what.encode() + b"\\0\\0\\0":
        sys.exit()
    if what.isdigit() and passed + len(data) > int(what):
        sys.exit()
    passed += len(data)
    while data:
        data = data[os.write(1, data):]
"""

CUTS = {                        # where, and where the guest is then
    "to:20000000": "here",      # within the precopy
    "from:A": "here",           # the answer is lost
    "from:R": "here",           # the last byte came, READY is lost
    "to:G": "here",             # GO is lost: the other end has destroyed
    "from:D": "there",          # DONE is lost: it runs at the other end
}


def test_link_that_is_cut(guest, host):
    """Exactly one guest runs, whatever was lost; its disk is churned and
    checked all the time."""
    g = guest("pvh", **SMALL)
    before = g.limits()
    host.write(f"{WORK}/ssh", FAKE_SSH)
    host.write(f"{WORK}/cut", CUT)
    host.run(f"chmod 755 {WORK}/ssh")
    for cut, where in CUTS.items():
        domid = g.domid
        r = xl_ext(g, f"migrate --json -s {WORK}/ssh {g.name} other",
                   check=False, env={"CUT": cut})
        assert r.json["migrated"] == where, f"{cut}: {r.stderr}"
        only_one(host, g)
        assert (g.domid == domid) == (where == "here")
        same_limits(before, g.limits())
        print(f"cut at {cut}: one guest, {where}; "
              f"{r.stderr.splitlines()[-1]}")
    assert not left_over(host)


def test_peer_that_cannot_be_asked(guest, host):
    """DONE is lost and the host is gone: never two, and a way out."""
    g = guest("pvh", **SMALL)
    host.write(f"{WORK}/ssh",
               FAKE_SSH.replace('exec sh -c "$2"', "exit 1"))
    host.write(f"{WORK}/cut", CUT)
    host.run(f"chmod 755 {WORK}/ssh")
    r = xl_ext(g, f"migrate --json -s {WORK}/ssh {g.name} other",
               check=False, env={"CUT": "to:G"})
    assert r.rc == 2 and r.json["migrated"] == "unknown"
    assert r.json["state"] == "suspended"
    assert re.search(r"libxl-ext-guardian --resume \d+ --force", r.stderr)
    away = f"{g.name}--migratedaway"
    assert list(host.domains()) == [away]
    domid = host.domains()[away]
    host.run(f"{EXT}/libxl-ext-guardian --resume {domid} --force")
    assert list(host.domains()) == [g.name]
    runs_on(g)


# Points of the sender and of the receiver, and who has the guest when the
# process is killed there.  62 and 63 are behind the sender's word: only
# a person knows whether GO was heard.
KILLS = {60: "here", 61: "here", 70: "here", 71: "here", 72: "here",
         73: "here", 74: "there"}
SETTLED_BY_HAND = {62: "none", 63: "running", 64: "running"}


def test_sender_or_receiver_that_is_killed(guest, host):
    g = guest("pvh", **SMALL)
    host.write(f"{WORK}/ssh", FAKE_SSH + 'exec sh -c "$2"\n')
    host.run(f"chmod 755 {WORK}/ssh")
    points = KILLS if ALL else {60: "here", 71: "here", 74: "there"}
    for point, where in points.items():
        domid = g.domid
        xl_ext(g, f"migrate -s {WORK}/ssh {g.name} other", check=False,
               env={"LIBXL_EXT_FAULT": f"{point}:kill", "CUT": "no"})
        # A receiver that was killed leaves its paused copy.
        host.run(f"xl destroy {g.name}--incoming 2>/dev/null", check=False)
        only_one(host, g)
        assert (g.domid == domid) == (where == "here"), point
        print(f"kill at {point}: one guest, {where}")
    for point, says in SETTLED_BY_HAND.items() if ALL else ():
        uuid = host.run(f"xl list -v {g.name} | tail -1 |"
                        " grep -oE '[0-9a-f-]{36}'").out
        xl_ext(g, f"migrate -s {WORK}/ssh {g.name} other", check=False,
               env={"LIBXL_EXT_FAULT": f"{point}:kill", "CUT": "no"})
        r = host.run(f"{XL_EXT} migrate-receive --ask {uuid}")
        assert r.out == says, f"{point}: {r.out}"
        away = host.domains()[f"{g.name}--migratedaway"] \
            if point != 62 or f"{g.name}--migratedaway" in host.domains() \
            else g.domid
        if says == "running":
            host.run(f"xl destroy {away}")
        else:
            host.run(f"{EXT}/libxl-ext-guardian --resume {away} --force")
        only_one(host, g)
        print(f"kill at {point}: settled by hand, {says}")


def only_one(host, g):
    """Exactly one domain, which runs, under its own name."""
    end = time.monotonic() + 60
    while list(host.domains()) != [g.name]:
        assert time.monotonic() < end, host.domains()
        time.sleep(0.5)
    runs_on(g)
    flags = g.flags()
    assert "s" not in flags and "p" not in flags, flags
