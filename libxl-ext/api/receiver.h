/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A receiver that still waits for permission to let its guest run.  It is
 * found by the guest's uuid, RUNDIR/UUID.receive, which it locks while it
 * lives.  Asking whether the guest runs here ends it first.
 *
 * RUNDIR/UUID.given says that the guest was let run when it came here
 * last.  By the time somebody asks it may have powered off or moved on to
 * another host; the sender's copy is out of date all the same.
 * RUNDIR/UUID.unpause says that it has yet to be unpaused, which asking
 * does if the receiver could not.  Without it the guest is left as it is:
 * it ran, was to be left paused, or never came here.
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
 * It has its suffix, so it was given no leave to run.
 */
int lxe__receiver_sweep(struct libxl_ext_ctx *ctx, const uint8_t uuid[16],
                        struct lxe__err *err);

/*
 * Said before letting it run, and taken back before destroying what
 * could not run and when it comes anew.
 */
int lxe__receiver_given(const uint8_t uuid[16], struct lxe__err *err);
int lxe__receiver_not_given(const uint8_t uuid[16], struct lxe__err *err);
/*
 * It has yet to be unpaused: said before it gets its last name.
 * lxe__receiver_ran() takes that back, and so does "not given".
 */
int lxe__receiver_unpause(const uint8_t uuid[16], struct lxe__err *err);
/* It was unpaused.  Where this cannot be noted Xen still says so. */
void lxe__receiver_ran(const uint8_t uuid[16]);

/*
 * Ends the receiver of that guest, if there is one, and waits until it
 * has; EBUSY where it does not in @timeout_ms, ECANCELED where @stop_fd
 * (-1: never) is readable before.
 */
int lxe__receiver_end(const uint8_t uuid[16], unsigned timeout_ms,
                      int stop_fd, struct lxe__err *err);

#endif
