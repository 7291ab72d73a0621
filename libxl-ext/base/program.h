/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where the programs of this package are: beside the one that runs, as
 * in a build tree, else where they are installed; and what a child takes
 * along.
 */
#ifndef LXE_BASE_PROGRAM_H
#define LXE_BASE_PROGRAM_H

#include <stddef.h>

/* 0, or -1 with errno where it cannot be run; @path then is the latter. */
int lxe__program_find(char *path, size_t len, const char *name);

/*
 * Closes @first and all above it: for a child, whose copies would keep
 * locks held and streams open.  Safe after a fork of threads.
 */
void lxe__close_from(int first);

#endif
