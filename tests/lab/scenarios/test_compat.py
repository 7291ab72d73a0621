# SPDX-License-Identifier: LGPL-2.1-only
"""Standing where libxl expects its own helper."""

import time

import pytest

from xenlab.guest import LIVE, SMALL
from xenlab.traces import nothing_left

pytestmark = pytest.mark.drives(client="xl", kind="pvh")


def stalled_save(g, ext=True, env=None, live=True, after=1 << 20):
    """A save into a FIFO whose reader stops after some bytes and goes on
    when told: (the Popen of xl, a function that lets it go on)."""
    host = g.host
    fifo = f"/var/lab/{g.name}.fifo"
    host.run(f"rm -f {fifo} {fifo}.go; mkfifo {fifo}")
    reader = host.spawn(
        f"exec 3<{fifo}; head -c {after} <&3 > {g.save_path};"
        f" touch {fifo}.read;"
        f" while ! [ -e {fifo}.go ]; do sleep 0.1; done;"
        f" cat <&3 >> {g.save_path}")
    host.run(f"rm -f {fifo}.read")
    save = host.spawn(f"xl save {g.name} {fifo}",
                      env=host.helper_env(ext, LIVE if live else 0) |
                      (env or {}))
    end = time.monotonic() + 60
    while host.run(f"test -e {fifo}.read", check=False).rc:
        assert time.monotonic() < end, "the save did not begin"
        time.sleep(0.2)

    def go_on():
        host.run(f"touch {fifo}.go")
        out, err = save.communicate(timeout=120)
        reader.wait(timeout=60)
        save.text = out + err
        return save

    return save, go_on


def test_sigterm_and_raises_during_a_live_save(guest, host):
    """One guest that must outlive all of it."""
    g = guest("pvh", **SMALL)
    before = g.limits()

    # SIGTERM: libxl's way to abort.
    _, go_on = stalled_save(g)
    host.run("pkill -TERM -x libxl-ext-save-")    # comm is 15 long
    save = go_on()
    assert save.returncode != 0
    assert "SIGTERM" in save.text
    g.set_mark()
    g.wait_alive()

    # Raised and in use: the save ends, the guest keeps its raise.
    _, go_on = stalled_save(g)
    raised = g.raise_limit()
    save = go_on()
    assert save.returncode != 0
    assert "above the limit that was sent" in save.text
    g.set_mark()
    g.wait_alive()
    assert g.limits() == raised

    # Raised and not in use: taken back, the save goes on.
    _, go_on = stalled_save(g)
    g.raise_limit(mib=8, populate_pages=0)
    save = go_on()
    assert save.returncode == 0, save.text
    assert "was raised" in save.text and "put back" in save.text
    g.restore(ext=True)
    g.wait_alive()
    assert g.limits()["max_pages"] == before["max_pages"] + 2048


def test_domain_that_dies_during_a_save(guest, host):
    g = guest("pvh", **SMALL)
    _, go_on = stalled_save(g)
    host.run(f"xl destroy {g.name}", timeout=120)
    save = go_on()
    assert save.returncode != 0
    assert not g.exists
    nothing_left(host, seconds=30)


@pytest.mark.drives(kind="none")
def test_remus_goes_to_the_stock_helper(host):
    """Stream type 1 is Remus: the stock helper speaks its own way."""
    r = host.run("/opt/libxl-ext/libxl-ext-save-helper --save-domain"
                 " 1 -1 4242 1 0 1 </dev/null 2>&1", check=False)
    assert "libxl-save-helper" in r.stdout
    assert "libxl-ext" not in r.stdout


CUTS = [100, 3 << 20, 20 << 20, 50 << 20, 90 << 20]


def test_receiver_that_dies(guest, host):
    """The receiver takes so many bytes and is gone, five times."""
    g = guest("pvh", **SMALL)
    before = g.limits()
    script = "/var/lab/dies"
    for cut in CUTS:
        # xl migrate's handshake comes first: the receiver speaks it.
        host.write(script, "#!/bin/sh\nshift\n"
                   f"head -c {cut} | \"$@\" 2>/dev/null\n")
        host.run(f"chmod +x {script}")
        r = g.xl("migrate", f"migrate -s {script} {g.name} localhost",
                 check=False, env=host.helper_env(True))
        assert r.rc != 0
        g.wait_alive()
        assert g.limits() == before
        assert list(host.domains()) == [g.name]
