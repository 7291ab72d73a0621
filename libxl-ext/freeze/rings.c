/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Ring arithmetic, and the ring nodes of a frontend.  Pure code.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>

#include "base/text.h"
#include "freeze/rings.h"

/* In front of the first entry. */
#define RING_HEADER offsetof(struct blkif_sring, ring)
_Static_assert(RING_HEADER == offsetof(struct netif_tx_sring, ring) &&
               RING_HEADER == offsetof(struct netif_rx_sring, ring),
               "every ring begins in the same way");

/* The 32-bit ABI's 108 gives as many. */
#define BLK_ENTRY   sizeof(union blkif_sring_entry)
#define TX_ENTRY    sizeof(union netif_tx_sring_entry)
#define RX_ENTRY    sizeof(union netif_rx_sring_entry)

uint32_t lxe__ring_entries(uint32_t pages, uint32_t entry_size)
{
    uint32_t n = (pages * 4096U - RING_HEADER) / entry_size, p = 1;

    while (p * 2 <= n)
        p *= 2;
    return p;
}

static const volatile struct blkif_sring *
indexes(const struct lxe__ring *ring)
{
    return (const volatile struct blkif_sring *)ring->page;
}

uint32_t lxe__ring_req_prod(const struct lxe__ring *ring)
{
    return indexes(ring)->req_prod;
}

uint32_t lxe__ring_rsp_prod(const struct lxe__ring *ring)
{
    return indexes(ring)->rsp_prod;
}

enum lxe__ring_state lxe__ring_judge(uint32_t req_prod, uint32_t rsp_prod,
                                     uint32_t entries,
                                     uint32_t *pending_r)
{
    /* Both run freely and wrap at 2^32: only the distance counts. */
    uint32_t pending = req_prod - rsp_prod;

    if (pending_r)
        *pending_r = pending;
    if (!pending)
        return LXE_RING_DRAINED;
    return pending <= entries ? LXE_RING_BUSY : LXE_RING_BOGUS;
}

/*
 * 0 and the number, or -1.  ENOENT without a line where there is no such
 * node.
 */
static int get_number(const struct lxe__backend *b, lxe__node_fn *read,
                      void *data, const char *node, uint32_t max,
                      uint32_t *out_r, struct lxe__err *err)
{
    char *v = read(data, node), *end;
    unsigned long long n;
    int rc;

    if (!v) {
        errno = ENOENT;
        return -1;
    }
    n = strtoull(v, &end, 10);
    if (v[0] < '0' || v[0] > '9' || *end || end - v > 10 || n > max) {
        rc = lxe__err_set(err, EPROTO, "freeze: %s: frontend node %s is"
                          " '%.32s', not a number up to %u", b->name,
                          node, lxe__printable(v), max);
        goto out;
    }
    *out_r = n;
    rc = 0;

 out:
    free(v);
    return rc;
}

/* As get_number(), but the node must be there. */
static int need_number(const struct lxe__backend *b, lxe__node_fn *read,
                       void *data, const char *node, uint32_t max,
                       uint32_t *out_r, struct lxe__err *err)
{
    if (!get_number(b, read, data, node, max, out_r, err))
        return 0;
    if (errno != ENOENT)
        return -1;
    return lxe__err_set(err, EPROTO, "freeze: %s: is connected, but its"
                        " frontend has no node %s", b->name, node);
}

static int list_blk(const struct lxe__backend *b, lxe__node_fn *read,
                    void *data, unsigned queue, const char *prefix,
                    bool has_order, uint32_t order, struct lxe__ring *ring,
                    struct lxe__err *err)
{
    char node[64];

    /* As blkback: "ring-ref0" where an order is given, else "ring-ref". */
    snprintf(node, sizeof(node), "%sring-ref%s", prefix,
             has_order ? "0" : "");
    if (get_number(b, read, data, node, UINT32_MAX, &ring->ref, err)) {
        if (errno != ENOENT)
            return -1;
        snprintf(node, sizeof(node), "%sring-ref", prefix);
        if (need_number(b, read, data, node, UINT32_MAX, &ring->ref, err))
            return -1;
    }
    ring->kind = LXE_RING_BLK;
    ring->queue = queue;
    ring->entries = lxe__ring_entries(1U << order, BLK_ENTRY);
    return 0;
}

static int list_net(const struct lxe__backend *b, lxe__node_fn *read,
                    void *data, unsigned queue, const char *prefix,
                    struct lxe__ring *rings, struct lxe__err *err)
{
    char node[64];

    snprintf(node, sizeof(node), "%stx-ring-ref", prefix);
    if (need_number(b, read, data, node, UINT32_MAX, &rings[0].ref, err))
        return -1;
    snprintf(node, sizeof(node), "%srx-ring-ref", prefix);
    if (need_number(b, read, data, node, UINT32_MAX, &rings[1].ref, err))
        return -1;
    rings[0].kind = LXE_RING_TX;
    rings[1].kind = LXE_RING_RX;
    rings[0].queue = rings[1].queue = queue;
    rings[0].entries = lxe__ring_entries(1, TX_ENTRY);
    rings[1].entries = lxe__ring_entries(1, RX_ENTRY);
    return 0;
}

int lxe__rings_list(const struct lxe__backend *b, lxe__node_fn *read,
                    void *data, struct lxe__ring *rings, size_t *nr_r,
                    struct lxe__err *err)
{
    uint32_t queues = 1, order = 0, q;
    bool multi = true, has_order = false;
    char prefix[24] = "";
    size_t nr = 0;
    int rc;

    *nr_r = 0;
    if (b->kind != LXE_BK_VBD && b->kind != LXE_BK_QDISK &&
        b->kind != LXE_BK_VIF)
        return 0;
    memset(rings, 0, LXE_RINGS_MAX * sizeof(*rings));
    if (get_number(b, read, data, "multi-queue-num-queues",
                   LXE_RING_MAX_QUEUES, &queues, err)) {
        if (errno != ENOENT)
            return -1;
        queues = 1;
    }
    /* One queue is written without the queue directory. */
    if (queues <= 1) {
        multi = false;
        queues = 1;
    }
    if (b->kind != LXE_BK_VIF) {
        rc = get_number(b, read, data, "ring-page-order",
                        LXE_RING_MAX_ORDER, &order, err);
        if (rc && errno != ENOENT)
            return -1;
        has_order = !rc;
    }
    for (q = 0; q < queues; q++) {
        if (multi)
            snprintf(prefix, sizeof(prefix), "queue-%u/", q);
        if (b->kind == LXE_BK_VIF) {
            rc = list_net(b, read, data, q, prefix, rings + nr, err);
            nr += 2;
        } else {
            rc = list_blk(b, read, data, q, prefix, has_order, order,
                          rings + nr, err);
            nr++;
        }
        if (rc)
            return -1;
    }
    *nr_r = nr;
    return 0;
}
