/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whether a domain can be saved while it runs; see live.h.  Xen itself
 * would refuse it only after the first records of the stream, with no more
 * than an error number.
 */
#include <errno.h>

#include "memory/live.h"

int lxe__live_judge(const char *op, const struct lxe__limits *l,
                    const struct lxe__host *h, struct lxe__err *err)
{
    if (l->hvm || h->shadow)
        return 0;
    return lxe__err_set(err, EOPNOTSUPP, "%s: dom %u: a PV guest cannot be"
                        " saved or migrated while it runs here: this Xen"
                        " is built without shadow paging"
                        " (CONFIG_SHADOW_PAGING), by which it would see"
                        " what the guest changes: save it without live,"
                        " and restore that image", op, l->domid);
}
