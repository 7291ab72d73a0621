/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A process for what may hang; see task.h.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/program.h"
#include "base/rundir.h"
#include "base/stop.h"
#include "freeze/task.h"

#define LOCKS   ".devices"

#define FD_STARTER 3
#define FD_LOCK    4
#define WORD       '\0'

static void __attribute__((noreturn))
become_task(int starter, int lock, lxe__task_fn *work, const void *data)
{
    const int fds[] = { starter, lock };
    struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
    int value;
    char word;

    /* What a script leaves running is to hold neither. */
    if (lxe__program_clean(fds, 2) || chdir("/") ||
        fcntl(FD_STARTER, F_SETFD, FD_CLOEXEC) ||
        fcntl(FD_LOCK, F_SETFD, FD_CLOEXEC))
        _exit(1);
    /* Not to be taken for its parent. */
    prctl(PR_SET_NAME, "libxl-ext-task");
    if (read(FD_STARTER, &word, 1) != 1 || word != WORD)
        _exit(0);
    value = work(data);
    /*
     * First: who reads the result may begin the next at once.  To close
     * it is not enough: a fork of our starter's may have it as well.
     */
    fcntl(FD_LOCK, F_OFD_SETLK, &all);
    _exit(write(FD_STARTER, &value, sizeof(value)) != sizeof(value));
}

/*
 * Where @device has its octet: 17 bits for the domain, 34 for the device,
 * as many as the digits that are read can take.
 */
static int place_of(const char *device, int64_t *place_r,
                    struct lxe__err *err)
{
    unsigned long long domid, devid;
    char driver[4];
    int end = 0;

    if (sscanf(device, "%3[a-z]-%5llu-%10llu%n", driver, &domid, &devid,
               &end) != 3 || device[end] ||
        (strcmp(driver, "vbd") && strcmp(driver, "vif")))
        return lxe__err_set(err, EINVAL, "freeze: %s: not the name of a"
                            " disk's or network card's backend", device);
    *place_r = (int64_t)(driver[1] == 'i') << 51 | (int64_t)domid << 34 |
               (int64_t)devid;
    return 0;
}

static struct flock lock_at(int64_t place)
{
    return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET,
                           .l_start = place, .l_len = 1 };
}

/* @flags: O_CREAT where the file is to be made. */
static int open_locks(int flags, struct lxe__err *err)
{
    char path[256];
    int fd;

    if (lxe__rundir_path(path, sizeof(path), "freeze", err, LOCKS) ||
        (flags && lxe__rundir_make(err)))
        return -1;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    return fd >= 0 ? fd : lxe__err_set(err, errno, "freeze: cannot open"
                                       " %s, for the locks on devices: %s",
                                       path, strerror(errno));
}

/*
 * Ahead of its word: no moment is without it.  It belongs to the open
 * file, so it is the task's as well and ends with the last descriptor.
 */
static int take_lock(const struct lxe__task *t, const char *device,
                     struct lxe__err *err)
{
    struct flock fl = lock_at(t->place);
    int e;

    if (!fcntl(t->lock_fd, F_OFD_SETLK, &fl))
        return 0;
    e = errno == EAGAIN || errno == EACCES ? EBUSY : errno;
    return lxe__err_set(err, e, "freeze: %s: %s", device, e == EBUSY ?
                        "what was begun with this device earlier has not"
                        " ended" : strerror(e));
}

/* @locked: with the lock from the first. */
static int prepare(struct lxe__task *t, const char *device, bool locked,
                   lxe__task_fn *work, const void *data,
                   struct lxe__err *err)
{
    int fds[2], r;

    *t = LXE_TASK_NONE;
    if (place_of(device, &t->place, err))
        goto out;
    t->lock_fd = open_locks(O_CREAT, err);
    if (t->lock_fd < 0 || (locked && take_lock(t, device, err)))
        goto out;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
        lxe__err_set(err, errno, "freeze: %s: no pipe: %s", device,
                     strerror(errno));
        goto out;
    }
    t->fd = fds[0];
    r = lxe__program_fork();
    if (!r)
        become_task(fds[1], t->lock_fd, work, data);
    if (r < 0)
        lxe__err_set(err, errno, "freeze: %s: cannot fork: %s", device,
                     strerror(errno));
    close(fds[1]);
    if (r > 0)
        return 0;

 out:
    lxe__task_leave(t);
    return -1;
}

/* It has the lock. */
static bool give_word(struct lxe__task *t)
{
    const char word = WORD;

    if (send(t->fd, &word, 1, MSG_NOSIGNAL) != 1) {
        lxe__task_leave(t);
        return false;
    }
    close(t->lock_fd);
    t->lock_fd = -1;
    return true;
}

int lxe__task_ready(struct lxe__task *t, const char *device,
                    lxe__task_fn *work, const void *data,
                    struct lxe__err *err)
{
    return prepare(t, device, false, work, data, err);
}

bool lxe__task_go(struct lxe__task *t)
{
    if (t->fd < 0 || t->lock_fd < 0)
        return false;
    if (!take_lock(t, "", NULL))
        return give_word(t);
    lxe__task_leave(t);
    return false;
}

int lxe__task_start(struct lxe__task *t, const char *device,
                    lxe__task_fn *work, const void *data,
                    struct lxe__err *err)
{
    if (prepare(t, device, true, work, data, err))
        return -1;
    return give_word(t) ? 0 : lxe__err_set(err, ECHILD, "freeze: %s: its"
                                           " process ended", device);
}

bool lxe__task_ended(struct lxe__task *t, unsigned ms, int *result_r)
{
    struct pollfd p = { .fd = t->fd, .events = POLLIN };

    if (poll(&p, 1, ms) != 1)
        return false;
    if (read(t->fd, result_r, sizeof(*result_r)) != sizeof(*result_r))
        *result_r = ECHILD;
    lxe__task_leave(t);
    return true;
}

int lxe__task_wait(struct lxe__task *t, double deadline,
                   const volatile sig_atomic_t *stop, int *result_r)
{
    while (!lxe__task_ended(t, LXE_LOOK_MS, result_r)) {
        if (!lxe__told_to_stop(stop) && lxe__now_ms() <= deadline)
            continue;
        lxe__task_leave(t);
        errno = lxe__told_to_stop(stop) ? EINTR : ETIMEDOUT;
        return -1;
    }
    return 0;
}

void lxe__task_leave(struct lxe__task *t)
{
    if (t->fd >= 0)
        close(t->fd);
    if (t->lock_fd >= 0)
        close(t->lock_fd);
    *t = LXE_TASK_NONE;
}

bool lxe__task_busy(const char *device)
{
    struct lxe__err err;
    struct flock fl;
    int64_t place = 0;
    bool busy;
    int fd;

    lxe__err_init(&err);
    fd = open_locks(0, &err);
    if (fd < 0)
        return err.code != ENOENT;
    busy = place_of(device, &place, NULL);
    if (!busy) {
        fl = lock_at(place);
        busy = fcntl(fd, F_OFD_GETLK, &fl) || fl.l_type != F_UNLCK;
    }
    close(fd);
    return busy;
}
