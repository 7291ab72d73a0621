/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What brings a suspended domain back; see resume.h.
 */
#include <libxl_utils.h>
#include <stdlib.h>
#include <string.h>

#include "base/resume.h"

int lxe__resume(libxl_ctx *ctx, uint32_t domid)
{
    /* As in libxl's own error path: every guest that suspends knows it. */
    const int suspend_cancel = 1;

    return libxl_domain_resume(ctx, domid, suspend_cancel, NULL);
}

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
}

void lxe__not_away(libxl_ctx *ctx, uint32_t domid)
{
    take_suffix_off(ctx, domid);
    libxl_userdata_unlink(ctx, domid, LXE_AWAY_PEER);
}
