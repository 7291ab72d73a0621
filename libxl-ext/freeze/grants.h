/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The grant table of a guest, as seen from outside.
 *
 * grants.c is pure and reads a buffer; gtable.c maps the table.  All of
 * it but the status frames of version 2 can be written by the guest.
 */
#ifndef LXE_FREEZE_GRANTS_H
#define LXE_FREEZE_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xen/grant_table.h>            /* needs xenctrl.h */

#include "base/err.h"

#define LXE_GRANT_FRAME     4096U
/* Below it are those of console and xenstore. */
#define LXE_GRANT_RESERVED  (GNTTAB_RESERVED_XENSTORE + 1U)

/* What the table is, wherever it is mapped. */
struct lxe__gtable {
    unsigned version;           /* 1 or 2 */
    const void *shared;
    size_t nr_frames;
    const uint16_t *status;     /* version 2 only */
    size_t nr_status_frames;
};

struct lxe__grant {
    uint32_t ref;
    uint16_t domid;             /* to whom */
    uint16_t flags;             /* GTF_*, those of status included */
    uint64_t frame;             /* gfn; PV: mfn */
    bool in_use;                /* someone can read or write it now */
    bool writable;              /* someone can write it now */
};

struct lxe__grants {
    struct lxe__grant *list;
    size_t nr, room;
};

/* The number of entries that can be read from @t. */
uint32_t lxe__gtable_entries(const struct lxe__gtable *t);

/* Status frames that a version 2 table of @nr_frames has. */
size_t lxe__gtable_status_frames(size_t nr_frames);

/*
 * Entry @ref.  -1 with ERANGE beyond the table, ENOENT where the entry
 * gives no access to a frame of the guest (invalid, a transfer,
 * transitive).
 */
int lxe__gtable_get(const struct lxe__gtable *t, uint32_t ref,
                    struct lxe__grant *g);

/*
 * The entries that someone could write through now, and the reserved
 * ones where they give access: their users may have mapped the frame
 * without a grant.
 */
int lxe__gtable_collect(const struct lxe__gtable *t,
                        struct lxe__grants *out, struct lxe__err *err);

void lxe__grants_dispose(struct lxe__grants *gs);

/* The mapped table of a domain (gtable.c). */
struct lxe__gmap {
    struct lxe__gtable t;
    xenforeignmemory_handle *fmem;      /* not ours */
    xenforeignmemory_resource_handle *shared, *status;
};

/* Maps what there is and not a frame more: mapping could grow it. */
int lxe__gmap_open(struct lxe__gmap *m, xc_interface *xch,
                   xenforeignmemory_handle *fmem, uint32_t domid,
                   struct lxe__err *err);
/* Maps it again if it grew, or changed its version, since. */
int lxe__gmap_refresh(struct lxe__gmap *m, xc_interface *xch,
                      uint32_t domid, struct lxe__err *err);
void lxe__gmap_close(struct lxe__gmap *m);

#endif
