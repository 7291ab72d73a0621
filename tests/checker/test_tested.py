# SPDX-License-Identifier: LGPL-2.1-only
"""tests/lab/tested: the table counts what the reports have, and says so
of what they have not."""

import subprocess
from pathlib import Path

import pytest

TESTED = Path(__file__).resolve().parents[1] / "lab/tested"
README = "# A\n<!-- tested: begin -->\nold\n<!-- tested: end -->\nbehind\n"
REPORT = """<testsuites><testsuite><properties>
<property name="xen" value="{xen}"/><property name="debian" value="12"/>
</properties>{cases}</testsuite></testsuites>"""


def case(file, name, inside=""):
    return (f'<testcase classname="tests.lab.scenarios.{file}"'
            f' name="{name}">{inside}</testcase>')


@pytest.fixture
def run(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(README)

    def write(*reports):
        paths = []
        for i, (xen, cases) in enumerate(reports):
            paths.append(tmp_path / f"{i}.xml")
            paths[-1].write_text(REPORT.format(xen=xen,
                                               cases="".join(cases)))
        r = subprocess.run([TESTED, readme, *paths], text=True,
                           capture_output=True, check=False)
        return r, readme.read_text()

    return write


def test_each_client_and_kind_is_counted(run):
    bad = "<failure message='no'/>"
    r, text = run(
        ("4.17", [case("test_freeze", "test_x[pv]"),
                  case("test_freeze", "test_y[pvh]"),
                  case("test_freeze", "test_z", bad),
                  case("test_two_hosts", "test_t[xl-ext-hvm]"),
                  case("test_two_hosts", "test_t[virsh-hvm]"),
                  case("test_xl_ext_guest", "test_u[pv]", "<skipped/>")]),
        ("4.20", [case("test_libvirt", "test_v[pvh]")]))
    assert r.returncode == 0, r.stderr
    rows = [line for line in text.splitlines() if line.startswith("| 4.")]
    assert rows == [
        "| 4.17 (Debian 12) | virsh | not run | not run | 1 passed |",
        "| 4.17 (Debian 12) | xl | 1 passed | 1 passed, **1 failed** |"
        " not run |",
        "| 4.17 (Debian 12) | xl-ext | 0 passed, **1 skipped** | not run |"
        " 1 passed |",
        "| 4.20 (Debian 12) | virsh | not run | 1 passed | not run |"]
    assert text.startswith("# A\n") and text.endswith("behind\n")
    assert "old" not in text


def test_a_report_of_something_else_changes_nothing(run, tmp_path):
    other = tmp_path / "other.xml"
    other.write_text("<testsuites><testsuite/></testsuites>")
    r = subprocess.run([TESTED, tmp_path / "README.md", other], text=True,
                       capture_output=True, check=False)
    assert r.returncode == 1 and str(other) in r.stderr
    assert (tmp_path / "README.md").read_text() == README
