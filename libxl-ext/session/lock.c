/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One operation on a domain at a time; see lock.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/lockfile.h"
#include "base/rundir.h"
#include "session/lock.h"

static int path_of(uint32_t domid, char *path, size_t len,
                   struct lxe__err *err)
{
    return lxe__rundir_path(path, len, "operation", err, "%u.operation",
                            domid);
}

/* The program's name, as ps(1) has it. */
static void name_of(int pid, char *name, size_t len)
{
    char path[32];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, name, len - 1);
        close(fd);
    }
    name[n > 0 ? n : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
}

int lxe__operation_lock(uint32_t domid, const char *what, int pid,
                        struct lxe__err *err)
{
    char path[256], name[32], who[80] = "";
    int fd;

    if (path_of(domid, path, sizeof(path), err) || lxe__rundir_make(err))
        return -1;
    fd = lxe__lockfile_take(path, who, sizeof(who));
    if (fd < 0 && errno == EWOULDBLOCK)
        return lxe__err_set(err, EBUSY, "%s: domain %u: %s is under way:"
                            " wait until it has ended, or end it", what,
                            domid, who[0] ? who : "another operation");
    if (fd < 0)
        return lxe__err_set(err, errno, "%s: domain %u: cannot lock %s:"
                            " %s", what, domid, path, strerror(errno));
    name_of(pid, name, sizeof(name));
    /* Only for the other's line: without it the lock holds as well. */
    if (ftruncate(fd, 0) ||
        dprintf(fd, "a %s by process %d (%s)\n", what, pid, name) < 0)
        errno = 0;
    return fd;
}

void lxe__operation_unlock(int fd, uint32_t domid)
{
    char path[256];

    if (fd >= 0 && !path_of(domid, path, sizeof(path), NULL))
        lxe__lockfile_release(fd, path);
}
