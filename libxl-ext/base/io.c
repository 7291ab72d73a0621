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
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

/* What a pipe holds by default: more at once gains nothing. */
#define MOVE_CHUNK (64 * 1024)

struct lxe__bound lxe__bound_of(int stop_fd, unsigned timeout_ms)
{
    struct lxe__bound b = {
        .stop_fd = stop_fd,
        .until_us = lxe__now_us() + timeout_ms * 1000ULL,
        .timeout_ms = timeout_ms,
    };

    return b;
}

static int ms_left(const struct lxe__bound *b)
{
    uint64_t now = lxe__now_us(), ms;

    if (!b->until_us)
        return -1;
    ms = b->until_us > now ? (b->until_us - now + 999) / 1000 : 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int wait_for(const struct lxe__bound *b, int fd, short events)
{
    struct pollfd p[2] = {
        { .fd = fd, .events = events },
        { .fd = b->stop_fd, .events = POLLIN },
    };
    int r;

    /* poll(2) would wait for ever for no descriptor. */
    if (fd < 0) {
        errno = EBADF;
        return -1;
    }
    do
        r = poll(p, 2, ms_left(b));
    while (r < 0 && errno == EINTR);
    if (r > 0 && !p[1].revents)
        return 0;
    if (r >= 0)
        errno = r ? ECANCELED : ETIMEDOUT;
    return -1;
}

int lxe__await(const struct lxe__bound *b, int fd, short events)
{
    if (b->stop_fd < 0 && !b->until_us)
        return 0;
    return wait_for(b, fd, events);
}

/*
 * After a read or a write that failed: is it to be made again?  A
 * caller's descriptor may be one that does not wait.
 */
static bool again(const struct lxe__bound *b, int fd, short events)
{
    return errno == EINTR ||
        (errno == EAGAIN && !wait_for(b, fd, events));
}

int lxe__write_full(int fd, const void *buf, size_t len)
{
    const struct lxe__bound none = { .stop_fd = -1 };
    size_t done = 0;
    ssize_t r;

    while (done < len) {
        r = write(fd, (const char *)buf + done, len - done);
        if (r < 0 && again(&none, fd, POLLOUT))
            continue;
        if (r < 0)
            return -1;
        done += r;
    }
    return 0;
}

static int await(int stop_fd, int fd, short events)
{
    const struct lxe__bound b = { .stop_fd = stop_fd };

    return lxe__await(&b, fd, events);
}

ssize_t lxe__read_full_by(const struct lxe__bound *b, int fd, void *buf,
                          size_t len)
{
    size_t done = 0;
    ssize_t r;

    while (done < len) {
        if (lxe__await(b, fd, POLLIN))
            return -1;
        r = read(fd, (char *)buf + done, len - done);
        if (r < 0 && again(b, fd, POLLIN))
            continue;
        if (r < 0)
            return -1;
        if (!r)
            break;
        done += r;
    }
    return done;
}

ssize_t lxe__read_full_or(int stop_fd, int fd, void *buf, size_t len)
{
    const struct lxe__bound b = { .stop_fd = stop_fd };

    return lxe__read_full_by(&b, fd, buf, len);
}

ssize_t lxe__read_full(int fd, void *buf, size_t len)
{
    return lxe__read_full_or(-1, fd, buf, len);
}

int lxe__read_file(const char *what, const char *path, size_t max,
                   char **text_r, size_t *len_r, struct lxe__err *err)
{
    char *text = NULL;
    struct stat st;
    ssize_t got;
    int rc, fd;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return lxe__err_set(err, errno, "%s %s: %s", what, path,
                            strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        rc = lxe__err_set(err, EINVAL, "%s %s: not a regular file", what,
                          path);
        goto out;
    }
    if ((uint64_t)st.st_size > max) {
        rc = lxe__err_set(err, EFBIG, "%s %s: its size of %lld bytes is"
                          " above the bound of %zu", what, path,
                          (long long)st.st_size, max);
        goto out;
    }
    text = malloc(st.st_size + 1);
    if (!text) {
        rc = lxe__err_set(err, ENOMEM, "%s %s: no memory", what, path);
        goto out;
    }
    got = lxe__read_full(fd, text, st.st_size);
    if (got != st.st_size) {
        rc = lxe__err_set(err, got < 0 ? errno : EIO, "%s %s: %s", what,
                          path, got < 0 ? strerror(errno) :
                          "it became shorter while it was read");
        goto out;
    }
    text[got] = '\0';
    *text_r = text;
    *len_r = got;
    text = NULL;
    rc = 0;

 out:
    free(text);
    close(fd);
    return rc;
}

int lxe__write_full_by(const struct lxe__bound *b, int fd,
                       const void *buf, size_t len)
{
    size_t done = 0, chunk;
    ssize_t r;

    while (done < len) {
        chunk = len - done < PIPE_BUF ? len - done : PIPE_BUF;
        if (lxe__await(b, fd, POLLOUT))
            return -1;
        r = write(fd, (const char *)buf + done, chunk);
        if (r < 0 && again(b, fd, POLLOUT))
            continue;
        if (r < 0)
            return -1;
        done += r;
    }
    return 0;
}

int lxe__write_full_or(int stop_fd, int fd, const void *buf, size_t len)
{
    const struct lxe__bound b = { .stop_fd = stop_fd };

    return lxe__write_full_by(&b, fd, buf, len);
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
