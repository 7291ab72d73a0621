/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One operation on a domain at a time: RUNDIR/DOMID.operation, locked with
 * flock(2) by the process that does it, so that the end of that process
 * frees it; a child that it forked without exec(2) has the lock, too, as
 * long as it lives.  The file's text names the holder, for the line that
 * refuses a second operation.
 */
#ifndef LXE_SESSION_LOCK_H
#define LXE_SESSION_LOCK_H

#include <stdint.h>

#include "base/err.h"

/*
 * @what: "save", "migrate", ...; @pid: of the process to name to others.
 * A descriptor, to be closed with lxe__operation_unlock(); -1 with EBUSY
 * and who has it.
 */
int lxe__operation_lock(uint32_t domid, const char *what, int pid,
                        struct lxe__err *err);

/* @fd may be -1. */
void lxe__operation_unlock(int fd, uint32_t domid);

#endif
