/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public calls on memory limits: read, judge, set.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/convert.h"
#include "api/ctx.h"
#include "memory/domain.h"

#define MANY 256

/* A domain, and what its limit is judged by. */
struct subject {
    struct lxe__limits limits;
    struct lxe__host host;
    char *name;                 /* as xenstore has it, or NULL */
};

static void dispose(struct subject *s)
{
    free(s->name);
    s->name = NULL;
}

/* @s->host is the caller's to fill. */
static int read_domain(libxl_ext_ctx *ctx, uint32_t domid,
                       struct subject *s)
{
    s->name = NULL;
    if (lxe__limits_read(ctx->xch, ctx->xsh, domid, &s->limits,
                         &ctx->err))
        return -1;
    s->name = lxe__domain_name(ctx->xsh, domid);
    return 0;
}

static int open_and_read(libxl_ext_ctx *ctx, const char *op,
                         uint32_t domid, struct subject *s)
{
    s->name = NULL;
    if (lxe__ctx_domid(ctx, op, domid) || lxe__ctx_open(ctx) ||
        lxe__host_read(ctx->xch, &s->host, &ctx->err))
        return -1;
    return read_domain(ctx, domid, s);
}

/* 0 for @max_pages: what it has now, its pages where these are more. */
static int judge(libxl_ext_ctx *ctx, const struct subject *s,
                 const char *op, uint64_t max_pages,
                 struct lxe__memory_verdict *v)
{
    char *guest = s->name ? strdup(s->name) : NULL;
    struct lxe__policy policy;
    int r;

    memset(v, 0, sizeof(*v));
    if (s->name && !guest)
        return lxe__err_set(&ctx->err, ENOMEM, "%s: no memory", op);
    lxe__policy_guest_name(guest);
    r = lxe__policy_load(&policy, NULL, guest, &ctx->err);
    if (!r) {
        lxe__policy_verdict(&policy, op, guest ? guest : "(no name)",
                            max_pages ? max_pages : s->limits.max_pages,
                            max_pages ? 0 : s->limits.tot_pages,
                            s->limits.stock_max_kb, s->host.total_pages,
                            v);
        lxe__policy_dispose(&policy);
    }
    free(guest);
    return r;
}

/*----- reading -----*/

int libxl_ext_memory_limits_get(libxl_ext_ctx *ctx, uint32_t domid,
                                libxl_ext_memory_limits *limits_r)
{
    struct lxe__limits l;
    int r;

    libxl_ext_memory_limits_init(limits_r);
    lxe__ctx_begin(ctx);
    r = lxe__ctx_domid(ctx, "memory limits", domid) ||
        lxe__ctx_open(ctx) ||
        lxe__limits_read(ctx->xch, ctx->xsh, domid, &l, &ctx->err);
    if (!r)
        lxe__to_limits(limits_r, &l);
    return lxe__ctx_end(ctx, r);
}

int libxl_ext_host_memory_get(libxl_ext_ctx *ctx,
                              libxl_ext_host_memory *host_r)
{
    struct lxe__host h;
    int r;

    libxl_ext_host_memory_init(host_r);
    lxe__ctx_begin(ctx);
    r = lxe__ctx_open(ctx) || lxe__host_read(ctx->xch, &h, &ctx->err);
    if (!r)
        lxe__to_host(host_r, &h);
    return lxe__ctx_end(ctx, r);
}

/*----- judging -----*/

int libxl_ext_memory_judge(libxl_ext_ctx *ctx, uint32_t domid,
                           uint64_t max_pages,
                           libxl_ext_verdict *verdict_r)
{
    struct lxe__memory_verdict v;
    struct subject s;
    int r;

    libxl_ext_verdict_init(verdict_r);
    lxe__ctx_begin(ctx);
    r = open_and_read(ctx, "judge", domid, &s) ||
        judge(ctx, &s, max_pages ? "limit" : "save", max_pages, &v) ||
        lxe__to_verdict(verdict_r, &v, &ctx->err);
    if (r)
        libxl_ext_verdict_dispose(verdict_r);
    dispose(&s);
    return lxe__ctx_end(ctx, r);
}

