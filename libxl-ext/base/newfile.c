/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A new file that has its name when it is whole; see newfile.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/newfile.h"

#define MODE    0600            /* it has the guest's memory in it */
#define TRIES   1000

int lxe__newfile_find(struct lxe__newfile *f, const char *what,
                      const char *path, struct lxe__err *err)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX];

    memset(f, 0, sizeof(*f));
    f->fd = f->dir_fd = -1;
    f->what = what;
    f->path = path;
    f->name = slash ? slash + 1 : path;
    if (!*f->name || !strcmp(f->name, ".") || !strcmp(f->name, ".."))
        return lxe__err_set(err, EINVAL, "%s %s names a directory: name a"
                            " file in it", what, path);
    if (slash && (size_t)(slash - path) + 1 >= sizeof(dir))
        return lxe__err_set(err, ENAMETOOLONG, "%s: its directory has more"
                            " than %zu bytes", what, sizeof(dir) - 2);
    if (slash)
        snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
    else
        snprintf(dir, sizeof(dir), ".");
    f->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->dir_fd < 0)
        return lxe__err_set(err, errno, "%s: cannot open %s, where it is"
                            " to be: %s", what, dir, strerror(errno));
    return 0;
}

/* Sets f->temp to a name that was free; -1 with errno. */
static int take_temp(struct lxe__newfile *f,
                     int (*make)(struct lxe__newfile *f))
{
    unsigned int i;

    for (i = 0; i < TRIES; i++) {
        snprintf(f->temp, sizeof(f->temp), ".xl-ext.%ld.%u",
                 (long)getpid(), i);
        if (!make(f))
            return 0;
        if (errno != EEXIST)
            break;
    }
    f->temp[0] = '\0';          /* what is there is another's */
    return -1;
}

static int create_temp(struct lxe__newfile *f)
{
    f->fd = openat(f->dir_fd, f->temp, O_CREAT | O_EXCL | O_RDWR |
                   O_CLOEXEC, MODE);
    return f->fd < 0 ? -1 : 0;
}

/* Gives the nameless file the name @name. */
static int link_as(const struct lxe__newfile *f, const char *name)
{
    char self[40];

    snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
    return linkat(AT_FDCWD, self, f->dir_fd, name, AT_SYMLINK_FOLLOW);
}

static int link_temp(struct lxe__newfile *f)
{
    return link_as(f, f->temp);
}

int lxe__newfile_make(struct lxe__newfile *f, bool named,
                      struct lxe__err *err)
{
    /* Without /proc a nameless file could not be given its name. */
    if (!named && !access("/proc/self/fd", X_OK))
        f->fd = openat(f->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
                       MODE);
    if (f->fd < 0 && take_temp(f, create_temp))
        return lxe__err_set(err, errno, "%s %s: cannot write beside it:"
                            " %s", f->what, f->path, strerror(errno));
    return 0;
}

/* The file gets its name in one step, seen whole or not at all. */
static int give_name(struct lxe__newfile *f, bool replace,
                     struct lxe__err *err)
{
    int r;

    r = *f->temp ? linkat(f->dir_fd, f->temp, f->dir_fd, f->name, 0)
                 : link_as(f, f->name);
    if (!r)
        return 0;
    if (errno == EEXIST && replace) {
        if (!*f->temp && take_temp(f, link_temp))
            return lxe__err_set(err, errno, "%s %s: cannot name a file"
                                " beside it: %s", f->what, f->path,
                                strerror(errno));
        if (!renameat(f->dir_fd, f->temp, f->dir_fd, f->name)) {
            f->temp[0] = '\0';
            return 0;
        }
    }
    return lxe__err_set(err, errno, "%s %s cannot be given its name: %s",
                        f->what, f->path, strerror(errno));
}

int lxe__newfile_commit(struct lxe__newfile *f, bool replace,
                        struct lxe__err *err)
{
    if (fsync(f->fd))
        return lxe__err_set(err, errno, "%s %s: fsync: %s", f->what,
                            f->path, strerror(errno));
    if (give_name(f, replace, err))
        return -1;
    f->placed = true;
    if (*f->temp) {
        /* The other name of the same file. */
        unlinkat(f->dir_fd, f->temp, 0);
        f->temp[0] = '\0';
    }
    if (fsync(f->dir_fd))
        return lxe__err_set(err, errno, "%s %s is in its place, but its"
                            " directory cannot be synced: %s: a crash of"
                            " the host could undo it", f->what, f->path,
                            strerror(errno));
    return 0;
}

void lxe__newfile_dispose(struct lxe__newfile *f)
{
    if (*f->temp)
        unlinkat(f->dir_fd, f->temp, 0);
    f->temp[0] = '\0';
    if (f->fd >= 0)
        close(f->fd);
    if (f->dir_fd >= 0)
        close(f->dir_fd);
    f->fd = f->dir_fd = -1;
}
