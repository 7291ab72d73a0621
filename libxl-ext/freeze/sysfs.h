/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The xen-backend bus in sysfs: devices, and unbinding and binding the
 * driver of one.
 */
#ifndef LXE_FREEZE_SYSFS_H
#define LXE_FREEZE_SYSFS_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"
#include "freeze/task.h"

/* Is @name bound to its driver?  false also where there is no device. */
bool lxe__sysfs_bound(const char *name);
/* True where that cannot be told: what is gone needs no thaw. */
bool lxe__sysfs_exists(const char *name);

/* Makes a task for lxe__sysfs_unbind() ready. */
int lxe__sysfs_ready(struct lxe__task *t, const char *driver,
                     const char *name, struct lxe__err *err);

/*
 * Writes @name to the driver's unbind file, in a task, so that a device
 * that hangs does not hang us: ETIMEDOUT at @deadline (lxe__now_ms()),
 * EINTR where *stop is set.  It may yet succeed.  @t is the one made ready
 * for this, or none.
 */
int lxe__sysfs_unbind(struct lxe__task *t, const char *driver,
                      const char *name, double deadline,
                      const volatile sig_atomic_t *stop,
                      struct lxe__err *err);

/* Begins to write it to the bind file; the result is an errno value. */
int lxe__sysfs_bind(struct lxe__task *t, const char *driver,
                    const char *name, struct lxe__err *err);
int lxe__sysfs_bind_failed(const char *driver, const char *name, int e,
                           struct lxe__err *err);

#endif
