/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Listening for the helper, and how the helper finds the listener.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/rundir.h"
#include "base/uuid.h"
#include "session/place.h"

/* A library that does not take a message in this time is stuck. */
#define SEND_S 5

static int place(struct sockaddr_un *a, int pid, enum lxe__session_op op,
                 const uint8_t uuid[16], struct lxe__err *err)
{
    char text[LXE_UUID_TEXT];
    int r;

    lxe__uuid_text(uuid, text);
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    r = snprintf(a->sun_path, sizeof(a->sun_path), "%s/%d.%s.%s",
                 lxe__rundir(), pid, text,
                 op == LXE_SESSION_SAVE ? "save" : "restore");
    if (r < 0 || (size_t)r >= sizeof(a->sun_path))
        return lxe__err_set(err, ENAMETOOLONG, "session: the path %s/... is"
                            " above the bound of %zu bytes of a socket's"
                            " name: set %s to a shorter one",
                            lxe__rundir(), sizeof(a->sun_path) - 1,
                            LXE_RUNDIR_ENV);
    return 0;
}

int lxe__session_listen(enum lxe__session_op op, const uint8_t uuid[16],
                        struct sockaddr_un *where_r, struct lxe__err *err)
{
    int sock, probe, r;

    if (place(where_r, getpid(), op, uuid, err) ||
        lxe__rundir_make(err))
        return -1;
    sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return lxe__err_set(err, errno, "session: no socket: %s",
                            strerror(errno));
    r = bind(sock, (struct sockaddr *)where_r, sizeof(*where_r));
    if (r && errno == EADDRINUSE) {
        /*
         * Of this process, or of a dead one that had its pid.  Where the
         * queue is full of such as us (EAGAIN), somebody listens, too.
         */
        probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                       SOCK_NONBLOCK, 0);
        if (probe >= 0 && connect(probe, (struct sockaddr *)where_r,
                                  sizeof(*where_r)) &&
            errno == ECONNREFUSED) {
            unlink(where_r->sun_path);
            r = bind(sock, (struct sockaddr *)where_r, sizeof(*where_r));
        } else {
            errno = EBUSY;
        }
        r = r ? errno : 0;
        if (probe >= 0)
            close(probe);
        errno = r;
    }
    if (!r && !listen(sock, 1))
        return sock;
    lxe__err_set(err, errno, "session: cannot listen at %s: %s",
                 where_r->sun_path, errno == EBUSY ? "this process has the"
                 " operation under way already" : strerror(errno));
    close(sock);
    return -1;
}

void lxe__session_unlisten(int sock, const struct sockaddr_un *where)
{
    if (sock < 0)
        return;
    unlink(where->sun_path);
    close(sock);
}

int lxe__session_accept(int sock, int *pid_r, struct lxe__err *err)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    int conn;

    do
        conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
    while (conn < 0 && errno == EINTR);
    if (conn < 0)
        return lxe__err_set(err, errno, "session: cannot accept: %s",
                            strerror(errno));
    /* Ours is a listener of the same name that looks who is there. */
    if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &who, &len) ||
        who.uid != geteuid() || who.pid == getpid()) {
        close(conn);
        errno = EAGAIN;
        return -1;
    }
    *pid_r = who.pid;
    return conn;
}

int lxe__session_find(enum lxe__session_op op, const uint8_t uuid[16],
                      struct lxe__err *err)
{
    struct timeval patience = { .tv_sec = SEND_S };
    struct sockaddr_un where;
    int sock;

    if (place(&where, getppid(), op, uuid, err))
        return -2;
    sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (sock < 0) {
        lxe__err_set(err, errno, "session: no socket: %s",
                     strerror(errno));
        return -2;
    }
    if (!connect(sock, (struct sockaddr *)&where, sizeof(where))) {
        setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience,
                   sizeof(patience));
        return sock;
    }
    if (errno == ECONNREFUSED)
        unlink(where.sun_path);
    close(sock);
    /* Nobody there, or a run directory that nobody made. */
    if (errno == ECONNREFUSED || errno == ENOENT || errno == ENOTDIR)
        return -1;
    lxe__err_set(err, errno, "session: cannot reach %s: %s",
                 where.sun_path, strerror(errno));
    return -2;
}
