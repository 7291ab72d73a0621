/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Looking at the dirty bitmap without clearing it
 * (XEN_DOMCTL_SHADOW_OP_PEEK).
 *
 * This is the only proof that a frame will be sent again: what a marking
 * call returned is not asked.  The number of dirty frames grows only
 * between two peeks at a suspended guest, so the difference is what
 * unmapping and marking have added.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include "_config.h"
#include "freeze/mark.h"

#ifndef LXE_HAVE_LOGDIRTY_CONTROL
#define xc_logdirty_control(xch, domid, op, buf, pages, mode, stats) \
    xc_shadow_control(xch, domid, op, buf, pages, NULL, mode, stats)
#endif

#define BITS (8 * sizeof(unsigned long))

int lxe__peek_open(struct lxe__peek *p, xc_interface *xch, uint32_t domid,
                   struct lxe__err *err)
{
    DECLARE_HYPERCALL_BUFFER(unsigned long, bitmap);
    xen_pfn_t max;
    size_t size;

    memset(p, 0, sizeof(*p));
    p->xch = xch;
    p->domid = domid;
    if (xc_domain_maximum_gpfn(xch, domid, &max) < 0)
        return lxe__err_set(err, errno, "freeze: cannot ask for the"
                            " highest frame of domain %u: %s", domid,
                            strerror(errno));
    p->pages = (uint64_t)max + 1;
    size = (p->pages + 7) / 8;
    /* Whole pages, so that Xen's last word always fits. */
    bitmap = xc_hypercall_buffer_alloc_pages(
        xch, bitmap, (size + XC_PAGE_SIZE - 1) / XC_PAGE_SIZE);
    if (!bitmap)
        return lxe__err_set(err, ENOMEM, "freeze: no buffer of %zu bytes"
                            " for the dirty bitmap of domain %u", size,
                            domid);
    p->hbuf = malloc(sizeof(*p->hbuf));
    if (!p->hbuf) {
        xc_hypercall_buffer_free_pages(
            xch, bitmap, (size + XC_PAGE_SIZE - 1) / XC_PAGE_SIZE);
        return lxe__err_set(err, ENOMEM, "freeze: no memory");
    }
    *p->hbuf = *HYPERCALL_BUFFER(bitmap);
    return 0;
}

void lxe__peek_close(struct lxe__peek *p)
{
    size_t size = (p->pages + 7) / 8;

    if (p->hbuf) {
        DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bitmap, p->hbuf);

        xc_hypercall_buffer_free_pages(
            p->xch, bitmap, (size + XC_PAGE_SIZE - 1) / XC_PAGE_SIZE);
        free(p->hbuf);
    }
    memset(p, 0, sizeof(*p));
}

/* The bitmap of the first @pages; the count is always of all. */
static int peek(struct lxe__peek *p, uint64_t pages, uint64_t *dirty_r,
                struct lxe__err *err)
{
    xc_shadow_op_stats_t stats = { 0, 0 };
    long long r;

    r = xc_logdirty_control(p->xch, p->domid, XEN_DOMCTL_SHADOW_OP_PEEK,
                            p->hbuf, pages, 0, &stats);
    if (r < 0 || (uint64_t)r > pages)
        return lxe__err_set(err, r < 0 ? errno : EPROTO, "freeze: cannot"
                            " look at the dirty bitmap of domain %u (%llu"
                            " frames): %s", p->domid,
                            (unsigned long long)pages, strerror(errno));
    *dirty_r = stats.dirty_count;
    return 0;
}

int lxe__peek_count(struct lxe__peek *p, uint64_t *dirty_r,
                    struct lxe__err *err)
{
    return peek(p, 0, dirty_r, err);
}

int lxe__peek_check(struct lxe__peek *p, struct lxe__frames *fs,
                    uint64_t *dirty_r, size_t *missing_r,
                    struct lxe__err *err)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bitmap, p->hbuf);
    size_t i;

    if (peek(p, p->pages, dirty_r, err))
        return -1;
    *missing_r = 0;
    for (i = 0; i < fs->nr; i++) {
        uint64_t pfn = fs->list[i].pfn;

        fs->list[i].marked = pfn < p->pages &&
            (bitmap[pfn / BITS] >> (pfn % BITS) & 1);
        *missing_r += !fs->list[i].marked;
    }
    return 0;
}
