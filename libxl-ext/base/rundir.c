/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The run directory; see rundir.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
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
    const char *dir = lxe__rundir();
    struct stat st;

    /* The guardian works in another place than who started it. */
    if (dir[0] != '/')
        return lxe__err_set(err, EINVAL, "run directory: %s is \"%s\", not"
                            " an absolute path", LXE_RUNDIR_ENV, dir);
    if (mkdir(dir, 0700) && errno != EEXIST)
        return lxe__err_set(err, errno, "run directory: cannot make %s:"
                            " %s", dir, strerror(errno));
    if (stat(dir, &st) || !S_ISDIR(st.st_mode))
        return lxe__err_set(err, ENOTDIR, "run directory: %s is no"
                            " directory, and leads to none: remove it",
                            dir);
    return 0;
}

int lxe__rundir_path(char *path, size_t len, const char *op,
                     struct lxe__err *err, const char *fmt, ...)
{
    int dir = snprintf(path, len, "%s/", lxe__rundir()), name = -1;
    va_list al;

    if (dir >= 0 && (size_t)dir < len) {
        va_start(al, fmt);
        name = vsnprintf(path + dir, len - dir, fmt, al);
        va_end(al);
    }
    if (name >= 0 && (size_t)name < len - dir)
        return 0;
    return lxe__err_set(err, ENAMETOOLONG, "%s: the path %s/... is above"
                        " the bound of %zu bytes: set %s to a shorter"
                        " one", op, lxe__rundir(), len - 1,
                        LXE_RUNDIR_ENV);
}
