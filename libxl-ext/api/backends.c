/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public call that lists the backends of a guest: xenstore says
 * which, the policy what a freeze would do, journal and sysfs where each
 * stands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/convert.h"
#include "api/ctx.h"
#include "freeze/backends.h"
#include "freeze/journal.h"
#include "freeze/sysfs.h"

/*
 * What is frozen of the domain that has @uuid; empty where there is no
 * journal, or one of a domain that is gone.
 */
static int read_journal(libxl_ext_ctx *ctx, uint32_t domid,
                        const uint8_t uuid[16], struct lxe__journal *j)
{
    struct lxe__err err;
    int fd, r;

    memset(j, 0, sizeof(*j));
    lxe__err_init(&err);
    fd = lxe__journal_open(domid, &err);
    if (fd < 0)
        return err.code == ENOENT ? 0 :
            lxe__err_set(&ctx->err, err.code, "%s", err.msg);
    r = lxe__journal_read(j, fd, &err);
    close(fd);
    if (r && err.code != ENODATA)       /* a head that was cut */
        return lxe__err_set(&ctx->err, err.code, "%s", err.msg);
    if (!r && memcmp(j->uuid, uuid, sizeof(j->uuid)))
        lxe__journal_dispose(j);
    return 0;
}

static bool is_pending(const struct lxe__journal *j, const char *name)
{
    size_t i;

    for (i = 0; i < j->nr; i++)
        if (!j->list[i].undone && !strcmp(j->list[i].name, name))
            return true;
    return false;
}

/* A backend of the kernel whose driver was taken away. */
static bool is_unbound(const struct lxe__backend *b)
{
    return b->local &&
        (b->kind == LXE_BK_VBD || b->kind == LXE_BK_VIF) &&
        lxe__sysfs_exists(b->name) && !lxe__sysfs_bound(b->name);
}

static int to_one(libxl_ext_backend *to, const struct lxe__backend *b,
                  const struct lxe__journal *j, struct lxe__err *err)
{
    if (lxe__to_backend(to, b, err))
        return -1;
    if (is_pending(j, b->name)) {
        to->state = LIBXL_EXT_BACKEND_STATE_FROZEN;
    } else if (is_unbound(b)) {
        to->state = LIBXL_EXT_BACKEND_STATE_LOST;
        free(to->why);
        return lxe__to_string(&to->why, "it is unbound from its driver and"
                              " no journal says why: write its name to the"
                              " driver's bind file in"
                              " /sys/bus/xen-backend/drivers", err);
    }
    return 0;
}

static int to_list(libxl_ext_backend_list *to,
                   const struct lxe__backends *bs,
                   const struct lxe__journal *j, struct lxe__err *err)
{
    size_t i;

    if (!bs->nr)
        return 0;
    to->backends = calloc(bs->nr, sizeof(*to->backends));
    if (!to->backends)
        return lxe__err_set(err, ENOMEM, "backends: no memory for %zu",
                            bs->nr);
    for (i = 0; i < bs->nr; i++) {
        libxl_ext_backend_init(&to->backends[i]);
        to->num_backends++;
        if (to_one(&to->backends[i], &bs->list[i], j, err))
            return -1;
    }
    return 0;
}

static int list(libxl_ext_ctx *ctx, uint32_t domid,
                libxl_ext_backend_list *list_r)
{
    struct lxe__backends bs = { 0 };
    struct lxe__journal j = { 0 };
    struct lxe__policy policy;
    struct lxe__limits l;
    int r;

    lxe__policy_init(&policy);
    if (lxe__ctx_domid(ctx, "backends", domid) || lxe__ctx_open(ctx) ||
        lxe__limits_read(ctx->xch, NULL, domid, &l, &ctx->err))
        return -1;
    r = lxe__policy_load_domain(&policy, ctx->xsh, domid, NULL, NULL,
                                &ctx->err) ||
        lxe__backends_find(&bs, ctx->xsh, domid, &policy, &ctx->err) ||
        read_journal(ctx, domid, l.uuid, &j) ||
        to_list(list_r, &bs, &j, &ctx->err);
    lxe__journal_dispose(&j);
    lxe__backends_dispose(&bs);
    lxe__policy_dispose(&policy);
    return r;
}

int libxl_ext_backends_list(libxl_ext_ctx *ctx, uint32_t domid,
                            libxl_ext_backend_list *list_r)
{
    int r;

    libxl_ext_backend_list_init(list_r);
    lxe__ctx_begin(ctx);
    r = list(ctx, domid, list_r);
    if (r)
        libxl_ext_backend_list_dispose(list_r);
    else
        list_r->domid = domid;
    return lxe__ctx_end(ctx, r);
}
