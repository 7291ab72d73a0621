/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whole reads and writes, and splice(2) from one descriptor to another.
 * EINTR is retried, and a descriptor with O_NONBLOCK is waited for.  A
 * transfer can be ended early by another descriptor that becomes readable.
 */
#ifndef LXE_BASE_IO_H
#define LXE_BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* What ends a wait early. */
struct lxe__bound {
    int stop_fd;                /* readable: ECANCELED; -1: never */
    uint64_t until_us;          /* of lxe__now_us(): ETIMEDOUT; 0: never */
    unsigned timeout_ms;        /* until_us was made of it; for messages */
};

/* A bound of @timeout_ms from now on. */
struct lxe__bound lxe__bound_of(int stop_fd, unsigned timeout_ms);

/*
 * Waits until @fd is ready for @events of poll(2), or at its end.  0, or
 * -1 with errno.  Without any bound it does not wait, because the read or
 * write that follows does.
 */
int lxe__await(const struct lxe__bound *b, int fd, short events);

/*
 * Reads until @len bytes are there or the stream ends.  Returns the
 * number of bytes read (short only at the end of the stream), or -1
 * with errno.
 */
ssize_t lxe__read_full(int fd, void *buf, size_t len);

/*
 * All of the regular file @path, in *text_r, which the caller frees, with
 * a NUL behind it that *len_r does not count.  -1 and a line that begins
 * with @what: EINVAL for what is no regular file, and is not waited for
 * (a FIFO without a writer), EFBIG above @max, EIO for a file that became
 * shorter meanwhile.
 */
int lxe__read_file(const char *what, const char *path, size_t max,
                   char **text_r, size_t *len_r, struct lxe__err *err);

/* Writes all of @len bytes.  0, or -1 with errno. */
int lxe__write_full(int fd, const void *buf, size_t len);

/*
 * As lxe__read_full() and lxe__write_full(), but give up with ECANCELED
 * as soon as @stop_fd is readable (-1: never).  A write waits for room
 * and then writes at most PIPE_BUF bytes at once, so that it does not
 * sit in the kernel when the peer takes nothing.
 */
ssize_t lxe__read_full_or(int stop_fd, int fd, void *buf, size_t len);
int lxe__write_full_or(int stop_fd, int fd, const void *buf, size_t len);

/* The same, all of it within a time. */
ssize_t lxe__read_full_by(const struct lxe__bound *b, int fd, void *buf,
                          size_t len);
int lxe__write_full_by(const struct lxe__bound *b, int fd,
                       const void *buf, size_t len);

/*
 * Moves @len bytes from @from to @to, by splice(2) when one of them is
 * a pipe and the kernel can, else through a buffer.  @len of UINT64_MAX
 * means: until the end of the stream.  Returns the number of bytes
 * moved (short only at the end of the stream), or -1 with errno;
 * ECANCELED when @stop_fd became readable.
 */
int64_t lxe__move_or(int stop_fd, int from, int to, uint64_t len);

#endif
