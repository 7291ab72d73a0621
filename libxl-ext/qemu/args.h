/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What can be read from QEMU's command line: for which domain it is
 * started, which devices bring an option ROM, and how much video memory
 * it populates.  Pure code.
 */
#ifndef LXE_QEMU_ARGS_H
#define LXE_QEMU_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LXE_QEMU_ROMS_MAX 256   /* PCI functions on one bus */
#define LXE_QEMU_DIRS_MAX 16

struct lxe__qemu_rom {
    char device[32];            /* the -device model */
    char file[256];             /* as QEMU would look it up; "" is none */
    uint64_t size;              /* romsize=, or 0: the file's */
};

struct lxe__qemu_args {
    bool has_domid;
    uint32_t domid;
    bool incoming;              /* the ROM pages come with the image */
    bool attach;                /* -xen-attach: backends of a PV guest */
    const char *dirs[LXE_QEMU_DIRS_MAX];        /* -L, in order */
    size_t nr_dirs;
    struct lxe__qemu_rom roms[LXE_QEMU_ROMS_MAX];
    size_t nr_roms;
    uint64_t vram_pages;        /* what display cards populate besides */
};

/*
 * Reads @argv (NULL-terminated, without the program's name).  Options
 * that are of no interest are passed over: this is not QEMU's parser,
 * and QEMU itself refuses what is wrong.  EINVAL for a -xen-domid that
 * is no domain id, E2BIG for more devices than there can be.
 * @a keeps pointers into @argv.
 */
int lxe__qemu_args_parse(struct lxe__qemu_args *a, char **argv,
                         struct lxe__err *err);

/*
 * The guest pages that a ROM of @bytes takes: QEMU rounds its size up
 * to a power of two (pci_add_option_rom() in QEMU's hw/pci/pci.c), and
 * Xen gives whole pages.  0 for 0.
 */
uint64_t lxe__qemu_rom_pages(uint64_t bytes);

#endif
