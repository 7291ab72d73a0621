# SPDX-License-Identifier: LGPL-2.1-only
"""A short run of each fuzzed reader under each engine; each finds the
fault that tests/fuzz/plants.py plants; what was found once is replayed.

LXE_FUZZ_SECONDS: of each run, 4.
"""

import os
import re

import pytest

import fuzzing
import plants

SECONDS = int(os.environ.get("LXE_FUZZ_SECONDS", "4"))
EXECUTIONS = 200
# Most are found within some seconds of CPU time, which ends the run; the
# machine may be busy.
PLANT_SECONDS = 1200

both = pytest.mark.parametrize(
    "engine,reader", [(e, r) for r in fuzzing.READERS
                      for e in fuzzing.ENGINES])


@both
def test_seeds_and_what_was_found(engine, reader, tmp_path):
    files = fuzzing.seeds(reader) + fuzzing.kept(reader)
    assert files
    good, said = fuzzing.replay(engine, reader, files, tmp_path)
    assert good, said[-6000:]
    # Each of them was read, whatever the status says.
    for f in files:
        assert str(f) in said


@both
def test_short_run(engine, reader, tmp_path):
    """Longer on a machine that has no time for it: fewer executions than
    that would be little more than the seeds."""
    seconds, run = SECONDS, fuzzing.Run()
    while run.executions < EXECUTIONS:
        work = tmp_path / str(seconds)
        work.mkdir()
        run = fuzzing.RUN[engine](reader, seconds, work)
        print(fuzzing.line(reader, engine, run))
        assert run.good, run.said[-6000:]
        assert run.executions >= EXECUTIONS or seconds < 300
        seconds *= 4


@both
def test_planted_fault_is_found(engine, reader, tmp_path):
    """Not by the seeds, else it would say nothing of the engine."""
    good, said = fuzzing.replay(engine, reader, fuzzing.seeds(reader),
                                tmp_path, planted=True)
    assert good, said[-6000:]
    run = fuzzing.RUN[engine](reader, PLANT_SECONDS, tmp_path,
                              planted=True)
    print(fuzzing.line(reader, engine, run))
    assert run.finds, run.said[-6000:]
    # The find is the plant's, not one that is there without it.
    good, said = fuzzing.replay(engine, reader, run.finds, tmp_path)
    assert good, said[-6000:]


def test_each_reader_has_what_it_needs():
    assert sorted(plants.PLANTS) == fuzzing.READERS
    for reader in fuzzing.READERS:
        assert (fuzzing.HERE / "dict" / reader).is_file()
    for d in (fuzzing.HERE / "regressions").iterdir():
        assert d.name in (*fuzzing.READERS, "README.md")


def test_seeds_are_small():
    for reader in fuzzing.READERS:
        for f in fuzzing.seeds(reader) + fuzzing.kept(reader):
            assert f.stat().st_size <= fuzzing.LENGTHS.get(
                reader, fuzzing.LENGTH), f


def test_each_type_of_json_is_fuzzed():
    text = (fuzzing.HERE / "fuzz_json.c").read_text(encoding="utf-8")
    types = re.search(r"#define TYPES\(X\)(.*?)\n\n", text, re.S).group(1)
    idl = (fuzzing.TOP / "idl" / "libxl_ext_types.idl").read_text(
        encoding="utf-8")
    assert re.findall(r"X\((\w+)\)", types) == re.findall(
        r"^\w+ = Struct\(\"(\w+)\"", idl, re.M)
