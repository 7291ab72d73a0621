/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Network backends: taking the interface's link down and up, and the
 * hotplug script.  What is needed for it is in a struct lxe__jentry, so
 * that a process that knows only the journal can do it.
 */
#ifndef LXE_FREEZE_VIF_H
#define LXE_FREEZE_VIF_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"
#include "freeze/backends.h"
#include "freeze/journal.h"
#include "freeze/task.h"

struct xs_handle;

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

#endif
