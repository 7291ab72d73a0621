/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The xen-backend bus in sysfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/program.h"
#include "freeze/device.h"

#define BUS "/sys/bus/xen-backend"

double lxe__now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

void lxe__sleep_ms(double ms)
{
    struct timespec ts = {
        .tv_sec = ms / 1000,
        .tv_nsec = (long)(ms * 1e6) % 1000000000L,
    };

    nanosleep(&ts, NULL);
}

bool lxe__sysfs_exists(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), BUS "/devices/%.47s", name);
    return !access(path, F_OK);
}

bool lxe__sysfs_bound(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), BUS "/devices/%.47s/driver", name);
    return !access(path, F_OK);
}

int lxe__wait_child(int pid, unsigned ms, int *status_r)
{
    double end = lxe__now_ms() + ms, nap = 0.2;
    pid_t r;

    for (;;) {
        r = waitpid(pid, status_r, WNOHANG);
        if (r == pid)
            return 0;
        if (r < 0 && errno != EINTR)
            return -1;
        if (lxe__now_ms() > end) {
            errno = ETIMEDOUT;
            return -1;
        }
        lxe__sleep_ms(nap);
        if (nap < 5)
            nap *= 1.5;
    }
}

/* Where the lock of an unbind is: of one device, not of its driver. */
static void lock_path(char *path, size_t len, const char *name)
{
    snprintf(path, len, BUS "/devices/%.47s", name);
}

/*
 * In the child: only calls that are safe after a fork of threads.  It may
 * be stuck for ever, so it keeps nothing of ours: neither a lock, nor the
 * stream, whose other end would never see that it ends.
 */
static int write_name(const char *path, const char *lock, const char *name)
{
    int fd;

    lxe__close_from(0);
    /* For lxe__sysfs_unbinding(); goes when this child ends. */
    fd = lock[0] ? open(lock, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0)
        flock(fd, LOCK_SH);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, name, strlen(name)) < 0)
        return errno & 0x7f;
    return 0;
}

static int tell_driver(const char *driver, const char *name,
                       const char *what, const char *lock, unsigned ms,
                       struct lxe__err *err)
{
    char path[128];
    int status = 0, r;
    pid_t pid;

    snprintf(path, sizeof(path), BUS "/drivers/%.7s/%s", driver, what);
    pid = fork();
    if (pid < 0)
        return lxe__err_set(err, errno, "freeze: %s %s: cannot fork: %s",
                            what, name, strerror(errno));
    if (!pid)
        _exit(write_name(path, lock, name));
    r = lxe__wait_child(pid, ms, &status);
    if (r && errno == ECHILD)
        return lxe__err_set(err, ECHILD, "freeze: %s %s: this program"
                            " ignores SIGCHLD or waits for all children,"
                            " so that nobody knows how it ended: let it"
                            " wait for its own", what, name);
    if (r)
        return lxe__err_set(err, errno, "freeze: %s %s: not done within"
                            " %u ms; the device is stuck", what, name,
                            ms);
    r = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    if (r)
        return lxe__err_set(err, r, "freeze: cannot write %s to %s: %s",
                            name, path, strerror(r));
    return 0;
}

int lxe__sysfs_unbind(const char *driver, const char *name, unsigned ms,
                      struct lxe__err *err)
{
    char lock[128];

    lock_path(lock, sizeof(lock), name);
    return tell_driver(driver, name, "unbind", lock, ms, err);
}

bool lxe__sysfs_unbinding(const char *name)
{
    char path[128];
    bool busy;
    int fd;

    lock_path(path, sizeof(path), name);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    busy = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    close(fd);
    return busy;
}

int lxe__sysfs_bind(const char *driver, const char *name, unsigned ms,
                    struct lxe__err *err)
{
    return tell_driver(driver, name, "bind", "", ms, err);
}
