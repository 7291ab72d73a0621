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
#include <sys/wait.h>
#include <unistd.h>

#include "base/program.h"
#include "base/rundir.h"
#include "freeze/device.h"
#include "freeze/task.h"

#define LOCKS   ".devices"

#define FD_RESULT 3
#define FD_LOCK   4

static void __attribute__((noreturn))
become_task(int result, int lock, lxe__task_fn *work, const void *data)
{
    const int fds[] = { result, lock };
    int value;

    /* What a script leaves running is to hold neither. */
    if (lxe__program_clean(fds, 2) || chdir("/") ||
        fcntl(FD_RESULT, F_SETFD, FD_CLOEXEC) ||
        fcntl(FD_LOCK, F_SETFD, FD_CLOEXEC))
        _exit(1);
    /* Not to be taken for its parent. */
    prctl(PR_SET_NAME, "libxl-ext-task");
    value = work(data);
    /* First: who reads the result may begin the next at once. */
    close(FD_LOCK);
    _exit(write(FD_RESULT, &value, sizeof(value)) != sizeof(value));
}

/*
 * Where @device has its octet: 17 bits for the domain, 34 for the device,
 * as many as the digits that are read can take.
 */
static int place_of(const char *device, struct flock *fl,
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
    *fl = (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1,
        .l_start = (off_t)(driver[1] == 'i') << 51 | (off_t)domid << 34 |
                   (off_t)devid,
    };
    return 0;
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
 * Ahead of the fork: no moment is without it.  It belongs to the open
 * file, so it goes to the child and ends with the last descriptor.
 */
static int take_lock(const char *device, struct lxe__err *err)
{
    struct flock fl;
    int fd, e;

    if (place_of(device, &fl, err))
        return -1;
    fd = open_locks(O_CREAT, err);
    if (fd < 0 || !fcntl(fd, F_OFD_SETLK, &fl))
        return fd;
    e = errno == EAGAIN || errno == EACCES ? EBUSY : errno;
    close(fd);
    return lxe__err_set(err, e, "freeze: %s: %s", device, e == EBUSY ?
                        "what was begun with this device earlier has not"
                        " ended" : strerror(e));
}

int lxe__task_start(struct lxe__task *t, const char *device,
                    lxe__task_fn *work, const void *data,
                    struct lxe__err *err)
{
    int result[2] = { -1, -1 }, lock_fd, rc;
    pid_t pid;

    t->fd = -1;
    lock_fd = take_lock(device, err);
    if (lock_fd < 0)
        return -1;
    if (pipe2(result, O_CLOEXEC)) {
        rc = lxe__err_set(err, errno, "freeze: %s: no pipe: %s", device,
                          strerror(errno));
        goto out;
    }
    pid = fork();
    if (pid < 0) {
        rc = lxe__err_set(err, errno, "freeze: %s: cannot fork: %s",
                          device, strerror(errno));
        goto out;
    }
    if (!pid) {
        setsid();
        pid = fork();
        if (!pid)
            become_task(result[1], lock_fd, work, data);
        _exit(pid < 0);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    t->fd = result[0];
    result[0] = -1;
    rc = 0;

 out:
    if (result[0] >= 0)
        close(result[0]);
    if (result[1] >= 0)
        close(result[1]);
    close(lock_fd);
    return rc;
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
    t->fd = -1;
}

bool lxe__task_busy(const char *device)
{
    struct lxe__err err;
    struct flock fl;
    bool busy;
    int fd;

    lxe__err_init(&err);
    fd = open_locks(0, &err);
    if (fd < 0)
        return err.code != ENOENT;
    busy = place_of(device, &fl, NULL) || fcntl(fd, F_OFD_GETLK, &fl) ||
        fl.l_type != F_UNLCK;
    close(fd);
    return busy;
}
