/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Something about a device that may hang, in a process of its own.
 *
 * Whoever starts it waits as long as it likes and then leaves it; a call
 * into the kernel that does not return, or a script, holds nobody but
 * that process.  From its word until it ends it has the device's lock, so
 * that nobody begins anything else with the device; the lock of one
 * device says nothing of another.  It is nobody's child, and keeps
 * nothing of ours: no descriptor, no lock, no terminal.
 *
 * A task can be made ready ahead of its time, since making a process
 * takes long: while the guest still runs.  It ends when its word can come
 * no more.
 *
 * The locks are of one octet each of a file in the run directory, which
 * only root can open.  The file is empty, and stays: a lock ends with its
 * process, and nothing has to be cleaned up.
 */
#ifndef LXE_FREEZE_TASK_H
#define LXE_FREEZE_TASK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct lxe__task {
    int fd;             /* its word and its result; -1: there is none */
    int lock_fd;        /* to take the lock by; -1: it has its word */
    int64_t place;      /* of its device's lock */
};

#define LXE_TASK_NONE ((struct lxe__task){ .fd = -1, .lock_fd = -1 })

/*
 * In the task's process: only calls that are safe after a fork of
 * threads.  What it returns is its result.
 */
typedef int lxe__task_fn(const void *data);

/*
 * Makes the process, which waits for its word.  @device is its name in
 * sysfs (vbd-3-51712).  What @data leads to is copied by the fork.
 */
int lxe__task_ready(struct lxe__task *t, const char *device,
                    lxe__task_fn *work, const void *data,
                    struct lxe__err *err);

/*
 * Gives it its word.  False where none is ready; or it was killed or the
 * device is busy, and @t is as if left: lxe__task_start() says which.
 */
bool lxe__task_go(struct lxe__task *t);

/*
 * Both at once; @t has none, or is not filled in.  EBUSY where a task is
 * under way with @device.
 */
int lxe__task_start(struct lxe__task *t, const char *device,
                    lxe__task_fn *work, const void *data,
                    struct lxe__err *err);

/*
 * Waits up to @ms.  True when it has ended, with its result (ECHILD where
 * it was killed); @t is then as if left.
 */
bool lxe__task_ended(struct lxe__task *t, unsigned ms, int *result_r);

/*
 * Waits until it has ended: 0 and its result, or it is left, with
 * ETIMEDOUT at @deadline (lxe__now_ms()) or EINTR where *stop is set.
 */
int lxe__task_wait(struct lxe__task *t, double deadline,
                   const volatile sig_atomic_t *stop, int *result_r);

/* It goes on, and nobody hears of its end.  Idempotent. */
void lxe__task_leave(struct lxe__task *t);

/* Is a task under way with @device?  True where that cannot be told. */
bool lxe__task_busy(const char *device);

#endif
