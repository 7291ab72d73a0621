/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whole reads, whole writes, and moving bytes between descriptors.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"

#define MOVE_CHUNK (256 * 1024)

ssize_t lxe__read_full(int fd, void *buf, size_t len)
{
    size_t done = 0;
    ssize_t r;

    while (done < len) {
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

int64_t lxe__move(int from, int to, uint64_t len)
{
    bool can_splice = true;
    uint64_t done = 0;
    char *buf = NULL;
    int64_t rc;
    ssize_t r;

    while (done < len) {
        size_t chunk = len - done < MOVE_CHUNK ? len - done : MOVE_CHUNK;

        if (can_splice) {
            r = splice(from, NULL, to, NULL, chunk, SPLICE_F_MOVE);
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
            if (r > 0 && lxe__write_full(to, buf, r)) {
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
