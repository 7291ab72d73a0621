#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Runs the fuzzed readers that "make fuzz-build" has built.

fuzzing.py [--seconds N] [--jobs N] [-e ENGINE]... [READER]...

ENGINE is libfuzzer or afl (AFL++); all readers and both engines where
none is named.  A run is one reader under one engine; N of them go side
by side, as many as there are processors where --jobs does not say.
Prints for each what it did, in the time of the clock and of the CPU; the
exit status is 1 where anything was found or a run did not run.  What is
found stands in build/fuzz/finds: it is to be kept, in
tests/fuzz/regressions/READER, which "make check" replays.

Each run is a process of its own, which alone has the fuzzer and what
that leaves as children: so their CPU time is the run's, and they end with
it, whatever ends it.  A run works on a copy of the reader's corpus and
adds to the corpus what it has at its end; nothing is taken from there.

A find is what a sanitizer reports, what a reader must hold and does not,
more than 256 MiB, 10 s of CPU time for one input (tests/fuzz/common.h),
or 60 s of the clock (the machine may have other things to do).
"""

import argparse
import ctypes
import hashlib
import multiprocessing
import multiprocessing.connection
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
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


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


def end_children():
    """Kills them all, and those of theirs that become ours by it."""
    while pids := [int(pid) for f in Path("/proc/self/task").glob(
            "*/children") for pid in f.read_text("ascii").split()]:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)


def execute(cmd, env, limit, log):
    """(status or None, output, seconds, CPU seconds)"""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    with open(log, "wb") as out:
        try:
            p = subprocess.Popen(cmd, env=env, stdout=out, stderr=out,
                                 stdin=subprocess.DEVNULL,
                                 start_new_session=True)
            status = p.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
            end_children()
        except BaseException:
            end_children()
            raise
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


def grown(reader):
    """What is in the corpus; no run takes anything away."""
    return list(corpus(reader).iterdir()) if corpus(reader).is_dir() else []


def keep_grown(reader, files, work):
    """For later runs, of either engine; named as libFuzzer does.  Other
    runs read and add meanwhile: each file comes whole."""
    corpus(reader).mkdir(parents=True, exist_ok=True)
    for f in files:
        data = f.read_bytes()
        to = corpus(reader) / hashlib.sha1(data).hexdigest()
        if not to.exists():
            (work / "part").write_bytes(data)
            (work / "part").rename(to)


def run_libfuzzer(reader, seconds, work, planted=False, keep=False):
    mine = work / "corpus"
    finds = work / "finds"
    mine.mkdir(parents=True, exist_ok=True)
    finds.mkdir(parents=True, exist_ok=True)
    for f in grown(reader) if keep else []:
        shutil.copy(f, mine)
    dirs = [HERE / "seeds" / reader]
    if (HERE / "regressions" / reader).is_dir():
        dirs.append(HERE / "regressions" / reader)
    try:
        status, said, clock, cpu = execute(
            [program("libfuzzer", reader, planted), "-print_final_stats=1",
             f"-max_total_time={max(1, round(seconds))}",
             f"-timeout={CLOCK_S}", f"-rss_limit_mb={MEMORY_MB}",
             f"-max_len={LENGTHS.get(reader, LENGTH)}",
             f"-dict={HERE / 'dict' / reader}", "-report_slow_units=3600",
             f"-artifact_prefix={finds}/", mine, *dirs],
            environment("libfuzzer"), seconds + 300,
            work / "libfuzzer.log")
    finally:
        if keep:
            keep_grown(reader, mine.iterdir(), work)
    m = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
    found = sorted(finds.iterdir())
    return Run(int(m.group(1)) if m else 0, clock, cpu, found,
               status == 0 or bool(found), said)


def afl_inputs(reader, work, keep):
    """A directory of the inputs to start from: it takes only one."""
    inputs = work / "in"
    inputs.mkdir(parents=True)
    some = seeds(reader) + kept(reader)
    if keep:
        some += sorted(grown(reader),
                       key=lambda p: p.stat().st_size)[:AFL_INPUTS]
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
    try:
        status, said, clock, cpu = execute(
            ["afl-fuzz", "-i", afl_inputs(reader, work, keep), "-o", out,
             "-V", str(max(1, round(seconds))), "-t", str(CLOCK_S * 1000),
             "-m", "none", "-G", str(LENGTHS.get(reader, LENGTH)),
             "-x", HERE / "dict" / reader, "--",
             program("afl", reader, planted)], env, seconds + 300,
            work / "afl.log")
    finally:
        if keep:
            keep_grown(reader, (out / "default" / "queue").glob("id*"),
                       work)
    stats = out / "default" / "fuzzer_stats"
    stats = stats.read_text() if stats.exists() else ""
    finds = [f for d in ("crashes", "hangs")
             for f in sorted((out / "default" / d).glob("id*"))]
    return Run(afl_number(stats, "execs_done"), clock, cpu, finds,
               status == 0, said)


RUN = {"libfuzzer": run_libfuzzer, "afl": run_afl}


def line(reader, engine, run):
    rate = run.executions / run.cpu if run.cpu else 0
    return (f"{reader:10} {engine:10} {run.executions:>10} executions in"
            f" {run.seconds:.0f} s, {run.cpu:.0f} s of CPU time"
            f" ({rate:.0f} each), {len(run.finds)} finds" +
            ("" if run.ended_well and run.executions else
             ": IT DID NOT RUN AS IT SHOULD"))


def one(reader, engine, seconds):
    """Runs, puts the finds aside.  (did it go well, what to print)"""
    work = BUILD / "work" / f"{reader}-{engine}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run = RUN[engine](reader, seconds, work, keep=True)
    text = [line(reader, engine, run)]
    if not run.good:
        text.append(run.said[-6000:])
    aside = BUILD / "finds" / reader
    for f in run.finds:
        aside.mkdir(parents=True, exist_ok=True)
        name = f"{engine}-{hashlib.sha1(f.read_bytes()).hexdigest()[:12]}"
        shutil.copy(f, aside / name)
        text.append(f"  found: {aside / name}")
    return run.good, "\n".join(text)


def ended(number, _frame):
    """Once: what is left to do then is not to be cut short."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def process(to, run):
    """Of one run.  SIGTERM ends it, also where main() is killed; Ctrl-C
    is main()'s (not ignored: the fuzzer would be born so)."""
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, ended)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    to.send(one(*run))


