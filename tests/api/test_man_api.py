# SPDX-License-Identifier: LGPL-2.1-only
"""libxl_ext(3) has every call and every type of the library, as the
headers and the IDL have them, and no other."""

import re
import sys

import pytest

from test_library import declared, exported
from xl_ext import TOP

sys.path.insert(0, str(TOP / "idl"))

import idl                                              # noqa: E402

PAGE = TOP / "docs/libxl_ext.3"
HEADERS = ("libxl_ext.h", "libxl_ext_operation.h", "libxl_ext_image.h")


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def model():
    return idl.load(str(TOP / "idl/libxl_ext_types.idl"))


def words(text):
    """A prototype without what the compiler does not see."""
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r" ?([*(),]) ?", r"\1", text)


def prototypes_of_header(name):
    text = (TOP / "include" / name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/|^#.*?$|extern \"C\" {", "", text,
                  flags=re.S | re.M)
    return [words(s) for s in text.split(";")
            if re.search(r"\blibxl_ext_\w+\s*\(", s) and "typedef" not in s]


def prototypes_of_page(synopsis):
    out = []
    for ret, name, args in re.findall(
            r'^\.Ft "?(.*?)"?\n\.Fo (\w+)\n(.*?)^\.Fc$', synopsis,
            re.M | re.S):
        args = re.findall(r'^\.Fa "?(.*?)"?$', args, re.M)
        out.append(words(f"{ret} {name}({', '.join(args)})"))
    return out


def test_the_synopsis_has_the_prototypes_of_the_headers_in_order(page):
    synopsis = page[page.index(".Sh SYNOPSIS"):page.index(".Sh DESC")]
    parts = re.split(r"^\.In (.*)$", synopsis, flags=re.M)[1:]
    assert tuple(parts[::2]) == HEADERS
    for header, part in zip(parts[::2], parts[1::2]):
        assert prototypes_of_page(part) == prototypes_of_header(header)


def section(page, name):
    return re.search(rf"^\.Ss {name}\n(.*?)(?=^\.S[hs])", page,
                     re.M | re.S)[1]


def types(page, name):
    return re.findall(r"^\.It Vt libxl_ext_(\w+)$", section(page, name),
                      re.M)


def test_the_types_are_those_of_the_idl(page, model):
    assert types(page, "Structs") == [t.rawname for t in model.structs]
    assert types(page, "Enums") == [t.rawname for t in model.enums]


def test_calls_and_types_make_all_that_the_library_shows(
        page, top, build):
    """What the page says of each struct and each enum is a rule, and the
    rule gives the generated calls, which are not listed."""
    synopsis = page[page.index(".Sh SYNOPSIS"):page.index(".Sh DESC")]
    calls = set(re.findall(r"^\.Fo (\w+)$", synopsis, re.M))
    for letter, kind in (("S", "Structs"), ("E", "Enums")):
        rule = re.findall(rf"^\.Fn {letter}_(\w+)", page, re.M)
        assert len(rule) == {"S": 5, "E": 2}[letter]
        calls |= {f"libxl_ext_{t}_{r}" for t in types(page, kind)
                  for r in rule}
    assert calls == exported(build)
    assert calls == declared(top, build)


def test_every_call_is_explained_and_no_other(page):
    synopsis = page[page.index(".Sh SYNOPSIS"):page.index(".Sh DESC")]
    calls = set(re.findall(r"^\.Fo (\w+)$", synopsis, re.M))
    rest = page[page.index(".Sh DESC"):]
    assert set(re.findall(r"\b(libxl_ext_\w+)\(", rest)) <= calls | {
        "libxl_ext_domain_memory_dispose"}
    said = set(re.findall(r"^\.Fn (libxl_ext_\w+)", rest, re.M))
    assert said - calls == set()
    # What needs no word beyond its name.
    assert calls - said == {"libxl_ext_version", "libxl_ext_ctx_free",
                            "libxl_ext_op_free", "libxl_ext_image_free"}


def test_the_codes_are_those_of_the_headers(page):
    text = "".join((TOP / "include" / h).read_text(encoding="utf-8")
                   for h in HEADERS)
    codes = set(re.findall(r"\bERROR_[A-Z_]+", text))
    assert set(re.findall(r"^\.It Er (\w+)$", page, re.M)) == codes
