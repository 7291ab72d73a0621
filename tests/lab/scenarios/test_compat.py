# SPDX-License-Identifier: LGPL-2.1-only
"""Standing where libxl expects its own helper."""

import time

import pytest


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
                      env=g._env(ext, 1 if live else 0, env))
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


def test_sigterm_leaves_the_guest_running(guest, host):
    g = guest("pvh")
    g.wait_alive()
    _, go_on = stalled_save(g)
    host.run("pkill -TERM -x libxl-ext-save-")    # comm is 15 long
    save = go_on()
    assert save.returncode != 0
    assert "SIGTERM" in save.text
    g._mark()
    g.wait_alive()
    g.save(ext=True)
    g.restore(ext=True)
    g.wait_alive()


def test_raise_during_a_live_save_is_taken_back(guest):
    g = guest("pvh")
    g.wait_alive()
    before = g.limits()
    _, go_on = stalled_save(g)
    g.raise_limit(mib=8, populate_pages=0)
    save = go_on()
    assert save.returncode == 0, save.text
    assert "was raised" in save.text and "put back" in save.text
    g.restore(ext=True)
    g.wait_alive()
    assert g.limits()["max_pages"] == before["max_pages"]


def test_raise_in_use_during_a_live_save_aborts_it(guest):
    g = guest("pvh")
    g.wait_alive()
    _, go_on = stalled_save(g)
    raised = g.raise_limit(mib=8, populate_pages=2048)
    save = go_on()
    assert save.returncode != 0
    assert "above the limit that was sent" in save.text
    g._mark()
    g.wait_alive()
    assert g.limits() == raised
    g.save(ext=True)
    g.restore(ext=True)
    g.wait_alive()


def test_domain_that_dies_during_a_save(guest, host):
    g = guest("pvh")
    g.wait_alive()
    _, go_on = stalled_save(g)
    host.run(f"xl destroy {g.name}", timeout=120)
    save = go_on()
    assert save.returncode != 0
    assert not g.exists
    assert host.run("ls /run/libxl-ext/ 2>/dev/null", check=False).out == ""
    assert host.run("pgrep -f libxl-ext-guardian", check=False).rc != 0


def test_remus_goes_to_the_stock_helper(host):
    """Stream type 1 is Remus: the stock helper speaks its own way."""
    r = host.run("/opt/libxl-ext/libxl-ext-save-helper --save-domain"
                 " 1 -1 4242 1 0 1 </dev/null 2>&1 | strings", check=False)
    assert "libxl-save-helper" in r.stdout
    assert "libxl-ext-save-helper" not in r.stdout


@pytest.mark.parametrize("cut", [100, 3 << 20, 20 << 20, 80 << 20,
                                 150 << 20])
def test_receiver_that_dies(guest, host, cut):
    """The receiver takes so many bytes and is gone."""
    g = guest("pvh", name=f"cut{cut}")
    g.wait_alive()
    before = g.limits()
    script = "/var/lab/dies"
    # xl migrate's handshake comes first: the receiver must speak it.
    host.write(script, "#!/bin/sh\nshift\n"
               f"head -c {cut} | \"$@\" 2>/dev/null\n")
    host.run(f"chmod +x {script}")
    r = g._xl("migrate", f"migrate -s {script} {g.name} localhost",
              check=False, env=g._env(True, 0, None))
    assert r.rc != 0
    g.wait_alive()
    assert g.limits() == before
    assert list(host.domains()) == [g.name]
