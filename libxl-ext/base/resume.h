/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Letting a suspended domain go on.  libxl does it, as it does after a
 * save that failed: its device model goes on (QMP cont), the domain
 * returns from its suspend as cancelled, xenstore hears of it.
 */
#ifndef LXE_BASE_RESUME_H
#define LXE_BASE_RESUME_H

#include <libxl.h>

/*
 * What a sender of a migration marks its guest with ahead of the word
 * that it may run there: a surname and, with who was given leave, libxl's
 * userdata.  The guest that runs here again has neither.
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
