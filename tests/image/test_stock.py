# SPDX-License-Identifier: LGPL-2.1-only
"""Against Debian's verify-stream-v2 ("make stock"): on whole images both
find nothing wrong; the table in the docs is its own."""

import re
import struct

import pytest

import build_image as b
import golden
import stock_table
from damages import DAMAGES
from final_state import read_state
from test_verify import GUESTS, TOP, built, name_of, run    # noqa: F401

# What verify-stream-v2 knows: no memory record, no checkpoints.
KNOWN = [g | {"version": v, "live": live, "verify": live, "container": c}
         for g in GUESTS for v in (2, 3) for live in (False, True)
         for c in ("xl", "libxl", "libxc")]


@pytest.fixture(name="stock", scope="module")
def stock_fixture():
    found = stock_table.find_stock()
    assert found, stock_table.NONE
    return found


@pytest.mark.parametrize("kw", KNOWN, ids=name_of)
def test_both_take_a_whole_image(stock, kw):
    im = stock_table.without_xenstore(b.build(**kw))
    status, said = stock_table.run_stock(stock, im.bytes(), kw["container"])
    assert (status, said) == (0, "")
    assert run("verify", im.bytes())[0] == 0


def without_its_xenstore(data):
    """As stock_table.without_xenstore(), of any image."""
    emulator_xenstore_data = 2
    for stream, kind, body in read_state(data).records:
        if (stream, kind) == ("libxl", emulator_xenstore_data):
            record = struct.pack("<II", kind, len(body)) + body
            record += bytes(-len(body) % 8)
            assert data.count(record) == 1
            data = data.replace(record, b"")
    return data


@pytest.mark.parametrize("path", [
    p for p in golden.streams() if p.stem.endswith("-stock")],
    ids=lambda p: p.stem)
def test_both_take_an_image_of_stock_s(stock, path):
    data = without_its_xenstore(golden.unpacked(path))
    assert stock_table.run_stock(stock, data) == (0, "")
    status, got = run("verify", data)
    assert (status, got["faults"]) == (0, [])


def test_stock_refuses_what_the_docs_say_it_does_not_know(stock):
    for kw in ({}, {"guest": "pv", "big": True},
               {"guest": "pvh", "record": b.OPTIONAL},
               {"guest": "pvh", "checkpoints": 1}):
        data = b.build(**kw).bytes()
        assert run("verify", data)[1]["faults"] == []
        assert stock_table.run_stock(stock, data)[0] != 0, kw


def rows():
    docs = (TOP / "docs/image.md").read_text()
    text = docs.split(stock_table.BEGIN)[1].split(stock_table.STOP)[0]
    return re.findall(r"^\| (.+) \| ([A-Z]\d+) \| (.+) \|$", text, re.M)


def test_the_table_has_each_damage():
    assert [r[:2] for r in rows()] == [(d.name, d.rule) for d in DAMAGES]


@pytest.mark.parametrize("k", range(0, len(DAMAGES), 8))
def test_the_table_is_what_the_script_makes(stock, k, monkeypatch):
    monkeypatch.setattr("damages.DAMAGES", DAMAGES[k:k + 1])
    assert f"| {' | '.join(rows()[k])} |" == stock_table.table(stock)[-1]
