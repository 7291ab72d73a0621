/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A file that comes into being whole or not at all; see outfile.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "image/digest.h"
#include "image/outfile.h"

#define BUF_LEN (1U << 20)
#define MODE    0600            /* it has the guest's memory in it */
#define TRIES   1000

/* Opens the directory of f->path and finds f->name. */
static int open_directory(struct lxe__outfile *f, struct lxe__err *err)
{
    const char *slash = strrchr(f->path, '/');
    char dir[PATH_MAX];

    f->name = slash ? slash + 1 : f->path;
    if (!*f->name || !strcmp(f->name, ".") || !strcmp(f->name, ".."))
        return lxe__err_set(err, EINVAL, "image: output %s names a"
                            " directory: name a file in it", f->path);
    if (slash && (size_t)(slash - f->path) + 1 >= sizeof(dir))
        return lxe__err_set(err, ENAMETOOLONG, "image: output: its"
                            " directory has more than %zu octets",
                            sizeof(dir) - 2);
    if (slash)
        snprintf(dir, sizeof(dir), "%.*s", (int)(slash - f->path) + 1,
                 f->path);
    else
        snprintf(dir, sizeof(dir), ".");
    f->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->dir_fd < 0)
        return lxe__err_set(err, errno, "image: cannot open %s, where the"
                            " output is to be: %s", dir, strerror(errno));
    return 0;
}

/* May there be a new file under this name? */
static int check_target(const struct lxe__outfile *f, int input_fd,
                        struct lxe__err *err)
{
    struct stat in, to, link;

