# SPDX-License-Identifier: LGPL-2.1-only
"""The reports of the lab: whole after each scenario, and they say which
tree was tested."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab"
sys.path.insert(0, str(LAB))

from xenlab import tree                                 # noqa: E402


def run_pytest(tmp_path, text, **env):
    """With the lab's conftest.py, but no lab: (status, report)."""
    (tmp_path / "test_it.py").write_text(text)
    report = tmp_path / "r.xml"
    p = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "conftest", "-p",
         "no:cacheprovider", f"--junitxml={report}", "test_it.py"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(LAB)} | env,
        capture_output=True, check=False)
    return p.returncode, ET.parse(report).getroot().find("testsuite")


def results(suite):
    return [(c.get("name"), [x.tag for x in c])
            for c in suite.iter("testcase")]


def test_report_of_a_run_that_is_killed_has_what_came_before(tmp_path):
    status, suite = run_pytest(tmp_path, """
import os
def test_a(): pass
def test_b(): assert False
def test_c(): os.kill(os.getpid(), 9)
def test_d(): pass
""")
    assert status == -9
    assert results(suite) == [("test_a", []), ("test_b", ["failure"])]
    assert suite.get("tests") == "2" and suite.get("failures") == "1"


@pytest.mark.parametrize("env, scope", [
    ({"LXE_ALL": "1"}, "all"), ({"LXE_ALL": "0"}, "some"),
    ({"LXE_ALL": "1", "LXE_POINTS": "8"}, "some")])
def test_report_says_what_was_tested(tmp_path, env, scope):
    status, suite = run_pytest(tmp_path, "def test_a(): pass\n",
                               **{"LXE_POINTS": "", "LXE_BUILD": ""} | env)
    assert status == 0 and results(suite) == [("test_a", [])]
    props = {p.get("name"): p.get("value")
             for p in suite.find("properties")}
    assert props["scope"] == scope
    assert (props["commit"], props["tree"]) == tree.here()


def test_programs_of_elsewhere_are_not_known_to_be_of_the_tree(tmp_path):
    _, suite = run_pytest(tmp_path, "def test_a(): pass\n",
                          LXE_BUILD="/root/other")
    props = {p.get("name"): p.get("value")
             for p in suite.find("properties")}
    assert not tree.is_exact(props["tree"])
    assert not tree.is_exact(props["commit"])


@pytest.fixture
def checkout(tmp_path):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b",
                        "-C", tmp_path, *words], check=True,
                       capture_output=True)

    def commit(**files):
        for name, text in files.items():
            path = tmp_path / {"record": tree.RECORD, "readme": tree.README,
                               "source": "a.c"}[name]
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        git("add", "-A")
        git("commit", "-qm", "x")
        return tree.here(tmp_path)

    git("init", "-q")
    return commit


def test_results_do_not_make_another_tree(checkout, tmp_path):
    commit, name = checkout(source="1", readme="1")
    assert tree.is_exact(name) and tree.is_exact(commit)
    (tmp_path / tree.README).write_text("2")
    assert tree.here(tmp_path) == (commit, name)
    other, same = checkout(record="1", readme="3")
    assert other != commit and same == name
    assert checkout(source="2")[1] != name
    assert checkout(source="1")[1] == name


def test_a_change_is_told(checkout, tmp_path):
    commit, name = checkout(source="1")
    (tmp_path / "b.c").write_text("1")          # make would build it
    assert tree.here(tmp_path) == (commit + "+", name + "+")
    (tmp_path / "b.c").unlink()
    (tmp_path / "a.c").write_text("2")
    assert not tree.is_exact(tree.here(tmp_path)[1])


def test_without_git_nothing_is_known(tmp_path):
    assert not tree.is_exact(tree.here(tmp_path / "none")[1])
