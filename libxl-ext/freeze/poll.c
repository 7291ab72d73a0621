/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Mapping ring pages and watching their indexes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenstore.h>

#include "base/clock.h"
#include "base/stop.h"
#include "freeze/poll.h"

static const char *const ring_words[] = {
    [LXE_RING_BLK] = "request", [LXE_RING_TX] = "transmit",
    [LXE_RING_RX] = "receive",
};

struct node_reader {
    struct xs_handle *xsh;
    const char *dir;
};

static char *read_node(void *data, const char *node)
{
    struct node_reader *nr = data;

    return lxe__xs_node(nr->xsh, nr->dir, node);
}

static int map_ring(struct lxe__ring *ring, xenforeignmemory_handle *fmem,
                    const struct lxe__gtable *t,
                    const struct lxe__backend *b, struct lxe__err *err)
{
    struct lxe__grant g;
    xen_pfn_t frame;

    if (lxe__gtable_get(t, ring->ref, &g))
        return lxe__err_set(err, EPROTO, "freeze: %s: %s ring %u is grant"
                            " %u, to which the guest gives no access"
                            " (table of %u entries)", b->name,
                            ring_words[ring->kind], ring->queue, ring->ref,
                            lxe__gtable_entries(t));
    if (!g.in_use)
        return lxe__err_set(err, EPROTO, "freeze: %s: %s ring %u is grant"
                            " %u, which no backend has in use: its backend"
                            " seems to have died", b->name,
                            ring_words[ring->kind], ring->queue,
                            ring->ref);
    frame = g.frame;
    ring->page = xenforeignmemory_map(fmem, b->domid, PROT_READ, 1, &frame,
                                      NULL);
    if (!ring->page)
        return lxe__err_set(err, errno, "freeze: %s: cannot map frame"
                            " 0x%lx of its %s ring %u: %s", b->name,
                            (unsigned long)frame, ring_words[ring->kind],
                            ring->queue, strerror(errno));
    return 0;
}

int lxe__ringset_list(struct lxe__ringset *rs, struct xs_handle *xsh,
                      const struct lxe__backend *b, struct lxe__err *err)
{
    struct node_reader reader = { xsh, b->fe_path };

    return lxe__rings_list(b, read_node, &reader, rs->rings, &rs->nr, err);
}

int lxe__ringset_map(struct lxe__ringset *rs,
                     xenforeignmemory_handle *fmem,
                     const struct lxe__gtable *t,
                     const struct lxe__backend *b, struct lxe__err *err)
{
    size_t i;

    for (i = 0; i < rs->nr; i++)
        if (map_ring(&rs->rings[i], fmem, t, b, err))
            return -1;
    return 0;
}

void lxe__ringset_close(struct lxe__ringset *rs,
                        xenforeignmemory_handle *fmem)
{
    size_t i;

    for (i = 0; i < rs->nr; i++)
        if (rs->rings[i].page)
            xenforeignmemory_unmap(fmem, (void *)rs->rings[i].page, 1);
    rs->nr = 0;
}

/* Sleeps a little longer each time; -1 where the wait is over. */
static int nap(double *ms, double deadline,
               const volatile sig_atomic_t *stop)
{
    if (lxe__told_to_stop(stop)) {
        errno = EINTR;
        return -1;
    }
    if (lxe__now_ms() > deadline) {
        errno = ETIMEDOUT;
        return -1;
    }
    lxe__sleep_ms(*ms);
    if (*ms < 5)
        *ms *= 1.5;
    return 0;
}

int lxe__ringset_drain(const struct lxe__ringset *rs,
                       const struct lxe__backend *b, double deadline,
                       const volatile sig_atomic_t *stop,
                       struct lxe__err *err)
{
    enum lxe__ring_state state;
    uint32_t req, rsp, pending;
    double ms = 0.1;
    size_t i;

    for (i = 0; i < rs->nr; i++) {
        const struct lxe__ring *ring = &rs->rings[i];

        if (ring->kind == LXE_RING_RX)
            continue;
        for (;;) {
            rsp = lxe__ring_rsp_prod(ring);
            req = lxe__ring_req_prod(ring);
            state = lxe__ring_judge(req, rsp, ring->entries, &pending);
            if (state != LXE_RING_BUSY)
                break;
            if (nap(&ms, deadline, stop))
                return lxe__err_set(err, errno, "freeze: %s: %u of at most"
                                    " %u requests of %s ring %u were not"
                                    " answered in time: %s", b->name,
                                    pending, ring->entries,
                                    ring_words[ring->kind], ring->queue,
                                    strerror(errno));
        }
        if (state == LXE_RING_BOGUS)
            return lxe__err_set(err, EPROTO, "freeze: %s: %s ring %u has"
                                " %u requests without an answer, more than"
                                " its %u entries", b->name,
                                ring_words[ring->kind], ring->queue,
                                pending, ring->entries);
    }
    return 0;
}

int lxe__ringset_still(const struct lxe__ringset *rs,
                       const struct lxe__backend *b, double quiet_ms,
                       double deadline, const volatile sig_atomic_t *stop,
                       struct lxe__err *err)
{
    uint64_t sum, before = UINT64_MAX;
    double since = 0, ms;
    size_t i;

    for (;;) {
        for (sum = 0, i = 0; i < rs->nr; i++)
            if (rs->rings[i].kind == LXE_RING_RX)
                sum += lxe__ring_rsp_prod(&rs->rings[i]);
        if (sum != before) {
            before = sum;
            since = lxe__now_ms();
        } else if (lxe__now_ms() - since >= quiet_ms) {
            return 0;
        }
        ms = 0.5;
        if (nap(&ms, deadline, stop))
            return lxe__err_set(err, errno, "freeze: %s: packets still"
                                " arrive although the link is down: %s",
                                b->name, strerror(errno));
    }
}

bool lxe__ringset_in_use(const struct lxe__ringset *rs,
                         const struct lxe__gtable *t)
{
    struct lxe__grant g;
    size_t i;

    for (i = 0; i < rs->nr; i++)
        if (!lxe__gtable_get(t, rs->rings[i].ref, &g) && g.in_use)
            return true;
    return false;
}
