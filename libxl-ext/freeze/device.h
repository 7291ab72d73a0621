/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Acts upon kernel backends: unbinding a driver, taking a network
 * interface's link down, and undoing both.  Everything that is needed
 * is in a struct lxe__jentry, so that a process that knows only the
 * journal can undo it.
 */
#ifndef LXE_FREEZE_DEVICE_H
#define LXE_FREEZE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "base/err.h"
#include "freeze/backends.h"
#include "freeze/journal.h"

struct xs_handle;

/* sysfs.c */

/* Is @name bound to its driver?  false also where there is no device. */
bool lxe__sysfs_bound(const char *name);
bool lxe__sysfs_exists(const char *name);

/*
 * Writes @name to the driver's bind or unbind file, in a child, so that
 * a device that hangs does not hang us: ETIMEDOUT after @ms.
 */
int lxe__sysfs_unbind(const char *driver, const char *name, unsigned ms,
                      struct lxe__err *err);
int lxe__sysfs_bind(const char *driver, const char *name, unsigned ms,
                    struct lxe__err *err);

/*
 * Is an unbind of @name still under way?  One that took too long was
 * left behind and may yet succeed.  Another device's says nothing here:
 * its storage may be stuck for ever.
 */
bool lxe__sysfs_unbinding(const char *name);

/* Waits for the child @pid; ETIMEDOUT leaves it running. */
int lxe__wait_child(int pid, unsigned ms, int *status_r);

double lxe__now_ms(void);
void lxe__sleep_ms(double ms);

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
int lxe__vif_link(const char *vif, bool up, struct lxe__err *err);

/* The hotplug script, as libxl runs it when the device is made. */
int lxe__vif_online(const struct lxe__jentry *e, const char *be_path,
                    unsigned ms, struct lxe__err *err);

/* thaw.c */

/*
 * Undoes one act.  Nothing is done twice: what is bound or up already
 * stays as it is.  A device that is gone counts as undone.  A driver is
 * not bound again while requests that it took before are in flight: it
 * would take them once more from the ring, and both would answer.
 */
int lxe__undo(xc_interface *xch, struct xs_handle *xsh,
              uint32_t own_domid, uint32_t domid,
              const struct lxe__jentry *e, struct lxe__err *err);

/*
 * Undoes all that the journal at @fd names, disks and links first, and
 * writes it down.  Goes on after a failure and returns -1 at the end.
 */
int lxe__undo_all(xc_interface *xch, struct xs_handle *xsh,
                  uint32_t own_domid, int fd,
                  const struct lxe__journal *j, struct lxe__err *err);

#endif
