/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A process for what may hang; see task.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/program.h"
#include "freeze/task.h"

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

/* The lock is taken ahead of the fork: no moment is without it. */
static int take_lock(const char *lock, struct lxe__err *err)
{
    int fd = open(lock, O_RDONLY | O_DIRECTORY | O_CLOEXEC), e;

    if (fd < 0)
        return lxe__err_set(err, errno == ENOENT ? ENODEV : errno,
                            "freeze: %s: %s", lock, strerror(errno));
    if (!flock(fd, LOCK_EX | LOCK_NB))
        return fd;
    e = errno == EWOULDBLOCK ? EBUSY : errno;
    close(fd);
    return lxe__err_set(err, e, "freeze: %s: %s", lock, e == EBUSY ?
                        "what was begun with this device earlier has not"
                        " ended" : strerror(e));
}

int lxe__task_start(struct lxe__task *t, const char *lock,
                    lxe__task_fn *work, const void *data,
                    struct lxe__err *err)
{
    int result[2] = { -1, -1 }, lock_fd, rc;
    pid_t pid;

    t->fd = -1;
    lock_fd = take_lock(lock, err);
    if (lock_fd < 0)
        return -1;
    if (pipe2(result, O_CLOEXEC)) {
        rc = lxe__err_set(err, errno, "freeze: %s: no pipe: %s", lock,
                          strerror(errno));
        goto out;
    }
    pid = fork();
    if (pid < 0) {
        rc = lxe__err_set(err, errno, "freeze: %s: cannot fork: %s", lock,
                          strerror(errno));
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

void lxe__task_leave(struct lxe__task *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

bool lxe__task_busy(const char *lock)
{
    bool busy;
    int fd;

    fd = open(lock, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    busy = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    close(fd);
    return busy;
}
