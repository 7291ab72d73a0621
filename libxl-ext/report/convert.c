/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The library's own types as public ones; see convert.h.  Enumerations
 * have the same numbers on both sides, which is asserted here.
 */
#include <errno.h>
#include <string.h>

#include "report/convert.h"

#define SAME(ours, theirs)                                              \
    _Static_assert((int)(ours) == (int)(theirs), #ours)
SAME(LXE_BUMP_STRICT, LIBXL_EXT_MEMORY_BUMP_STRICT);
SAME(LXE_BUMP_BOUNDED, LIBXL_EXT_MEMORY_BUMP_BOUNDED);
SAME(LXE_BUMP_TRACK, LIBXL_EXT_MEMORY_BUMP_TRACK);
SAME(LXE_FREEZE_REQUIRE, LIBXL_EXT_FREEZE_MODE_REQUIRE);
SAME(LXE_FREEZE_TRY, LIBXL_EXT_FREEZE_MODE_TRY);
SAME(LXE_FREEZE_OFF, LIBXL_EXT_FREEZE_MODE_OFF);
SAME(LXE_METHOD_AUTO, LIBXL_EXT_FREEZE_METHOD_AUTO);
SAME(LXE_METHOD_PROVE, LIBXL_EXT_FREEZE_METHOD_PROVE);
SAME(LXE_METHOD_DETACH, LIBXL_EXT_FREEZE_METHOD_DETACH);
SAME(LXE_BK_UNKNOWN, LIBXL_EXT_BACKEND_KIND_UNKNOWN);
SAME(LXE_BK_VBD, LIBXL_EXT_BACKEND_KIND_VBD);
SAME(LXE_BK_VIF, LIBXL_EXT_BACKEND_KIND_VIF);
SAME(LXE_BK_QDISK, LIBXL_EXT_BACKEND_KIND_QDISK);
SAME(LXE_BK_CONSOLE, LIBXL_EXT_BACKEND_KIND_CONSOLE);
SAME(LXE_BK_FB, LIBXL_EXT_BACKEND_KIND_FB);
SAME(LXE_BK_PCI, LIBXL_EXT_BACKEND_KIND_PCI);
SAME(LXE_BK_USB, LIBXL_EXT_BACKEND_KIND_USB);
SAME(LXE_ACT_NOTHING, LIBXL_EXT_BACKEND_METHOD_NOTHING);
SAME(LXE_ACT_MARK, LIBXL_EXT_BACKEND_METHOD_MARK);
SAME(LXE_ACT_PROVE, LIBXL_EXT_BACKEND_METHOD_PROVE);
SAME(LXE_ACT_LINK, LIBXL_EXT_BACKEND_METHOD_LINK);
SAME(LXE_ACT_DETACH, LIBXL_EXT_BACKEND_METHOD_DETACH);
SAME(LXE_ACT_UNFREEZABLE, LIBXL_EXT_BACKEND_METHOD_UNFREEZABLE);

int lxe__to_string(char **to, const char *text, struct lxe__err *err)
{
    *to = NULL;
    if (!text || !*text)
        return 0;
    *to = strdup(text);
    return *to ? 0 : lxe__err_set(err, ENOMEM, "no memory for a string of"
                                  " %zu bytes", strlen(text));
}

void lxe__to_limits(libxl_ext_memory_limits *to,
                    const struct lxe__limits *l)
{
    to->domid = l->domid;
    memcpy(to->uuid, l->uuid, sizeof(to->uuid));
    to->hvm = l->hvm;
    to->max_pages = l->max_pages;
    to->tot_pages = l->tot_pages;
    to->outstanding_pages = l->outstanding_pages;
    to->shr_pages = l->shr_pages;
    to->paged_pages = l->paged_pages;
    to->target_kb = l->target_kb;
    to->static_max_kb = l->static_max_kb;
    to->stock_max_kb = l->stock_max_kb;
}

void lxe__to_sent_limits(libxl_ext_memory_limits *to,
                         const struct lxe__record *r, uint32_t domid)
{
    to->domid = domid;
    memcpy(to->uuid, r->uuid, sizeof(to->uuid));
    to->hvm = r->flags & LXE_RECORD_F_HVM;
    to->max_pages = r->max_pages;
    to->tot_pages = r->tot_pages;
    to->outstanding_pages = r->outstanding_pages;
    to->shr_pages = r->shr_pages;
    to->paged_pages = r->paged_pages;
    to->target_kb = r->target_kb;
    to->static_max_kb = r->static_max_kb;
    to->stock_max_kb = r->stock_max_kb;
}

void lxe__to_host(libxl_ext_host_memory *to, const struct lxe__host *h)
{
    to->total_pages = h->total_pages;
    to->free_pages = h->free_pages;
    to->outstanding_pages = h->outstanding_pages;
}

int lxe__to_verdict(libxl_ext_verdict *to,
                    const struct lxe__memory_verdict *v,
                    struct lxe__err *err)
{
    to->allowed = !v->code;
    to->max_pages = v->need_pages;
    to->bound_pages = v->bound_pages;
    to->over_pages = v->over_pages;
    return lxe__to_string(&to->reason, v->reason, err) ||
           lxe__to_string(&to->setting, v->setting, err) ? -1 : 0;
}

int lxe__to_policy(libxl_ext_policy *to, const struct lxe__policy *p,
                   struct lxe__err *err)
{
    to->memory_bump = (libxl_ext_memory_bump)p->memory_bump;
    to->memory_bump_limit = p->memory_bump_limit;
    to->freeze = (libxl_ext_freeze_mode)p->freeze;
    to->freeze_method = (libxl_ext_freeze_method)p->freeze_method;
    to->freeze_timeout = p->freeze_timeout;
    to->link_timeout = p->link_timeout;
    to->claim = p->claim;
    return lxe__to_string(&to->stock_helper, p->stock_helper, err) ||
           lxe__to_string(&to->qemu, p->qemu, err) ||
           lxe__to_string(&to->path, p->path, err) ? -1 : 0;
}

int lxe__to_backend(libxl_ext_backend *to, const struct lxe__backend *b,
                    struct lxe__err *err)
{
    const struct lxe__verdict *v = &b->verdict;

    to->kind = (libxl_ext_backend_kind)b->kind;
    to->devid = b->devid;
    to->backend_domid = b->backend_domid;
    to->method = (libxl_ext_backend_method)v->act;
    to->state = b->connected ? LIBXL_EXT_BACKEND_STATE_CONNECTED
                             : LIBXL_EXT_BACKEND_STATE_DISCONNECTED;
    return lxe__to_string(&to->name, b->name, err) ||
           lxe__to_string(&to->why, v->why, err) ||
           lxe__to_string(&to->setting, v->allow, err) ? -1 : 0;
}

int lxe__to_frozen_backend(libxl_ext_backend *to,
                           const struct lxe__backend *b,
                           struct lxe__err *err)
{
    if (lxe__to_backend(to, b, err))
        return -1;
    to->method = (libxl_ext_backend_method)b->done;
    if (b->connected && b->done != LXE_ACT_NOTHING &&
        b->done != LXE_ACT_UNFREEZABLE)
        to->state = LIBXL_EXT_BACKEND_STATE_FROZEN;
    return 0;
}

void lxe__to_freeze_report(libxl_ext_freeze_report *to,
                           const struct lxe__freeze_report *r)
{
    to->backends = r->backends;
    to->proved = r->proved;
    to->detached = r->detached;
    to->unfrozen = r->unfrozen;
    to->frames_at_risk = r->frames_at_risk;
    to->frames_marked = r->frames_marked;
    to->frames_lost_by_stock = r->frames_lost_by_stock;
    to->time_us = (uint64_t)(r->ms * 1e3);
}
