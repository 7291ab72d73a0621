/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whole reads, whole writes, and moving bytes between descriptors.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"

/* What a pipe holds by default: more at once gains nothing. */
#define MOVE_CHUNK (64 * 1024)

int lxe__write_full(int fd, const void *buf, size_t len)
{
    size_t done = 0;
    ssize_t r;

    while (done < len) {
        r = write(fd, (const char *)buf + done, len - done);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -1;
        done += r;
    }
    return 0;
}

/* 0 when @fd is ready or at its end, -1 with ECANCELED or errno. */
static int await(int stop_fd, int fd, short events)
{
    struct pollfd p[2] = {
        { .fd = fd, .events = events },
        { .fd = stop_fd, .events = POLLIN },
    };

    if (stop_fd < 0)
        return 0;
    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            return -1;
    if (!p[1].revents)
        return 0;
    errno = ECANCELED;
    return -1;
}

ssize_t lxe__read_full_or(int stop_fd, int fd, void *buf, size_t len)
{
    size_t done = 0;
    ssize_t r;

    while (done < len) {
        if (await(stop_fd, fd, POLLIN))
            return -1;
        r = read(fd, (char *)buf + done, len - done);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -1;
        if (!r)
            break;
        done += r;
    }
    return done;
}

ssize_t lxe__read_full(int fd, void *buf, size_t len)
{
    return lxe__read_full_or(-1, fd, buf, len);
}

int lxe__write_full_or(int stop_fd, int fd, const void *buf, size_t len)
{
    size_t done = 0, chunk;

    while (done < len) {
        chunk = len - done < PIPE_BUF ? len - done : PIPE_BUF;
        if (await(stop_fd, fd, POLLOUT) ||
            lxe__write_full(fd, (const char *)buf + done, chunk))
            return -1;
        done += chunk;
    }
    return 0;
}

int64_t lxe__move_or(int stop_fd, int from, int to, uint64_t len)
{
    bool can_splice = true;
    uint64_t done = 0;
    char *buf = NULL;
    int64_t rc;
    ssize_t r;

    while (done < len) {
        size_t chunk = len - done < MOVE_CHUNK ? len - done : MOVE_CHUNK;

        if (await(stop_fd, from, POLLIN)) {
            rc = -1;
            goto out;
        }
        if (can_splice) {
            if (await(stop_fd, to, POLLOUT)) {
                rc = -1;
                goto out;
            }
            r = splice(from, NULL, to, NULL,
                       stop_fd < 0 || chunk < PIPE_BUF ? chunk : PIPE_BUF,
                       SPLICE_F_MOVE);
            if (r < 0 && errno == EINVAL) {
                /* Neither end is a pipe, or one cannot splice. */
                can_splice = false;
                continue;
            }
        } else {
            if (!buf && !(buf = malloc(MOVE_CHUNK))) {
                rc = -1;
                goto out;
            }
            r = read(from, buf, chunk);
            if (r > 0 && lxe__write_full_or(stop_fd, to, buf, r)) {
                rc = -1;
                goto out;
            }
        }
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0) {
            rc = -1;
            goto out;
        }
        if (!r)
            break;
        done += r;
    }
    rc = done;

 out:
    free(buf);
    return rc;
}
