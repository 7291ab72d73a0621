/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which page tables of a suspended PV guest are validated no more?  The
 * walk of tables/walk.h over the guest as it is in memory; frames are
 * machine frames, as the entries of its tables have them.
 * docs/page-state.md says what for.
 */
#ifndef LXE_GUEST_TABLES_H
#define LXE_GUEST_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "base/err.h"

/*
 * As xc_get_pfn_type_batch(), which libxenctrl has and no header of its
 * names: XEN_DOMCTL_getpageframeinfo3.
 */
typedef int lxe__types_fn(xc_interface *xch, uint32_t domid,
                          unsigned int num, xen_pfn_t *frames);

#define LXE_TYPES_MAX 1024U     /* frames that Xen takes in one call */

/* What a frame is, LXE_PAGE_* of tables/pages.h. */
static inline unsigned int lxe__page_type(xen_pfn_t info)
{
    return info >> XEN_DOMCTL_PFINFO_LTAB_SHIFT & 0xf;
}

/*
 * Frames that were page tables when they were looked at: the only ones
 * that can be stale.  All zero is empty.
 */
struct lxe__seen {
    uint64_t *mfns;
    size_t nr, room;
    bool lost;                  /* there was no memory for one */
};

void lxe__seen_add(struct lxe__seen *seen, uint64_t mfn);
void lxe__seen_sort(struct lxe__seen *seen);    /* and each only once */
void lxe__seen_dispose(struct lxe__seen *seen);

struct lxe__tables_guest {
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    uint32_t domid;
    lxe__types_fn *types;
};

struct lxe__tables_found {
    size_t tables;              /* frames that are page tables */
    size_t nr;                  /* of these, not validated: */
    uint64_t *stale;            /* machine frames, rising; to be freed */
};

/*
 * Asks for the types of @seen once more and walks.  0 and @found, or -1
 * with @err where it cannot be known which tables are validated: nothing
 * may be concluded then.
 */
int lxe__tables_judge(const struct lxe__tables_guest *g,
                      struct lxe__seen *seen,
                      struct lxe__tables_found *found,
                      struct lxe__err *err);

#endif
