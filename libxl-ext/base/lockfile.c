/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A file that is locked while its holder lives; see lockfile.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lockfile.h"

static int still_there(int fd, const char *path)
{
    struct stat a, b;

    return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev &&
        a.st_ino == b.st_ino;
}

static void read_who(int fd, char *who, size_t len)
{
    ssize_t n = pread(fd, who, len - 1, 0);

    who[n > 0 ? n : 0] = '\0';
    who[strcspn(who, "\n")] = '\0';
}

int lxe__lockfile_take(const char *path, char *who, size_t len)
{
    int fd, saved;

    for (;;) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB)) {
            saved = errno;
            if (who)
                read_who(fd, who, len);
            close(fd);
            errno = saved;
            return -1;
        }
        if (still_there(fd, path))
            return fd;
        close(fd);
    }
}

void lxe__lockfile_release(int fd, const char *path)
{
    unlink(path);
    close(fd);
}
