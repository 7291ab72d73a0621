/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What Xen and xenstore say of the domains of this host.  Like a limit it
 * is asked for when it is needed, and never kept.
 */
#ifndef LXE_MEMORY_DOMAIN_H
#define LXE_MEMORY_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "base/err.h"

struct xs_handle;

/* The errno of a hypercall, in words that say what to do. */
const char *lxe__xen_why(int e);

/*
 * All that Xen says of @domid.  0, or -1 with errno: ESRCH where there is
 * no such domain.  One that is being destroyed is still there.
 */
int lxe__domain_info(xc_interface *xch, uint32_t domid,
                     xc_domaininfo_t *info);

/* Of that the uuid, and whether it stands still; errno is the same. */
struct lxe__domstate {
    uint8_t uuid[16];
    bool suspended;     /* shut down with reason "suspend" */
    bool paused;        /* by the toolstack, as xl pause does */
    bool dying;
};
int lxe__domstate_read(xc_interface *xch, uint32_t domid,
                       struct lxe__domstate *st);

/*
 * The ids of the domains from @first on, up to @max of them, by rising
 * id; those that are being destroyed are left out.  *@next_r is where to
 * go on; UINT32_MAX: that was all.  Returns how many, or -1.
 */
int lxe__domains(xc_interface *xch, uint32_t first, uint32_t *domids,
                 unsigned max, uint32_t *next_r, struct lxe__err *err);

/* As xenstore has it; malloc'd, NULL where there is none. */
char *lxe__domain_name(struct xs_handle *xsh, uint32_t domid);

#endif
