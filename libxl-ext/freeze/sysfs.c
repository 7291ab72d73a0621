/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The xen-backend bus in sysfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "freeze/sysfs.h"

#define BUS "/sys/bus/xen-backend"

bool lxe__sysfs_exists(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), BUS "/devices/%.47s", name);
    return !access(path, F_OK) || errno != ENOENT;
}

bool lxe__sysfs_bound(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), BUS "/devices/%.47s/driver", name);
    return !access(path, F_OK);
}

/* What a task needs to know. */
struct word {
    char path[128];     /* the driver's file */
    char name[48];
};

static int write_name(const void *data)
{
    const struct word *w = data;
    int fd = open(w->path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, w->name, strlen(w->name)) < 0 ? errno : 0;
}

static struct word word_to(const char *driver, const char *name,
                           const char *what)
{
    struct word w;

    snprintf(w.path, sizeof(w.path), BUS "/drivers/%.7s/%s", driver, what);
    snprintf(w.name, sizeof(w.name), "%.47s", name);
    return w;
}

static int word_failed(const struct word *w, int e, struct lxe__err *err)
{
    return lxe__err_set(err, e, "freeze: cannot write %s to %s: %s",
                        w->name, w->path, strerror(e));
}

int lxe__sysfs_ready(struct lxe__task *t, const char *driver,
                     const char *name, struct lxe__err *err)
{
    struct word w = word_to(driver, name, "unbind");

    return lxe__task_ready(t, name, write_name, &w, err);
}

int lxe__sysfs_unbind(struct lxe__task *t, const char *driver,
                      const char *name, double deadline,
                      const volatile sig_atomic_t *stop,
                      struct lxe__err *err)
{
    struct word w = word_to(driver, name, "unbind");
    double start = lxe__now_ms();
    int e;

    if (!lxe__task_go(t) &&
        lxe__task_start(t, name, write_name, &w, err))
        return -1;
    if (lxe__task_wait(t, deadline, stop, &e))
        return lxe__err_set(err, errno, "freeze: unbind %s: not done"
                            " within %.0f ms%s", name,
                            lxe__now_ms() - start, errno == EINTR ?
                            ", and told to stop" :
                            "; the device is stuck");
    return e ? word_failed(&w, e, err) : 0;
}

int lxe__sysfs_bind(struct lxe__task *t, const char *driver,
                    const char *name, struct lxe__err *err)
{
    struct word w = word_to(driver, name, "bind");

    return lxe__task_start(t, name, write_name, &w, err);
}

int lxe__sysfs_bind_failed(const char *driver, const char *name, int e,
                           struct lxe__err *err)
{
    struct word w = word_to(driver, name, "bind");

    return word_failed(&w, e, err);
}
