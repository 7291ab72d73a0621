/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sizes of option ROM files.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "qemu/roms.h"

/*
 * Where QEMU looks after its -L directories: its configured firmware
 * path.  "qemu-system-i386 -L help" lists it; asking would mean to run
 * QEMU twice for every guest.
 */
static const char *const dirs[] = {
    "/usr/share/qemu",                  /* most distributions */
    "/usr/share/seabios",               /* Debian */
    "/usr/lib/ipxe/qemu",
    "/usr/share/ipxe/qemu",             /* Fedora */
    "/usr/share/ipxe",
    "/usr/share/qemu-xen/qemu",         /* Xen's own QEMU */
    "/usr/local/share/qemu-xen/qemu",
    "/usr/lib/xen/share/qemu",
};

static uint64_t file_size(const char *dir, const char *file)
{
    char path[4096];
    struct stat st;

    if (snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "",
                 file) >= (int)sizeof(path))
        return 0;
    if (stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size < 0)
        return 0;
    return st.st_size;
}

static uint64_t rom_size(const struct lxe__qemu_args *a,
                         const struct lxe__qemu_rom *rom)
{
    uint64_t size;
    size_t i;

    if (rom->size)
        return rom->size;
    /* QEMU tries the name as it stands before any directory. */
    size = file_size("", rom->file);
    for (i = 0; !size && i < a->nr_dirs; i++)
        size = file_size(a->dirs[i], rom->file);
    for (i = 0; !size && i < sizeof(dirs) / sizeof(dirs[0]); i++)
        size = file_size(dirs[i], rom->file);
    return size;
}

uint64_t lxe__qemu_roms_pages(const struct lxe__qemu_args *a,
                              unsigned *found)
{
    uint64_t pages = 0, size;
    size_t i;

    *found = 0;
    for (i = 0; i < a->nr_roms; i++) {
        size = rom_size(a, &a->roms[i]);
        if (!size)
            continue;
        pages += lxe__qemu_rom_pages(size);
        ++*found;
    }
    return pages;
}
