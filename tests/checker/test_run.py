# SPDX-License-Identifier: LGPL-2.1-only
"""tests/run --all in a small checkout, whose scenarios want no lab: what
it was stopped in is run again, and nothing else that passed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
README = "<!-- tested: begin -->\n<!-- tested: end -->\n"
# Each scenario says that it began; what BREAK names does not pass.
SCENARIO = """
import os, signal, time
import pytest
pytestmark = pytest.mark.drives(client="xl", kind="pv")

@pytest.fixture(autouse=True, scope="session")
def versions(record_testsuite_property):
    record_testsuite_property("flavour", os.environ["LAB_FLAVOUR"])
    for name in "debian xen tools linux qemu libvirt".split():
        record_testsuite_property(name, "1")

@pytest.fixture
def pair():
    class Pair:
        hosts = []
        def join(self): pass
    return Pair()

def begin(name):
    with open(os.environ["LOG"], "a") as f:
        f.write(os.environ["LAB_FLAVOUR"] + " " + name + "\\n")
    if os.environ.get("BREAK") == name + " fails":
        assert False
    if os.environ.get("BREAK") == name + " stops":
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(60)
    if os.environ.get("BREAK") == name + " is killed":
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
"""
ONE = SCENARIO + "def test_a(): begin('a')\n"
TWO = SCENARIO + "".join(f"def test_{n}(pair): begin('{n}')\n" for n in "bcd")


class Checkout:
    def __init__(self, path):
        self.path, self.log = path / "top", path / "log"
        lab = self.path / "tests/lab"
        shutil.copytree(TESTS / "lab/xenlab", lab / "xenlab",
                        ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("lab/conftest.py", "lab/tested", "run"):
            shutil.copy(TESTS / name, self.path / "tests" / name)
        for name, text in {
                "README.md": README, ".gitignore": "build\n__pycache__\n",
                "docs/x": "", "tests/lab/spread": "test_limits.py::test_a 1\n",
                "tests/lab/lab": "#!/bin/sh\n",
                "tests/lab/scenarios/test_limits.py": ONE,
                "tests/lab/scenarios/test_two_hosts.py": TWO}.items():
            (self.path / name).parent.mkdir(exist_ok=True)
            (self.path / name).write_text(text)
        (lab / "lab").chmod(0o755)
        self.git("init", "-q")
        self.commit()

    def git(self, *words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b",
                        *words], cwd=self.path, check=True)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "x")

    def run(self, *words, **env):
        """(status, what it printed, what of the scenarios began)."""
        self.log.write_text("")
        env = {k: v for k, v in os.environ.items()
               if k not in ("LXE_BUILD", "LXE_POINTS", "LXE_ALL")} | env
        p = subprocess.run(
            ["tests/run", *words, "lab"], cwd=self.path, text=True,
            env=env | {"LOG": str(self.log)}, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return p.returncode, p.stdout, \
            sorted(self.log.read_text().splitlines())

    def rows(self):
        return [line for line in
                (self.path / "docs/tested.md").read_text().splitlines()
                if "::" in line]


@pytest.fixture
def top(tmp_path):
    return Checkout(tmp_path)


BOOKWORM = ("--all", "--flavour", "bookworm")
PAIR = BOOKWORM + ("--hosts", "two")


def last(out):
    return out.splitlines()[-1]


def test_everything_then_nothing_then_all_anew(top):
    status, out, began = top.run("--all")
    assert status == 0 and last(out) == "8 passed, 0 failed, 0 skipped"
    assert began == [f"{f} {n}" for f in ("bookworm", "trixie")
                     for n in "abcd"]
    assert len(top.rows()) == 8
    top.commit()                # the results themselves
    status, out, began = top.run("--all")
    assert status == 0 and last(out) == "8 passed, 0 failed, 0 skipped"
    assert began == [] and out.count("4 of 4 passed before with this") == 2
    _, out, began = top.run(*PAIR, "--fresh")
    assert len(began) == 3 and "before" not in out


@pytest.mark.parametrize("how", ["stops", "is killed"])
def test_a_stop_loses_what_was_under_way(top, how):
    status, _, began = top.run(*PAIR, BREAK=f"c {how}")
    assert status and began == ["bookworm b", "bookworm c"]
    if how == "stops":
        assert len(top.rows()) == 1
    status, out, began = top.run(*PAIR)
    assert status == 0 and last(out) == "3 passed, 0 failed, 0 skipped"
    assert began == ["bookworm c", "bookworm d"]
    assert "1 of 3 passed before with this tree" in out
    assert len(top.rows()) == 3


def test_what_failed_is_run_again(top):
    status, out, _ = top.run(*PAIR, BREAK="c fails")
    assert status == 1 and last(out) == "2 passed, 1 failed, 0 skipped"
    assert sum("| failed |" in row for row in top.rows()) == 1
    assert "**1 failed**" in (top.path / "README.md").read_text()
    status, out, began = top.run(*PAIR)
    assert status == 0 and began == ["bookworm c"]


def test_another_tree_is_run_anew(top):
    top.run(*PAIR)
    (top.path / "docs/x").write_text("1")
    _, out, began = top.run(*PAIR)
    assert len(began) == 3 and "before" not in out
    assert all(row.endswith("+ |") for row in top.rows())
    _, _, began = top.run(*PAIR)        # changes are never the same
    assert len(began) == 3
    top.commit()
    _, _, began = top.run(*PAIR)
    assert len(began) == 3 and not any("+" in row for row in top.rows())


def test_check_is_fresh_and_records_nothing(top):
    top.run(*BOOKWORM)
    before = (top.path / "docs/tested.md").read_text()
    for _ in range(2):
        status, out, began = top.run()
        assert status == 0 and began == ["bookworm a"]
        assert last(out) == "1 passed, 0 failed, 0 skipped"
    assert (top.path / "docs/tested.md").read_text() == before


def test_a_damaged_record_stops_it_at_once(top):
    top.run(*PAIR)
    record = top.path / "docs/tested.md"
    record.write_text(record.read_text() + "<<<<<<< HEAD\n")
    status, out, began = top.run(*PAIR)
    assert status == 1 and began == [] and "docs/tested.md: line" in out


@pytest.mark.parametrize("words", [("--fresh",), ("--hosts", "two"),
                                   ("--all", "--flavour", "sid")])
def test_options_that_say_nothing_are_refused(top, words):
    status, out, began = top.run(*words)
    assert status == 2 and began == [] and "usage" in out
