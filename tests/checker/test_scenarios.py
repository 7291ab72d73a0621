# SPDX-License-Identifier: LGPL-2.1-only
"""What the lab's scenarios say of themselves, and the list of those that
make check runs, against what pytest finds."""

import functools
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab"
sys.path.insert(0, str(LAB))

from xenlab import scenarios                            # noqa: E402


collect = functools.cache(scenarios.collect)


@pytest.fixture(scope="module", params=[True, False],
                ids=["check-all", "check"])
def found(request):
    return request.param, {s.id: s for s in collect(request.param)}


def test_the_name_says_how_many_round_trips(found):
    everything, known = found
    names = [i for i in known if "test_there_and_back" in i]
    assert len(names) == 9
    trips = "-10-trips]" if everything else "-1-trips]"
    assert all(n.endswith(trips) for n in names), names


def test_what_a_name_says_is_what_is_driven(found):
    """By the names that say it, which say it by parameters."""
    for s in found[1].values():
        words = s.id.rpartition("[")[2].rstrip("]")
        assert "virsh" not in words or s.client == "virsh"
        assert "xl-ext" not in words or s.client == "xl-ext"
        assert set(words.split("-")).isdisjoint({"pv", "pvh", "hvm"}) or \
            s.kind in words.split("-"), s


def test_two_hosts_are_one_file(found):
    """tests/run shares the cores out by it."""
    for s in found[1].values():
        assert (s.hosts == "two") == s.id.startswith("test_two_hosts.py"), s


def test_the_spread_names_scenarios_that_exist():
    rows = [line.split() for line in
            (LAB / "spread").read_text().splitlines()
            if line and not line.startswith("#")]
    names = [name for name, _ in rows]
    assert len(set(names)) == len(names)
    known = {s.id for s in collect(False)}
    assert names and not set(names) - known


def test_a_scenario_that_says_nothing_is_refused():
    class Item:
        path, name, fixturenames = Path("test_x.py"), "test_y", []

        @staticmethod
        def iter_markers(_):
            return iter([SimpleNamespace(kwargs={"kind": "pv"})])

    with pytest.raises(ValueError, match="client None, kind pv"):
        scenarios.describe(Item)
