# SPDX-License-Identifier: LGPL-2.1-only
"""Fixtures of the lab scenarios.

host    dom0 of a lab (session): the one named by LAB_NAME, if that is
        up, else one of this session's own from the ready state
guest   factory of test guests; see xenlab/guest.py for its arguments
pair    two hosts with a cable between them (session); see xenlab/pair.py
traveller   factory of guests of the pair: they start on its first host,
        with a disk that both reach

Every test starts with no guests, no journals and an empty `xl dmesg`.
A run that the emulator spoilt (LabVoid, a triple fault in Xen's own
text, or Xen's timers that stood still) is repeated at most twice, counted
and reported; it never passes.

LXE_BUILD   directory of the project's programs (build/debug, or what
            `lab make --flavour F debug` makes), copied to /opt/libxl-ext
            in dom0
LAB_NAME, LAB_FLAVOUR, LAB_SMP

A JUnit report is whole after each scenario, so that a run that is stopped
has said all that it knew; tests/lab/tested keeps the record by it.
"""

import os
import signal
import sys
from pathlib import Path

import pytest
from _pytest.junitxml import xml_key
from _pytest.runner import runtestprotocol

sys.path.insert(0, str(Path(__file__).resolve().parent))

from xenlab import buildroot, flavours, scenarios, tree  # noqa: E402
from xenlab.guest import Guest                          # noqa: E402
from xenlab.lab import Lab                              # noqa: E402
from xenlab.pair import Pair                            # noqa: E402
from xenlab.proc import LabError, LabVoid, say          # noqa: E402

MAX_REPEATS = 2
_voids = []                     # (test, why)
_lab = _pair = None
_failed = _interrupted = False


def pytest_sessionstart(session):
    # pytest takes SystemExit in a test for a failure and goes on;
    # KeyboardInterrupt ends the session, fixtures tidied.
    def interrupt(signum, frame):
        raise KeyboardInterrupt
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, interrupt)
    begin_report(session.config)


def pytest_keyboard_interrupt(excinfo):
    global _interrupted
    _interrupted = True


def begin_report(config):
    """What it says of the tests; of the host: record_versions().  All of
    them means with all that LXE_ALL adds inside of each, too."""
    xml = config.stash.get(xml_key, None)
    if not xml:
        return
    commit, name = tree.here()
    everything = os.environ.get("LXE_ALL") == "1" and \
        not os.environ.get("LXE_POINTS")
    xml.add_global_property("commit", commit)
    xml.add_global_property("tree", name)
    xml.add_global_property("scope", "all" if everything else "some")


def write_report(config):
    """As at the end of the session, but never half a file."""
    xml = config.stash.get(xml_key, None)
    if not xml:
        return
    path = xml.logfile
    xml.logfile += ".part"
    try:
        xml.pytest_sessionfinish()
        os.replace(xml.logfile, path)
    finally:
        xml.logfile = path


# What the report says it was tested on: name and the command for it.
VERSIONS = {
    "debian": "cat /etc/debian_version",
    "xen": "xl info | sed -n 's/^xen_version *: //p'",
    "tools": "dpkg-query -W -f '${Version}' xenstore-utils",
    "linux": "uname -r",
    "qemu": "dpkg-query -W -f '${Version}\\n' qemu-system-xen"
            " qemu-system-x86 2>/dev/null | head -n 1",
    "libvirt": "dpkg-query -W -f '${Version}' libvirt-daemon",
}


def record_versions(lab, record):
    record("flavour", lab.flavour.name)
    out = lab.host.run("\n".join(f"echo \"{name} $({command})\""
                                for name, command in VERSIONS.items())).out
    for line in out.splitlines():
        name, _, value = line.partition(" ")
        record(name, value)


@pytest.fixture(scope="session")
def lab(record_testsuite_property):
    global _lab
    name = os.environ.get("LAB_NAME")
    flavour = flavours.FLAVOURS[os.environ.get("LAB_FLAVOUR",
                                               flavours.DEFAULT)]
    found = Lab.find(name) if name else None
    if name and not found:
        raise LabError(f"LAB_NAME={name}, but no such lab is up")
    smp = int(os.environ.get("LAB_SMP", flavours.SMP))
    _lab = found or Lab.up(f"pytest-{os.getpid()}", flavour, smp,
                           keep=False)
    if not _lab.host.control.exists():
        _lab.host.connect()
    record_versions(_lab, record_testsuite_property)
    try:
        yield _lab
    finally:
        if not found:
            _lab.down(failed=_failed)


