# SPDX-License-Identifier: LGPL-2.1-only
"""Failed or killed at every fault point, the guest runs on, and the same
operation without the fault succeeds on the same guest.

make check takes a spread of the points, make check-all every one, and
LXE_POINTS=8,16 those two, which is for a look at some of them.
"""

import os
import shlex
import time

import pytest

from xenlab.guest import LIVE, SMALL
from xenlab.traces import goes_on, nothing_left

pytestmark = pytest.mark.drives(client="xl", kind="pvh")
ALL = os.environ.get("LXE_ALL") == "1"
POINTS = {int(n) for n in os.environ.get("LXE_POINTS", "").split(",") if n}
DETACH = "/var/lab/detach.conf"
GUARDIAN = "/opt/libxl-ext/libxl-ext-guardian"
AFTER_COMMIT = 27
UNIT = "lab-save"
AFTER_LINK = 24
# Points that only a detaching freeze reaches.
NEEDS_DETACH = {21, 22}
# Reached by whoever thaws.
THAW = {25, 26}
# An error here is no failure: a card whose link cannot be set down is
# detached instead.
ABSORBED = {23, 24}
SPREAD_SAVE = {8, 22, 25}
SPREAD_RESTORE = {41, 44, 46}
# Where a guest is taken away under the helper.
SPREAD_DIES = {8, 12, 43}
# Where the guest is suspended and the image not whole.
SUSPENDED = {8, 9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 23, 24}
SPREAD_ORPHAN = {24}


def points(host, side, spread=None):
    rows = [line.split(None, 3) for line in host.run(
        "/opt/libxl-ext/libxl-ext-save-helper --list-faults")
        .stdout.splitlines()]
    chosen = {int(r[0]) for r in rows if r[1] == side}
    assert chosen, "not a debug build"
    if POINTS:
        return sorted(chosen & POINTS)
    return sorted(chosen if ALL else chosen & (spread or (
        SPREAD_SAVE if side == "save" else SPREAD_RESTORE)))


def all_is_well(host, g=None):
    """Nothing is left, and every interface is up."""
    nothing_left(host, g, seconds=30)
    down = host.run("ip -br link | grep '^vif' | grep -w DOWN",
                    check=False).out
    assert down == ""


def run_points(host, g, env):
    reached = []
    for point in points(host, "save"):
        if (point in NEEDS_DETACH) != bool(env):
            continue
        for how in ("error", "kill"):
            fault = {"LIBXL_EXT_FAULT": f"{point}:{how}"}
            r = g.save(ext=True, live=True, checkpoint=True, check=False,
                       env=env | fault)
            if point in THAW:
                # A thaw point: reached by whoever thaws, the save itself
                # may well succeed.  A guardian that is killed there is
                # started anew.
                pass
            elif point in ABSORBED and how == "error":
                assert r.rc == 0 and "detaching it" in r.stderr, r.stderr
            else:
                assert r.rc != 0, f"fault {point}:{how} was not reached"
                if how == "error":
                    assert f"fault point {point} " in r.stderr
            goes_on(g)
            reached.append((point, how))
            # The same operation without the fault, on the same guest.
            g.save(ext=True, live=True, checkpoint=True, env=env)
            goes_on(g)
            print(f"point {point} {how}: the guest runs, and the second"
                  " try succeeds")
    all_is_well(host, g)
    return reached


@pytest.mark.parametrize("kind", ["pvh", "hvm", "pv"] if ALL else ["pvh"])
def test_save_faults(guest, host, kind):
    g = guest(kind, **SMALL)
    assert run_points(host, g, {})
    g.save(ext=True)
    g.restore(ext=True)
    g.wait_alive()


def test_save_faults_while_detached(guest, host):
    g = guest("pvh", **SMALL)
    host.write(DETACH, 'freeze_method = "detach"\n')
    assert run_points(host, g, {"LIBXL_EXT_CONFIG": DETACH})
    g.save(ext=True)
    g.restore(ext=True)
    g.wait_alive()


def test_restore_faults(guest, host):
    g = guest("pvh", **SMALL)
    before = g.raise_limit()
    g.save(ext=True)
    for point in points(host, "restore"):
        for how in ("error", "kill"):
            r = g.restore(ext=True, check=False,
                          env={"LIBXL_EXT_FAULT": f"{point}:{how}"})
            assert r.rc != 0, f"fault {point}:{how} was not reached"
            assert not g.exists
    g.restore(ext=True)
    g.wait_alive()
    after = g.limits()
    assert after["max_pages"] == before["max_pages"]
    assert after["tot_pages"] == before["tot_pages"]


def in_unit(args, env):
    """That xl as a unit of its own, which ends when all of it has."""
    words = [f"-E{k}={v}" for k, v in env.items()]
    return (f"systemd-run --wait -q --unit={UNIT} -p Type=oneshot"
            f" {shlex.join(words)} xl {args}")


def stopped_at(host, point, args, env=None, unit=False):
    """The Popen of an xl whose helper stands still at that point."""
    env = host.helper_env(True, LIVE) | {
        "LIBXL_EXT_FAULT": f"{point}:stop"} | (env or {})
    p = (host.spawn(in_unit(args, env)) if unit else
         host.spawn(f"xl {args}", env=env))
    end = time.monotonic() + 120
    while "T" not in host.run("ps -o stat= -C libxl-ext-save-",
                              check=False).out:
        assert p.poll() is None, f"point {point} was not reached: " + \
            p.communicate()[1][-1500:]
        assert time.monotonic() < end, f"point {point} was not reached"
        time.sleep(0.2)
    return p


