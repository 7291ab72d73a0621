/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The policy in force for a domain of this host.
 */
#include <stdlib.h>

#include "memory/domain.h"
#include "memory/policy.h"

int lxe__policy_load_domain(struct lxe__policy *p, struct xs_handle *xsh,
                            uint32_t domid, char **name_r,
                            struct lxe__policy_sources *sources,
                            struct lxe__err *err)
{
    char *name = xsh ? lxe__domain_name(xsh, domid) : NULL;
    int rc;

    lxe__policy_guest_name(name);
    rc = lxe__policy_load_sources(p, NULL, name, sources, err);
    if (name_r)
        *name_r = name;
    else
        free(name);
    return rc;
}

void lxe__policy_load_domain_or_none(struct lxe__policy *p,
                                     struct xs_handle *xsh, uint32_t domid,
                                     char **name_r)
{
    struct lxe__err err;

    lxe__err_init(&err);
    lxe__policy_load_domain(p, xsh, domid, name_r, NULL, &err);
    p->unread = err;
}
