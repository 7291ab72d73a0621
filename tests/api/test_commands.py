# SPDX-License-Identifier: LGPL-2.1-only
"""xl-ext without a hypervisor: usage, the policy, run, completion."""

import contextlib
import json
import os
import pty
import stat
import subprocess

import pytest

from xl_ext import XL_EXT, helped, run

pytestmark = pytest.mark.usefixtures("build")
NO_XEN = not os.path.exists("/dev/xen/privcmd")


def one_line(p, *words):
    """Status 2, nothing on standard output, one line with the words."""
    assert p.returncode == 2, p
    assert p.stdout == ""
    assert p.stderr.count("\n") == 1 and p.stderr.endswith("\n"), p.stderr
    for word in words:
        assert word in p.stderr, p.stderr


# ---- usage


def test_help_names_every_command():
    assert set(helped()) == {
        "save", "restore", "migrate", "precheck", "migrate-receive",
        "memory", "policy", "backends", "freeze", "thaw", "image inspect",
        "image verify", "image convert", "image diff", "run", "version"}


@pytest.mark.parametrize("command", [
    "save", "restore", "migrate", "precheck", "migrate-receive", "memory",
    "policy", "backends", "freeze", "thaw", "run", "version"])
def test_help_of_one_command(command):
    p = run(command, "--help")
    assert p.returncode == 0 and p.stderr == ""
    assert p.stdout.startswith(f"xl-ext {command}")
    assert p.stdout in run("--help").stdout
    assert run(command, "-h").stdout == p.stdout


def test_help_among_other_letters():
    assert run("save", "-ch").stdout == run("save", "--help").stdout


@pytest.mark.parametrize("args, words", [
    (["frob"], "no command frob: see xl-ext --help"),
    (["image"], "no command image"),
    (["image", "mend"], "no command image mend"),
    (["verify", "x"], "no command verify x"),
    (["--completion", "tcsh"], "no command --completion tcsh"),
    (["frob", "--help"], "no command frob"),
])
def test_no_such_command(args, words):
    one_line(run(*args), words)


@pytest.mark.parametrize("args, words", [
    (["backends"], "xl-ext backends: DOMAIN is missing"),
    (["freeze", "a", "b"], "argument b is one too many"),
    (["policy", "a", "b"], "argument b is one too many"),
    (["version", "a"], "argument a is one too many"),
    (["memory", "--force"], "no option --force"),
    (["thaw", "--forc", "a"], "no option --forc"),
    (["thaw", "--force=yes", "a"], "option --force takes no value"),
    (["memory", "-j"], "no option -j"),
    (["save", "-cj", "a", "b"], "no option -j in -cj"),
    (["save", "-c=j", "a", "b"], "option -c takes no value"),
    (["migrate", "-es", "a"], "DOMAIN is missing"),
    (["migrate", "a"], "HOST is missing"),
    (["save", "a", "-c"], "FILE|- is missing"),
    (["restore"], "FILE|- is missing"),
    (["image", "convert", "a"], "OUT is missing"),
    (["migrate", "a", "b", "-es"], "option -s needs its COMMAND"),
    (["migrate", "-sssh", "-esssh", "a", "b"], "option -s is given twice"),
    (["freeze", "--", "--json", "x"], "argument x is one too many"),
    (["run"], "run: COMMAND is missing"),
    (["run", "--json", "true"], "no option --json"),
])
def test_wrong_usage_is_a_line_and_the_usage(args, words):
    p = run(*args)
    assert p.returncode == 2 and p.stdout == ""
    error, usage = p.stderr.splitlines()
    assert error.startswith(f"xl-ext {args[0]}") and words in error
    assert usage.startswith(f"xl-ext {args[0]}")


def test_nothing_at_all_is_the_usage():
    p = run()
    assert p.returncode == 2 and p.stdout == ""
    assert "xl-ext memory [--json] [DOMAIN...]" in p.stderr


@pytest.mark.parametrize("args", [
    ["--help"], ["version"], ["image", "--help"], ["--completion", "bash"],
    ["policy", "--json"]])
def test_an_output_that_cannot_be_written_is_no_success(args):
    with open("/dev/full", "wb") as full:
        p = subprocess.run([XL_EXT, *args], stdout=full, check=False,
                           stderr=subprocess.PIPE, text=True)
    assert p.returncode == 2
    assert "cannot write to standard output" in p.stderr


# ---- without Xen


@pytest.mark.skipif(not NO_XEN, reason="a Xen host")
@pytest.mark.parametrize("args", [
    ["memory"], ["memory", "web"], ["memory", "--json", "5"],
    ["policy", "5"], ["backends", "web"], ["freeze", "5"],
    ["thaw", "--force", "web"]])
def test_without_xen_one_line_says_so(args):
    one_line(run(*args), f"xl-ext {args[0]}: opening the hypervisor"
             " interface: ", "needs root in the control domain")


def test_a_domain_without_a_name_is_none():
    one_line(run("backends", ""), 'domain ""', "xl list")


