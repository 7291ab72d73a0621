/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The ROM files behind the devices: where QEMU finds them, and how
 * many guest pages they take.
 */
#ifndef LXE_QEMU_ROMS_H
#define LXE_QEMU_ROMS_H

#include "qemu/args.h"

/*
 * Adds up the pages of all ROMs of @a.  A file that is nowhere counts
 * as nothing: QEMU will refuse it and say so.  *found is the number of
 * ROMs that were counted.
 */
uint64_t lxe__qemu_roms_pages(const struct lxe__qemu_args *a,
                              unsigned *found);

#endif
