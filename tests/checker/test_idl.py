# SPDX-License-Identifier: LGPL-2.1-only
"""The IDL against what must agree with it: the specification of the
memory record, the C headers, its own description; and what the model
refuses.  Needs no build: the generator runs here."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "idl"))

import idl                                              # noqa: E402

STEMS = ("libxl_ext_types", "libxl_ext_types_internal")


def generate(path, out):
    return subprocess.run(
        ["/usr/bin/python3", "-B", str(TOP / "idl/gentypes.py"), str(path),
         str(out)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The directory with all that is generated."""
    out = tmp_path_factory.mktemp("idl")
    for stem in STEMS:
        p = generate(TOP / f"idl/{stem}.idl", out)
        assert p.returncode == 0, p.stderr
    return out


def record():
    model = idl.load(str(TOP / "idl/libxl_ext_types_internal.idl"))
    return next(t for t in model.wires if t.rawname == "record")


def test_the_specification_has_the_generated_diagram_and_table(made):
    text = (made / "_libxl_ext_types_internal_wire.md").read_text()
    diagram, table = text.split("\n\n")
    spec = (TOP / "docs/memory-record.md").read_text()
    assert diagram.startswith("         0     1") and diagram in spec
    assert table.startswith("| offset |") and table in spec


def test_the_record_header_has_the_numbers_of_the_idl():
    header = (TOP / "libxl-ext/memory/record.h").read_text()
    found = dict(re.findall(
        r"#define (LXE_RECORD_\w+)\s+(\(.*\)|\w+)", header))
    rec = record()
    assert int(found["LXE_RECORD_VERSION"]) == rec.wire.version
    assert int(found["LXE_RECORD_LEN"]) == rec.octets
    assert found["LXE_RECORD_MAX_PAGES"] == "(1ULL << 40)"
    for f in rec.fields:
        if f.name.endswith(("_pages", "_kb")):
            assert f.max == 2**40 * (4 if f.name.endswith("_kb") else 1)


def test_line_one_names_the_source_and_names_begin_with_a_dash(made):
    paths = sorted(made.iterdir())
    assert len(paths) == 10
    for path in paths:
        assert path.name.startswith("_libxl_ext_types")
        if path.suffix != ".md":
            line = path.read_text().splitlines()[0]
            internal = "_internal" if "internal" in path.name else ""
            assert f"idl/libxl_ext_types{internal}.idl" in line


COMPILERS = {
    "C99": ["gcc", "-std=c99", "-x", "c"],
    "C++98": ["g++", "-std=c++98", "-Wno-long-long", "-x", "c++"],
    "C++17": ["g++", "-std=c++17", "-x", "c++"],
}


@pytest.mark.parametrize("language", COMPILERS)
def test_the_public_header_compiles_alone(made, tmp_path, language):
    """With a use: C++ links only where the linkage is C's."""
    use = tmp_path / "use"
    use.write_text('#include <libxl_ext.h>\n'
                   'int main(void)\n{\n    libxl_ext_policy p;\n'
                   '    libxl_ext_policy_init(&p);\n'
                   '    libxl_ext_policy_dispose(&p);\n    return 0;\n}\n')
    lib = tmp_path / "types.o"
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(["gcc", "-c", "-o", lib, f"-I{TOP}/libxl-ext",
                    made / "_libxl_ext_types.c"], check=True)
    subprocess.run([*COMPILERS[language], *strict, f"-I{TOP}/include",
                    f"-I{made}", use, "-x", "none", lib, "-o",
                    tmp_path / "a.out"], check=True)


def test_only_public_functions_are_visible(made, tmp_path):
    """Under the flag that all objects are compiled with."""
    for name, seen in (("_libxl_ext_types", "DEFAULT"),
                       ("_libxl_ext_types_internal", "HIDDEN")):
        obj = tmp_path / f"{name}.o"
        subprocess.run(["gcc", "-fvisibility=hidden", "-c", "-o", obj,
                        f"-I{TOP}/libxl-ext", made / f"{name}.c"],
                       check=True)
        text = subprocess.run(["readelf", "-sW", obj], check=True,
                              capture_output=True, text=True).stdout
        kinds = set(re.findall(r"FUNC\s+GLOBAL\s+(\w+)", text))
        assert kinds == {seen}


