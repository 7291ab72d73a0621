/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Bringing backends back, from what the journal says of them.
 */
#ifndef LXE_FREEZE_THAW_H
#define LXE_FREEZE_THAW_H

#include <signal.h>
#include <stdint.h>
#include <xenctrl.h>

#include "base/err.h"
#include "freeze/journal.h"

struct xs_handle;

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
