/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Acts upon kernel backends: unbinding a driver, taking a network
 * interface's link down, and undoing both.  Everything that is needed
 * is in a struct lxe__jentry, so that a process that knows only the
 * journal can undo it.
 */
#ifndef LXE_FREEZE_DEVICE_H
#define LXE_FREEZE_DEVICE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "base/err.h"
#include "freeze/backends.h"
#include "freeze/journal.h"
#include "freeze/task.h"

struct xs_handle;

/* sysfs.c */

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

/* vif.c */

/*
 * Fills vif and script of @e from the backend's directory, and says
 * whether the interface can be taken down: it must belong to a bridge or
 * switch, since an interface with routes of its own would lose them.
 */
int lxe__vif_describe(struct xs_handle *xsh, const struct lxe__backend *b,
                      struct lxe__jentry *e, bool *linkable_r,
                      struct lxe__err *err);

int lxe__vif_is_up(const char *vif, bool *up_r, struct lxe__err *err);

/*
 * Begins to set the link of @e->vif, which waits for the kernel's lock on
 * the network's configuration (rtnl); the result is an errno value.
 */
int lxe__vif_link(struct lxe__task *t, const struct lxe__jentry *e,
                  bool up, struct lxe__err *err);
int lxe__vif_link_failed(const struct lxe__jentry *e, bool up, int result,
                         struct lxe__err *err);

/* Makes a task for lxe__vif_down() ready. */
int lxe__vif_ready(struct lxe__task *t, const struct lxe__jentry *e,
                   struct lxe__err *err);

/* Sets it down, with bounds and @t as lxe__sysfs_unbind()'s. */
int lxe__vif_down(struct lxe__task *t, const struct lxe__jentry *e,
                  double deadline, const volatile sig_atomic_t *stop,
                  struct lxe__err *err);

/*
 * Begins to run the hotplug script, as libxl does when the device is
 * made; what it prints goes nowhere.  After LXE_VIF_SCRIPT_MS it is
 * killed.  The result is an errno value, or a wait status, negative.
 */
#define LXE_VIF_SCRIPT_MS 120000    /* libxl gives it 40 s at least */
int lxe__vif_online(struct lxe__task *t, const struct lxe__jentry *e,
                    const char *be_path, struct lxe__err *err);
int lxe__vif_online_failed(const struct lxe__jentry *e, int result,
                           struct lxe__err *err);

/* thaw.c */

/*
 * Undoes all that the journal at @fd names and writes it down.  Devices
 * are brought back side by side, and each step of each has a bound of its
 * own, so that what hangs keeps no other.  Goes on after a failure and
 * returns -1 at the end.
 *
 * Nothing is done twice: what is bound or up already stays as it is.  A
 * device that is gone counts as undone.  A driver is not bound again
 * while requests that it took before are in flight: it would take them
 * once more from the ring, and both would answer.
 *
 * At @deadline (lxe__now_ms()), or LXE_UNDO_STOPPED_MS after *stop was
 * set, what is not back is left as it is: -1.  A script that runs goes
 * on, and whoever calls this next finds what came of it.
 */
#define LXE_UNDO_MS         10000   /* somebody goes on behind it */
#define LXE_UNDO_STOPPED_MS 2000
int lxe__undo_all(xc_interface *xch, struct xs_handle *xsh,
                  uint32_t own_domid, int fd,
                  const struct lxe__journal *j, double deadline,
                  const volatile sig_atomic_t *stop, struct lxe__err *err);

#endif