def side_by_side(runs, jobs):
    """At most so many at a time; those that did not go well."""
    runs, going, bad = list(runs), {}, []
    try:
        while runs or going:
            while runs and len(going) < jobs:
                here, there = multiprocessing.Pipe(duplex=False)
                p = multiprocessing.Process(target=process,
                                            args=(there, runs[0]))
                going[here] = p, runs.pop(0)
                p.start()
                there.close()
            for here in multiprocessing.connection.wait(list(going)):
                p, run = going[here]
                try:
                    good, text = here.recv()
                except EOFError:
                    good, text = False, f"{run[0]} {run[1]}: it died"
                print(text, flush=True)
                p.join()
                del going[here]
                if not good:
                    bad.append(f"{run[0]}/{run[1]}")
    finally:
        for p, _ in going.values():
            if p.pid:
                p.terminate()
        for p, _ in going.values():
            if p.pid:
                p.join()
    return bad


def main(argv):
    p = argparse.ArgumentParser(
        prog="fuzzing.py", description="runs the fuzzed readers")
    p.add_argument("--seconds", type=int, default=1800,
                   help="for each reader and engine")
    p.add_argument("--jobs", type=int,
                   default=len(os.sched_getaffinity(0)),
                   help="so many side by side: %(default)s")
    p.add_argument("-e", "--engine", action="append", choices=ENGINES)
    p.add_argument("reader", nargs="*")
    a = p.parse_args(argv)
    unknown = [r for r in a.reader if r not in READERS]
    if unknown or a.seconds < 1 or a.jobs < 1:
        p.error(f"readers are {', '.join(READERS)}; 1 s and 1 job at"
                " least")
    signal.signal(signal.SIGTERM, ended)
    try:
        # Once each, also where one is named twice.
        bad = side_by_side(dict.fromkeys(
            (r, e, a.seconds) for r in a.reader or READERS
            for e in a.engine or ENGINES), a.jobs)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if bad:
        print("not well: " + ", ".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
