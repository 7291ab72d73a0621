/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which domain a text means: xl's rules, without libxl.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/ctx.h"
#include "memory/domain.h"

#define MANY 256

static int find_id(libxl_ext_ctx *ctx, const char *text,
                   uint32_t *domid_r)
{
    struct lxe__domstate st;
    unsigned long id;

    /* Ten digits: more may not fit, and no domain has them. */
    id = strlen(text) > 10 ? DOMID_FIRST_RESERVED
                           : strtoul(text, NULL, 10);
    if (id >= DOMID_FIRST_RESERVED)
        return lxe__err_set(&ctx->err, ESRCH, "domain %.32s: ids are below"
                            " %u: see xl list", text,
                            DOMID_FIRST_RESERVED);
    if (lxe__domstate_read(ctx->xch, id, &st))
        return lxe__err_set(&ctx->err, errno, "domain %lu: %s: see xl"
                            " list", id, errno == ESRCH ?
                            "there is none with that id"
                            : strerror(errno));
    *domid_r = id;
    return 0;
}

static int find_name(libxl_ext_ctx *ctx, const char *text,
                     uint32_t *domid_r)
{
    uint32_t ids[MANY], next = 0;
    char *name;
    bool same;
    int nr, i;

    while (next != UINT32_MAX) {
        nr = lxe__domains(ctx->xch, next, ids, MANY, &next, &ctx->err);
        if (nr < 0)
            return -1;
        for (i = 0; i < nr; i++) {
            name = lxe__domain_name(ctx->xsh, ids[i]);
            same = name && !strcmp(name, text);
            free(name);
            if (same) {
                *domid_r = ids[i];
                return 0;
            }
        }
    }
    return lxe__err_set(&ctx->err, ESRCH, "domain \"%.64s\": there is none"
                        " of that name: see xl list", text);
}

int libxl_ext_domain_find(libxl_ext_ctx *ctx, const char *text,
                          uint32_t *domid_r)
{
    int r;

    lxe__ctx_begin(ctx);
    if (!*text)
        r = lxe__err_set(&ctx->err, ESRCH, "domain \"\": there is none of"
                         " that name: see xl list");
    else if (lxe__ctx_open(ctx))
        r = -1;
    else if (text[strspn(text, "0123456789")])
        r = find_name(ctx, text, domid_r);
    else
        r = find_id(ctx, text, domid_r);
    return lxe__ctx_end(ctx, r);
}
