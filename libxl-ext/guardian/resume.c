/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Letting a domain run again whose toolstack died while it was
 * suspended.
 */
#include <errno.h>
#include <libxl.h>
#include <stdio.h>
#include <xentoollog.h>

#include "base/resume.h"
#include "guardian/guardian.h"

int guard_resume(uint32_t domid, struct lxe__err *err)
{
    xentoollog_logger_stdiostream *lg;
    libxl_ctx *ctx = NULL;
    int rc;

    /* The guardian has no standard error, the command has. */
    lg = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!lg)
        return lxe__err_set(err, ENOMEM, "resume: domain %u: no memory",
                            domid);
    if (libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0,
                        (xentoollog_logger *)lg))
        rc = lxe__err_set(err, EIO, "resume: domain %u: no libxl context:"
                          " is xenstore there?", domid);
    else if ((rc = lxe__resume(ctx, domid)))
        rc = lxe__err_set(err, EIO, "resume: domain %u: libxl could not"
                          " resume it (rc %d)", domid, rc);
    if (!rc)
        lxe__not_away(ctx, domid);
    if (ctx)
        libxl_ctx_free(ctx);
    xtl_logger_destroy((xentoollog_logger *)lg);
    return rc ? -1 : 0;
}