def test_every_property_is_explained():
    text = (TOP / "idl/README.md").read_text()
    for cls in (idl.Field, idl.Wire, idl.Struct, idl.Enumeration,
                idl.Flags, idl.Array):
        for name in inspect.signature(cls.__init__).parameters:
            if name != "self":
                assert re.search(rf"^- `{cls.__name__}\.{name}`", text,
                                 re.M), f"{cls.__name__}.{name}"
    words = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    assert words == {w for w, t in idl.WORDS.items()
                     if isinstance(t, idl.Type)}


HEAD = '"""Types."""\nnamespace = "t_"\npublic = True\n'
OK = 'Field("a", uint32, "x")'
VERSION = 'Field("version", uint32, "x", min=1, max=1, at=0)'


def struct(*fields, more=""):
    return f'{HEAD}s = Struct("s", "doc", [{", ".join(fields)}]{more})\n'


def wire(*fields):
    return struct(*fields, more=', wire=Wire("w", version=1)')


def enum(*values):
    return f'{HEAD}e = Enumeration("e", "doc", [{", ".join(values)}])\n'


BAD = {
    "no namespace": ('"""x"""\npublic = True\n', "namespace is not set"),
    "no docstring": (struct(OK).replace('"""Types."""', ""), "__doc__"),
    "number twice": (enum('(0, "a", "")', '(0, "b", "")'), "number"),
    "word twice": (enum('(0, "a", "")', '(1, "a", "")'), "word"),
    "no zero": (enum('(1, "a", "")'), "no value 0"),
    "enum that is not public": (
        enum('(0, "a", "")').replace("True", "False"), "not public"),
    "field twice": (struct(OK, OK), "one name twice"),
    "no field": (struct(), "no field"),
    "no doc": (struct('Field("a", uint32, "")'), "meaning"),
    "no type": (struct('Field("a", 32, "x")'), "has no type"),
    "bound too high": (struct('Field("a", uint32, "x", max=2**32)'),
                       "0 to 4294967295"),
    "bounds crossed": (struct('Field("a", uint32, "x", min=2, max=1)'),
                       "2 to 1"),
    "default outside": (struct(
        'Field("a", uint32, "x", max=1, default=2)'), "default 2"),
    "default with a fraction": (struct(
        'Field("a", uint32, "x", default=1.5)'), "default 1.5"),
    "default of a bool": (struct('Field("a", bool, "x", default=2)'),
                          "default 2 is neither True nor False"),
    "number below 0": (enum('(0, "a", "")', '(-1, "b", "")'), "0 to"),
    "bounded string": (struct('Field("a", string, "x", max=1)'),
                       "bounds are for integers"),
    "default string": (struct('Field("a", string, "x", default="a")'),
                       "no default"),
    "flags gap": (struct('Field("a", Flags(32, "F_", [(1, "A", "x")]),'
                         ' "")'), "do not count up"),
    "array of numbers": (struct('Field("a", Array(uint32), "x")'),
                         "are structs"),
    "other name": (struct(OK).replace("s = ", "t = "), "called s"),
    "unbound": (struct('Field("a", Struct("t", "x", [' + OK + ']), "x")'),
                "no name above"),
    "wire gap": (wire(VERSION, 'Field("a", uint32, "x", at=8)'),
                 "ends at 4"),
    "wire overlap": (wire(VERSION, 'Field("a", uint32, "x", at=0)'),
                     "ends at 4"),
    "wire without offset": (wire(VERSION, OK), "at None"),
    "wire not aligned": (wire(VERSION, 'Field("a", uint64, "x", at=4)'),
                         "not aligned"),
    "wire without version": (wire('Field("a", uint32, "x", at=0)'),
                             "begins with"),
    "wire string": (wire(VERSION, 'Field("a", string, "x", at=4)'),
                    "no wire form"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_model_refuses(name, tmp_path):
    text, says = BAD[name]
    path = tmp_path / "bad.idl"
    path.write_text(text)
    p = generate(path, tmp_path)
    assert p.returncode == 1 and says in p.stderr
    assert p.stderr.count("\n") == 1 and str(path) in p.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_refused_above_is_accepted_when_right(tmp_path):
    path = tmp_path / "good.idl"
    path.write_text(wire(VERSION, 'Field("a", uint32, "x", at=4)'))
    assert generate(path, tmp_path).returncode == 0
