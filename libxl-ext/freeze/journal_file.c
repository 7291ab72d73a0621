/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The journal as a file.  The run directory is on a tmpfs and the
 * journal must outlive processes, not the host, so nothing is synced.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "freeze/journal.h"
#include "freeze/journal_text.h"

#define LINE_ROOM 1024
/* A line takes microseconds; one who was stopped holds up nobody. */
#define APPEND_MS 1000

int lxe__journal_path(char *path, size_t len, uint32_t domid,
                      const char *suffix, struct lxe__err *err)
{
    return lxe__rundir_path(path, len, "freeze journal", err, "%u.%s",
                            domid, suffix);
}

/*----- to append -----*/

/*
 * Helper, guardian, toolstack and who asks for a thaw may append at the
 * same time, and only one who is alone with the file may cut something
 * off it.  flock(2) is taken, by the save itself, and the helper and its
 * guardian share one open file: so this lock is on an opening of its own.
 * Returns that, or -1.
 */
static int lock_to_append(int fd)
{
    uint64_t until = lxe__now_us() + APPEND_MS * 1000;
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char self[32];
    int mine, e;

    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    mine = open(self, O_RDWR | O_APPEND | O_CLOEXEC);
    if (mine < 0)
        return -1;
    while (fcntl(mine, F_OFD_SETLK, &fl)) {
        e = errno == EACCES || errno == EAGAIN ? EBUSY : errno;
        if (e != EBUSY || lxe__now_us() > until) {
            close(mine);
            errno = e;
            return -1;
        }
        lxe__sleep_ms(1);
    }
    return mine;
}

/*
 * Where the last whole line ends.  What is behind it was cut: by a
 * process that was killed before it could take it away.
 */
static off_t cut_to_whole(int fd)
{
    char tail[LINE_ROOM];
    struct stat st;
    ssize_t n;
    off_t at;

    if (fstat(fd, &st))
        return -1;
    at = st.st_size > LINE_ROOM ? st.st_size - LINE_ROOM : 0;
    n = pread(fd, tail, sizeof(tail), at);
    if (n < 0)
        return -1;
    while (n && tail[n - 1] != '\n')
        n--;
    at += n;
    return at == st.st_size || !ftruncate(fd, at) ? at : -1;
}

/*
 * One write, so that a reader sees all of a line or a cut one.  Of a file
 * system that is full a line that was cut is taken away again: the next
 * one would stand after it, and neither make sense.
 */
static int append(int fd, const char *text, int len)
{
    off_t end = cut_to_whole(fd);
    int e;

    if (end < 0)
        return -1;
    if (!lxe__write_full(fd, text, len))
        return 0;
    e = errno;
    if (ftruncate(fd, end))
        e = errno;
    errno = e;
    return -1;
}

static int put(int fd, const char *text, int len, struct lxe__err *err)
{
    int mine, e;

    if (len < 0)
        return lxe__err_set(err, ENAMETOOLONG, "freeze journal: a line"
                            " would be too long");
    mine = lock_to_append(fd);
    e = mine < 0 || append(mine, text, len) ? errno : 0;
    if (mine >= 0)
        close(mine);
    if (!e)
        return 0;
    len = strcspn(text, "\n");
    if (e == EBUSY)
        return lxe__err_set(err, e, "freeze journal: cannot write \"%.*s\""
                            " to a file in %s: another process has been"
                            " writing to it for %d ms: try again", len,
                            text, lxe__rundir(), APPEND_MS);
    return lxe__err_set(err, e, "freeze journal: cannot write \"%.*s\" to"
                        " a file in %s: %s: that file system must have"
                        " room, and be writable", len, text,
                        lxe__rundir(), strerror(e));
}

/*----- the file -----*/

int lxe__journal_create(uint32_t domid, const uint8_t uuid[16],
                        struct lxe__err *err)
{
    char path[256], head[128];
    int fd;

