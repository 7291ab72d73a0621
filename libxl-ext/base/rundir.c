/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The run directory; see rundir.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/rundir.h"

const char *lxe__rundir(void)
{
    const char *dir = lxe__env(LXE_RUNDIR_ENV);

    return dir ? dir : LXE_RUNDIR;
}

int lxe__rundir_make(struct lxe__err *err)
{
    if (mkdir(lxe__rundir(), 0700) && errno != EEXIST)
        return lxe__err_set(err, errno, "run directory: cannot make %s:"
                            " %s", lxe__rundir(), strerror(errno));
    return 0;
}
