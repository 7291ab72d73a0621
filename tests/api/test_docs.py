# SPDX-License-Identifier: LGPL-2.1-only
"""The man pages against --help, the policy and the sources, both ways."""

import re
import subprocess

import pytest

from xl_ext import TOP, helped

pytestmark = pytest.mark.usefixtures("build")
PAGE = TOP / "docs/xl-ext.8"
PAGES = [PAGE, TOP / "docs/libxl-ext.7", TOP / "docs/libxl-ext.conf.5",
         TOP / "docs/libxl_ext.3"]


def documented():
    """Command -> (its arguments, option -> (its value, its text))."""
    out, options, item = {}, None, None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith(".Sh"):
            options = None
        m = re.fullmatch(r"\.Ss ([a-z-]+(?: [a-z-]+)*)(?: (.*))?", line)
        if m:
            options = {}
            out[m[1]] = (m[2] or "", options)
        m = re.fullmatch(r"\.It Fl (-?[A-Za-z-]+)(?: Ar ([A-Z]+))?", line)
        if m and options is not None:
            item = (f"-{m[1]}", m[2])
        elif item:
            options[item[0]] = (item[1], line)
            item = None
    return out


def test_commands_and_options_of_man_page_and_help_agree():
    man, program = documented(), helped()
    assert len(program) >= 9
    assert set(man) == set(program)
    for name in program:
        assert man[name] == program[name], name


def test_the_man_page_has_the_fixed_form():
    text = PAGE.read_text(encoding="utf-8")
    at = [text.index(f".Sh {s}\n") for s in (
        "NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "ENVIRONMENT",
        "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO", "VERSION")]
    assert at == sorted(at)


def policy_keys(text):
    """Key -> (default, bound), of the table in docs/policy.md."""
    rows = re.findall(r"^\| `(\w+)` \|.*$", text, re.M)
    out = {}
    for key in rows:
        cells = re.search(rf"^\| `{key}` \|(.*)\|$", text, re.M)[1]
        _, _, default, bound = (c.strip() for c in cells.split("|"))
        out[key] = (default.strip('`"'), bound)
    return out


def test_the_man_page_of_the_policy_has_every_key_and_bound():
    keys = policy_keys((TOP / "docs/policy.md").read_text(encoding="utf-8"))
    assert len(keys) == 10
    page = PAGES[2].read_text(encoding="utf-8")
    items = dict(re.findall(r"^\.It Va (\w+)\n(.*?)(?=^\.It|^\.El)", page,
                            re.M | re.S))
    assert set(items) == set(keys)
    for key, (default, bound) in keys.items():
        text = items[key]
        for word in re.findall(r'`"(\w+)"`', bound):
            assert rf"\(dq{word}\(dq" in text, (key, word)
        for number in re.findall(r"\b\d{4,}\b", f"{default} {bound}"):
            assert number in text, (key, number)


# Of debug builds (docs/faults.md), and between a helper and its own self.
NOT_FOR_USERS = {"LIBXL_EXT_FAULT", "LIBXL_EXT_PAGE_STATE",
                 "LIBXL_EXT_STOCK_PID"}


def test_every_variable_is_in_a_man_page():
    sources = [p for d in ("libxl-ext", "xl-cmd")
               for p in (TOP / d).rglob("*.[ch]")]
    read = {name for p in sources for name in re.findall(
        r'"((?:LIBXL_EXT_|LIBXL_SAVE_|TMP)[A-Z_]+)"',
        p.read_text(encoding="utf-8"))}
    assert NOT_FOR_USERS < read
    said = {name for page in PAGES for name in re.findall(
        r"^\.It Ev (\w+)$", page.read_text(encoding="utf-8"), re.M)}
    assert said == read - NOT_FOR_USERS


def test_the_man_page_is_of_this_version():
    header = (TOP / "include/libxl_ext.h").read_text(encoding="utf-8")
    version = re.search(r'VERSION_STRING "(.*)"', header)[1]
    for page in PAGES:
        assert f"libxl-ext {version}." in page.read_text(encoding="utf-8")


def test_the_man_page_is_set_without_a_warning():
    for page in PAGES:
        p = subprocess.run(["groff", "-mdoc", "-ww", "-z", "-Tutf8", page],
                           capture_output=True, text=True, check=True)
        assert p.stderr == "", page
