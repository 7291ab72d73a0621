# SPDX-License-Identifier: LGPL-2.1-only
"""Runs side by side: how many, what each counts, what is left of them.

An engine here is a shell command in place of a fuzzer; no reader need be
built."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fuzzing

MAIN = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import fuzzing
fuzzing.BUILD = Path({build!r})

def engine(name):
    def run(reader, seconds, work, planted=False, keep=False):
        _, said, clock, cpu = fuzzing.execute(
            ["sh", "-c", {script!r}, name, reader], None, 60, work / "log")
        return fuzzing.Run(1, clock, cpu, [], True, said)
    return run

fuzzing.RUN = {{e: engine(e) for e in fuzzing.ENGINES}}
sys.exit(fuzzing.main(sys.argv[1:]))
"""


def start(tmp_path, script, *args):
    """A session of its own, as a terminal's foreground group."""
    return subprocess.Popen(
        [sys.executable, "-B", "-c",
         MAIN.format(here=str(fuzzing.HERE), build=str(tmp_path),
                     script=script), *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True)


def lines(tmp_path, script, *args):
    p = start(tmp_path, script, *args)
    out, err = p.communicate(timeout=60)
    assert (p.returncode, err) == (0, ""), out
    return out.splitlines()


@pytest.mark.parametrize("jobs", [1, 3])
def test_so_many_at_a_time(tmp_path, jobs):
    log = tmp_path / "order"
    out = lines(tmp_path, f"echo + >> {log}; sleep 1; echo - >> {log}",
                "--jobs", str(jobs), "convert", "json", "policy")
    assert sorted(tuple(x.split()[:2]) for x in out) == sorted(
        (r, e) for r in ("convert", "json", "policy")
        for e in fuzzing.ENGINES)
    going = most = 0
    for x in log.read_text(encoding="ascii").split():
        going += 1 if x == "+" else -1
        most = max(most, going)
    assert most == jobs


def test_cpu_time_is_of_the_run_alone(tmp_path):
    """That of what a fuzzer leaves is, too."""
    out = lines(tmp_path, "[ $0 = afl ] || exec sleep 3;"
                " (timeout 2 sh -c 'while :; do :; done') & sleep 1",
                "--jobs", "2", "json")
    cpu = {x.split()[1]: int(re.search(r"(\d+) s of CPU", x)[1])
           for x in out}
    assert cpu["libfuzzer"] == 0
    assert cpu["afl"] >= 1 or os.getloadavg()[0] > os.cpu_count()


def test_a_run_that_dies_is_not_well(tmp_path):
    p = start(tmp_path, "kill -9 $PPID", "-e", "afl", "json")
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 1
    assert out == "json afl: it died\nnot well: json/afl\n"


def those_with(word):
    """The command lines that have @word."""
    found = []
    for p in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append((p / "cmdline").read_bytes().decode())
    return [x for x in found if word in x]


@pytest.mark.parametrize("number,whole_group", [
    (signal.SIGTERM, False), (signal.SIGINT, True)])
def test_nothing_is_left_behind(tmp_path, number, whole_group):
    """AFL++'s target is in a session of its own; one that ignores what
    it is told is killed, too."""
    word = str(10 ** 6 + os.getpid())
    sleep = f"sleep {word}"
    p = start(tmp_path, f"trap '' TERM INT; setsid {sleep} & {sleep}",
              "--jobs", "2", "json")
    end = time.monotonic() + 30
    while those_with(word).count(f"sleep\0{word}\0") < 4:
        assert time.monotonic() < end
        time.sleep(0.05)
    (os.killpg if whole_group else os.kill)(p.pid, number)
    out, err = p.communicate(timeout=30)
    assert (p.returncode, out, err) == (128 + number, "", "")
    assert those_with(word) == []


def test_the_corpus_is_added_to_and_no_more(tmp_path, monkeypatch):
    """One engine may drop an input while the other reads them all."""
    monkeypatch.setattr(fuzzing, "BUILD", tmp_path)
    (tmp_path / "bin").mkdir()
    fuzzer = tmp_path / "bin" / "fuzz_json"
    monkeypatch.setattr(fuzzing, "program", lambda *_: fuzzer)
    # libFuzzer has its own corpus as the first directory.
    fuzzer.write_text("#!/bin/sh\nfor d; do case $d in -*) ;;"
                      " *) rm -f $d/*; echo new > $d/x; exit;; esac; done\n")
    fuzzer.chmod(0o755)
    corpus = tmp_path / "corpus" / "json"
    corpus.mkdir(parents=True)
    (corpus / "old").write_text("old")
    work = tmp_path / "work"
    work.mkdir()
    fuzzing.run_libfuzzer("json", 1, work, keep=True)
    assert {f.read_text() for f in corpus.iterdir()} == {"old", "new\n"}
    assert not (work / "part").exists()