@pytest.fixture(scope="session")
def host(lab):
    deploy(lab)
    return lab.host


def deploy(lab):
    build = Path(os.environ.get("LXE_BUILD") or
                 buildroot.programs(lab.flavour))
    if not build.is_dir():
        how = "make" if buildroot.native(lab.flavour) else \
            f"tests/lab/lab make --flavour {lab.flavour.name}"
        raise LabError(f"no programs in {build}; make them: {how} debug")
    names = lab.host.deploy(build)
    say(f"deployed {', '.join(names)} from {build}")


@pytest.fixture(scope="session")
def pair(record_testsuite_property):
    global _pair
    flavour = flavours.FLAVOURS[os.environ.get("LAB_FLAVOUR",
                                               flavours.DEFAULT)]
    _pair = Pair.up(f"pair-{os.getpid()}", flavour,
                    int(os.environ.get("LAB_SMP", flavours.SMP)))
    try:
        for lab in _pair.labs:
            deploy(lab)
        record_versions(_pair.labs[0], record_testsuite_property)
        yield _pair
    finally:
        _pair.down(failed=_failed)


@pytest.fixture(autouse=True)
def clean_host(request):
    """For tests that use a lab at all."""
    if {"host", "guest"} & set(request.fixturenames):
        request.getfixturevalue("host").clean()
    if {"pair", "traveller"} & set(request.fixturenames):
        pair = request.getfixturevalue("pair")
        pair.join()
        for h in pair.hosts:
            h.clean()
    yield


@pytest.fixture
def traveller(pair, clean_host, request):
    made = []

    def make(kind, made_by=Guest, **kwargs):
        g = made_by(pair.hosts[0], kind, disk="nbd", **kwargs)
        made.append(g)
        g.start()
        return g

    yield make
    if _interrupted:
        return
    for h in pair.hosts:
        h.check_void(request.node.nodeid)
    for g in made:
        for h in pair.hosts:
            g.host = h
            g.destroy()


@pytest.fixture
def guest(host, lab, clean_host, request):
    """guest(kind, ...) -> Guest, created and alive unless start=False."""
    made = []

    def make(kind, start=True, **kwargs):
        g = Guest(host, kind, **kwargs)
        made.append(g)
        if start:
            g.start()
        return g

    yield make
    if _interrupted and not os.environ.get("LAB_NAME"):
        return          # they end with their lab, at once
    # Voids are looked for while `xl dmesg` still tells.
    host.check_void(request.node.nodeid)
    for g in made:
        g.destroy()


def pytest_runtest_makereport(item, call):
    """Logs of a failure are saved while its guests still exist."""
    global _failed
    if call.excinfo is None or call.excinfo.errisinstance(
            pytest.skip.Exception):
        return
    item.is_void = call.excinfo.errisinstance(LabVoid) or \
        getattr(item, "is_void", False)
    _failed = True
    if item.is_void:
        _voids.append((item.nodeid, str(call.excinfo.value)))
    labs = ([_lab] if _lab else []) + (_pair.labs if _pair else [])
    for lab in labs if call.when != "teardown" else ():
        try:
            lab.keep_guest_logs()
        except Exception as e:          # the lab may be dead
            say(f"no logs from dom0: {e}")


def pytest_runtest_protocol(item, nextitem):
    """Repeats void runs, and only those."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid,
                                       location=item.location)
    for turn in range(MAX_REPEATS + 1):
        item.is_void = False
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not _run_is_void(item) or turn == MAX_REPEATS:
            break
        say(f"{item.nodeid}: void, repeated")
    for r in reports:
        item.ihook.pytest_runtest_logreport(report=r)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid,
                                        location=item.location)
    write_report(item.config)
    return True


def _run_is_void(item):
    return getattr(item, "is_void", False)


def pytest_terminal_summary(terminalreporter):
    if _voids:
        terminalreporter.section("void runs (the emulator failed)")
        for test, why in _voids:
            terminalreporter.write_line(f"{test}: {why}")


def pytest_configure(config):
    config.addinivalue_line("markers", "drives(client, kind): what a"
                            " scenario is counted for; xenlab/scenarios.py")


def pytest_collection_finish(session):
    """For xenlab/scenarios.py, which asks what there is."""
    path = os.environ.get(scenarios.LIST)
    if not path:
        return
    try:
        scenarios.write(path, map(scenarios.describe, session.items))
    except ValueError as e:
        raise pytest.UsageError(str(e)) from None
