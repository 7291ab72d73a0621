/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Letting a domain run again whose toolstack died while it was
 * suspended.
 */
#include <errno.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xentoollog.h>

#include "base/resume.h"
#include "guardian/guardian.h"

static void take_suffix_off(libxl_ctx *ctx, uint32_t domid)
{
    static const char away[] = LXE_AWAY;
    char *name = libxl_domid_to_name(ctx, domid), *old;
    size_t len = name ? strlen(name) : 0, n = sizeof(away) - 1;

    if (len > n && !strcmp(name + len - n, away)) {
        old = strdup(name);
        name[len - n] = '\0';
        if (old)
            libxl_domain_rename(ctx, domid, old, name);
        free(old);
    }
    free(name);
    libxl_userdata_unlink(ctx, domid, LXE_AWAY_PEER);
}

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
        take_suffix_off(ctx, domid);
    if (ctx)
        libxl_ctx_free(ctx);
    xtl_logger_destroy((xentoollog_logger *)lg);
    return rc ? -1 : 0;
}
