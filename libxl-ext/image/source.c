/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Buffered bytes of an image; see source.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "image/source.h"

#define BUF_LEN     (1U << 20)
/* What a record of libxenguest has before its pages, and little more. */
#define FILL_SPARSE ((8U << 10) + 64)
/* Where less is skipped, to read it costs no more than to wait. */
#define NEAR        (64U << 10)
#define AHEAD       (1U << 20)
#define AHEAD_STEP  (128U << 10)    /* a kernel may take no more at once */

int lxe__source_init(struct lxe__source *s, int fd, bool sparse,
                     struct lxe__err *err)
{
    struct stat st;
    off_t at;

    memset(s, 0, sizeof(*s));
    s->fd = fd;
    s->kept_fd = -1;
    s->sparse = sparse;
    s->fill = sparse ? FILL_SPARSE : BUF_LEN;
    if (fstat(fd, &st))
        return lxe__err_set(err, errno, "image: fstat: %s",
                            strerror(errno));
    s->is_device = S_ISBLK(st.st_mode);
    if (S_ISREG(st.st_mode)) {
        at = lseek(fd, 0, SEEK_CUR);
        if (at < 0)
            return lxe__err_set(err, errno, "image: lseek: %s",
                                strerror(errno));
        s->is_file = true;
        s->base = at;
        s->size = st.st_size > at ? st.st_size - at : 0;
        /* Advice only: a failure changes nothing. */
        (void)posix_fadvise(fd, 0, 0, sparse ? POSIX_FADV_RANDOM
                                             : POSIX_FADV_SEQUENTIAL);
    } else if (S_ISFIFO(st.st_mode)) {
        /* Fewer and larger turns of writer and reader; advice as well. */
        (void)fcntl(fd, F_SETPIPE_SZ, BUF_LEN);
    }
    s->buf = malloc(BUF_LEN);
    if (!s->buf)
        return lxe__err_set(err, ENOMEM, "image: no memory for a buffer of"
                            " %u bytes", BUF_LEN);
    return 0;
}

void lxe__source_dispose(struct lxe__source *s)
{
    free(s->buf);
    s->buf = NULL;
    if (s->kept_fd >= 0)
        close(s->kept_fd);
    s->kept_fd = -1;
}

/*
 * ECANCELED where stop_fd is readable.  @bytes: waits for some, of a
 * pipe.
 */
static int await(struct lxe__source *s, bool bytes, struct lxe__err *err)
{
    bool wait = bytes && !s->is_file;
    struct pollfd p[2] = {
        { .fd = s->stop_fd > 0 ? s->stop_fd : -1, .events = POLLIN },
        { .fd = s->fd, .events = POLLIN },
    };

    while (poll(p, wait ? 2 : 1, wait ? -1 : 0) < 0)
        if (errno != EINTR)
            return lxe__err_set(err, errno, "image: poll: %s",
                                strerror(errno));
    if (!p[0].revents)
        return 0;
    return lxe__err_set(err, ECANCELED, "image: stopped at byte %llu",
                        (unsigned long long)s->offset);
}

/* To ask this costs a tenth of what it costs to ask for what is there. */
static bool is_cached(const struct lxe__source *s, uint64_t at)
{
    uint8_t octet;
    struct iovec one = { &octet, 1 };

    return preadv2(s->fd, &one, 1, s->base + at, RWF_NOWAIT) == 1;
}

/*
 * Without readahead an image of many small records would be read with a
 * wait for the disk at each; so where the reads are near to each other
 * the kernel is asked for what lies ahead of @at.
 */
static void read_ahead(struct lxe__source *s, uint64_t at)
{
    if (at - s->filled > NEAR)
        return;
    if (s->ahead < at)
        s->ahead = at;
    for (; s->ahead < at + AHEAD && s->ahead < s->size;
         s->ahead += AHEAD_STEP)
        if (!is_cached(s, s->ahead))
            (void)posix_fadvise(s->fd, s->base + s->ahead, AHEAD_STEP,
                                POSIX_FADV_WILLNEED);
}

/* Up to @len bytes after what is in the buffer: 0 is the end. */
static ssize_t fill(struct lxe__source *s, size_t len,
                    struct lxe__err *err)
{
    uint64_t at = s->offset + (s->tail - s->head);
    ssize_t r;

    if (s->is_file && at >= s->size)
        return 0;
    if (s->stop_fd > 0 && await(s, true, err))
        return -1;
    if (s->is_file && s->sparse)
        read_ahead(s, at);
    do {
        r = s->is_file
            ? pread(s->fd, s->buf + s->tail, len, s->base + at)
            : read(s->fd, s->buf + s->tail, len);
        /* A caller's descriptor may be one that does not wait. */
    } while (r < 0 && (errno == EINTR || (errno == EAGAIN &&
                                          !await(s, true, err))));
    if (r < 0)
        return lxe__err_set(err, errno, "image: read at byte %llu: %s",
                            (unsigned long long)at, strerror(errno));
    s->tail += r;
    s->filled = at + r;
    return r;
}

