/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whole reads and writes on blocking descriptors, and splice(2) from
 * one descriptor to another.  EINTR is retried, except where the
 * caller's stop flag says that a signal wants the transfer to end.
 */
#ifndef LXE_BASE_IO_H
#define LXE_BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads until @len bytes are there or the stream ends.  Returns the
 * number of bytes read (short only at the end of the stream), or -1
 * with errno.
 */
ssize_t lxe__read_full(int fd, void *buf, size_t len);

/* Writes all of @len bytes.  0, or -1 with errno. */
int lxe__write_full(int fd, const void *buf, size_t len);

/*
 * Moves @len bytes from @from to @to, by splice(2) when one of them is
 * a pipe and the kernel can, else through a buffer of bounded size.
 * @len of UINT64_MAX means: until the end of the stream.  Returns the
 * number of bytes moved (short only at the end of the stream), or -1
 * with errno.
 */
int64_t lxe__move(int from, int to, uint64_t len);

#endif
