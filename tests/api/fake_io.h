/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whole reads and writes, and the paths of $FAKE_WORLD's files, for
 * fake_operation.c and fake_xenguest.c.
 */
#ifndef FAKE_IO_H
#define FAKE_IO_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline char *path_of(const char *name)
{
    static __thread char path[512];

    snprintf(path, sizeof(path), "%s/%s", getenv("FAKE_WORLD"), name);
    return path;
}

static inline int put(int fd, const void *data, size_t len)
{
    ssize_t n;

    for (; len; data = (const char *)data + n, len -= n) {
        n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -1;
        n = n < 0 ? 0 : n;
    }
    return 0;
}

static inline bool get(int fd, void *data, size_t len)
{
    ssize_t n;

    for (; len; data = (char *)data + n, len -= n) {
        n = read(fd, data, len);
        if (!n)
            errno = 0;          /* as libxenguest has it */
        if (!n || (n < 0 && errno != EINTR))
            return false;
        n = n < 0 ? 0 : n;
    }
    return true;
}

#endif
