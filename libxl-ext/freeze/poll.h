/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The rings of one backend, mapped, and waiting for them.
 */
#ifndef LXE_FREEZE_POLL_H
#define LXE_FREEZE_POLL_H

#include <signal.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "freeze/backends.h"
#include "freeze/grants.h"
#include "freeze/rings.h"

struct xs_handle;

/* The mapped rings of one backend. */
struct lxe__ringset {
    struct lxe__ring rings[LXE_RINGS_MAX];
    size_t nr;
};

/* Lists the rings of @b; nothing is mapped. */
int lxe__ringset_list(struct lxe__ringset *rs, struct xs_handle *xsh,
                      const struct lxe__backend *b, struct lxe__err *err);

/*
 * Maps them.  EPROTO where a reference leads nowhere or is not in use: a
 * connected backend has its rings mapped.
 */
int lxe__ringset_map(struct lxe__ringset *rs,
                     xenforeignmemory_handle *fmem,
                     const struct lxe__gtable *t,
                     const struct lxe__backend *b, struct lxe__err *err);

void lxe__ringset_close(struct lxe__ringset *rs,
                        xenforeignmemory_handle *fmem);

/*
 * Waits until every ring that carries requests (all but receive rings)
 * has its answers.  ETIMEDOUT at @deadline (lxe__now_ms()), EINTR where
 * *stop is set, EPROTO for a ring whose indexes make no sense.
 */
int lxe__ringset_drain(const struct lxe__ringset *rs,
                       const struct lxe__backend *b, double deadline,
                       const volatile sig_atomic_t *stop,
                       struct lxe__err *err);

/* Waits until no receive ring has moved for @quiet_ms. */
int lxe__ringset_still(const struct lxe__ringset *rs,
                       const struct lxe__backend *b, double quiet_ms,
                       double deadline, const volatile sig_atomic_t *stop,
                       struct lxe__err *err);

/* Is any ring page still in use by a backend? */
bool lxe__ringset_in_use(const struct lxe__ringset *rs,
                         const struct lxe__gtable *t);

#endif
