# SPDX-License-Identifier: LGPL-2.1-only
"""The nested Xen lab: a dom0 under QEMU without hardware virtualisation.

One module per subject:
    flavours   what differs between Debian releases
    paths      where caches and running labs live
    proc       processes, locks, errors
    cache      artefacts built once, whole or not at all
    buildroot  where programs for a dom0 of another release are built
    hypervisor Xen with shadow paging, where Debian's has none
    image      the dom0 file system
    payload    what is pushed into dom0: test guest and tools
    machine    the QEMU process
    ready      the state that every lab starts from
    lab        a running lab
    host       dom0 over ssh
    guest      test guests
    tiny       test guests of a few MiB
    traces     what our programs do in dom0 and leave there
"""
