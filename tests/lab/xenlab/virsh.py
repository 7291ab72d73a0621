# SPDX-License-Identifier: LGPL-2.1-only
"""Test guests that belong to libvirt.

libvirt knows only the domains that it started, so these are made,
saved, restored and migrated by virsh, with libvirt as Debian has it and
the plug-in as "make install" leaves it.
"""

import shlex
import subprocess
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

from . import buildroot, paths
from .guest import QUICK, WRONG, Guest
from .host import EXT, LABDIR, NBD
from .proc import LabError

MACHINES = {"pv": ("linux", "xenpv"), "pvh": ("xenpvh", "xenpvh"),
            "hvm": ("hvm", "xenfv")}
DRIVER_LOG = "/var/log/libvirt/libxl/libxl-driver.log"
HELPER = "/usr/libexec/libxl-ext/libxl-ext-save-helper"
EMULATOR = "/usr/libexec/libxl-ext/libxl-ext-qemu"
STOCK_EMULATOR = "/usr/libexec/xen-qemu-system-i386"

_running = {}                   # host -> what its daemon was started with


def install(host):
    """What "make install PREFIX=/usr" installs, in dom0."""
    with tempfile.TemporaryDirectory() as tmp:
        buildroot.install(host.flavour, tmp)
        tar = subprocess.run(["tar", "-C", tmp, "-cf", "-", "."],
                             capture_output=True, check=True).stdout
    # Directories that are there, "/" first, stay as they are.
    host.run("tar -C / --no-same-owner --no-overwrite-dir"
             " --keep-directory-symlink -xf -", input=tar)
    # As docs/libvirt.md says.
    host.run("cd /etc/apparmor.d && sed -n 's/^    //p' > "
             "local/usr.sbin.libvirtd", input=_rules())
    host.run("systemctl start apparmor dbus; "
             "apparmor_parser -r /etc/apparmor.d/usr.sbin.libvirtd")
    # libvirt's Xen driver wants a CPU that is at least a 486 as its table
    # has it. QEMU emulates no virtual 8086 mode extensions, so that line
    # goes; libvirt itself is as Debian has it.
    host.run("sed -i \"/feature name='vme'/d\" "
             "/usr/share/libvirt/cpu_map/x86_486.xml")


def _rules():
    """The lines for AppArmor, those of the lab's own programs, and one
    for Debian's QEMU, which its profile lacks."""
    doc = (paths.CHECKOUT / "docs/libvirt.md").read_text()
    lines = [line for line in doc.splitlines()
             if line.startswith("    /usr/libexec/libxl-ext/")]
    return "\n".join(lines + [f"    {path} PUx," for path in (
        f"{LABDIR}/helper-flags", f"{LABDIR}/vif-quick", f"{EXT}/*",
        STOCK_EMULATOR)] + [""])


def start_daemon(host, plug_in=True, env=None):
    """libvirtd with our drop-in or without, and with an empty log; anew
    only if that changes something, as it takes a while here."""
    lines = "".join(f"Environment={k}={v}\\n" for k, v in
                    (env or {}).items())
    if not plug_in:
        lines = "UnsetEnvironment=LIBXL_SAVE_HELPER\\n" + lines
    if _running.get(host) == lines:
        host.run(f": > {DRIVER_LOG}")
        return
    _running.pop(host, None)
    host.run(f"""
        set -e
        mkdir -p /run/systemd/system/libvirtd.service.d
        printf '[Service]\\n{lines}' \
            > /run/systemd/system/libvirtd.service.d/zz-lab.conf
        systemctl daemon-reload
        systemctl restart libvirtd
        virsh -c xen:///system list >/dev/null
        : > {DRIVER_LOG}
    """, timeout=180)
    _running[host] = lines


def stop_daemon(host):
    _running.pop(host, None)
    host.run("systemctl stop libvirtd libvirtd.socket libvirtd-ro.socket "
             "libvirtd-admin.socket virtlogd virtlogd.socket virtlockd "
             "virtlockd.socket 2>/dev/null", check=False)


