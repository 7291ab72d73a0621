# SPDX-License-Identifier: LGPL-2.1-only
"""Installing the package switches the plug-in on, removing it switches it
off, and at no moment does libxl find nothing at the path of its helper."""

import pytest

INSTALL = "dpkg -i /mnt/libxl-ext.deb"
XEN_AGAIN = "dpkg -i /srv/xen-utils-*.deb"
CONF = "/etc/xen/libxl-ext.conf"


def test_install_upgrade_reinstall_remove_purge(host):
    before = host.run("find /etc /usr /run -xdev | sort")
    host.assert_off()
    host.run(INSTALL)
    host.assert_on()
    host.run("dpkg -i /mnt/new.deb")
    host.assert_on()
    host.run("dpkg -r libxl-ext")
    host.assert_off()
    assert host.run(f"ls {CONF}").strip() == CONF
    host.run(INSTALL)
    host.assert_on()
    host.run("dpkg -P libxl-ext")
    host.assert_off()
    assert host.run("find /etc /usr /run -xdev | sort") == before


def test_xen_is_upgraded_while_it_is_diverted(host):
    host.run(INSTALL)
    host.run(f"apt-get install --reinstall -y /srv/xen-utils-{host.xen}_*")
    host.assert_on()
    # It was unpacked anew, not left as it was.
    host.run(f"echo old > {host.path}.stock && {XEN_AGAIN}")
    host.assert_on()
    host.run("dpkg -r libxl-ext")
    host.assert_off()


def test_the_settings_are_the_administrators(host):
    host.run(INSTALL)
    host.run(f"echo 'memory_bump = \"strict\"' > {CONF}")
    host.run("dpkg -i /mnt/new.deb && dpkg -r libxl-ext")
    assert "strict" in host.run(f"cat {CONF}")
    host.run("dpkg -P libxl-ext")
    assert host.try_(f"ls {CONF}").returncode


def test_removing_xen_removes_us_first(host):
    host.run(INSTALL)
    p = host.try_(f"dpkg -r xen-utils-{host.xen}")
    assert p.returncode and "depends on xen-utils" in p.stdout
    host.assert_on()
    host.run(f"apt-get remove -y xen-utils-{host.xen}")
    assert host.helper() == "none" and host.diverted() == ""
    assert host.try_(f"ls {host.path}*").returncode


def test_xen_that_goes_by_force_and_comes_back(host):
    host.run(INSTALL)
    host.run(f"dpkg --force-depends -P xen-utils-{host.xen}")
    host.run(XEN_AGAIN)
    host.assert_on()
    host.run(f"dpkg --force-depends -P xen-utils-{host.xen}")
    host.run("dpkg -P libxl-ext")
    assert host.helper() == "none" and host.diverted() == ""
    host.run(XEN_AGAIN)
    host.assert_off()


def test_xen_that_comes_later_is_switched_on_by_the_trigger(host):
    host.run(f"dpkg --force-depends -P xen-utils-{host.xen}")
    host.run("dpkg --force-depends -i /mnt/libxl-ext.deb")
    assert host.helper() == "none" and host.diverted() == ""
    host.run(XEN_AGAIN)
    host.assert_on()


def test_another_xen_is_left_alone(host):
    other = "/usr/lib/xen-9.9/bin/libxl-save-helper"
    host.run("dpkg -i /mnt/xen-other.deb")
    host.run(INSTALL)
    host.assert_on()
    assert host.run(other) == "another\n"
    # The next version of the package is for that one.
    host.run("dpkg -i /mnt/other.deb")
    assert host.helper() == "stock" and host.helper(other) == "ours"
    assert host.diverted() == (
        f"diversion of {other} to {other}.stock by libxl-ext\n")
    host.run("dpkg -r libxl-ext")
    host.assert_off()
    assert host.run(other) == "another\n"


def test_somebody_elses_diversion_is_kept(host):
    host.run(f"dpkg-divert --local --no-rename --divert {host.path}.mine"
             f" --add {host.path}")
    assert "diverted by somebody else" in host.run(INSTALL)
    assert host.helper() == "stock"
    host.run("dpkg -P libxl-ext")
    assert host.helper() == "stock" and "local" in host.diverted()


def test_a_package_that_was_unpacked_and_no_more(host):
    host.run("dpkg --unpack /mnt/libxl-ext.deb")
    host.assert_off()
    host.run("dpkg -r libxl-ext")
    host.assert_off()


def test_an_upgrade_that_was_unpacked_and_no_more(host):
    host.run(INSTALL + " && dpkg --unpack /mnt/new.deb")
    host.assert_on()
    # dpkg does not ask prerm now.
    host.run("dpkg -r libxl-ext")
    host.assert_off()


def test_an_installation_that_fails(host):
    block = f"{host.path}.libxl-ext"
    host.run(f"mkdir {block}")
    assert host.try_(INSTALL).returncode
    assert host.helper() == "stock"
    host.run(f"rmdir {block} && dpkg --configure -a")
    host.assert_on()


def test_an_installation_that_fails_is_removed(host):
    block = f"{host.path}.libxl-ext"
    host.run(f"mkdir {block}")
    assert host.try_(INSTALL).returncode
    host.run(f"rmdir {block} && dpkg -P libxl-ext")
    host.assert_off()


# Each of these is counted, and right behind the one whose number is in
# /shim/at the process group of the whole script is killed.
COMMANDS = ("cat", "chmod", "dpkg-divert", "find", "grep", "ln", "mv", "rm",
            "sed", "sync")
SHIM = """#!/bin/sh
/usr/bin/%s "$@"
r=$?
read n < /shim/n
n=$((n + 1))
echo $n > /shim/n
read at < /shim/at
[ $n != $at ] || kill -9 0
exit $r
"""


def put_shims(host, at):
    shim = host.where / "upper/shim"
    shim.mkdir(exist_ok=True)
    (shim / "n").write_text("0\n")
    (shim / "at").write_text(f"{at}\n")
    for c in COMMANDS:
        (shim / c).write_text(SHIM % c)
        (shim / c).chmod(0o755)


INFO = "/var/lib/dpkg/info/libxl-ext"
ON = f"{INFO}.postinst configure"
OFF = f"{INFO}.prerm remove && {INFO}.postrm remove && {INFO}.postrm purge"
# Script -> what comes before it, and its argument.
SCRIPTS = {"postinst": (OFF, "configure"), "prerm": (ON, "remove"),
           "postrm": (ON, "remove")}


@pytest.mark.parametrize("end", ["again", "removed"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_each_step_may_be_the_last(host, script, end):
    """The scripts as dpkg calls them, without dpkg, which is slow."""
    host.run(INSTALL)
    before, argument = SCRIPTS[script]
    step, killed = 0, 1
    while killed:
        step += 1
        assert step < 40, "it fails by itself"
        host.run(before)
        put_shims(host, step)
        killed = host.try_(
            "cd / && PATH=/shim:$PATH DPKG_MAINTSCRIPT_PACKAGE=libxl-ext"
            f" DPKG_MAINTSCRIPT_NAME={script} setsid -w"
            f" {INFO}.{script} {argument}").returncode
        # Whatever the step: libxl finds a helper that can be run.
        assert host.helper() in ("stock", "ours"), step
        if host.helper() == "ours":
            assert host.helper(host.path + ".stock") == "stock", step
        if end == "again":
            host.run(ON)
            host.assert_on()
        else:
            host.run(OFF)
            host.assert_off()
    # Those that ran to the end were not killed: all steps have been seen.
    assert int((host.where / "upper/shim/n").read_text()) < step
    assert step > 5
