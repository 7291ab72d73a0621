# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext on real guests: what it shows is what Xen has, and what it
freezes by hand is frozen, thawed, and never forgotten."""

import json

import pytest

from test_freeze import settings
from xenlab.guest import SMALL
from xenlab.host import XL_EXT
from xenlab.traces import (bound, goes_on, guardians, journals,
                           nothing_left)

pytestmark = pytest.mark.drives(client="xl-ext", kind="pvh")


def xl_ext(host, words, rc=0, env=None):
    """What it prints, if it ends with @rc."""
    r = host.run(f"{XL_EXT} {words}", check=False, timeout=300, env=env)
    assert r.rc == rc, (r.rc, r.stdout, r.stderr)
    if rc == 2:
        assert r.stdout == "" and r.stderr.count("\n") == 1, r.stderr
        return r.stderr
    return r.stdout


def xl_json(host, words, rc=0, env=None):
    command, _, rest = words.partition(" ")
    return json.loads(xl_ext(host, f"{command} --json {rest}", rc, env))


def states(host, g):
    """Name of a backend -> where it stands."""
    return {b["name"].replace(f"-{g.domid}-", "-"): b["state"]
            for b in xl_json(host, f"backends {g.domid}")["backends"]
            if b["kind"] in ("vbd", "vif")}


CONNECTED = {"vbd-51712": "connected", "vif-0": "connected"}
FROZEN = {"vbd-51712": "frozen", "vif-0": "frozen"}


def test_memory_and_policy(guest, host):
    g = guest("pvh", **SMALL)
    g.raise_limit()
    env = settings(host, memory_bump="strict")

    table = xl_json(host, "memory")
    assert [d["name"] for d in table["domains"]] == [g.name]
    d = table["domains"][0]
    live = g.limits()
    assert d["limits"]["domid"] == g.domid
    for key in ("max_pages", "tot_pages"):
        assert d["limits"][key] == live[key]
    assert d["raise_pages"] == (live["max_pages"] -
                                d["limits"]["stock_max_kb"] // 4) > 0
    assert d["verdict"]["allowed"] and d["verdict"]["reason"] is None
    assert xl_json(host, f"memory {g.name}")["domains"][0][
        "raise_pages"] == d["raise_pages"]

    # A verdict that says no, and a save that is told the same.
    v = xl_json(host, f"memory {g.domid}", 1, env)["domains"][0]["verdict"]
    assert v["over_pages"] == d["raise_pages"]
    r = g.save(ext=True, check=False, env=env)
    assert r.rc != 0 and v["reason"] in r.stderr
    g.wait_alive()
    assert "strict" in xl_ext(host, "policy", env=env)
    report = xl_json(host, f"policy {g.domid}", env=env)
    assert report["domain"] == g.name
    assert report["values"][0] == {
        "key": "memory_bump", "value": "strict", "origin": "file",
        "line": 1, "entry": 0, "variable": None}
    assert "see xl list" in xl_ext(host, "memory nobody", 2)
    assert "see xl list" in xl_ext(host, "backends 30000", 2)


@pytest.mark.parametrize("kind", ["pvh", "pv"])
def test_freeze_and_thaw_by_hand(guest, host, kind):
    g = guest(kind, **SMALL)
    assert states(host, g) == CONNECTED
    assert "neither suspended nor paused" in xl_ext(
        host, f"freeze {g.name}", 2)
    nothing_left(host, g)

    host.run(f"xl pause {g.name}")
    report = xl_json(host, f"freeze {g.name}")
    assert report["detached"] == report["backends"] == 2
    assert report["unfrozen"] == 0
    assert states(host, g) == FROZEN
    assert guardians(host) and journals(host)
    assert not any(bound(host, g.domid).values())
    assert "frozen by hand" in xl_ext(host, f"freeze {g.name}", 2)
    assert states(host, g) == FROZEN

    # Thawed by hand, the guest stays paused.
    xl_ext(host, f"thaw {g.name}")
    nothing_left(host, g)
    assert states(host, g) == CONNECTED
    xl_ext(host, f"thaw {g.name}")
    host.run(f"xl unpause {g.name}")
    goes_on(g)

    # Thawed by running again.
    host.run(f"xl pause {g.name}")
    xl_ext(host, f"freeze {g.name}")
    assert states(host, g) == FROZEN
    host.run(f"xl unpause {g.name}")
    nothing_left(host, g)
    goes_on(g)


def test_a_freeze_that_is_killed_leaves_nothing_frozen(guest, host):
    g = guest("pvh", **SMALL)
    # Guardian there, disk unbound, all frozen, journal held.
    for point in (16, 22, 28, 29):
        host.run(f"xl pause {g.name}")
        r = host.run(f"{XL_EXT} freeze {g.name}", check=False,
                     env={"LIBXL_EXT_FAULT": f"{point}:kill"})
        assert r.rc == 137, (point, r)
        nothing_left(host, g)
        host.run(f"xl unpause {g.name}")
        goes_on(g)
    # The guardian ends with a domain that ends frozen.
    host.run(f"xl pause {g.name}")
    xl_ext(host, f"freeze {g.name}")
    host.run(f"xl destroy {g.name}")
    host.run("for i in $(seq 100); do"
             " [ -e /run/libxl-ext/*.journal ] || exit 0; sleep 0.1;"
             " done; exit 1")
    assert not guardians(host)


def test_run_has_the_plug_in_active(guest, host):
    g = guest("pvh", **SMALL)
    r = host.run(f"{XL_EXT} run -- xl save {g.name} {g.save_path}",
                 timeout=600)
    assert "optional record" in r.stderr
    g.set_mark()
    host.run(f"{XL_EXT} run xl restore {g.save_path}", timeout=600)
    g.wait_alive()
    v = xl_json(host, "version")
    assert v["helper"] == "/opt/libxl-ext/libxl-ext-save-helper"
