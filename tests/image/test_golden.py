# SPDX-License-Identifier: LGPL-2.1-only
"""Golden streams are read as they were when they came: all that was said
of them then is said now; a later version may say more."""

import io
import json
import sys
from collections import Counter

import pytest

import golden
from final_state import read_state
from page_walk import Guest
from test_verify import IN_PAGES, TOP, built, run           # noqa: F401

sys.path.insert(0, str(TOP / "tests" / "checker"))

import memory_record                                        # noqa: E402

STREAMS = golden.streams()


def missing(expected, got, where="inspect"):
    """The first place at which @got lacks or changes what is expected."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            if key not in got:
                return f"{where}.{key} is not there"
            at = missing(value, got[key], f"{where}.{key}")
            if at:
                return at
        return None
    if isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            return f"{where} has {len(got)} and not {len(expected)}"
        found = (missing(e, g, f"{where}[{i}]")
                 for i, (e, g) in enumerate(zip(expected, got)))
        return next((at for at in found if at), None)
    return None if expected == got else f"{where}: {got}, not {expected}"


def test_each_stream_has_its_facts_and_none_is_left_over():
    assert STREAMS
    assert {golden.facts_of(p) for p in STREAMS} == set(
        golden.FOLDER.glob("*.json"))
    assert len({golden.facts_of(p) for p in STREAMS}) == len(STREAMS)
    assert {p.suffix for p in golden.FOLDER.iterdir()} <= {
        ".xz", ".zst", ".json", ".md"}


@pytest.mark.parametrize("path", STREAMS, ids=lambda p: p.name)
def test_it_is_read_as_it_was(path, tmp_path):
    data = golden.unpacked(path)
    want = json.loads(golden.facts_of(path).read_text())
    status, got = run("inspect", data, tmp_path)
    assert status == want["status"]
    assert missing(want["inspect"], got) is None
    assert run("inspect", data) == (status, got)
    for place in (tmp_path, None):
        again, out = run("verify", data, place)
        assert again == status
        assert (out["faults"], out["restores"]) == (got["faults"],
                                                    got["restores"])
        again, out = run("verify", data, place, "--quick")
        assert out["faults"] == [f for f in got["faults"]
                                 if f["rule"] not in IN_PAGES]
        if out["faults"] == got["faults"]:
            assert (again, out["restores"]) == (status, got["restores"])


@pytest.mark.parametrize("path", STREAMS, ids=lambda p: p.name)
def test_the_second_reader_finds_the_same_record(path):
    data = golden.unpacked(path)
    want = json.loads(golden.facts_of(path).read_text())["inspect"]
    record = memory_record.read_stream(io.BytesIO(data))["record"]
    if "limits" not in want:
        assert record is None
    else:
        assert want["limits"].items() <= record.items()


TYPES = {0: "NOTAB", 13: "BROKEN", 14: "XALLOC", 15: "XTAB"} | {
    n | pin: f"L{n}TAB{'_PIN' if pin else ''}"
    for n in range(1, 5) for pin in (0, 8)}


@pytest.mark.parametrize("path", STREAMS, ids=lambda p: p.name)
def test_another_reader_finds_the_same_pages(path):
    want = json.loads(golden.facts_of(path).read_text())["inspect"]
    state = read_state(golden.unpacked(path))
    frames = state.frames
    assert want["frames"] == {
        "named": len(frames), "first": min(frames), "last": max(frames),
        "populated": sum(f.populated for f in frames.values())}
    assert want["types"] == Counter(TYPES[f.last] for f in frames.values())
    for verify, copies in ((False, state.copies),
                           (True, state.verify_copies)):
        assert copies == sum(p["data"] for p in want["passes"]
                             if p["verify"] == verify)
    tables = want.get("page_state", {"judged": False})
    if tables["judged"]:
        stream = want["stream"]
        stale, held = Guest(
            state, tuple(map(int, stream["xen"].split("."))),
            stream["vcpus"]).judge()
        assert [f["frame"] for f in tables["stale_frames"]] == sorted(stale)
        assert (tables["stale"], tables["held"]) == (len(stale), len(held))


def test_what_is_packed_comes_back_and_is_small(tmp_path):
    """As an HVM guest's: a million frame numbers, most without a page."""
    data = b"".join((n | 15 << 60).to_bytes(8, "little")
                    for n in range(1 << 20))
    small = golden.packed(data)
    assert len(small) < 16384
    path = tmp_path / "hvm.xz"
    path.write_bytes(small)
    assert golden.unpacked(path) == data


def test_what_changed_is_said_where():
    want = {"a": [{"b": 1}, {"b": 2}], "c": 3}
    assert missing(want, want | {"new": 1}) is None
    for got, words in (({"a": want["a"]}, "inspect.c is not there"),
                       (want | {"c": 4}, "inspect.c: 4, not 3"),
                       (want | {"a": [{"b": 1}]}, "inspect.a has 1"),
                       (want | {"a": [{"b": 1}, {"b": 0, "n": 2}]},
                        "inspect.a[1].b: 0, not 2")):
        assert missing(want, got).startswith(words)
