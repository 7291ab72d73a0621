# SPDX-License-Identifier: LGPL-2.1-only
"""Against Debian's verify-stream-v2, where it is installed: on whole
images both find nothing wrong; the table in the docs is its own."""

import re

import pytest

import build_image as b
import stock_table
from damages import DAMAGES
from test_verify import GUESTS, TOP, built, name_of, run    # noqa: F401

STOCK = stock_table.find_stock()
needs_stock = pytest.mark.skipif(
    not STOCK, reason="no verify-stream-v2: xen-utils is not installed")

# What verify-stream-v2 knows: no memory record, no checkpoints.
KNOWN = [g | {"version": v, "live": live, "verify": live, "container": c}
         for g in GUESTS for v in (2, 3) for live in (False, True)
         for c in ("xl", "libxl", "libxc")]


@needs_stock
@pytest.mark.parametrize("kw", KNOWN, ids=name_of)
def test_both_take_a_whole_image(kw):
    im = stock_table.without_xenstore(b.build(**kw))
    status, said = stock_table.run_stock(STOCK, im.bytes(), kw["container"])
    assert (status, said) == (0, "")
    assert run("verify", im.bytes())[0] == 0


@needs_stock
def test_stock_refuses_what_the_docs_say_it_does_not_know():
    for kw in ({}, {"guest": "pv", "big": True},
               {"guest": "pvh", "record": b.OPTIONAL},
               {"guest": "pvh", "checkpoints": 1}):
        data = b.build(**kw).bytes()
        assert run("verify", data)[1]["faults"] == []
        assert stock_table.run_stock(STOCK, data)[0] != 0, kw


def rows():
    docs = (TOP / "docs/image.md").read_text()
    text = docs.split(stock_table.BEGIN)[1].split(stock_table.STOP)[0]
    return re.findall(r"^\| (.+) \| ([A-Z]\d+) \| (.+) \|$", text, re.M)


def test_the_table_has_each_damage():
    assert [r[:2] for r in rows()] == [(d.name, d.rule) for d in DAMAGES]


@needs_stock
@pytest.mark.parametrize("k", range(0, len(DAMAGES), 8))
def test_the_table_is_what_the_script_makes(k, monkeypatch):
    monkeypatch.setattr("damages.DAMAGES", DAMAGES[k:k + 1])
    assert f"| {' | '.join(rows()[k])} |" == stock_table.table(STOCK)[-1]