    if (lxe__journal_path(path, sizeof(path), domid, "journal", err) ||
        lxe__rundir_make(err))
        return -1;
    fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC |
              O_NOFOLLOW, 0600);
    if (fd < 0)
        return lxe__err_set(err, errno == EEXIST ? EBUSY : errno, "freeze"
                            " journal: cannot make %s: %s", path,
                            strerror(errno));
    /* It is theirs then, to remove. */
    if (flock(fd, LOCK_EX | LOCK_NB) || lxe__journal_removed(fd)) {
        close(fd);
        return lxe__err_set(err, EBUSY, "freeze journal: another operation"
                            " begins on domain %u just now: let it end"
                            " first", domid);
    }
    if (put(fd, head, lxe__journal_format_header(head, sizeof(head),
                                                 domid, uuid), err)) {
        unlink(path);
        close(fd);
        return -1;
    }
    return fd;
}

int lxe__journal_open(uint32_t domid, struct lxe__err *err)
{
    char path[256];
    int fd;

    if (lxe__journal_path(path, sizeof(path), domid, "journal", err))
        return -1;
    fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return lxe__err_set(err, errno, "freeze journal: cannot open %s:"
                            " %s", path, strerror(errno));
    return fd;
}

int lxe__journal_read(struct lxe__journal *j, int fd,
                      struct lxe__err *err)
{
    char *text = NULL;
    struct stat st;
    ssize_t r;
    int rc;

    memset(j, 0, sizeof(*j));
    if (fstat(fd, &st)) {
        rc = lxe__err_set(err, errno, "freeze journal: cannot read: %s",
                          strerror(errno));
        goto out;
    }
    if (st.st_size > LXE_JOURNAL_MAX) {
        rc = lxe__err_set(err, EFBIG, "freeze journal: longer than %d"
                          " bytes", LXE_JOURNAL_MAX);
        goto out;
    }
    text = malloc(st.st_size + 1);
    r = text ? pread(fd, text, st.st_size, 0) : -1;
    if (r < 0) {
        rc = lxe__err_set(err, errno, "freeze journal: cannot read: %s",
                          strerror(errno));
        goto out;
    }
    rc = lxe__journal_parse(j, text, r, err);

 out:
    free(text);
    return rc;
}

int lxe__journal_intent(int fd, uint32_t domid,
                        const struct lxe__jentry *e,
                        struct lxe__err *err)
{
    char line[LINE_ROOM];

    if (!lxe__jentry_valid(e, domid))
        return lxe__err_set(err, EINVAL, "freeze journal: backend %s of"
                            " domain %u, interface '%s', script '%s':"
                            " not names that can be trusted", e->name,
                            domid, e->vif, e->script);
    return put(fd, line, lxe__journal_format_intent(line, sizeof(line),
                                                    e), err);
}

int lxe__journal_undone(int fd, const struct lxe__jentry *e,
                        struct lxe__err *err)
{
    char line[128];

    return put(fd, line, lxe__journal_format_undone(line, sizeof(line),
                                                    e), err);
}

int lxe__journal_suspend(int fd, struct lxe__err *err)
{
    return put(fd, "suspend\n", 8, err);
}

int lxe__journal_answered(int fd, struct lxe__err *err)
{
    return put(fd, "answered\n", 9, err);
}

int lxe__journal_ran(int fd, struct lxe__err *err)
{
    return put(fd, "ran\n", 4, err);
}

int lxe__journal_whole(int fd, struct lxe__err *err)
{
    return put(fd, "whole\n", 6, err);
}

int lxe__journal_commit(int fd, struct lxe__err *err)
{
    return put(fd, "commit\n", 7, err);
}

int lxe__journal_hold(int fd, struct lxe__err *err)
{
    return put(fd, "hold\n", 5, err);
}

int lxe__journal_ask_thaw(int fd, struct lxe__err *err)
{
    return put(fd, "thaw\n", 5, err);
}

bool lxe__journal_removed(int fd)
{
    struct stat st;

    return !fstat(fd, &st) && !st.st_nlink;
}

int lxe__journal_remove(uint32_t domid, struct lxe__err *err)
{
    char path[256];

    if (lxe__journal_path(path, sizeof(path), domid, "journal", err))
        return -1;
    if (unlink(path) && errno != ENOENT)
        return lxe__err_set(err, errno, "freeze journal: cannot remove"
                            " %s: %s", path, strerror(errno));
    return 0;
}
