/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A receiver that may hold a guest which nobody lets run: found by the
 * guest's uuid, RUNDIR/UUID.receive, locked while it lives.  Who asks
 * whether the guest runs here ends it first.
 *
 * RUNDIR/UUID.given says that the guest which came here last was let run.
 * By the time somebody asks it may have powered off or gone on to
 * another host: what the sender has is old then all the same.
 * RUNDIR/UUID.unpause says that it has yet to be unpaused, which one who
 * asks does if its receiver could not.  Where that is not there somebody
 * wants it as it is: it ran, or was to be left paused, or never came here.
 */
#ifndef LXE_API_RECEIVER_H
#define LXE_API_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct libxl_ext_ctx;

/* The lock of this process; -1 with EBUSY where there is another. */
int lxe__receiver_lock(const uint8_t uuid[16], struct lxe__err *err);

/* @fd may be -1. */
void lxe__receiver_unlock(int fd, const uint8_t uuid[16]);

/*
 * With the lock: destroys what a receiver that died left of that guest.
 * It has its surname, so it was given no leave to run.
 */
int lxe__receiver_sweep(struct libxl_ext_ctx *ctx, const uint8_t uuid[16],
                        struct lxe__err *err);

/*
 * Said ahead of letting it run, and taken back ahead of destroying what
 * could not run and when it comes anew.
 */
int lxe__receiver_given(const uint8_t uuid[16], struct lxe__err *err);
int lxe__receiver_not_given(const uint8_t uuid[16], struct lxe__err *err);
/* Said ahead of its last name, taken back with the above and by ... */
int lxe__receiver_unpause(const uint8_t uuid[16], struct lxe__err *err);
/* ... it ran.  Where this cannot be noted Xen still says so. */
void lxe__receiver_ran(const uint8_t uuid[16]);
bool lxe__receiver_was_given(const uint8_t uuid[16]);

/*
 * Ends the receiver of that guest, if there is one, and waits until it
 * has; EBUSY where it does not in @timeout_ms.
 */
int lxe__receiver_end(const uint8_t uuid[16], unsigned timeout_ms,
                      struct lxe__err *err);

#endif
