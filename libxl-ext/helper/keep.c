/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Keeping the image of a restore that fails; see keep.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/newfile.h"
#include "helper/keep.h"

#define CHUNK   (1U << 20)
#define DELETED " (deleted)"    /* what Linux adds to such a name */

/*----- begin -----*/

static volatile sig_atomic_t stopped;
static int image_fd = -1, stream_fd = -1, ended_fd = -1;

static bool has_no_name(int fd, struct stat *st)
{
    return !fstat(fd, st) && S_ISREG(st->st_mode) && !st->st_nlink;
}

/*
 * libxenguest runs straight through: its next read finds the end of the
 * stream, and all that follows is a restore that failed.
 */
static void on_sigterm(int number)
{
    int saved = errno;
    struct stat st;

    if (has_no_name(image_fd, &st)) {
        stopped = 1;
        if (dup2(ended_fd, stream_fd) != stream_fd)
            abort();    /* nothing else is safe in a signal handler */
    } else {
        signal(number, SIG_DFL);
        raise(number);          /* taken when this returns */
    }
    errno = saved;
}

void lxe__keep_init(struct lxe__keep *k)
{
    k->fd = -1;
    k->path[0] = '\0';
    stopped = 0;
}

void lxe__keep_begin(struct lxe__keep *k, int fd)
{
    struct sigaction sa = { .sa_handler = on_sigterm,
                            .sa_flags = SA_RESTART };
    struct stat st;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return;
    /* The stream may be anywhere in it, and fd be another's by then. */
    k->fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    ended_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    image_fd = k->fd;
    stream_fd = fd;
    if (k->fd >= 0 && ended_fd >= 0)
        sigaction(SIGTERM, &sa, NULL);
}

const volatile sig_atomic_t *lxe__keep_stop(void)
{
    return &stopped;
}

/*----- put back -----*/

/* The name that it had; false where it never had one, as a memfd. */
static bool find_name(struct lxe__keep *k, const struct stat *st)
{
    char link[40], none[40], *slash;
    ssize_t n, end;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", k->fd);
    n = readlink(link, k->path, sizeof(k->path) - 1);
    end = n - (ssize_t)strlen(DELETED);
    k->path[n < 0 ? 0 : n] = '\0';
    if (*k->path != '/' || end <= 0 || strcmp(k->path + end, DELETED) ||
        !strncmp(k->path, "/memfd:", 7))
        return false;
    k->path[end] = '\0';
    slash = strrchr(k->path, '/');
    /* What Linux calls a file that was made by O_TMPFILE. */
    snprintf(none, sizeof(none), "/#%ju", (uintmax_t)st->st_ino);
    return strcmp(slash, none);
}

/* All of it, whatever has been read: the stream's offset stays. */
static int copy(const struct lxe__keep *k, const struct stat *st, int to,
                struct lxe__err *err)
{
    char link[40], *buf = NULL;
    int from, rc = -1;
    off_t done = 0;
    ssize_t n = 1;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", k->fd);
    from = open(link, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        lxe__err_set(err, errno, "cannot open it again: %s",
                     strerror(errno));
        goto out;
    }
    if (!ioctl(to, FICLONE, from)) {
        rc = 0;
        goto out;
    }
    buf = malloc(CHUNK);
    if (!buf) {
        lxe__err_set(err, ENOMEM, "no memory for a buffer of %u bytes",
                     CHUNK);
        goto out;
    }
    for (; n; done += n) {
        n = lxe__read_full(from, buf, CHUNK);
        if (n < 0 || lxe__write_full(to, buf, n)) {
            lxe__err_set(err, errno, "%s at byte %jd of %jd: %s",
                         n < 0 ? "reading" : "writing", (intmax_t)done,
                         (intmax_t)st->st_size, strerror(errno));
            goto out;
        }
    }
    rc = done >= st->st_size ? 0 :
        lxe__err_set(err, EIO, "it ends at byte %jd of %jd",
                     (intmax_t)done, (intmax_t)st->st_size);

 out:
    if (from >= 0)
        close(from);
    free(buf);
    return rc;
}

/* Its owner's alone, where it cannot be given to its owner. */
static void dress(const struct stat *st, int fd)
{
    mode_t mode = st->st_mode & 07777;

    if (fchown(fd, st->st_uid, st->st_gid))
        mode &= S_IRWXU;
    fchmod(fd, mode);
}

/* Before all is copied; that it stays so is seen when it is named. */
static int is_free(const struct lxe__newfile *f, struct lxe__err *err)
{
    struct stat st;

    if (fstatat(f->dir_fd, f->name, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    return lxe__err_set(err, EEXIST, "another file has that name, and is"
                        " not replaced");
}

int lxe__keep_put_back(struct lxe__keep *k, struct lxe__err *err)
{
    struct lxe__newfile f;
    struct stat st;
    int rc = -1;

    if (k->fd < 0 || !has_no_name(k->fd, &st) || !find_name(k, &st))
        return 0;
    if (lxe__newfile_find(&f, "the copy", k->path, err) ||
        LXE_FAULT(KEEP_BEFORE, err) || is_free(&f, err) ||
        lxe__newfile_make(&f, false, err) || copy(k, &st, f.fd, err))
        goto out;
    dress(&st, f.fd);
    if (LXE_FAULT(KEEP_AFTER_COPY, err))
        goto out;
    lxe__newfile_commit(&f, false, err);
    if (f.placed) {
        rc = 1;
        (void)LXE_FAULT(KEEP_AFTER_NAME, err);
    }

 out:
    lxe__newfile_dispose(&f);
    return rc;
}

/*----- end -----*/

void lxe__keep_end(struct lxe__keep *k)
{
    if (k->fd < 0)
        return;
    signal(SIGTERM, SIG_DFL);
    close(k->fd);
    if (ended_fd >= 0)
        close(ended_fd);
    image_fd = stream_fd = ended_fd = k->fd = -1;
}
