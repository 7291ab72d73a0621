/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which page tables of a PV guest are validated?  A walk down from what
 * holds them, over a source that may be an image or a live guest; what
 * it is for is in docs/image.md, "Page state".  Pure code.
 *
 * What it relies on, from reading Xen 4.6 to 4.20:
 * - A table stays validated while something holds it: its own pin, a
 *   vcpu that has it loaded (cr3; in a 64-bit guest also ctrlreg[1],
 *   the user's), an entry of a validated table one level above, or a
 *   read-only entry of one of its own level (a linear page table; not
 *   of level 3 in a 32-bit guest).  An entry of level 1 maps a page and
 *   validates nothing.
 * - Slots 256 to 271 of level 4 are Xen's, and so are all of level 3 but
 *   four in a 32-bit guest, of which the last must be there.
 * - Xen refuses superpages in tables of a PV guest.
 *
 * The source keeps the list of tables that are reached and not read yet,
 * so that the walk needs no memory of its own, however deep linear page
 * tables go.  Each is read at most once.
 */
#ifndef LXE_TABLES_WALK_H
#define LXE_TABLES_WALK_H

#include <stdbool.h>
#include <stdint.h>

/* Frames are numbered as in the entries of the source's tables. */
struct lxe__walk_ops {
    /*
     * The level of the page table in @frame; 0: it is none; -1: there is
     * no such frame, which is for others to complain of.
     */
    int (*level)(void *user, uint64_t frame);
    /*
     * Something holds the table in @frame.  Where that is new and its
     * level is above 1 it is to be read.
     */
    void (*reach)(void *user, uint64_t frame);
    /* Takes the next that is to be read; false: there is none. */
    bool (*next)(void *user, uint64_t *frame_r);
    /* Its contents, good until the next call.  -1: the walk ends. */
    int (*read)(void *user, uint64_t frame, const uint8_t **page_r);
    /* Xen would not validate @table because of this entry. */
    void (*bad)(void *user, uint64_t table, unsigned int slot,
                const char *what);
};

struct lxe__walk {
    const struct lxe__walk_ops *ops;
    void *user;
    bool wide;                  /* a 64-bit guest */
};

/*
 * Reads what was reached and all below.  0, or -1 where ->read() gave
 * it.
 */
int lxe__walk_down(const struct lxe__walk *w);

#endif
