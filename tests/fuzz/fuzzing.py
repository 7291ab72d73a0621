#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Runs the fuzzed readers that "make fuzz-build" has built.

fuzzing.py [--seconds N] [-e ENGINE]... [READER]...

ENGINE is libfuzzer or afl (AFL++); all readers and both engines where
none is named.  Prints for each reader and engine what it did, in the time
of the clock and of the CPU; the exit status is 1 where anything was found
or a run did not run.  What is found stands in build/fuzz/finds: it is to
be kept, in tests/fuzz/regressions/READER, which "make check" replays.

A find is what a sanitizer reports, what a reader must hold and does not,
more than 256 MiB, 10 s of CPU time for one input (tests/fuzz/common.h),
or 60 s of the clock (the machine may have other things to do).
"""

import argparse
import ctypes
import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = TOP / "build" / "fuzz"
ENGINES = ("libfuzzer", "afl")
READERS = sorted(p.stem[len("fuzz_"):] for p in HERE.glob("fuzz_*.c"))

MEMORY_MB = 256
CLOCK_S = 60
# As long as inputs of the real format are, and somewhat more.
LENGTHS = {"convert": 40000, "libxc": 40000, "libxl": 40000,
           "record": 512, "policy": 2048, "journal": 2048}
LENGTH = 4096
AFL_INPUTS = 500

OPTIONS = (f"abort_on_error=1:symbolize=%d:quarantine_size_mb=8:"
           f"max_allocation_size_mb={MEMORY_MB}:detect_stack_use_after"
           "_return=0:allocator_may_return_null=0")
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Run:
    """What one engine did with one reader."""
    executions: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    finds: list = field(default_factory=list)
    ended_well: bool = True     # it ran, and ended by itself
    said: str = ""

    @property
    def good(self):
        return self.ended_well and self.executions and not self.finds


def program(engine, reader, planted=False):
    return BUILD / engine / f"{'planted' if planted else 'fuzz'}_{reader}"


def kept(reader):
    """What was found once: an empty list is no mistake."""
    return sorted((HERE / "regressions" / reader).glob("*"))


def seeds(reader):
    return sorted((HERE / "seeds" / reader).iterdir())


def environment(engine):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("AFL_", "ASAN_", "UBSAN_", "LSAN_"))}
    env["ASAN_OPTIONS"] = OPTIONS % (engine == "libfuzzer")
    env.update(AFL_SKIP_CPUFREQ="1", AFL_NO_AFFINITY="1", AFL_NO_UI="1",
               AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES="1", AFL_FAST_CAL="1",
               AFL_FORKSRV_INIT_TMOUT="120000")
    return env


def reap():
    """The process that AFL++ forks from outlives it, and what it used
    counts only when somebody has waited for it."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def execute(cmd, env, limit, log):
    """(status or None, output, seconds, CPU seconds)"""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    with open(log, "wb") as out:
        p = subprocess.Popen(cmd, env=env, stdout=out, stderr=out,
                             stdin=subprocess.DEVNULL,
                             start_new_session=True)
        try:
            status = p.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
    seconds = time.monotonic() - start
    reap()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime -
           before.ru_stime)
    return (status, Path(log).read_text(encoding="utf-8",
                                        errors="replace"), seconds, cpu)


def replay(engine, reader, files, work, planted=False):
    """Each of the files once.  (went well, output)"""
    options = [f"-artifact_prefix={work}/"] if engine == "libfuzzer" else []
    status, said, _, _ = execute(
        [program(engine, reader, planted), *options, *files],
        environment(engine), CLOCK_S + 10 * len(files),
        work / "replay.log")
    return status == 0, said


def corpus(reader):
    return BUILD / "corpus" / reader


def run_libfuzzer(reader, seconds, work, planted=False, keep=False):
    grown = corpus(reader) if keep else work / "corpus"
    finds = work / "finds"
    grown.mkdir(parents=True, exist_ok=True)
    finds.mkdir(parents=True, exist_ok=True)
    dirs = [HERE / "seeds" / reader]
    if (HERE / "regressions" / reader).is_dir():
        dirs.append(HERE / "regressions" / reader)
    status, said, clock, cpu = execute(
        [program("libfuzzer", reader, planted), "-print_final_stats=1",
         f"-max_total_time={max(1, round(seconds))}",
         f"-timeout={CLOCK_S}", f"-rss_limit_mb={MEMORY_MB}",
         f"-max_len={LENGTHS.get(reader, LENGTH)}",
         f"-dict={HERE / 'dict' / reader}", "-report_slow_units=3600",
         f"-artifact_prefix={finds}/", grown, *dirs],
        environment("libfuzzer"), seconds + 300, work / "libfuzzer.log")
    m = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
    found = sorted(finds.iterdir())
    return Run(int(m.group(1)) if m else 0, clock, cpu, found,
               status == 0 or bool(found), said)


