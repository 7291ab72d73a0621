/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Finding and ending a receiver that waits, and what is left to be said
 * of its guest then; see receiver.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/ctx.h"
#include "api/op.h"
#include "api/receiver.h"
#include "base/clock.h"
#include "base/lockfile.h"
#include "base/rundir.h"
#include "base/uuid.h"
#include "memory/policy.h"

#define LOOK_MS 50      /* at the receiver's lock */
#define WAY_S 60        /* a question may be so long on its way */

static int path_of(const uint8_t uuid[16], const char *what, char *path,
                   size_t len, struct lxe__err *err)
{
    char text[LXE_UUID_TEXT];

    lxe__uuid_text(uuid, text);
    return lxe__rundir_path(path, len, "receive", err, "%s.%s", text,
                            what);
}

int lxe__receiver_lock(const uint8_t uuid[16], struct lxe__err *err)
{
    char path[256];
    int fd;

    if (path_of(uuid, "receive", path, sizeof(path), err) ||
        lxe__rundir_make(err))
        return -1;
    fd = lxe__lockfile_take(path, NULL, 0);
    if (fd < 0 && errno == EWOULDBLOCK)
        return lxe__err_set(err, EBUSY, "receive: the guest is being"
                            " received already (%s is locked)", path);
    if (fd < 0)
        return lxe__err_set(err, errno, "receive: cannot lock %s: %s",
                            path, strerror(errno));
    if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0) {
        lxe__err_set(err, errno, "receive: cannot write %s: %s", path,
                     strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

void lxe__receiver_unlock(int fd, const uint8_t uuid[16])
{
    char path[256];

    if (fd >= 0 && !path_of(uuid, "receive", path, sizeof(path), NULL))
        lxe__lockfile_release(fd, path);
}

/*----- was it let run here -----*/

/* With the host's uptime at which it was said: a boot ends all words. */
static int put_word(const uint8_t uuid[16], const char *what,
                    struct lxe__err *err)
{
    char path[256];
    int fd, r, e;

    if (path_of(uuid, what, path, sizeof(path), err) ||
        lxe__rundir_make(err))
        return -1;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0600);
    r = fd < 0 ? -1 : dprintf(fd, "%ld\n", lxe__uptime_s());
    e = errno;
    if (fd >= 0)
        close(fd);
    return r < 0 ? lxe__err_set(err, e, "receive: cannot write %s: %s",
                                path, strerror(e)) : 0;
}

static int take_word(const uint8_t uuid[16], const char *what,
                     struct lxe__err *err)
{
    char path[256];

    if (path_of(uuid, what, path, sizeof(path), err))
        return -1;
    if (unlink(path) && errno != ENOENT)
        return lxe__err_set(err, errno, "receive: cannot remove %s: %s",
                            path, strerror(errno));
    return 0;
}

int lxe__receiver_given(const uint8_t uuid[16], struct lxe__err *err)
{
    return put_word(uuid, "given", err);
}

int lxe__receiver_unpause(const uint8_t uuid[16], struct lxe__err *err)
{
    return put_word(uuid, "unpause", err);
}

void lxe__receiver_ran(const uint8_t uuid[16])
{
    take_word(uuid, "unpause", NULL);
}

int lxe__receiver_not_given(const uint8_t uuid[16], struct lxe__err *err)
{
    return take_word(uuid, "given", err) ||
        take_word(uuid, "unpause", err) ? -1 : 0;
}

/*
 * Since it was sent, @since seconds ago (0: not known)?  A receiver that
 * is not ours takes no old word away.  What cannot be seen or read is not
 * taken for "no".
 */
static bool was_given(const uint8_t uuid[16], uint32_t since)
{
    char path[256], text[24] = "", *end;
    long said;
    int fd;

    if (path_of(uuid, "given", path, sizeof(path), NULL))
        return true;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno != ENOENT;
    if (read(fd, text, sizeof(text) - 1) < 0)
        *text = '\0';
    close(fd);
    said = strtol(text, &end, 10);
    return !since || *end != '\n' || end == text ||
        lxe__uptime_s() - said <= (long)since + WAY_S;
}

/*
 * Did its receiver want it unpaused, and nobody ever has?  One that was
 * killed right behind that could not take its word back: then the domain
 * has used a CPU.
 */
static bool never_ran(const uint8_t uuid[16], const libxl_dominfo *info)
{
    char path[256];

    return info->paused && !info->cpu_time &&
        !path_of(uuid, "unpause", path, sizeof(path), NULL) &&
        !access(path, F_OK);
}

/*----- ending one -----*/

/*
 * Its pid is its own while it holds the lock.  EDEADLK where that is ours:
 * a signal would be for all that this process does.
 */
static int signal_holder(int fd)
{
    char text[16] = "";
    int pid, pidfd, r = -1;

    if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return -1;
    pid = atoi(text);
    if (pid == getpid())
        errno = EDEADLK;
    if (pid <= 1 || pid == getpid())
        return -1;
    pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return -1;
    /* Still locked: the pid was not somebody else's meanwhile. */
    if (flock(fd, LOCK_EX | LOCK_NB))
        r = syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
    close(pidfd);
    return r;
}

int lxe__receiver_end(const uint8_t uuid[16], unsigned timeout_ms,
                      int stop_fd, struct lxe__err *err)
{
    struct pollfd stop = { .fd = stop_fd, .events = POLLIN };
    uint64_t end = lxe__now_us() + timeout_ms * 1000ULL;
    char path[256];
    int fd, rc = 0;

    if (path_of(uuid, "receive", path, sizeof(path), err))
        return -1;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return lxe__err_set(err, errno, "receive: cannot open %s: %s", path,
                            strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) && signal_holder(fd) &&
        errno == EDEADLK) {
        close(fd);
        return lxe__err_set(err, EBUSY, "receive: %s is locked by this"
                            " process: cancel its libxl_ext_op", path);
    }
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (lxe__now_us() > end) {
            rc = lxe__err_set(err, EBUSY, "receive: the receiver that"
                              " holds %s did not end within %u ms: see"
                              " what it waits for, and ask again", path,
                              timeout_ms);
            break;
        }
        if (poll(&stop, 1, LOOK_MS) > 0) {
            rc = lxe__err_set(err, ECANCELED, "receive: cancelled; the"
                              " receiver that holds %s has been told to"
                              " end: ask again", path);
            break;
        }
    }
    close(fd);
    return rc;
}