def killed(host, p, helper=True):
    """The toolstack, and with it the helper that stands still."""
    pids = host.run("ps -o ppid=,pid= -C libxl-ext-save-").out.split()
    assert len(pids) == 2, pids
    host.run(f"kill -9 {pids[0]}")
    host.run(f"kill -{'KILL' if helper else 'CONT'} {pids[1]}")
    p.communicate(timeout=180)


def is_suspended(g):
    return "s" in g.flags()


def taken_away(host, g, p):
    """The domain is destroyed, then the helper goes on."""
    host.run(f"xl destroy {g.name}", check=False, timeout=120)
    host.run("pkill -CONT -x libxl-ext-save-")
    out, err = p.communicate(timeout=180)
    assert not g.exists
    left = host.run("pgrep -x libxl-ext-save-", check=False).out
    assert left == "", "the helper is still there"
    all_is_well(host)
    return out + err


def test_domain_that_dies_at_each_step_of_a_save(guest, host):
    for point in points(host, "save", SPREAD_DIES):
        if point in NEEDS_DETACH or point in THAW:
            continue
        g = guest("pvh", **SMALL)
        p = stopped_at(host, point, f"save {g.name} {g.save_path}")
        text = taken_away(host, g, p)
        # With all pages written there may be an image, or none.
        if point not in (13, 14, AFTER_COMMIT):
            assert p.returncode != 0, f"point {point}: {text}"
            assert "libxl-ext: error: " in text, f"point {point}: {text}"
        g.destroy()


def test_domain_that_dies_at_each_step_of_a_restore(guest, host):
    g = guest("pvh", **SMALL)
    g.raise_limit()
    g.save(ext=True)
    for point in points(host, "restore", SPREAD_DIES):
        p = stopped_at(host, point, f"restore {g.save_path}")
        text = taken_away(host, g, p)
        assert p.returncode != 0, f"point {point}: {text}"
    # The image has lost nothing by it.
    g.restore(ext=True)
    g.wait_alive()


@pytest.mark.parametrize("kind", ["pvh", "hvm", "pv"] if ALL else ["pvh"])
def test_toolstack_that_dies_leaves_a_running_guest(guest, host, kind):
    """libxl resumes a guest whose save failed, and nobody does so where
    libxl is gone."""
    g = guest(kind, **SMALL)
    for point in sorted(SUSPENDED if ALL else SPREAD_ORPHAN):
        killed(host, stopped_at(host, point,
                                f"save {g.name} {g.save_path}"))
        goes_on(g)
        all_is_well(host, g)
    # The helper alone is left, and writes its part to the end.
    killed(host, stopped_at(host, 8, f"save {g.name} {g.save_path}"),
           helper=False)
    goes_on(g)
    all_is_well(host, g)
    g.save(ext=True)
    g.restore(ext=True)
    g.wait_alive()


def test_toolstack_that_dies_when_a_copy_may_exist(guest, host):
    """With all pages written it is not for the guardian to say which
    copy is to run."""
    g = guest("pvh", **SMALL)
    host.write(DETACH, 'freeze_method = "detach"\n')
    killed(host, stopped_at(host, AFTER_COMMIT,
                            f"save {g.name} {g.save_path}",
                            {"LIBXL_EXT_CONFIG": DETACH}))
    time.sleep(10)
    assert is_suspended(g)
    note = host.run(f"cat /run/libxl-ext/{g.domid}.log").out
    assert f"--resume {g.domid} --force" in note
    refused = host.run(f"{GUARDIAN} --resume {g.domid}", check=False)
    assert refused.rc == 1 and "has not ended" in refused.stderr
    assert is_suspended(g)
    host.run(f"{GUARDIAN} --resume {g.domid} --force")
    goes_on(g)
    all_is_well(host, g)


def test_toolstack_that_dies_with_the_guardian_off(guest, host):
    """Killed as well: as with stock tools, and the way out by hand.  One
    that lives lets it run, also where nothing is frozen."""
    g = guest("pvh", **SMALL)
    host.write(DETACH, 'freeze = "off"\n')
    at_suspend = (host, 8, f"save {g.name} {g.save_path}",
                  {"LIBXL_EXT_CONFIG": DETACH})
    killed(host, stopped_at(*at_suspend))
    goes_on(g)
    nothing_left(host)
    p = stopped_at(*at_suspend)
    host.run("pkill -KILL -x libxl-ext-guard")
    killed(host, p)
    time.sleep(10)
    assert is_suspended(g)
    resume = f"{GUARDIAN} --resume {g.domid}"
    host.run(resume)
    goes_on(g)
    again = host.run(resume, check=False)
    assert again.rc == 1 and "is not suspended" in again.stderr
    goes_on(g)


@pytest.mark.parametrize("method", ["auto", "detach"])
def test_unit_that_ends_with_its_save(guest, host, method):
    """xl lets the guest run and ends, and systemd sends SIGTERM to what
    is left of the unit: the guardian, which has to thaw."""
    g = guest("pvh", **SMALL)
    host.write(DETACH, f'freeze_method = "{method}"\n')
    env = host.helper_env(True) | {"LIBXL_EXT_CONFIG": DETACH}
    for _ in range(3):
        host.run(in_unit(f"save -c {g.name} {g.save_path}", env),
                 timeout=300)
        goes_on(g)
        all_is_well(host, g)


def test_unit_that_is_stopped_in_the_midst_of_a_save(guest, host):
    """SIGTERM to xl, helper and guardian at once: nobody but the last
    lets the guest run."""
    g = guest("pvh", **SMALL)
    p = stopped_at(host, AFTER_LINK, f"save {g.name} {g.save_path}",
                   unit=True)
    assert is_suspended(g)
    host.run(f"systemctl stop {UNIT}", timeout=180)
    p.communicate(timeout=180)
    goes_on(g)
    all_is_well(host, g)
    g.save(ext=True)
    g.restore(ext=True)
    g.wait_alive()
