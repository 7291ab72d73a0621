/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where the programs of this package are; see program.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/program.h"

static int look_in(const char *dir, char *path, size_t len,
                   const char *name)
{
    int r = snprintf(path, len, "%s/%s", dir, name);

    if (r < 0 || (size_t)r >= len) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return access(path, X_OK);
}

int lxe__program_find(char *path, size_t len, const char *name)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
        if (slash) {
            *slash = '\0';
            if (!look_in(self, path, len, name))
                return 0;
        }
    }
    return look_in(LXE_LIBEXECDIR, path, len, name);
}

void lxe__close_from(int first)
{
    long max;
    int fd;

#ifdef SYS_close_range
    if (!syscall(SYS_close_range, first, ~0U, 0))
        return;
#endif
    max = sysconf(_SC_OPEN_MAX);
    for (fd = first; fd < (max > 0 ? max : 1024); fd++)
        close(fd);
}
