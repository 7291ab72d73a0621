/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The run directory, for what must outlive a process but not the host.
 * Only root may enter it, because its contents are trusted.
 */
#ifndef LXE_BASE_RUNDIR_H
#define LXE_BASE_RUNDIR_H

#include <stddef.h>

#include "base/err.h"

#define LXE_RUNDIR          "/run/libxl-ext"
#define LXE_RUNDIR_ENV      "LIBXL_EXT_RUNDIR"  /* names another */

const char *lxe__rundir(void);

/* Makes it where it is not there. */
int lxe__rundir_make(struct lxe__err *err);

/*
 * The path of a file in it, whose name is @fmt's.  ENAMETOOLONG where
 * @path of @len is too short; the line begins with @op.
 */
int lxe__rundir_path(char *path, size_t len, const char *op,
                     struct lxe__err *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
