/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What Xen says of one domain.  Like a limit it is asked for when it is
 * needed, and never kept.
 */
#ifndef LXE_MEMORY_DOMAIN_H
#define LXE_MEMORY_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

/*
 * All of it.  0, or -1 with errno: ESRCH where there is no domain @domid.
 * One that is being destroyed is still there (XEN_DOMINF_dying).
 */
int lxe__domain_info(xc_interface *xch, uint32_t domid,
                     xc_domaininfo_t *info);

/* Of that its uuid and whether it stands still; the same errno. */
struct lxe__domstate {
    uint8_t uuid[16];
    bool suspended;     /* shut down with reason "suspend" */
    bool paused;        /* by the toolstack, as xl pause does */
    bool dying;
};
int lxe__domstate_read(xc_interface *xch, uint32_t domid,
                       struct lxe__domstate *st);

#endif
