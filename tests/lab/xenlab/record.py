# SPDX-License-Identifier: LGPL-2.1-only
"""docs/tested.md: the newest result of each scenario on each flavour, with
its date, the tree that was tested, and the versions of what it ran on.

It is read as it was written and nothing else: what does not fit is an
error, and then nothing is written.  The same results make the same file,
one line each, so that two checkouts can merge theirs.
"""

import hashlib
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import astuple, dataclass, field

from .flavours import FLAVOURS

OUTCOMES = ("passed", "failed", "skipped")
VERSIONS = ("debian", "xen", "tools", "linux", "qemu", "libvirt")
NAME = r"([0-9a-f]{4,40}|unknown)\+?"
HEAD = """# What was tested

The newest result of each scenario of the lab (tests/lab/scenarios) on each
flavour of the lab, as `make check-all` runs it. tests/lab/tested writes this
file from reports of pytest, and README's table from this file: do not edit it.

A scenario that is not here was not run. `tree` is a hash of all files of the
commit but this one and README.md, so that it stays the same over a rebase; `+`
says that the checkout had changes. `host` names the versions, which are those
of dom0: `xen` is the hypervisor's, `tools` that of Xen's tools and libraries.
"""


class RecordError(Exception):
    """What is wrong with which file, in one line."""


@dataclass(frozen=True)
class Row:
    scenario: str       # test_limits.py::test_eight_cards
    host: str           # flavour-hash of the versions
    outcome: str
    seconds: str
    date: str           # and time at which the session began
    commit: str
    tree: str

    SHAPES = (r"test_\w+\.py::test_[^|\s]+", r"\w+-[0-9a-f]{6}",
              "|".join(OUTCOMES), r"\d+",
              r"\d{4}-\d\d-\d\d \d\d:\d\d", NAME, NAME)

    def __post_init__(self):
        for name, shape in zip(self.__dataclass_fields__, self.SHAPES):
            value = getattr(self, name)
            if not re.fullmatch(shape, value):
                raise RecordError(f"{name} \"{value[:80]}\" is none")
        if self.flavour not in FLAVOURS:
            raise RecordError(f"there is no flavour {self.flavour}")

    @property
    def flavour(self):
        return self.host.rpartition("-")[0]

    @property
    def key(self):
        return self.scenario, self.flavour


HOSTS_COLUMNS = ["host", *VERSIONS]
ROWS_COLUMNS = list(Row.__dataclass_fields__)


@dataclass
class Record:
    rows: dict = field(default_factory=dict)    # by Row.key
    hosts: dict = field(default_factory=dict)   # name -> its versions


def parse(text):
    """A Record of what render() wrote."""
    record, columns = Record(), None
    tables = (HOSTS_COLUMNS, ROWS_COLUMNS)
    for number, line in enumerate(text.splitlines(), 1):
        cells = [c.strip() for c in line.strip("|").split("|")]
        try:
            if cells in tables:
                columns = cells
            elif columns and line and not set(line) <= set("| -"):
                if len(cells) != len(columns) or line[0] != "|":
                    raise RecordError("no row of the table")
                if columns == HOSTS_COLUMNS:
                    record.hosts[cells[0]] = tuple(cells[1:])
                else:
                    add_row(record, Row(*cells))
        except RecordError as e:
            raise RecordError(f"line {number}: {e}") from None
    if columns != ROWS_COLUMNS:
        raise RecordError("it has no table of scenarios")
    return record


def add_row(record, row):
    if row.key in record.rows:
        raise RecordError(f"{row.scenario} is there twice")
    if row.host not in record.hosts:
        raise RecordError(f"no versions of the host {row.host}")
    record.rows[row.key] = row


def render(record):
    def table(columns, rows):
        return "\n".join("| " + " | ".join(cells) + " |" for cells in
                         [columns, ["---"] * len(columns), *rows]) + "\n"
    used = {row.host for row in record.rows.values()}
    hosts = [(name, *record.hosts[name]) for name in sorted(used)]
    rows = [astuple(row) for _, row in sorted(record.rows.items())]
    return "\n".join((HEAD, table(HOSTS_COLUMNS, hosts),
                      table(ROWS_COLUMNS, rows)))


def read(path):
    """A Record; an empty one if there is no such file."""
    try:
        with open(path, encoding="utf-8") as f:
            return parse(f.read())
    except FileNotFoundError:
        return Record()
    except (OSError, UnicodeDecodeError, RecordError) as e:
        raise RecordError(f"{path}: {e}") from None


def outcome(case):
    tags = {child.tag for child in case}
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


def read_report(path):
    """A Record of a JUnit report that the lab's conftest.py completed."""
    try:
        return of_suite(next(ET.parse(path).getroot().iter("testsuite")))
    except StopIteration:
        raise RecordError(f"{path}: no testsuite in it") from None
    except ET.ParseError as e:
        raise RecordError(f"{path}: not XML, or cut: {e}") from None
    except (OSError, ValueError, OverflowError, RecordError) as e:
        raise RecordError(f"{path}: {e}") from None


def of_suite(suite):
    props = {p.get("name"): p.get("value")
             for p in suite.iterfind("properties/property")}
    missing = {"flavour", "commit", "tree", "scope", *VERSIONS} - set(props)
    if missing:
        raise RecordError(f"no property {', '.join(sorted(missing))}: not a"
                          " report of scenarios that saw a lab")
    if props["scope"] != "all":
        raise RecordError("without LXE_ALL=1, or with LXE_POINTS, scenarios"
                          " do less than what is recorded")
    versions = tuple(props[k] for k in VERSIONS)
    if re.search(r"[|\n]", "".join(versions)):
        raise RecordError("a version with a bar or a line break in it")
    digest = hashlib.sha1("\n".join(versions).encode()).hexdigest()
    host = f"{props['flavour']}-{digest[:6]}"
    record = Record({}, {host: versions})
    for case in suite.iter("testcase"):
        file = case.get("classname", "").split(".")[-1]
        row = Row(f"{file}.py::{case.get('name')}", host, outcome(case),
                  str(round(float(case.get("time", "")))),
                  suite.get("timestamp", "")[:16].replace("T", " "),
                  props["commit"], props["tree"])
        # One that failed and could not be tidied up is there twice.
        old = record.rows.get(row.key)
        if not old or old.outcome != "failed":
            record.rows[row.key] = row
    return record


def update(record, new, known):
    """The rows of @new take the place of older ones; rows that are not of
    the scenarios @known go.  Returns (taken, left) of @new."""
    rows = [row for key, row in new.rows.items() if row.scenario in known
            and not (key in record.rows and
                     record.rows[key].date > row.date)]
    record.rows |= {row.key: row for row in rows}
    record.rows = {key: row for key, row in record.rows.items()
                   if row.scenario in known}
    record.hosts |= new.hosts
    return len(rows), len(new.rows) - len(rows)


def replace(texts):
    """{path: text}: each is written whole, and none if one cannot be."""
    for path, text in texts.items():
        with open(f"{path}.part", "w", encoding="utf-8") as f:
            f.write(text)
    for path in texts:
        os.replace(f"{path}.part", path)
