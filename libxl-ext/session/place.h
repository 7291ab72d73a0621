/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where library and helper meet: a socket in the run directory, which
 * only root may enter.
 *
 *   RUNDIR/PID.UUID.save      PID: of the process that uses the library
 *   RUNDIR/PID.UUID.restore
 *
 * The library listens before it calls libxl and removes the socket when
 * it returns.  A socket that a killed process left answers ECONNREFUSED,
 * and is removed by whoever tries it.
 */
#ifndef LXE_SESSION_PLACE_H
#define LXE_SESSION_PLACE_H

#include <stdint.h>
#include <sys/un.h>

#include "base/err.h"
#include "session/message.h"

/*
 * Listens for the helper of an operation of this process.  The socket,
 * with *@where_r for lxe__session_unlisten(), or -1: EBUSY where this
 * process has the same operation under way for the domain.
 */
int lxe__session_listen(enum lxe__session_op op, const uint8_t uuid[16],
                        struct sockaddr_un *where_r, struct lxe__err *err);
void lxe__session_unlisten(int sock, const struct sockaddr_un *where);

/*
 * Takes the next connection of another process of root; -1 with EAGAIN
 * where the one that came was none.  *@pid_r is its pid.
 */
int lxe__session_accept(int sock, int *pid_r, struct lxe__err *err);

/*
 * The helper's end: looks whether its parent listens for it.  The
 * socket, -1 where nobody does, -2 with @err where that failed.
 */
int lxe__session_find(enum lxe__session_op op, const uint8_t uuid[16],
                      struct lxe__err *err);

#endif
