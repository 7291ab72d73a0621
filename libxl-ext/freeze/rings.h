/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Shared rings: where they are, and whether they are drained.
 *
 * Only the first page of a ring is looked at.  It begins with req_prod,
 * req_event, rsp_prod, rsp_event (u32 each, in the byte order of the
 * host); all other pages hold entries only.  Pure code: xenstore is read
 * through a function of the caller.
 */
#ifndef LXE_FREEZE_RINGS_H
#define LXE_FREEZE_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "freeze/backends.h"

#define LXE_RING_MAX_QUEUES 64  /* Linux: one a CPU of the guest */
#define LXE_RING_MAX_ORDER  4   /* XENBUS_MAX_RING_GRANT_ORDER */
#define LXE_RINGS_MAX       (2 * LXE_RING_MAX_QUEUES)

enum lxe__ring_kind { LXE_RING_BLK, LXE_RING_TX, LXE_RING_RX };

struct lxe__ring {
    enum lxe__ring_kind kind;
    unsigned queue;
    uint32_t ref;               /* of the page with the indexes */
    uint32_t entries;           /* how many the ring can hold */
    const volatile uint32_t *page;      /* where mapped, or NULL */
};

enum lxe__ring_state { LXE_RING_DRAINED, LXE_RING_BUSY, LXE_RING_BOGUS };

/* A malloc'd value of a node below the frontend's directory, or NULL. */
typedef char *lxe__node_fn(void *data, const char *node);

/* How many entries of @entry_size fit into a ring of @pages. */
uint32_t lxe__ring_entries(uint32_t pages, uint32_t entry_size);

/* The indexes of one that is mapped. */
uint32_t lxe__ring_req_prod(const struct lxe__ring *ring);
uint32_t lxe__ring_rsp_prod(const struct lxe__ring *ring);

/* @pending_r may be NULL; requests without a response. */
enum lxe__ring_state lxe__ring_judge(uint32_t req_prod, uint32_t rsp_prod,
                                     uint32_t entries,
                                     uint32_t *pending_r);

/*
 * Reads which rings the frontend of @b says to have.  All of it was
 * written by the guest.  EPROTO and a line that names node, value and
 * bound where it is not what a frontend would write.
 */
int lxe__rings_list(const struct lxe__backend *b, lxe__node_fn *read,
                    void *data, struct lxe__ring *rings, size_t *nr_r,
                    struct lxe__err *err);

#endif