/*
 * Its receiver is no more.  One that still has its suffix was given no
 * leave to run; one without it was, and is at most not unpaused yet.
 */
static int settle_one(struct libxl_ext_ctx *ctx, const libxl_dominfo *info,
                      const uint8_t uuid[16], bool *runs_r)
{
    char *name = libxl_domid_to_name(ctx->libxl, info->domid);
    int rc = 0;

    if (lxe__policy_guest_name(name)) {
        rc = libxl_domain_destroy(ctx->libxl, info->domid, NULL);
    } else if (lxe__receiver_given(uuid, &ctx->err)) {
        free(name);
        return -1;
    } else {
        if (never_ran(uuid, info))
            rc = libxl_domain_unpause(ctx->libxl, info->domid, NULL);
        if (!rc)
            lxe__receiver_ran(uuid);
        *runs_r = true;
    }
    free(name);
    return rc ? lxe__err_set(&ctx->err, EIO, "receive: libxl cannot destroy"
                             " or unpause domain %u (rc %d)", info->domid,
                             rc) : 0;
}

/* A suspended one is a source that waits for our answer. */
static int runs_here(struct libxl_ext_ctx *ctx, const uint8_t uuid[16],
                     uint32_t since, bool *runs_r)
{
    libxl_dominfo *list;
    int nr, i, r = 0;

    *runs_r = false;
    list = libxl_list_domain(ctx->libxl, &nr);
    if (!list)
        return lxe__err_set(&ctx->err, EIO, "receive: libxl cannot list"
                            " the domains");
    for (i = 0; i < nr && !r; i++)
        if (!memcmp(libxl_uuid_bytearray_const(&list[i].uuid), uuid, 16) &&
            !list[i].shutdown && !list[i].dying)
            r = settle_one(ctx, &list[i], uuid, runs_r);
    libxl_dominfo_list_free(list, nr);
    if (!r && was_given(uuid, since))
        *runs_r = true;
    /* A boot while the question was on its way came after the offer. */
    if (r || *runs_r || !since || lxe__uptime_s() > (long)since + WAY_S)
        return r;
    return lxe__err_set(&ctx->err, ENODATA, "receive: this host was booted"
                        " %ld s ago and the guest was sent %u s ago:"
                        " nobody knows whether it ran here",
                        lxe__uptime_s(), since);
}

int lxe__receiver_sweep(struct libxl_ext_ctx *ctx, const uint8_t uuid[16],
                        struct lxe__err *err)
{
    libxl_dominfo *list;
    int nr, i, rc = 0;
    char *name;

    list = libxl_list_domain(ctx->libxl, &nr);
    if (!list)
        return lxe__err_set(err, EIO, "receive: libxl cannot list the"
                            " domains");
    for (i = 0; i < nr && !rc; i++) {
        if (memcmp(libxl_uuid_bytearray_const(&list[i].uuid), uuid, 16) ||
            list[i].dying)
            continue;
        name = libxl_domid_to_name(ctx->libxl, list[i].domid);
        if (lxe__policy_guest_name(name) &&
            libxl_domain_destroy(ctx->libxl, list[i].domid, NULL))
            rc = lxe__err_set(err, EIO, "receive: domain %u is left of a"
                              " receiver that died, and libxl cannot"
                              " destroy it", list[i].domid);
        free(name);
    }
    libxl_dominfo_list_free(list, nr);
    return rc;
}

static int check_cancelled(const libxl_ext_op *op, struct lxe__err *err)
{
    if (!op || !op->stop)
        return 0;
    return lxe__err_set(err, ECANCELED, "receive: cancelled before it"
                        " asked");
}

/* What is destroyed or let run is not taken back by a later cancel. */
int libxl_ext_domain_ask(struct libxl_ext_ctx *ctx,
                         const uint8_t uuid[16], uint32_t since,
                         uint32_t timeout_ms, libxl_ext_op *op,
                         bool *runs_r)
{
    int r = -1;

    lxe__ctx_begin(ctx);
    if (!lxe__ctx_libxl(ctx, "receive", &ctx->err) &&
        !check_cancelled(op, &ctx->err) &&
        !lxe__receiver_end(uuid, timeout_ms, lxe__op_stop_fd(op),
                           &ctx->err) &&
        !check_cancelled(op, &ctx->err))
        r = runs_here(ctx, uuid, since, runs_r);
    return lxe__ctx_end(ctx, r);
}
