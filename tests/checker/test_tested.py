# SPDX-License-Identifier: LGPL-2.1-only
"""tests/lab/tested: the record has the newest result of each scenario and
no other, README's table counts all that there are, and what is no report
changes nothing."""

import subprocess
from pathlib import Path

import pytest

TESTED = Path(__file__).resolve().parents[1] / "lab/tested"
README = "# A\n<!-- tested: begin -->\nold\n<!-- tested: end -->\nbehind\n"
PROPS = {"flavour": "bookworm", "commit": "225b857aaa", "scope": "all",
         "tree": "0123456789ab", "debian": "12.15", "xen": "4.17.5",
         "tools": "4.17.7+13", "linux": "6.1.0-56-amd64", "qemu": "1:7.2",
         "libvirt": "9.0.0"}
SCENARIOS = """\
test_freeze.py::test_x[pv]	xl	pv	one
test_freeze.py::test_y[pvh]	xl	pvh	one
test_freeze.py::test_z	xl	pvh	one
test_compat.py::test_r	xl	none	one
test_two_hosts.py::test_t[virsh-hvm-10-trips]	virsh	hvm	two
test_two_hosts.py::test_t[xl-ext-hvm-10-trips]	xl-ext	hvm	two
"""
FAILED, SKIPPED = "<failure message='no'/>", "<skipped/>"
ERROR = "<error message='no'/>"


def case(file, name, inside="", seconds="7.4"):
    return (f'<testcase classname="tests.lab.scenarios.{file}"'
            f' name="{name}" time="{seconds}">{inside}</testcase>')


def report(*cases, date="2026-11-22T01:03:58.2", **props):
    """A report with one property less for each that is None."""
    props = "".join(f'<property name="{k}" value="{v}"/>'
                    for k, v in (PROPS | props).items() if v is not None)
    return (f'<testsuites><testsuite timestamp="{date}"><properties>{props}'
            f'</properties>{"".join(cases)}</testsuite></testsuites>')


class Top:
    """A checkout with nothing but what tested reads and writes."""

    def __init__(self, path):
        self.path, self.n = path, 0
        (path / "docs").mkdir()
        self.scenarios = SCENARIOS
        self.readme, self.record = path / "README.md", path / "docs/tested.md"
        self.readme.write_text(README)

    def run(self, *reports):
        paths = []
        for text in reports:
            self.n += 1
            paths.append(self.path / f"{self.n}.xml")
            paths[-1].write_text(text)
        (self.path / "list").write_text(self.scenarios)
        return subprocess.run(
            [TESTED, "--top", self.path, "--scenarios", self.path / "list",
             *paths], text=True, capture_output=True, check=False)

    def took(self, *reports):
        r = self.run(*reports)
        assert r.returncode == 0, r.stderr
        return r.stdout

    def refused(self, *reports):
        """The one line that it says; nothing is changed."""
        before = self.files()
        r = self.run(*reports)
        assert r.returncode == 1 and r.stdout == ""
        assert r.stderr.count("\n") == 1 and "nothing is written" in r.stderr
        assert self.files() == before
        return r.stderr

    def files(self):
        return [p.read_text() if p.exists() else None
                for p in (self.readme, self.record)]

    def rows(self):
        return [line for line in self.record.read_text().splitlines()
                if "::" in line]

    def sums(self):
        return [line for line in self.readme.read_text().splitlines()
                if line.startswith("| 4.")]


@pytest.fixture
def top(tmp_path):
    return Top(tmp_path)


