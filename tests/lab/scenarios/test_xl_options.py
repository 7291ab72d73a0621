# SPDX-License-Identifier: LGPL-2.1-only
"""The options that xl-ext save, restore and migrate share with xl's, on
real guests: a configuration of one's own, a guest that arrives paused, an
id that is kept, the console behind a restore.

Both ends of a migration are this one host; see test_xl_ext_guest.py.
"""

import json

import pytest

from test_xl_ext_guest import RECEIVE, migrate, restore, runs_on, save, \
    xl_ext
from xenlab.guest import SMALL
from xenlab.host import EXT, WORK, XL_EXT

pytestmark = pytest.mark.drives(client="xl-ext", kind="pvh")

# In the place of ssh.  Only where xl-ext is on its PATH is the other end
# one of libxl-ext.
SSH = {"ext": f"#!/bin/sh\nPATH={EXT}:$PATH\nexec sh -c \"$2\"\n",
       "stock": "#!/bin/sh\nexec sh -c \"$2\"\n"}
PEERS = pytest.mark.parametrize("peer", SSH)


def own_config(g, file="own.cfg", /, **words):
    """The path of the guest's configuration, in xl's syntax, with other
    words for some of it."""
    lines = [line for line in g.config().splitlines()
             if line.partition(" = ")[0] not in words]
    lines += [f'{key} = "{value}"' for key, value in words.items()]
    path = f"{WORK}/{file}"
    g.host.write(path, "\n".join(lines) + "\n")
    return path


def config(g):
    """That libxl has of it."""
    [domain] = json.loads(g.host.run(f"xl list -l {g.name}").stdout)
    return domain["config"]


def is_paused(g):
    return g.flags().startswith("--p")


def shown_config(err):
    """What restore -d says on standard error."""
    return json.JSONDecoder().raw_decode(err, err.index("{"))[0]


def monitors(host, wanted):
    """Of guests, in the background: so many, soon."""
    host.run("for i in $(seq 100); do"
             f" [ $(pgrep -cx xl-ext) = {wanted} ] && exit 0; sleep 0.2;"
             " done; pgrep -ax xl-ext; exit 1", timeout=90)


def test_configuration_in_the_image(guest, host):
    """save NAME FILE CONFIG; restore -p, -d, -e."""
    g = guest("pvh", **SMALL)
    uuid = config(g)["c_info"]["uuid"]
    assert config(g)["on_poweroff"] == "preserve"
    own = own_config(g, on_poweroff="restart")
    xl_ext(g, f"save {g.name} {g.save_path} {own}")
    assert not g.exists
    r = restore(g, "-ped")
    shown = shown_config(r.stderr)
    assert shown["on_poweroff"] == "restart"
    assert shown["c_info"]["uuid"] == config(g)["c_info"]["uuid"] == uuid
    assert config(g)["on_poweroff"] == "restart"
    assert r.stderr.splitlines()[-1].partition("; ")[0].endswith("paused")
    assert is_paused(g)
    monitors(host, 0)
    host.run(f"xl unpause {g.name}")
    g.wait_alive()


def test_configuration_at_the_restore(guest, host):
    """restore CONFIG FILE, and one that would lose the guest."""
    g = guest("pvh", **SMALL)
    save(g)
    wrong = own_config(g, "wrong.cfg", type="pv")
    r = restore(g, wrong, check=False)
    assert r.rc == 2 and "is of a guest of type pv" in r.stderr, r.stderr
    assert not g.exists
    restore(g, own_config(g, on_poweroff="restart"))
    g.wait_alive()
    assert config(g)["on_poweroff"] == "restart"
    monitors(host, 1)
    host.run(f"xl destroy {g.name}")
    monitors(host, 0)


def test_the_id_is_kept(guest, host):
    """save -D; and migrate -D, where another domain has the id: here the
    guest itself."""
    g = guest("pvh", **SMALL)
    domid = g.domid
    r = xl_ext(g, f"precheck --json -D -s '' --to '{RECEIVE}' {g.name}",
               check=False)
    assert r.rc == 1 and "is to keep its id" in r.json["answer"]["reason"]
    r = migrate(g, "-D", check=False)
    assert r.rc == 2 and "is to keep its id" in r.stderr, r.stderr
    runs_on(g)
    assert list(host.domains()) == [g.name] and g.domid == domid
    save(g, "-D")
    # libxl gives no id again within a minute, or, told so, a second.
    host.run("sleep 2")
    restore(g, env={"LIBXL_DOMID_REUSE_TIMEOUT": 0})
    g.wait_alive()
    assert g.domid == domid