    if (fstatat(f->dir_fd, f->name, &link, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 :
               lxe__err_set(err, errno, "image: output %s: %s", f->path,
                            strerror(errno));
    if (!fstat(input_fd, &in) && !fstatat(f->dir_fd, f->name, &to, 0) &&
        in.st_dev == to.st_dev && in.st_ino == to.st_ino)
        return lxe__err_set(err, EINVAL, "image: output %s is the input:"
                            " nothing is converted in place, name another"
                            " file", f->path);
    if (S_ISLNK(link.st_mode))
        return lxe__err_set(err, EINVAL, "image: output %s is a symbolic"
                            " link: name the file that is meant",
                            f->path);
    if (!S_ISREG(link.st_mode))
        return lxe__err_set(err, EINVAL, "image: output %s is no regular"
                            " file: name another", f->path);
    if (!f->replace)
        return lxe__err_set(err, EEXIST, "image: output %s exists: give"
                            " --force to replace it, or another name",
                            f->path);
    return 0;
}

/* Sets f->temp to a name that was free; -1 with errno. */
static int take_temp(struct lxe__outfile *f,
                     int (*make)(struct lxe__outfile *f))
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

static int create_temp(struct lxe__outfile *f)
{
    f->fd = openat(f->dir_fd, f->temp, O_CREAT | O_EXCL | O_RDWR |
                   O_CLOEXEC, MODE);
    return f->fd < 0 ? -1 : 0;
}

/* Gives the nameless file the name @name. */
static int link_as(const struct lxe__outfile *f, const char *name)
{
    char self[40];

    snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
    return linkat(AT_FDCWD, self, f->dir_fd, name, AT_SYMLINK_FOLLOW);
}

static int link_temp(struct lxe__outfile *f)
{
    return link_as(f, f->temp);
}

int lxe__outfile_open(struct lxe__outfile *f, int input_fd,
                      const char *path, bool replace, bool named,
                      struct lxe__err *err)
{
    memset(f, 0, sizeof(*f));
    f->fd = f->dir_fd = -1;
    f->path = path;
    f->replace = replace;
    if (open_directory(f, err) || check_target(f, input_fd, err))
        return -1;
    f->buf = malloc(BUF_LEN);
    f->digest = lxe__digest_new();
    if (!f->buf || !f->digest)
        return lxe__err_set(err, ENOMEM, "image: no memory for a buffer of"
                            " %u bytes", BUF_LEN);
    /* Without /proc a nameless file could not be given its name. */
    if (!named && !access("/proc/self/fd", X_OK))
        f->fd = openat(f->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
                       MODE);
    if (f->fd < 0 && take_temp(f, create_temp))
        return lxe__err_set(err, errno, "image: cannot write beside output"
                            " %s: %s", path, strerror(errno));
    return 0;
}

int lxe__outfile_flush(struct lxe__outfile *f, struct lxe__err *err)
{
    struct pollfd p = { .fd = f->stop_fd, .events = POLLIN };

    if (f->stop_fd > 0 && poll(&p, 1, 0) > 0)
        return lxe__err_set(err, ECANCELED, "image: stopped at byte %llu"
                            " of the output",
                            (unsigned long long)f->written);
    if (lxe__write_full(f->fd, f->buf, f->used))
        return lxe__err_set(err, errno, "image: output %s: write at byte"
                            " %llu: %s", f->path,
                            (unsigned long long)(f->written - f->used),
                            strerror(errno));
    f->used = 0;
    return 0;
}

int lxe__outfile_write(struct lxe__outfile *f, const void *data,
                       size_t len, struct lxe__err *err)
{
    const uint8_t *p = data;
    size_t n;

    lxe__digest_add(f->digest, data, len);
    for (; len; len -= n, p += n) {
        if (f->used == BUF_LEN && lxe__outfile_flush(f, err))
            return -1;
        n = len < BUF_LEN - f->used ? len : BUF_LEN - f->used;
        memcpy(f->buf + f->used, p, n);
        f->used += n;
        f->written += n;
    }
    return 0;
}

int lxe__outfile_patch(struct lxe__outfile *f, uint64_t at,
                       const void *data, size_t len, struct lxe__err *err)
{
    ssize_t r;

    if (lxe__outfile_flush(f, err))
        return -1;
    do {
        r = pwrite(f->fd, data, len, at);
    } while (r < 0 && errno == EINTR);
    if (r == (ssize_t)len)
        return 0;
    /* It replaces what was written: there is room for it. */
    return lxe__err_set(err, r < 0 ? errno : EIO, "image: output %s:"
                        " cannot write %zu bytes at byte %llu: %s",
                        f->path, len, (unsigned long long)at,
                        strerror(r < 0 ? errno : EIO));
}

/* The file gets its name in one step, seen whole or not at all. */
static int give_name(struct lxe__outfile *f, struct lxe__err *err)
{
    int r;

    r = *f->temp ? linkat(f->dir_fd, f->temp, f->dir_fd, f->name, 0)
                 : link_as(f, f->name);
    if (!r)
        return 0;
    if (errno == EEXIST && f->replace) {
        if (!*f->temp && take_temp(f, link_temp))
            return lxe__err_set(err, errno, "image: cannot name a file"
                                " beside output %s: %s", f->path,
                                strerror(errno));
        if (!renameat(f->dir_fd, f->temp, f->dir_fd, f->name)) {
            f->temp[0] = '\0';
            return 0;
        }
    }
    return lxe__err_set(err, errno, "image: output %s cannot be given its"
                        " name: %s", f->path, strerror(errno));
}

int lxe__outfile_commit(struct lxe__outfile *f, struct lxe__err *err)
{
    if (lxe__outfile_flush(f, err))
        return -1;
    if (fsync(f->fd))
        return lxe__err_set(err, errno, "image: output %s: fsync: %s",
                            f->path, strerror(errno));
    if (give_name(f, err))
        return -1;
    if (*f->temp) {
        /* The other name of the same file. */
        unlinkat(f->dir_fd, f->temp, 0);
        f->temp[0] = '\0';
    }
    if (fsync(f->dir_fd))
        return lxe__err_set(err, errno, "image: output %s is in its place,"
                            " but its directory cannot be synced: %s: a"
                            " crash of the host could undo it", f->path,
                            strerror(errno));
    return 0;
}

void lxe__outfile_dispose(struct lxe__outfile *f)
{
    if (*f->temp)
        unlinkat(f->dir_fd, f->temp, 0);
    f->temp[0] = '\0';
    if (f->fd >= 0)
        close(f->fd);
    if (f->dir_fd >= 0)
        close(f->dir_fd);
    f->fd = f->dir_fd = -1;
    free(f->buf);
    f->buf = NULL;
    lxe__digest_free(f->digest);
    f->digest = NULL;
}