def test_record_has_one_sorted_row_for_each(top):
    top.took(report(case("test_freeze", "test_y[pvh]", FAILED, "61.6"),
                    case("test_freeze", "test_x[pv]"),
                    case("test_compat", "test_r", SKIPPED, "0.001")),
             report(case("test_freeze", "test_x[pv]"), flavour="trixie",
                    xen="4.20.0", tree="0123456789ab+",
                    commit="225b857aaa+"))
    found = [[c.strip() for c in line.split("|")[1:-1]]
             for line in top.rows()]
    assert [r[:1] + r[2:] for r in found] == [
        ["test_compat.py::test_r", "skipped", "0", "2026-11-22 01:03",
         "225b857aaa", "0123456789ab"],
        ["test_freeze.py::test_x[pv]", "passed", "7", "2026-11-22 01:03",
         "225b857aaa", "0123456789ab"],
        ["test_freeze.py::test_x[pv]", "passed", "7", "2026-11-22 01:03",
         "225b857aaa+", "0123456789ab+"],
        ["test_freeze.py::test_y[pvh]", "failed", "62",
         "2026-11-22 01:03", "225b857aaa", "0123456789ab"]]
    flavours = [r[1].rpartition("-")[0] for r in found]
    assert flavours == ["bookworm", "bookworm", "trixie", "bookworm"]
    text = top.record.read_text()
    for host in {r[1] for r in found}:
        xen = "4.20.0" if "trixie" in host else "4.17.5"
        assert f"| {host} | 12.15 | {xen} | 4.17.7+13 | 6.1.0-56-amd64 |" \
            " 1:7.2 | 9.0.0 |" in text


def test_new_rows_replace_and_others_stay(top):
    top.took(report(case("test_freeze", "test_x[pv]", FAILED),
                    case("test_freeze", "test_z")))
    _, before = top.rows()
    top.took(report(case("test_freeze", "test_x[pv]"),
                    date="2026-11-23T00:00:00", qemu="1:8"))
    new, after = top.rows()
    assert after == before
    assert "| passed | 7 | 2026-11-23 00:00 |" in new
    assert "| 1:8 |" in top.record.read_text()
    assert "| 1:7.2 |" in top.record.read_text()


def test_an_older_report_does_not_replace_a_newer(top):
    new = report(case("test_freeze", "test_z"), date="2026-11-23T00:01:00")
    old = report(case("test_freeze", "test_z", FAILED))
    top.took(new, old)
    kept = top.files()
    assert "0 results; 1 left out" in top.took(old)
    assert top.files() == kept and "| passed |" in top.rows()[0]


def test_the_same_again_changes_nothing(top):
    reports = (report(case("test_freeze", "test_z")),
               report(case("test_freeze", "test_x[pv]"), flavour="trixie"))
    top.took(*reports)
    before = top.files()
    top.took(*reports)
    assert top.files() == before
    top.took()
    assert top.files() == before


def test_rows_of_scenarios_that_are_no_more_go(top):
    top.took(report(case("test_freeze", "test_x[pv]"),
                    case("test_freeze", "test_z"), qemu="1:6"))
    top.scenarios = SCENARIOS.replace("test_freeze.py::test_z",
                                      "test_freeze.py::test_renamed")
    top.took()
    assert len(top.rows()) == 1 and "test_x[pv]" in top.rows()[0]
    top.scenarios = SCENARIOS.splitlines(True)[-1]
    top.took()
    assert top.rows() == [] and "1:6" not in top.record.read_text()


def test_one_round_trip_is_not_ten(top):
    out = top.took(report(case("test_two_hosts", "test_t[xl-ext-hvm-1-trips]"
                               )))
    assert "0 results; 1 left out" in out and top.rows() == []


def test_what_failed_and_was_not_tidied_up_failed(top):
    """Both orders: pytest writes a second case for the tidying."""
    top.took(report(case("test_freeze", "test_z", FAILED),
                    case("test_freeze", "test_z", ERROR),
                    case("test_freeze", "test_y[pvh]", ERROR),
                    case("test_freeze", "test_y[pvh]"),
                    case("test_freeze", "test_x[pv]"),
                    case("test_freeze", "test_x[pv]", ERROR)))
    assert len(top.rows()) == 3
    assert all("| failed |" in row for row in top.rows())


