/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The file that a conversion writes; see outfile.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "image/digest.h"
#include "image/outfile.h"

#define BUF_LEN (1U << 20)

/* May there be a new file under this name? */
static int check_target(const struct lxe__outfile *f, int input_fd,
                        struct lxe__err *err)
{
    const char *path = f->file.path, *name = f->file.name;
    struct stat in, to, link;
    int dir_fd = f->file.dir_fd;

    if (fstatat(dir_fd, name, &link, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 :
               lxe__err_set(err, errno, "image: output %s: %s", path,
                            strerror(errno));
    if (!fstat(input_fd, &in) && !fstatat(dir_fd, name, &to, 0) &&
        in.st_dev == to.st_dev && in.st_ino == to.st_ino)
        return lxe__err_set(err, EINVAL, "image: output %s is the input:"
                            " nothing is converted in place, name another"
                            " file", path);
    if (S_ISLNK(link.st_mode))
        return lxe__err_set(err, EINVAL, "image: output %s is a symbolic"
                            " link: name the file that is meant", path);
    if (!S_ISREG(link.st_mode))
        return lxe__err_set(err, EINVAL, "image: output %s is no regular"
                            " file: name another", path);
    if (!f->replace)
        return lxe__err_set(err, EEXIST, "image: output %s exists: give"
                            " --force to replace it, or another name",
                            path);
    return 0;
}

int lxe__outfile_open(struct lxe__outfile *f, int input_fd,
                      const char *path, bool replace, bool named,
                      struct lxe__err *err)
{
    memset(f, 0, sizeof(*f));
    f->replace = replace;
    if (lxe__newfile_find(&f->file, "image: output", path, err) ||
        check_target(f, input_fd, err))
        return -1;
    f->buf = malloc(BUF_LEN);
    f->digest = lxe__digest_new();
    if (!f->buf || !f->digest)
        return lxe__err_set(err, ENOMEM, "image: no memory for a buffer of"
                            " %u bytes", BUF_LEN);
    return lxe__newfile_make(&f->file, named, err);
}

int lxe__outfile_flush(struct lxe__outfile *f, struct lxe__err *err)
{
    struct pollfd p = { .fd = f->stop_fd, .events = POLLIN };

    if (f->stop_fd > 0 && poll(&p, 1, 0) > 0)
        return lxe__err_set(err, ECANCELED, "image: stopped at byte %llu"
                            " of the output",
                            (unsigned long long)f->written);
    if (lxe__write_full(f->file.fd, f->buf, f->used))
        return lxe__err_set(err, errno, "image: output %s: write at byte"
                            " %llu: %s", f->file.path,
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
        r = pwrite(f->file.fd, data, len, at);
    } while (r < 0 && errno == EINTR);
    if (r == (ssize_t)len)
        return 0;
    /* It replaces what was written: there is room for it. */
    return lxe__err_set(err, r < 0 ? errno : EIO, "image: output %s:"
                        " cannot write %zu bytes at byte %llu: %s",
                        f->file.path, len, (unsigned long long)at,
                        strerror(r < 0 ? errno : EIO));
}

int lxe__outfile_commit(struct lxe__outfile *f, struct lxe__err *err)
{
    if (lxe__outfile_flush(f, err))
        return -1;
    return lxe__newfile_commit(&f->file, f->replace, err);
}

void lxe__outfile_dispose(struct lxe__outfile *f)
{
    lxe__newfile_dispose(&f->file);
    free(f->buf);
    f->buf = NULL;
    lxe__digest_free(f->digest);
    f->digest = NULL;
}