def test_version():
    p = run("version")
    assert p.returncode == 0
    v = json.loads(run("version", "--json").stdout)
    assert v["program"] == v["library"]
    assert v["helper"] == str(XL_EXT.parent / "libxl-ext-save-helper")
    assert f"xl-ext {v['program']}" in p.stdout and v["helper"] in p.stdout


# ---- policy

POLICY = """# a comment

memory_bump = "strict"; freeze = "try"
memory_bump_overrides = [ "web=bounded:4096",
    "db=track" ]
qemu = "/a/qemu"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "conf"
    path.write_text(POLICY, encoding="utf-8")
    return {"LIBXL_EXT_CONFIG": str(path),
            "LIBXL_EXT_STOCK_HELPER": "/b/helper", "LIBXL_EXT_QEMU": "/c"}


def values(config, *args):
    p = run("policy", "--json", *args, env=config)
    assert p.returncode == 0 and p.stderr == ""
    report = json.loads(p.stdout)
    return report, {v["key"]: v for v in report["values"]}


def test_each_value_says_where_it_comes_from(config):
    report, v = values(config, "web")
    assert report["domain"] == "web" and report["file_found"]
    assert report["file"] == config["LIBXL_EXT_CONFIG"]
    assert report["file_origin"] == "environment"
    where = {k: (x["value"], x["origin"], x["line"], x["entry"],
                 x["variable"]) for k, x in v.items()}
    assert where == {
        "memory_bump": ("bounded", "override", 4, 1, None),
        "memory_bump_limit": ("4096", "override", 4, 1, None),
        "freeze": ("try", "file", 3, 0, None),
        "freeze_method": ("auto", "default", 0, 0, None),
        "freeze_timeout": ("10000", "default", 0, 0, None),
        "link_timeout": ("30000", "default", 0, 0, None),
        "claim": ("1", "default", 0, 0, None),
        "stock_helper": ("/b/helper", "environment", 0, 0,
                         "LIBXL_EXT_STOCK_HELPER"),
        "qemu": ("/a/qemu", "file", 6, 0, None),
    }
    assert report["policy"]["memory_bump_limit"] == 4096


def test_an_override_without_a_limit_leaves_the_limit(config):
    _, v = values(config, "db")
    assert v["memory_bump"]["entry"] == 2
    assert v["memory_bump"]["value"] == "track"
    assert v["memory_bump_limit"]["origin"] == "default"


def test_without_a_domain_no_override_counts(config):
    report, v = values(config)
    assert report["domain"] is None
    assert v["memory_bump"]["origin"] == "file"
    assert v["memory_bump"]["line"] == 3


def test_the_policy_as_text(config):
    text = run("policy", "web", env=config).stdout
    assert "named by LIBXL_EXT_CONFIG" in text
    assert "entry 1 of memory_bump_overrides, line 4" in text
    assert "environment, LIBXL_EXT_STOCK_HELPER" in text


def test_a_file_that_is_not_there_or_wrong(tmp_path):
    missing = tmp_path / "none"
    one_line(run("policy", env={"LIBXL_EXT_CONFIG": str(missing)}),
             f"policy file {missing}: No such file")
    bad = tmp_path / "bad"
    bad.write_text("freeze = \"maybe\"\n", encoding="utf-8")
    one_line(run("policy", env={"LIBXL_EXT_CONFIG": str(bad)}),
             'freeze is "maybe"')


# ---- run


def script(path, text="exit 0"):
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


SHOW = 'echo "$LIBXL_SAVE_HELPER $*"; exit 7'


@pytest.mark.parametrize("args", [
    ["sh", "-c", SHOW, "x", "--json", "--help"],
    ["--", "sh", "-c", SHOW, "x", "--json", "--help"]])
def test_run_becomes_the_command(args):
    p = run("run", *args, env={"LIBXL_SAVE_HELPER": "/other"})
    assert p.returncode == 7 and p.stderr == ""
    helper = XL_EXT.parent / "libxl-ext-save-helper"
    assert p.stdout == f"{helper} --json --help\n"


@pytest.mark.skipif(os.path.exists("/usr/local/libexec/libxl-ext"),
                    reason="libxl-ext is installed here")
def test_run_refuses_without_the_programs(moved, tmp_path):
    one_line(run("run", "true", program=moved), "libxl-ext-save-helper",
             "cannot be run: No such file or directory", "install")
    script(tmp_path / "libxl-ext-save-helper")
    one_line(run("run", "true", program=moved), "libxl-ext-guardian",
             "cannot be run")
    script(tmp_path / "libxl-ext-guardian")
    assert run("run", "true", program=moved).returncode == 0
    (tmp_path / "libxl-ext-save-helper").chmod(0o600)
    one_line(run("run", "true", program=moved), "cannot be run")


def test_run_says_what_it_cannot_run():
    one_line(run("run", "/nonexistent/xl"), "cannot run /nonexistent/xl:"
             " No such file or directory")


# ---- completion


def complete(tmp_path, *words, domains=("web", "db")):
    """What bash would offer for the last of the words."""
    (tmp_path / "list").write_text("".join(
        ["Name ID Mem VCPUs State Time(s)\n", *(
            f"{name:40} {i:5} {1024:5} {2:5}     -b----  {3.5:8.1f}\n"
            for i, name in enumerate(["Domain-0", *domains]))]))
    script(tmp_path / "xl", f"cat {tmp_path}/list")
    line = ["xl-ext", *words]
    program = (
        'source <("$XL_EXT" --completion bash)\n'
        'COMP_WORDS=("$@")\nCOMP_CWORD=$(($# - 1))\n_xl_ext\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n')
    p = subprocess.run(["bash", "-c", program, "bash", *line],
                       capture_output=True, text=True, check=True,
                       env={**os.environ, "XL_EXT": str(XL_EXT),
                            "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert p.stderr == ""
    return set(filter(None, p.stdout.splitlines()))


def test_completion(tmp_path):
    first = complete(tmp_path, "")
    assert {c.split()[0] for c in helped()} == first - {"--help",
                                                        "--completion"}
    assert complete(tmp_path, "me") == {"memory"}
    assert complete(tmp_path, "image", "") == {
        "inspect", "verify", "convert", "diff", "--help"}
    assert complete(tmp_path, "memory", "") == {"web", "db"}
    assert complete(tmp_path, "thaw", "--") == {"--force", "--json",
                                                "--help"}
    assert complete(tmp_path, "image", "verify", "--q") == {"--quick"}
    assert complete(tmp_path, "image", "verify",
                    f"{tmp_path}/x") == {f"{tmp_path}/xl"}
    assert complete(tmp_path, "--completion", "") == {"bash"}


def test_completion_of_names_from_outside(tmp_path):
    """Whoever names a guest must not have the shell of who presses Tab."""
    made = tmp_path / "made"
    named = {"a'b", "*", "my guest", 'c"d', "e\\f", "web"}
    evil = {f"$(touch${{IFS}}{made})", f"`touch${{IFS}}{made}`", "g$h"}
    for words in (["memory"], ["save"]):
        offered = complete(tmp_path, *words, "", domains=named | evil)
        assert named <= offered and not offered & evil
        assert complete(tmp_path, *words, "a\\'", domains=named) == {"a'b"}
        for typed in ("my\\ g", "'my g", '"my g'):
            assert complete(tmp_path, *words, typed, domains=named) == \
                {"my guest"}
    assert not made.exists()
    (tmp_path / "my *").touch()
    assert complete(tmp_path, "restore", f"{tmp_path}/my") == {
        f"{tmp_path}/my *"}


def test_completion_inserts_a_name_as_one_word(tmp_path):
    """By bash itself, on a terminal."""
    named = ["a'b", "c *", "d&e", "f;g"]
    complete(tmp_path, "", domains=named)       # makes the list
    (tmp_path / "rc").write_text(
        f"PATH={tmp_path}:$PATH\n. <({XL_EXT} --completion bash)\n"
        f'xl-ext() {{ printf "%s\\n" "$@" >> {tmp_path}/words; }}\n')
    pid, terminal = pty.fork()
    if not pid:
        os.execvp("bash", ["bash", "--noprofile", "--rcfile",
                           str(tmp_path / "rc"), "-i"])
    for name in named:
        os.write(terminal, f"xl-ext thaw {name[0]}\t\n".encode())
    os.write(terminal, b"xl-ext save --carr\tlibxc d\n")
    os.write(terminal, b"exit\n")
    with contextlib.suppress(OSError):          # its other end is closed
        while os.read(terminal, 4096):
            pass
    os.close(terminal)
    os.waitpid(pid, 0)
    assert (tmp_path / "words").read_text().splitlines() == [
        word for name in named for word in ("thaw", name)] + [
            "save", "--carrier", "libxc", "d"]


def test_completion_of_files_where_they_can_stand(tmp_path):
    (tmp_path / "xy").touch()
    files = {f"{tmp_path}/xy"}
    for words in (["save", "web"], ["save", "web", "x"], ["restore"],
                  ["restore", "x"], ["image", "diff", "x"],
                  ["image", "convert"], ["migrate", "-C"],
                  ["image", "inspect", "--plot"]):
        assert complete(tmp_path, *words, f"{tmp_path}/xy") == files, words
    assert complete(tmp_path, "migrate", "w") == {"web"}
    assert complete(tmp_path, "migrate", f"{tmp_path}/xy") == set()


def test_completion_knows_every_option(tmp_path):
    for name, (_, options) in helped().items():
        if name != "run":
            offered = complete(tmp_path, *name.split(), "-")
            assert offered == {*options, "--help"}, name


def test_install_puts_the_command_in_place(installed):
    """For which it looks where PREFIX says that the rest is."""
    p = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount --bind "$0/libexec"'
         ' /usr/libexec && exec "$0/sbin/xl-ext" --help',
         installed / "usr"], check=False, stdout=subprocess.PIPE)
    assert p.returncode == 0 and b"image verify" in p.stdout
