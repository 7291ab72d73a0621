/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Loaded ahead of libc: a disk of which the octets from BAD_FROM up to
 * BAD_TO cannot be read.  As of a disk, what is ahead of them is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static off_t number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoll(text, NULL, 10) : 0;
}

ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
    ssize_t (*real)(int, void *, size_t, off_t);
    off_t from = number("BAD_FROM"), to = number("BAD_TO");

    if (at >= from && at < to) {
        errno = EIO;
        return -1;
    }
    if (at < from && at + (off_t)len > from)
        len = from - at;
    *(void **)&real = dlsym(RTLD_NEXT, "pread");
    return real(fd, buf, len, at);
}
