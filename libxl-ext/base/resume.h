/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Letting a suspended domain run again.  libxl does it as after a save
 * that failed: the device model goes on (QMP cont), the domain returns
 * from its suspend as cancelled, and xenstore is updated.
 */
#ifndef LXE_BASE_RESUME_H
#define LXE_BASE_RESUME_H

#include <libxl.h>

/*
 * How the sender of a migration marks its guest before it permits the peer
 * to let it run: a suffix to its name, and libxl's userdata, which says
 * who the peer is.  Both are removed when the guest runs here again.
 */
#define LXE_AWAY      "--migratedaway"
#define LXE_AWAY_PEER "libxl-ext-peer"

/* 0, or a code of libxl. */
static inline int lxe__resume(libxl_ctx *ctx, uint32_t domid)
{
    /* As in libxl's own error path: every guest that suspends knows it. */
    const int suspend_cancel = 1;

    return libxl_domain_resume(ctx, domid, suspend_cancel, NULL);
}

#endif
