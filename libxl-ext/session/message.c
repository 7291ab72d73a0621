/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One message, from and to a datagram; see message.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/message.h"

#define MAGIC 0x534c5845U       /* "EXLS" */

struct header {
    uint32_t magic;
    uint16_t version;
    uint16_t kind;
    uint32_t arg;
    uint32_t len;
};
_Static_assert(sizeof(struct header) == 16, "as message.h says");
_Static_assert(CMSG_SPACE(sizeof(int)) <= CMSG_LEN(2 * sizeof(int)),
               "take_fd() sees all that there is room for");

/* Room for one descriptor, aligned as CMSG_* wants it. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int lxe__session_send(int sock, enum lxe__session_kind kind, uint32_t arg,
                      const void *body, size_t len, int fd)
{
    struct header h = { MAGIC, LXE_SESSION_VERSION, kind, arg, len };
    struct iovec iov[2] = {
        { &h, sizeof(h) }, { (void *)(uintptr_t)body, len },
    };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };
    union control c;
    struct cmsghdr *cm;
    ssize_t n;

    if (len > LXE_SESSION_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    if (fd >= 0) {
        memset(&c, 0, sizeof(c));
        m.msg_control = c.bytes;
        m.msg_controllen = sizeof(c.bytes);
        cm = CMSG_FIRSTHDR(&m);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
    }
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

/*
 * More descriptors than one are none of ours, and are closed: the room
 * that alignment leaves behind one is enough for a second.
 */
static int take_fd(struct msghdr *m)
{
    struct cmsghdr *cm = CMSG_FIRSTHDR(m);
    int fds[2] = { -1, -1 };
    size_t len;

    if (!cm || cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
        return -1;
    len = cm->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(cm), len < sizeof(fds) ? len : sizeof(fds));
    if (fds[1] < 0)
        return fds[0];
    close(fds[0]);
    close(fds[1]);
    return -1;
}

static int check(const struct header *h, ssize_t n, int flags,
                 struct lxe__err *err)
{
    if (n < (ssize_t)sizeof(*h) || h->magic != MAGIC)
        return lxe__err_set(err, EPROTO, "session: %zd bytes that are no"
                            " message of libxl-ext", n);
    if (h->version != LXE_SESSION_VERSION)
        return lxe__err_set(err, EPROTO, "session: version %u is not %d:"
                            " library and helper are of different"
                            " packages: install them together",
                            h->version, LXE_SESSION_VERSION);
    if (flags & MSG_TRUNC || h->len != n - sizeof(*h))
        return lxe__err_set(err, EPROTO, "session: message %u is of %u"
                            " bytes, above the bound of %d or cut",
                            h->kind, h->len, LXE_SESSION_MAX);
    return 0;
}

int lxe__session_recv(int sock, struct lxe__session_msg *m,
                      struct lxe__err *err)
{
    struct header h;
    struct iovec iov[2] = { { &h, sizeof(h) }, { NULL, LXE_SESSION_MAX } };
    union control c;
    struct msghdr msg = {
        .msg_iov = iov, .msg_iovlen = 2, .msg_control = c.bytes,
        .msg_controllen = sizeof(c.bytes),
    };
    ssize_t n;
    int rc;

    memset(m, 0, sizeof(*m));
    m->fd = -1;
    m->body = malloc(LXE_SESSION_MAX + 1);
    if (!m->body)
        return lxe__err_set(err, ENOMEM, "session: no memory");
    iov[1].iov_base = m->body;
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        rc = 0;
        /* A peer that is killed resets the connection. */
        if (n < 0 && errno != ECONNRESET)
            rc = lxe__err_set(err, errno, "session: cannot receive: %s",
                              strerror(errno));
        goto out;
    }
    m->fd = take_fd(&msg);
    rc = check(&h, n, msg.msg_flags, err);
    if (rc)
        goto out;
    m->kind = h.kind;
    m->arg = h.arg;
    m->len = h.len;
    m->body[m->len] = '\0';
    return 1;

 out:
    lxe__session_msg_dispose(m);
    return rc;
}

void lxe__session_msg_dispose(struct lxe__session_msg *m)
{
    if (m->fd >= 0)
        close(m->fd);
    free(m->body);
    m->fd = -1;
    m->body = NULL;
}
