/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What Xen says of one domain; see domain.h.
 */
#include <errno.h>
#include <string.h>

#include "memory/domain.h"

int lxe__domain_info(xc_interface *xch, uint32_t domid,
                     xc_domaininfo_t *info)
{
    int r = xc_domain_getinfolist(xch, domid, 1, info);

    if (r < 0)
        return -1;
    /* The hypercall answers with the next domain that does exist. */
    if (r != 1 || info->domain != domid) {
        errno = ESRCH;
        return -1;
    }
    return 0;
}

int lxe__domstate_read(xc_interface *xch, uint32_t domid,
                       struct lxe__domstate *st)
{
    xc_domaininfo_t info;

    if (lxe__domain_info(xch, domid, &info))
        return -1;
    memcpy(st->uuid, info.handle, sizeof(st->uuid));
    st->dying = info.flags & XEN_DOMINF_dying;
    st->paused = info.flags & XEN_DOMINF_paused;
    st->suspended = (info.flags & XEN_DOMINF_shutdown) &&
        ((info.flags >> XEN_DOMINF_shutdownshift) &
         XEN_DOMINF_shutdownmask) == SHUTDOWN_suspend;
    return 0;
}
