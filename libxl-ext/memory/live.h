/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whether a domain can be saved while it runs: whether Xen can tell which
 * of its pages change meanwhile.
 */
#ifndef LXE_MEMORY_LIVE_H
#define LXE_MEMORY_LIVE_H

#include "base/err.h"
#include "memory/limits.h"

struct xs_handle;

/*
 * 0, or -1 with EOPNOTSUPP and a line that begins with @op.  Of PVH and
 * HVM the hardware's paging tells it; of PV shadow page tables do, which
 * a Xen may be built without (Debian 13's is).  Of what a device writes
 * that is passed through neither does.
 */
int lxe__live_judge(const char *op, struct xs_handle *xsh,
                    const struct lxe__limits *l,
                    const struct lxe__host *h, struct lxe__err *err);

#endif
