/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A file that its holder locks with flock(2), for as long as the process
 * lives, and in which it says who it is.  The last holder removes the
 * file, so a lock counts only on the file that the path still names.
 */
#ifndef LXE_BASE_LOCKFILE_H
#define LXE_BASE_LOCKFILE_H

#include <stddef.h>

/*
 * Makes @path where it is not there and locks it.  The descriptor, or -1
 * with errno: EWOULDBLOCK where somebody has it, and @who (of @len, may
 * be NULL) gets the first line of what they wrote.
 */
int lxe__lockfile_take(const char *path, char *who, size_t len);

/* Removes it and frees the lock. */
void lxe__lockfile_release(int fd, const char *path);

#endif