@PEERS
def test_migrated_and_left_paused(guest, host, peer):
    """migrate -p; and whoever asks lets nobody run."""
    g = guest("pvh", **SMALL)
    uuid, domid = config(g)["c_info"]["uuid"], g.domid
    host.write(f"{WORK}/ssh", SSH[peer])
    host.run(f"chmod 755 {WORK}/ssh")
    r = xl_ext(g, f"precheck -p -s {WORK}/ssh --to other {g.name}")
    assert "it would be taken" in r.stdout
    assert ("stock xl" in r.stdout) == (peer == "stock")
    r = xl_ext(g, f"migrate -p -s {WORK}/ssh {g.name} other")
    assert f"{g.name} is on other, paused\n" in r.stderr
    assert list(host.domains()) == [g.name] and g.domid != domid
    ask = f"{XL_EXT} migrate-receive --ask {uuid}"
    assert is_paused(g)
    assert host.run(ask).out == "running" and is_paused(g)
    host.run(f"xl unpause {g.name}")
    g.wait_alive()
    host.run(f"xl pause {g.name}")
    assert host.run(ask).out == "running" and is_paused(g)
    host.run(f"xl unpause {g.name}")
    runs_on(g)


def test_migrated_and_paused_since(guest, host):
    """By an operator, whom nobody who asks contradicts."""
    g = guest("pvh", **SMALL)
    uuid = config(g)["c_info"]["uuid"]
    migrate(g)
    g.wait_alive()
    host.run(f"xl pause {g.name}")
    r = host.run(f"{XL_EXT} migrate-receive --ask {uuid}")
    assert r.out == "running" and is_paused(g)
    host.run(f"xl unpause {g.name}")
    runs_on(g)


@pytest.mark.parametrize("receive", [RECEIVE, "xl migrate-receive"],
                         ids=["ext", "stock"])
def test_migrated_with_a_configuration(guest, host, receive):
    """migrate -C; and one that is refused before a byte is sent."""
    g = guest("pvh", **SMALL)
    domid = g.domid
    uuid = config(g)["c_info"]["uuid"]
    wrong = own_config(g, "wrong.cfg", name="another")
    for command in (f"migrate -s '' -C {wrong} {g.name} 'touch {WORK}/ran'",
                    f"precheck -s '' -C {wrong} {g.name} --to"
                    f" 'touch {WORK}/ran'"):
        r = xl_ext(g, command, check=False)
        assert r.rc == 2 and "calls the guest another" in r.stderr, r.stderr
    assert g.domid == domid
    host.run(f"[ ! -e {WORK}/ran ]")
    migrate(g, "-C", own_config(g, on_poweroff="restart"), receive=receive)
    g.wait_alive()
    assert list(host.domains()) == [g.name] and g.domid != domid
    assert config(g)["on_poweroff"] == "restart"
    assert config(g)["c_info"]["uuid"] == uuid


# The command becomes the console, which ends when it is told to.
CONSOLE = """
{command} >{work}/out 2>{work}/err & p=$!
i=0
until grep -q churn: {work}/out
do i=$((i+1)); [ $i -lt 900 ] || exit 99; sleep 0.2; done
cat /proc/$p/comm
kill $p
wait $p
"""


def test_console_behind_a_restore(guest, host):
    """restore -c."""
    g = guest("pvh", **SMALL)
    save(g)
    g.set_mark()
    r = host.run(CONSOLE.format(
        command=f"{XL_EXT} restore -ec {g.save_path}", work=WORK),
        check=False, timeout=400)
    err = host.read(f"{WORK}/err")
    assert (r.rc, r.out) == (0, "xenconsole"), (r, err)
    assert f"{g.name} is on " in err.splitlines()[-1]
    g.wait_alive()