def afl_inputs(reader, work, keep):
    """A directory of the inputs to start from: it takes only one."""
    inputs = work / "in"
    inputs.mkdir(parents=True)
    some = seeds(reader) + kept(reader)
    if keep and corpus(reader).is_dir():
        grown = sorted(corpus(reader).iterdir(),
                       key=lambda p: p.stat().st_size)
        some += grown[:AFL_INPUTS]
    for n, path in enumerate(some):
        if path.stat().st_size:
            shutil.copy(path, inputs / f"{n:04d}-{path.name}")
    return inputs


def afl_number(stats, name):
    m = re.search(rf"^{name}\s*:\s*(\d+)$", stats, re.M)
    return int(m.group(1)) if m else 0


def run_afl(reader, seconds, work, planted=False, keep=False):
    out = work / "afl"
    env = environment("afl")
    if planted:
        env["AFL_BENCH_UNTIL_CRASH"] = "1"
    status, said, clock, cpu = execute(
        ["afl-fuzz", "-i", afl_inputs(reader, work, keep), "-o", out,
         "-V", str(max(1, round(seconds))), "-t", str(CLOCK_S * 1000),
         "-m", "none", "-G", str(LENGTHS.get(reader, LENGTH)),
         "-x", HERE / "dict" / reader, "--",
         program("afl", reader, planted)], env, seconds + 300,
        work / "afl.log")
    stats = out / "default" / "fuzzer_stats"
    stats = stats.read_text() if stats.exists() else ""
    finds = [f for d in ("crashes", "hangs")
             for f in sorted((out / "default" / d).glob("id*"))]
    if keep:
        keep_queue(reader, out / "default" / "queue")
    return Run(afl_number(stats, "execs_done"), clock, cpu, finds,
               status == 0, said)


def keep_queue(reader, queue):
    """For the next run, of either engine; named as libFuzzer does."""
    corpus(reader).mkdir(parents=True, exist_ok=True)
    for f in queue.glob("id*"):
        data = f.read_bytes()
        (corpus(reader) / hashlib.sha1(data).hexdigest()).write_bytes(data)


RUN = {"libfuzzer": run_libfuzzer, "afl": run_afl}


def line(reader, engine, run):
    rate = run.executions / run.cpu if run.cpu else 0
    return (f"{reader:10} {engine:10} {run.executions:>10} executions in"
            f" {run.seconds:.0f} s, {run.cpu:.0f} s of CPU time"
            f" ({rate:.0f} each), {len(run.finds)} finds" +
            ("" if run.ended_well and run.executions else
             ": IT DID NOT RUN AS IT SHOULD"))


def one(reader, engine, seconds):
    """Runs, prints, puts the finds aside.  Did it go well?"""
    work = BUILD / "work" / f"{reader}-{engine}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run = RUN[engine](reader, seconds, work, keep=True)
    print(line(reader, engine, run), flush=True)
    if not run.good:
        print(run.said[-6000:], flush=True)
    aside = BUILD / "finds" / reader
    for f in run.finds:
        aside.mkdir(parents=True, exist_ok=True)
        name = f"{engine}-{hashlib.sha1(f.read_bytes()).hexdigest()[:12]}"
        shutil.copy(f, aside / name)
        print(f"  found: {aside / name}", flush=True)
    return run.good


def main(argv):
    p = argparse.ArgumentParser(
        prog="fuzzing.py", description="runs the fuzzed readers")
    p.add_argument("--seconds", type=int, default=1800,
                   help="for each reader and engine")
    p.add_argument("-e", "--engine", action="append", choices=ENGINES)
    p.add_argument("reader", nargs="*")
    a = p.parse_args(argv)
    unknown = [r for r in a.reader if r not in READERS]
    if unknown or a.seconds < 1:
        p.error(f"readers are {', '.join(READERS)}; 1 s at least")
    bad = [f"{r}/{e}" for r in a.reader or READERS
           for e in a.engine or ENGINES if not one(r, e, a.seconds)]
    if bad:
        print("not well: " + ", ".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
