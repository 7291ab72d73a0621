# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext image inspect --plot: a picture that is XML, that says what
the facts say, and whose size has a bound."""

import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

import build_image as b
from test_verify import XL_EXT, built, run                  # noqa: F401

SVG = "{http://www.w3.org/2000/svg}"
BOUND = 512 << 10


def plot(data, tmp_path, status=0):
    path = tmp_path / "plot.svg"
    path.unlink(missing_ok=True)
    p = subprocess.run([XL_EXT, "image", "inspect", "--plot", path, "-"],
                       input=data, check=False, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    assert p.returncode == status, p.stderr
    text = path.read_bytes()
    assert len(text) <= BOUND
    return ET.fromstring(text)


def group(root, name):
    found, = (g for g in root.iter(SVG + "g") if g.get("id") == name)
    return found


def titles(root, name):
    return [t.text for t in group(root, name).iter(SVG + "title")]


def numbers(text):
    return [int(n, 0) for n in re.findall(r"0x[0-9a-f]+|\d+", text)]


@pytest.mark.parametrize("kw", [{"guest": "hvm"}, {"guest": "pv"},
                                {"guest": "pv", "width": 4},
                                {"guest": "pvh", "checkpoints": 3}])
def test_it_says_what_the_facts_say(kw, tmp_path):
    data = b.build(**kw, live=True, verify=not kw.get("checkpoints")).bytes()
    facts = run("inspect", data)[1]
    root = plot(data, tmp_path, int("checkpoints" in kw))
    assert root.tag == SVG + "svg"
    passes = titles(root, "passes")
    assert [numbers(t) for t in passes] == [
        [n + 1, p["named"], p["data"] - p["again"], p["again"],
         p["unchanged"]] for n, p in enumerate(facts["passes"])]
    cells = [numbers(t) for t in titles(root, "cells")]
    assert cells[0][0] == 0
    for one, other in zip(cells, cells[1:]):
        assert other[0] == one[1] + 1
    types = facts["types"]
    tables = sum(n for t, n in types.items() if t.startswith("L"))
    assert [sum(c[k] for c in cells) for k in range(2, 7)] == [
        types["NOTAB"] - facts["zero_pages"], facts["zero_pages"], tables,
        types.get("XALLOC", 0), types["XTAB"]]


def rects(root, name):
    return [{k: float(r.get(k)) for k in ("x", "y", "width", "height")}
            for r in group(root, name).iter(SVG + "rect")]


def test_all_of_it_is_within_the_picture(tmp_path):
    im = b.build("pvh", live=True, verify=True)
    for n in range(100):
        im.parts.insert(im.at("VERIFY"), b.page_data(
            im, [(5, b.NOTAB, b.pattern(5, n))]))
    root = plot(im.bytes(), tmp_path)
    _, _, width, height = map(float, root.get("viewBox").split())
    assert len(titles(root, "passes")) == 64
    for name in ("passes", "cells"):
        for r in rects(root, name):
            assert 0 <= r["x"] and r["x"] + r["width"] <= width
            assert 0 <= r["y"] and r["y"] + r["height"] <= height


def test_a_gap_however_long_is_one_cell(tmp_path):
    im = b.build("pvh")
    im.poke("dhdr", 8, bytes(4))            # converted: gaps are valid
    im.parts.insert(im.at("TSC_INFO"), b.page_data(
        im, [(n + (1 << 30), b.NOTAB, b.pattern(n)) for n in range(8)]))
    cells = [numbers(t) for t in titles(plot(im.bytes(), tmp_path),
                                        "cells")]
    gap, = (c for c in cells if c[1] - c[0] > 1 << 20)
    assert gap[2:] == [0, 0, 0, 0, 0] and gap[1] + 1 == 1 << 30
    assert sum(c[2] for c in cells) == 34 + 8
    assert len(cells) == 10 + 1 + 26 + 1 + 8


@pytest.mark.parametrize("entries", [
    [(n, b.XALLOC, None) for n in range(40, 300000)],
    [(n * 100, b.XALLOC, None) for n in range(1, 5000)],
    [(n * 4096, b.XTAB, None) for n in range(1, 600)],
], ids=["many", "spread", "scattered"])
def test_its_size_has_a_bound_whatever_the_guest_s(entries, tmp_path):
    im = b.build("pvh")
    im.poke("dhdr", 8, bytes(4))
    im.parts.insert(im.at("TSC_INFO"), b.page_data(im, entries))
    cells = [numbers(t) for t in titles(plot(im.bytes(), tmp_path, 1 if len(
        entries) > 1280 else 0), "cells")]
    assert 1 < len(cells) <= 512
    assert sum(sum(c[2:]) for c in cells) == 40 + len(entries)


def test_a_name_cannot_break_it(tmp_path):
    im = b.build("pvh")
    conf = b.config("pvh", 4096)
    conf["c_info"]["name"] = "<a href=\"x\">&'\x1b]\u00fc\uffff</svg>"
    im.parts[0] = b.xl_header(conf)
    root = plot(im.bytes(), tmp_path)
    text = root.find(SVG + "text").text
    assert text.startswith("<a href=\"x\">&'?]??</svg>, x86 HVM: 40 frames")


@pytest.mark.parametrize("size", [0, 5, 100, 2000, 60000])
def test_what_is_not_whole_can_be_drawn(size, tmp_path):
    root = plot(b.build("pvh").bytes()[:size], tmp_path, 1)
    assert "not whole" in root.find(SVG + "text").text


def test_a_file_that_exists_is_not_written_over(tmp_path):
    path = tmp_path / "image"
    data = b.build("pvh").bytes()
    path.write_bytes(data)
    p = subprocess.run([XL_EXT, "image", "inspect", "--plot", path, path],
                       check=False, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    assert p.returncode == 2 and b"File exists" in p.stderr
    assert path.read_bytes() == data


def test_there_is_none_on_standard_output(tmp_path):
    p = subprocess.run([XL_EXT, "image", "inspect", "--plot", "-", "-"],
                       input=b.build().bytes(), check=False, cwd=tmp_path,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 2 and b"--plot -" in p.stderr
    assert b"<svg" not in p.stdout and not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_leaves_none(tmp_path):
    args = ["/usr/bin/python3", "-c", "import os, resource, signal, sys;"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
            "os.execv(sys.argv[1], sys.argv[1:])", XL_EXT, "image",
            "inspect", "--plot", tmp_path / "x.svg", "-"]
    p = subprocess.run(args, input=b.build("pvh").bytes(), check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert p.returncode == 2 and b"cannot write" in p.stderr
    assert not (tmp_path / "x.svg").exists()


def test_with_json_too(tmp_path):
    data = b.build("pvh").bytes()
    (tmp_path / "image").write_bytes(data)
    status, out = run("inspect", data, tmp_path, "--plot",
                      tmp_path / "a.svg")
    assert status == 0 and out == run("inspect", data)[1]
    ET.parse(tmp_path / "a.svg")