def wrong_frames(host):
    """Those that restores found since the daemon was started."""
    return len(WRONG.findall(host.read(DRIVER_LOG)))


class VirshGuest(Guest):
    """A guest of libvirt: persistent, so that it can be undefined."""

    emulator = EMULATOR

    def xml(self):
        os_type, machine = MACHINES[self.kind]
        append = (f"console=hvc0 loglevel=4 panic=0 {QUICK} "
                  f"churn.disk={'on' if self.disk else 'off'} "
                  f"churn.threads={8 if 'disk' in self.load else 0} "
                  f"churn.net={'on' if self.nics else 'off'} "
                  f"churn.ip={self.ip} churn.mem={self.churn_mem} "
                  f"{self.cmdline}")
        if self.kind == "hvm":
            append += " pci=noearly no_timer_check"
        kernel = "vmlinuz" if self.kind == "hvm" else "vmlinux"
        # Xen 4.20 switches ACPI off by an option that QEMU 10 has no more.
        hap = "" if self.kind == "pv" else \
            "<features><acpi/><hap state='off'/></features>"
        emulator = f"<emulator>{self.emulator}</emulator>" \
            if self.kind == "hvm" else ""
        model = f"<model type='{self.nic_model}'/>" if self.nic_model \
            else ""
        cards = "".join(f"""
  <interface type='bridge'>
   <mac address='00:16:3e:00:{self.nr:02x}:{i:02x}'/>
   <source bridge='xenbr0'/>
   {f"<script path='{LABDIR}/vif-quick'/>" if self.nics > 2 else ""}
   {model}
  </interface>""" for i in range(self.nics))
        return f"""<domain type='xen'>
 <name>{self.name}</name>
 <memory unit='MiB'>{self.mem}</memory>
 <vcpu>{self.vcpus}</vcpu>
 <os>
  <type arch='x86_64' machine='{machine}'>{os_type}</type>
  <kernel>{LABDIR}/{kernel}</kernel>
  <initrd>{LABDIR}/guest.cpio</initrd>
  <cmdline>{escape(append)}</cmdline>
 </os>
 {hap}
 <on_poweroff>preserve</on_poweroff>
 <on_reboot>preserve</on_reboot>
 <on_crash>preserve</on_crash>
 <devices>
  {emulator}
  <disk type='block' device='disk'>
   <driver name='phy'/>
   <source dev='{self.loop or NBD}'/>
   <target dev='xvda' bus='xen'/>
  </disk>{cards}
  <console type='pty'><target type='xen'/></console>
 </devices>
</domain>
"""

    def virsh(self, args, check=True, timeout=600):
        return self.host.run(f"virsh -q -c xen:///system {args}",
                             check=check, timeout=timeout)

    def start(self, check=True):
        self.prepare()
        path = f"{self.cfg}.xml"
        self.host.write(path, self.xml())
        self.set_mark()
        self.born = self.mark
        self.virsh(f"define {path}")
        r = self.virsh(f"start {self.name}", check=check)
        if r.rc == 0:
            self.wait_alive(600 if self.kind == "hvm" else 240)
        return r

    def save(self, path=None, check=True):
        r = self.virsh(f"save {self.name} "
                       f"{shlex.quote(path or self.save_path)}", check)
        self.set_mark()
        return r

    def restore(self, path=None, check=True):
        self.set_mark()
        return self.virsh(f"restore "
                          f"{shlex.quote(path or self.save_path)}", check)

    def migrate_to(self, host, name, check=True):
        """virsh migrate --live; the definition goes along."""
        r = self.virsh(f"migrate --live --persistent --undefinesource "
                       f"{self.name} xen+ssh://{name}/system", check)
        if r.rc == 0:
            self.moved(host)
        return r

    def destroy(self):
        self.virsh(f"destroy {self.name}", check=False)
        self.virsh(f"undefine --managed-save {self.name}", check=False)
        super().destroy()


__all__ = ["VirshGuest", "install", "start_daemon", "stop_daemon",
           "LabError"]
