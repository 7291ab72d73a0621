# SPDX-License-Identifier: LGPL-2.1-only
"""What make install lays down, and that it knows where it is."""

import re
import subprocess

import pytest

from world import TOP


def test_what_is_installed(installed):
    """A tree with everything that a user, a shell and a program need."""
    usr = installed / "usr"
    files = {str(p.relative_to(usr)) for p in usr.rglob("*")
             if not p.is_dir()}
    version = next((usr / "lib").glob("libxlext.so.*.*")).name
    assert files == {
        "sbin/xl-ext", "libexec/libxl-ext/libxl-ext-save-helper",
        "libexec/libxl-ext/libxl-ext-guardian",
        "libexec/libxl-ext/libxl-ext-qemu",
        "libexec/libxl-ext/xl-ext-host", f"lib/{version}",
        "lib/libxlext.so", "lib/" + ".".join(version.split(".")[:3]),
        "lib/pkgconfig/xlext.pc", "include/libxl_ext.h",
        "include/libxl_ext_operation.h",
        "include/libxl_ext_image.h", "include/_libxl_ext_types.h",
        "share/man/man8/xl-ext.8", "share/man/man7/libxl-ext.7",
        "share/man/man5/libxl-ext.conf.5", "share/man/man3/libxl_ext.3",
        "share/man/man5/xl-ext.conf.5",
        "lib/systemd/system/libvirtd.service.d/libxl-ext.conf",
        "lib/systemd/system/virtxend.service.d/libxl-ext.conf",
        "lib/systemd/system/xendomains.service.d/libxl-ext.conf",
        "share/bash-completion/completions/xl-ext"}
    words = (usr / "share/bash-completion/completions/xl-ext").read_text(
        encoding="utf-8")
    assert "complete -o filenames -F _xl_ext xl-ext" in words


def test_everybody_may_read_what_is_installed(installed):
    """make install was run with a umask of 077."""
    for path in (installed / "usr").rglob("*"):
        assert path.stat().st_mode & 0o444 == 0o444, path


@pytest.mark.parametrize("name", ["DESTDIR", "PREFIX"])
def test_a_path_with_a_space_is_refused(name, tmp_path):
    p = subprocess.run(["make", "-C", TOP, "-n", "install",
                        f"{name}={tmp_path}/a b"], check=False, text=True,
                       capture_output=True)
    assert p.returncode and "may not have a space" in p.stderr, p


def test_a_page_that_stands_for_another_leads_to_one(installed):
    """xl-ext.conf(5) is looked for by those who know xl.conf(5)."""
    man = installed / "usr/share/man"
    text = (man / "man5/xl-ext.conf.5").read_text(encoding="utf-8")
    assert text == ".so man5/libxl-ext.conf.5\n"
    assert (man / text.split()[1]).exists()


def test_the_drop_ins_name_the_helper_that_is_installed(installed):
    found = list(installed.glob("usr/lib/systemd/system/*.d/*.conf"))
    assert len(found) == 3
    for path in found:
        text = path.read_text(encoding="utf-8")
        helper = re.search(r"^Environment=LIBXL_SAVE_HELPER=(.*)$", text,
                           re.M)[1]
        assert (installed / helper.lstrip("/")).exists()


def test_what_is_installed_knows_where_it_is_installed(installed):
    """make was run for another PREFIX before."""
    for name in ("sbin/xl-ext", "libexec/libxl-ext/xl-ext-host",
                 "lib/libxlext.so"):
        data = (installed / "usr" / name).read_bytes()
        assert b"\0/usr/libexec/libxl-ext\0" in data, name
        assert b"/usr/local/libexec" not in data, name