static int to_memory(libxl_ext_ctx *ctx, const struct subject *s,
                     libxl_ext_domain_memory *to)
{
    uint64_t stock = s->limits.stock_max_kb / 4;
    struct lxe__memory_verdict v;

    if (judge(ctx, s, "save", 0, &v))
        return -1;
    lxe__to_limits(&to->limits, &s->limits);
    if (s->limits.max_pages > stock)
        to->raise_pages = s->limits.max_pages - stock;
    return lxe__to_string(&to->name, s->name, &ctx->err) ||
           lxe__to_verdict(&to->verdict, &v, &ctx->err) ? -1 : 0;
}

int libxl_ext_memory_get(libxl_ext_ctx *ctx, uint32_t domid,
                         libxl_ext_domain_memory *memory_r)
{
    struct subject s;
    int r;

    libxl_ext_domain_memory_init(memory_r);
    lxe__ctx_begin(ctx);
    r = open_and_read(ctx, "memory", domid, &s) ||
        to_memory(ctx, &s, memory_r);
    if (r)
        libxl_ext_domain_memory_dispose(memory_r);
    dispose(&s);
    return lxe__ctx_end(ctx, r);
}

/*----- all of them -----*/

/* A domain that has gone meanwhile is none that there is. */
static int add_domain(libxl_ext_ctx *ctx, libxl_ext_memory_table *t,
                      uint32_t domid, const struct lxe__host *host)
{
    libxl_ext_domain_memory *list;
    struct subject s = { .host = *host };
    int r;

    if (read_domain(ctx, domid, &s)) {
        if (ctx->err.code != ESRCH)
            return -1;
        lxe__err_init(&ctx->err);
        return 0;
    }
    list = realloc(t->domains, (t->num_domains + 1) * sizeof(*list));
    if (list) {
        t->domains = list;
        libxl_ext_domain_memory_init(&list[t->num_domains]);
        r = to_memory(ctx, &s, &list[t->num_domains++]);
    } else {
        r = lxe__err_set(&ctx->err, ENOMEM, "memory: no memory for %u"
                         " domains", t->num_domains + 1);
    }
    dispose(&s);
    return r;
}

static int list_all(libxl_ext_ctx *ctx, libxl_ext_memory_table *t)
{
    uint32_t ids[MANY], next = 1;   /* not domain 0 */
    struct lxe__host host;
    int nr, i;

    if (lxe__ctx_open(ctx) || lxe__host_read(ctx->xch, &host, &ctx->err))
        return -1;
    lxe__to_host(&t->host, &host);
    while (next != UINT32_MAX) {
        nr = lxe__domains(ctx->xch, next, ids, MANY, &next, &ctx->err);
        if (nr < 0)
            return -1;
        for (i = 0; i < nr; i++)
            if (add_domain(ctx, t, ids[i], &host))
                return -1;
    }
    return 0;
}

int libxl_ext_memory_list(libxl_ext_ctx *ctx,
                          libxl_ext_memory_table *table_r)
{
    int r;

    libxl_ext_memory_table_init(table_r);
    lxe__ctx_begin(ctx);
    r = list_all(ctx, table_r);
    if (r)
        libxl_ext_memory_table_dispose(table_r);
    return lxe__ctx_end(ctx, r);
}

/*----- setting -----*/

static int set_limit(libxl_ext_ctx *ctx, const struct subject *s,
                     uint64_t max_pages)
{
    struct lxe__memory_verdict v;

    if (!max_pages)
        return lxe__err_set(&ctx->err, EINVAL, "limit: domain %u:"
                            " max_pages is 0: no policy allows that",
                            s->limits.domid);
    if (judge(ctx, s, "limit", max_pages, &v))
        return -1;
    /* EPERM would read as want of privilege. */
    if (v.code)
        return lxe__err_set(&ctx->err, EINVAL, "%s", v.reason);
    return lxe__limits_set(ctx->xch, s->limits.domid, max_pages,
                           &ctx->err);
}

int libxl_ext_memory_limit_set(libxl_ext_ctx *ctx, uint32_t domid,
                               uint64_t max_pages)
{
    struct subject s;
    int r;

    lxe__ctx_begin(ctx);
    r = open_and_read(ctx, "limit", domid, &s) ||
        set_limit(ctx, &s, max_pages);
    dispose(&s);
    return lxe__ctx_end(ctx, r);
}
