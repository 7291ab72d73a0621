/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The policy's defaults and its verdict on a memory limit.  Pure code;
 * policy_file.c reads the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memory/policy.h"
#include "memory/record.h"

void lxe__policy_init(struct lxe__policy *p)
{
    memset(p, 0, sizeof(*p));
    p->memory_bump = LXE_BUMP_BOUNDED;
    p->memory_bump_limit = 64 * 1024;
    p->freeze = LXE_FREEZE_REQUIRE;
    p->freeze_method = LXE_METHOD_AUTO;
    p->freeze_timeout = 10000;
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

int lxe__policy_judge(const struct lxe__policy *p, const char *op,
                      const char *who, uint64_t max_pages,
                      uint64_t tot_pages, uint64_t stock_kb,
                      uint64_t host_pages, struct lxe__err *err)
{
    uint64_t need = lxe__pages_limit(max_pages, tot_pages);
    uint64_t stock = stock_kb / 4, over, over_kb, allowed_kb;

    if (!max_pages || max_pages == UINT64_MAX)
        return lxe__err_set(err, ERANGE, "%s: guest \"%s\": max_pages is"
                            " %s: no policy allows that", op, who,
                            max_pages ? "all ones" : "0");
    if (need > host_pages)
        return lxe__err_set(err, ERANGE, "%s: guest \"%s\": %s %"PRIu64
                            " is above the %"PRIu64" pages that the host"
                            " has in all", op, who, need == max_pages ?
                            "max_pages" : "tot_pages", need, host_pages);
    if (need <= stock)
        return 0;
    over = need - stock;
    over_kb = over * 4;
    allowed_kb = p->memory_bump == LXE_BUMP_TRACK ? UINT64_MAX :
        p->memory_bump == LXE_BUMP_BOUNDED ? p->memory_bump_limit : 0;
    if (over_kb <= allowed_kb)
        return 0;
    return lxe__err_set(err, EPERM, "%s: guest \"%s\": max_pages %"PRIu64
                        " (tot_pages %"PRIu64") is %"PRIu64" pages (%"
                        PRIu64" KiB) above what stock libxl would set (%"
                        PRIu64"); policy memory_bump=%s allows %"PRIu64
                        " KiB: %sset memory_bump=\"bounded\" with"
                        " memory_bump_limit=%"PRIu64", or \"track\", in %s",
                        op, who, max_pages, tot_pages, over, over_kb,
                        stock, p->memory_bump == LXE_BUMP_STRICT ?
                        "strict" : "bounded", allowed_kb,
                        need == max_pages ? "" :
                        "wait until the guest has ballooned down, or ",
                        over_kb, lxe__policy_path(p));
}
