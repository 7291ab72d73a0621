/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands of libxl-ext-guardian; each returns an exit status.
 */
#ifndef LXE_GUARDIAN_GUARDIAN_H
#define LXE_GUARDIAN_GUARDIAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define GUARD_FD_ORDERS    3
#define GUARD_FD_READY     4
#define GUARD_FD_JOURNAL   5    /* with its lock */
#define GUARD_FD_CALLER    6    /* a pidfd of whoever started it, and */
#define GUARD_FD_TOOLSTACK 7    /* one of this; not always there */

int guard_domain(uint32_t domid);

/* The signal that told it to end, or 0; also of one that was replaced. */
int guard_told(void);

/*
 * What guard_domain() supervises.  @caller_known, @toolstack_known: the
 * descriptor is what its name says, and not one that was opened since.
 * @again: it is not the first, and nobody waits for it to be ready: for
 * five minutes it tries to reach Xen and xenstore.
 */
int guard_work(uint32_t domid, bool caller_known, bool toolstack_known,
               bool again);
int thaw_domain(uint32_t domid, int force);
int thaw_all(int force);
int resume_domain(uint32_t domid, int force);
int probe_domain(uint32_t domid);

/*
 * Lets a suspended domain run again as libxl does after a save that
 * failed: its device model, then itself.  Its backends are thawed
 * already, or hang.  -1 and @err where libxl could not; the domain is
 * then as it was.
 */
int guard_resume(uint32_t domid, struct lxe__err *err);

#endif
