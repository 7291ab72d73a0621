/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The policy's defaults and its verdict on a memory limit.  Pure code;
 * policy_file.c reads the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/policy.h"
#include "memory/record.h"
#include "memory/stock.h"

const char *const lxe__bump_words[3] = {
    [LXE_BUMP_STRICT] = "strict",
    [LXE_BUMP_BOUNDED] = "bounded",
    [LXE_BUMP_TRACK] = "track",
};

const char *const lxe__freeze_words[3] = {
    [LXE_FREEZE_REQUIRE] = "require",
    [LXE_FREEZE_TRY] = "try",
    [LXE_FREEZE_OFF] = "off",
};

const char *const lxe__method_words[3] = {
    [LXE_METHOD_AUTO] = "auto",
    [LXE_METHOD_PROVE] = "prove",
    [LXE_METHOD_DETACH] = "detach",
};

void lxe__policy_init(struct lxe__policy *p)
{
    memset(p, 0, sizeof(*p));
    p->memory_bump = LXE_BUMP_BOUNDED;
    p->memory_bump_limit = 64 * 1024;
    p->freeze = LXE_FREEZE_REQUIRE;
    p->freeze_method = LXE_METHOD_AUTO;
    p->freeze_timeout = 10000;
    p->link_timeout = 30000;
    p->claim = true;
}

void lxe__policy_dispose(struct lxe__policy *p)
{
    free(p->stock_helper);
    free(p->qemu);
    free(p->path);
    lxe__policy_init(p);
}

const char *lxe__policy_path(const struct lxe__policy *p)
{
    return p->path ? p->path : LXE_POLICY_FILE;
}

bool lxe__policy_guest_name(char *name)
{
    size_t len = name ? strlen(name) : 0, s = sizeof(LXE_INCOMING) - 1;

    if (len <= s || strcmp(name + len - s, LXE_INCOMING))
        return false;
    name[len - s] = '\0';
    return true;
}

/* A limit that no setting would allow. */
static void out_of_bounds(struct lxe__memory_verdict *v, uint64_t bound)
{
    v->code = ERANGE;
    v->bound_pages = bound;
    v->over_pages = v->need_pages > bound ? v->need_pages - bound : 0;
}

/* KiB above what stock libxl would set. */
static uint64_t allowed_kb(const struct lxe__policy *p)
{
    if (p->unread.code)
        return 0;
    switch (p->memory_bump) {
    case LXE_BUMP_TRACK:
        return UINT64_MAX;
    case LXE_BUMP_BOUNDED:
        return p->memory_bump_limit;
    case LXE_BUMP_STRICT:
        break;
    }
    return 0;
}

/*
 * xl mem-max and virsh setmaxmem --live raise the limit of a guest that
 * runs, and no page need be in use above the old one.  libxl adds the
 * constant to what it is given, and refuses less than the target
 * (libxl_mem.c, libxl_domain_setmaxmem()), which @stock_kb holds.
 */
static void add_put_back(struct lxe__memory_verdict *v, const char *op,
                         const char *who, const char *before,
                         uint64_t tot_pages, uint64_t stock_kb)
{
    uint64_t kb = stock_kb - LXE_STOCK_MAXMEM_CONSTANT_KB;
    size_t len = strlen(v->reason);

    if (strcmp(op, "save") || tot_pages > stock_kb / 4 ||
        stock_kb < LXE_STOCK_MAXMEM_CONSTANT_KB)
        return;
    snprintf(v->reason + len, sizeof(v->reason) - len, "%sput the limit"
             " back: xl mem-max %s %"PRIu64"%s", before, who,
             kb % 1024 ? kb : kb / 1024, kb % 1024 ? "k" : "");
}

/* Above what the mode allows. */
static void refuse_raise(struct lxe__memory_verdict *v,
                         const struct lxe__policy *p, const char *op,
                         const char *who, uint64_t max_pages,
                         uint64_t tot_pages, uint64_t stock)
{
    uint64_t over_kb = (v->need_pages - stock) * 4;

    v->code = EPERM;
    v->over_pages = v->need_pages - v->bound_pages;
    if (p->unread.code) {
        snprintf(v->reason, sizeof(v->reason), "%s: guest \"%s\":"
                 " max_pages %"PRIu64" (tot_pages %"PRIu64") is %"PRIu64
                 " pages (%"PRIu64" KiB) above what stock libxl would set"
                 " (%"PRIu64"), and no raise is allowed: %.300s", op, who,
                 max_pages, tot_pages, over_kb / 4, over_kb, stock,
                 p->unread.msg);
        return;
    }
    snprintf(v->setting, sizeof(v->setting), "memory_bump=\"bounded\" with"
             " memory_bump_limit=%"PRIu64", or \"track\"", over_kb);
    snprintf(v->reason, sizeof(v->reason), "%s: guest \"%s\": max_pages %"
             PRIu64" (tot_pages %"PRIu64") is %"PRIu64" pages (%"PRIu64
             " KiB) above what stock libxl would set (%"PRIu64"); policy"
             " memory_bump=%s allows %"PRIu64" KiB: %sset %s, in %s", op,
             who, max_pages, tot_pages, over_kb / 4, over_kb, stock,
             lxe__bump_words[p->memory_bump], allowed_kb(p),
             v->need_pages == max_pages ? "" :
             "wait until the guest has ballooned down, or ", v->setting,
             lxe__policy_path(p));
}

void lxe__policy_verdict(const struct lxe__policy *p, const char *op,
                         const char *who, uint64_t max_pages,
                         uint64_t tot_pages, uint64_t stock_kb,
                         uint64_t host_pages,
                         struct lxe__memory_verdict *v)
{
    uint64_t stock = stock_kb / 4, kb = allowed_kb(p);

    memset(v, 0, sizeof(*v));
    v->need_pages = lxe__pages_limit(max_pages, tot_pages);
    v->bound_pages = host_pages;
    if (stock < host_pages && kb / 4 < host_pages - stock)
        v->bound_pages = stock + kb / 4;
    if (!max_pages || max_pages == UINT64_MAX) {
        out_of_bounds(v, v->bound_pages);
        snprintf(v->reason, sizeof(v->reason), "%s: guest \"%s\":"
                 " max_pages is %s: no policy allows that", op, who,
                 max_pages ? "all ones" : "0");
    } else if (v->need_pages > host_pages) {
        out_of_bounds(v, v->bound_pages);
        snprintf(v->reason, sizeof(v->reason), "%s: guest \"%s\": %s %"
                 PRIu64" is above the %"PRIu64" pages that the host has in"
                 " all", op, who, v->need_pages == max_pages ?
                 "max_pages" : "tot_pages", v->need_pages, host_pages);
        add_put_back(v, op, who, ": ", tot_pages, stock_kb);
    } else if (v->need_pages > v->bound_pages) {
        refuse_raise(v, p, op, who, max_pages, tot_pages, stock);
        add_put_back(v, op, who, ", or ", tot_pages, stock_kb);
    }
}

int lxe__policy_judge(const struct lxe__policy *p, const char *op,
                      const char *who, uint64_t max_pages,
                      uint64_t tot_pages, uint64_t stock_kb,
                      uint64_t host_pages, struct lxe__err *err)
{
    struct lxe__memory_verdict v;

    lxe__policy_verdict(p, op, who, max_pages, tot_pages, stock_kb,
                        host_pages, &v);
    return v.code ? lxe__err_set(err, v.code, "%s", v.reason) : 0;
}
