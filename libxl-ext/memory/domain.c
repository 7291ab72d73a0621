/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What Xen and xenstore say of domains; see domain.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xenstore.h>

#include "memory/domain.h"

const char *lxe__xen_why(int e)
{
    switch (e) {
    case EPERM:
    case EACCES:
        return "no privilege: this needs root in the control domain";
    case ESRCH:
        return "no such domain";
    }
    return strerror(e);
}

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

#define LIST_MAX 256

int lxe__domains(xc_interface *xch, uint32_t first, uint32_t *domids,
                 unsigned max, uint32_t *next_r, struct lxe__err *err)
{
    xc_domaininfo_t info[LIST_MAX];
    int got, i, nr = 0;

    if (max > LIST_MAX)
        max = LIST_MAX;
    got = xc_domain_getinfolist(xch, first, max, info);
    if (got < 0)
        return lxe__err_set(err, errno, "listing the domains: %s",
                            lxe__xen_why(errno));
    for (i = 0; i < got; i++)
        if (!(info[i].flags & XEN_DOMINF_dying))
            domids[nr++] = info[i].domain;
    *next_r = got == (int)max ? info[got - 1].domain + 1U : UINT32_MAX;
    return nr;
}

char *lxe__domain_name(struct xs_handle *xsh, uint32_t domid)
{
    char path[64];

    snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
    return xs_read(xsh, XBT_NULL, path, NULL);
}