const uint8_t *lxe__source_peek(struct lxe__source *s, size_t len,
                                size_t *have_r, struct lxe__err *err)
{
    size_t want;
    ssize_t r;

    if (s->tap_failed)
        return NULL;
    while (s->tail - s->head < len) {
        if (BUF_LEN - s->head < len || s->head == s->tail) {
            memmove(s->buf, s->buf + s->head, s->tail - s->head);
            s->tail -= s->head;
            s->head = 0;
        }
        want = len - (s->tail - s->head);
        if (want < s->fill)
            want = s->fill;
        if (want > BUF_LEN - s->tail)
            want = BUF_LEN - s->tail;
        r = fill(s, want, err);
        if (r < 0)
            return NULL;
        if (!r)
            break;
    }
    *have_r = s->tail - s->head < len ? s->tail - s->head : len;
    return s->buf + s->head;
}

void lxe__source_advance(struct lxe__source *s, size_t len)
{
    if (s->tap && len && !s->tap_failed)
        s->tap_failed = s->tap(s->tap_user, s->buf + s->head, len);
    s->head += len;
    s->offset += len;
}

int lxe__source_skip(struct lxe__source *s, uint64_t len, uint64_t *done_r,
                     struct lxe__err *err)
{
    bool seek = s->is_file && s->sparse && !s->tap;
    uint64_t done = s->tail - s->head;
    size_t have;

    if (done > len)
        done = len;
    lxe__source_advance(s, done);
    if (seek && done < len) {
        uint64_t left = s->size > s->offset ? s->size - s->offset : 0;

        if (left > len - done)
            left = len - done;
        s->head = s->tail = 0;
        s->offset += left;
        done += left;
    }
    while (!seek && done < len) {
        if (!lxe__source_peek(s, 1, &have, err))
            return -1;
        if (!have)
            break;
        have = s->tail - s->head;
        if (have > len - done)
            have = len - done;
        lxe__source_advance(s, have);
        done += have;
    }
    *done_r = done;
    return 0;
}

static int open_kept(struct lxe__source *s, struct lxe__err *err)
{
    const char *dir = getenv("TMPDIR");
    char path[PATH_MAX];

    if (!dir || !*dir)
        dir = "/var/tmp";
    s->kept_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->kept_fd < 0 && snprintf(path, sizeof(path), "%s/xl-ext.XXXXXX",
                                   dir) < (int)sizeof(path)) {
        /* Not every file system has O_TMPFILE. */
        s->kept_fd = mkostemp(path, O_CLOEXEC);
        if (s->kept_fd >= 0)
            unlink(path);
    }
    if (s->kept_fd < 0)
        return lxe__err_set(err, errno, "image: cannot make a temporary"
                            " file in %s: %s: set TMPDIR to a directory"
                            " with room for the page tables", dir,
                            strerror(errno));
    return 0;
}

/* pwrite(2) and pread(2) of all bytes: 0, or -1 with errno. */
static int pwrite_full(int fd, const void *data, size_t len, off_t at)
{
    ssize_t r;

    for (; len; len -= r, at += r, data = (const char *)data + r) {
        r = pwrite(fd, data, len, at);
        if (r < 0 && errno == EINTR)
            r = 0;
        if (r < 0)
            return -1;
    }
    return 0;
}

static int pread_full(int fd, void *data, size_t len, off_t at)
{
    ssize_t r;

    for (; len; len -= r, at += r, data = (char *)data + r) {
        r = pread(fd, data, len, at);
        if (r < 0 && errno == EINTR) {
            r = 0;
        } else if (r <= 0) {
            if (!r)
                errno = EIO;
            return -1;
        }
    }
    return 0;
}

int lxe__source_keep(struct lxe__source *s, const void *data, size_t len,
                     uint64_t offset, uint64_t *handle,
                     struct lxe__err *err)
{
    uint64_t at;

    if (s->is_file) {
        *handle = offset;
        return 0;
    }
    if (s->kept_fd < 0 && open_kept(s, err))
        return -1;
    at = *handle == LXE_KEEP_NEW ? s->kept_len : *handle;
    if (pwrite_full(s->kept_fd, &offset, sizeof(offset), at) ||
        pwrite_full(s->kept_fd, data, len, at + sizeof(offset)))
        return lxe__err_set(err, errno, "image: cannot keep a page table"
                            " in the temporary file: %s: set TMPDIR to a"
                            " directory with room for them",
                            strerror(errno));
    if (at == s->kept_len)
        s->kept_len += sizeof(offset) + len;
    *handle = at;
    return 0;
}

int lxe__source_again(struct lxe__source *s, uint64_t handle, void *data,
                      size_t len, uint64_t *offset_r,
                      struct lxe__err *err)
{
    int r;

    /* What is kept of a pipe is there, whatever the pipe has. */
    if (s->stop_fd > 0 && await(s, false, err))
        return -1;
    if (s->is_file) {
        *offset_r = handle;
        r = pread_full(s->fd, data, len, s->base + handle);
    } else {
        r = pread_full(s->kept_fd, offset_r, sizeof(*offset_r), handle);
        if (!r)
            r = pread_full(s->kept_fd, data, len,
                           handle + sizeof(*offset_r));
    }
    if (r && s->is_file)
        return lxe__err_set(err, errno, "image: read at byte %llu: %s",
                            (unsigned long long)handle, strerror(errno));
    if (r)
        return lxe__err_set(err, errno, "image: cannot read %zu bytes a"
                            " second time: %s", len, strerror(errno));
    return 0;
}
