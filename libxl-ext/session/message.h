/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the library and the helper that it causes to run say to each
 * other.  libxl stands between the two and knows nothing of it.
 *
 * The library listens on a socket in the run directory while one of its
 * operations is under way; the helper, a child of the same process,
 * looks for it by its parent's pid, the operation and the domain's
 * uuid.  Where there is no such socket, somebody else uses libxl (xl,
 * libvirt) and the helper works alone.
 *
 *   helper                          library
 *   HELLO   who it is          ->
 *   RECORD  what it read       ->                    (save only)
 *                              <-   GO  carriers, record, descriptor
 *   PROGRESS  now and then     ->
 *   ERROR   the one line       ->
 *   RESULT  what it did        ->
 *   end of the connection
 *
 * GO hands over the real descriptor of the stream: up to then libxl and
 * the helper hold a pipe in its place, through which the library puts
 * the memory record into libxl's stream or takes it out (op_stream.h).
 * An end of the connection before GO says that the library gave up.
 *
 * One message is one datagram of a SOCK_SEQPACKET socket: a header of
 * 16 octets, then the body.  Both ends are of one machine and one
 * package; the version catches a mixture of packages.
 */
#ifndef LXE_SESSION_MESSAGE_H
#define LXE_SESSION_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LXE_SESSION_VERSION 1
#define LXE_SESSION_MAX     (256 * 1024)    /* of one message */

enum lxe__session_kind {
    LXE_SESSION_HELLO = 1,  /* arg: enum lxe__session_op; body: below */
    LXE_SESSION_RECORD,     /* arg: 1 mandatory; body: memory record */
    LXE_SESSION_GO,         /* arg: LXE_SESSION_GO_*; body: record, or
                               empty; with the stream's descriptor */
    LXE_SESSION_PROGRESS,   /* body: libxl_ext_progress, JSON */
    LXE_SESSION_ERROR,      /* arg: errno value; body: text */
    LXE_SESSION_RESULT,     /* body: libxl_ext_operation_result, JSON;
                               start_us counts from the clock's zero */
};

enum lxe__session_op { LXE_SESSION_SAVE = 1, LXE_SESSION_RESTORE };

#define LXE_SESSION_GO_LIBXC 1U     /* save: write the libxc carrier */
#define LXE_SESSION_GO_WHOLE 2U     /* save: the library commits */

/* The body of HELLO. */
struct lxe__session_hello {
    uint32_t domid;
    uint8_t uuid[16];
};

struct lxe__session_msg {
    enum lxe__session_kind kind;
    uint32_t arg;
    int fd;                 /* received with it, or -1; the taker closes */
    size_t len;             /* of the body */
    char *body;             /* NUL-terminated after len; free(3) */
};

/*
 * Sends one message; @fd of -1: none with it.  Waits as the socket's
 * own time-out has it; EAGAIN when that has passed.
 */
int lxe__session_send(int sock, enum lxe__session_kind kind, uint32_t arg,
                      const void *body, size_t len, int fd);

/*
 * Receives one.  1 with *m to be freed with lxe__session_msg_dispose(),
 * 0 at the end of the connection, -1 with @err: EPROTO where it is none
 * of ours or too long.
 */
int lxe__session_recv(int sock, struct lxe__session_msg *m,
                      struct lxe__err *err);

void lxe__session_msg_dispose(struct lxe__session_msg *m);

#endif
