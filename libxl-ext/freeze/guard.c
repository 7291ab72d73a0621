/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Starting the guardian.
 *
 * It must outlive us and must not hold anything of ours: a copy of the
 * stream's descriptor in it would keep the receiver from ever seeing
 * the end of the stream.  So it is nobody's child, in a session of its
 * own, with its two ends as descriptors 3 and 4, the journal as 5, pidfds
 * (Linux 5.3 has them) of us as 6 and of the toolstack as 7, and nothing
 * else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/program.h"
#include "base/stop.h"
#include "freeze/guard.h"

#define START_MS 20000

/* In the grandchild: only calls that are safe after a fork of threads. */
static void __attribute__((noreturn))
become_guardian(char *const argv[], int orders, int ready, int journal,
                int caller, int toolstack)
{
    /* From 3 on: see guardian/guardian.h. */
    const int fds[] = { orders, ready, journal, caller, toolstack };
    int nr = caller < 0 ? 3 : toolstack < 0 ? 4 : 5;

    if (lxe__program_clean(fds, nr) || chdir("/"))
        _exit(127);
    execv(argv[0], argv);
    _exit(127);
}

/* -1 where the kernel has no pidfd: it then counts as living. */
static int open_process(pid_t pid)
{
#ifdef SYS_pidfd_open
    return syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

/* Its first byte is LXE_GUARD_READY, or it says what went wrong. */
static int wait_ready(int fd, const volatile sig_atomic_t *stop,
                      struct lxe__err *err)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    double end = lxe__now_ms() + START_MS;
    char buf[LXE_ERR_LEN];
    ssize_t n;
    int r;

    while ((r = poll(&p, 1, LXE_LOOK_MS)) <= 0) {
        if (r < 0 && errno != EINTR)
            return lxe__err_set(err, errno, "freeze: waiting for %s: %s",
                                LXE_GUARD_PROGRAM, strerror(errno));
        if (lxe__told_to_stop(stop))
            return lxe__err_set(err, EINTR, "freeze: told to stop before"
                                " %s was ready", LXE_GUARD_PROGRAM);
        if (lxe__now_ms() > end)
            return lxe__err_set(err, ETIMEDOUT, "freeze: %s was not ready"
                                " within %d ms", LXE_GUARD_PROGRAM,
                                START_MS);
    }
    n = read(fd, buf, sizeof(buf) - 1);
    if (n <= 0)
        return lxe__err_set(err, ECHILD, "freeze: %s did not start; is it"
                            " beside the helper, or in %s?",
                            LXE_GUARD_PROGRAM, LXE_LIBEXECDIR);
    buf[n] = '\0';
    if (buf[0] != LXE_GUARD_READY)
        return lxe__err_set(err, EIO, "%s", buf);
    return 0;
}

int lxe__guard_start(uint32_t domid, int journal_fd, bool by_hand,
                     const volatile sig_atomic_t *stop,
                     struct lxe__err *err)
{
    int orders[2] = { -1, -1 }, ready[2] = { -1, -1 }, toolstack = -1;
    int caller = -1;
    char path[PATH_MAX], arg[16];
    char *argv[] = { path, "--guard", arg, NULL };
    int rc, r;

    if (LXE_FAULT(GUARD_BEFORE_START, err))
        return -1;
    /* Where it is not there, wait_ready() says so. */
    lxe__program_find(path, sizeof(path), LXE_GUARD_PROGRAM);
    snprintf(arg, sizeof(arg), "%u", domid);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, orders) ||
        pipe2(ready, O_CLOEXEC)) {
        rc = lxe__err_set(err, errno, "freeze: no pipe to %s: %s",
                          LXE_GUARD_PROGRAM, strerror(errno));
        goto out;
    }
    caller = open_process(getpid());
    if (!by_hand)
        toolstack = open_process(getppid());
    r = lxe__program_fork();
    if (!r)
        become_guardian(argv, orders[0], ready[1], journal_fd, caller,
                        toolstack);
    if (r < 0) {
        rc = lxe__err_set(err, errno, "freeze: cannot fork %s: %s",
                          LXE_GUARD_PROGRAM, strerror(errno));
        goto out;
    }
    close(orders[0]);
    close(ready[1]);
    orders[0] = ready[1] = -1;
    rc = wait_ready(ready[0], stop, err);
    if (!rc)
        rc = LXE_FAULT(GUARD_AFTER_START, err);

 out:
    if (caller >= 0)
        close(caller);
    if (toolstack >= 0)
        close(toolstack);
    if (orders[0] >= 0)
        close(orders[0]);
    if (ready[0] >= 0)
        close(ready[0]);
    if (ready[1] >= 0)
        close(ready[1]);
    if (rc && orders[1] >= 0)
        close(orders[1]);
    return rc ? -1 : orders[1];
}