def test_readme_counts_all_that_there_are(top):
    top.took(report(case("test_freeze", "test_x[pv]", ERROR),
                    case("test_freeze", "test_y[pvh]"),
                    date="2026-11-20T10:00:00"),
             report(case("test_two_hosts", "test_t[virsh-hvm-10-trips]",
                         SKIPPED)))
    assert top.sums() == [
        "| 4.17 (bookworm) | one | xl | **1 failed** | 1 passed, 1 not run |"
        " - | 1 not run | 2026-11-20 |",
        "| 4.17 (bookworm) | two | virsh | - | - | 1 skipped | - |"
        " 2026-11-22 |",
        "| 4.17 (bookworm) | two | xl-ext | - | - | 1 not run | - | - |",
        "| 4.20 (trixie) | one | xl | 1 not run | 2 not run | - |"
        " 1 not run | - |",
        "| 4.20 (trixie) | two | virsh | - | - | 1 not run | - | - |",
        "| 4.20 (trixie) | two | xl-ext | - | - | 1 not run | - | - |"]
    text = top.readme.read_text()
    assert text.startswith("# A\n") and text.endswith("behind\n")
    assert "old\n" not in text and "(3 of 12 were run, of 1 tree;" in text
    assert "debian 12.15, xen 4.17.5, tools 4.17.7+13" in text


def test_readme_without_any_result(top):
    top.took()
    assert "(0 of 12 were run" in top.readme.read_text()
    assert all("passed" not in row for row in top.sums())


GOOD = report(case("test_freeze", "test_z"))
BAD = {
    "": "not XML",
    "PASSED": "not XML",
    GOOD[:-30]: "cut",
    "<testsuites/>": "no testsuite",
    "<testsuites><testsuite/></testsuites>": "no property",
    report(case("test_freeze", "test_z"), xen=None): "no property xen",
    report(case("test_freeze", "test_z"), tree=None): "no property tree",
    report(case("test_freeze", "test_z"), scope="some"): "LXE_ALL=1",
    report(case("test_freeze", "test_z"), flavour="sid"): "flavour sid",
    report(case("test_freeze", "test_z"), tree="a | b"): "tree",
    report(case("test_freeze", "test_z"), xen="4 | 5"): "a version",
    report(case("test_freeze", "test_z", seconds="inf")): "infinity",
    report(case("test_freeze", "test_z", seconds="-3")): "seconds",
    report(case("test_freeze", "test_z"), date="now"): "date",
    report(case("test_freeze", "z")): "scenario",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_a_bad_report_changes_nothing(top, text):
    top.took(report(case("test_freeze", "test_x[pv]")))
    said = top.refused(GOOD, text)
    assert f"{top.n}.xml" in said and BAD[text] in said, said


def test_a_missing_report_changes_nothing(top):
    r = subprocess.run(
        [TESTED, "--top", top.path, "--scenarios", top.path / "no", "x"],
        text=True, capture_output=True, check=False)
    assert r.returncode == 1 and "Traceback" not in r.stderr
    assert not top.record.exists()


@pytest.mark.parametrize("old, new, why", [
    ("| passed |", "| won |", "outcome"),
    ("| passed |", "|", "no row of the table"),
    ("| scenario |", "| test |", "no table of scenarios"),
    ("| test_freeze", "<<<<<<< HEAD\n| test_freeze", "no row of the table"),
    ("| bookworm-", "| trixie-", "no versions of the host"),
])
def test_a_record_that_is_damaged_is_not_written_over(top, old, new, why):
    top.took(GOOD)
    head, mark, rows = top.record.read_text().partition("| scenario |")
    top.record.write_text(head + (mark + rows).replace(old, new))
    assert why in top.refused(GOOD)


def test_a_row_that_is_there_twice_is_not_written_over(top):
    top.took(GOOD)
    top.record.write_text(top.record.read_text() + top.rows()[0] + "\n")
    assert "twice" in top.refused(GOOD)


def test_readme_without_its_marks_is_not_written_over(top):
    top.readme.write_text("# A\n<!-- tested: end -->\n")
    assert "two marks" in top.refused(GOOD)


def test_what_cannot_be_written_leaves_both(top):
    """README's own turn fails after the record was made."""
    top.took(GOOD)
    (top.path / "README.md.part").mkdir()
    top.refused(report(case("test_freeze", "test_z", FAILED)))
