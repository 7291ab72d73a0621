/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where the programs of this package are: beside the one that runs, as
 * in a build tree, else where they are installed; and processes of their
 * own: how one is made, and what it takes along.
 */
#ifndef LXE_BASE_PROGRAM_H
#define LXE_BASE_PROGRAM_H

#include <stddef.h>

/* 0, or -1 with errno where it cannot be run; @path then is the latter. */
int lxe__program_find(char *path, size_t len, const char *name);

/*
 * Makes a process that outlives its maker: nobody's child, and the first
 * of a session of its own.  Returns 0 in it, 1 in the caller, and there
 * -1 with errno where it could not be made.
 *
 * Nothing is left of the one between, which ends at once.  Were it the
 * session's first, Linux 6.12 would answer pidfd_open() of what has ended
 * with EINVAL in place of ESRCH (pidfd_prepare() in kernel/fork.c); and
 * systemd 257, which ends a unit and meets it just then
 * (pidref_set_pid()), goes from SIGTERM to SIGKILL for all of the unit.
 */
int lxe__program_fork(void);

/*
 * In a child, after a fork of threads: @fds become 3 and on, 0 to 2 are
 * /dev/null, and no other descriptor, handler or blocked signal of the
 * parent is left.
 */
#define LXE_PROGRAM_FDS_MAX 8
int lxe__program_clean(const int *fds, int nr);

#endif
