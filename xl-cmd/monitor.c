/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What xl does for a domain that it has made: it waits, and when the
 * guest powers off, reboots or crashes it does what the configuration
 * asks for.  Without that, a guest that powered off stays as an empty
 * shell, and one that rebooted never comes back.
 *
 * States: waiting; the domain has ended -> one action -> waiting again
 * (a domain made anew) or done.  What libxl does itself is left to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

/* As xl: a guest that ends at once each time leaves the host time. */
#define RESTART_WAIT_S 2

struct monitor {
    libxl_ctx *ctx;
    libxl_domain_config *config;
    uint32_t domid;
    libxl_evgen_domain_death *death;
    libxl_evgen_disk_eject **ejects;    /* by disk; NULL: not removable */
};

/*----- events on and off -----*/

static void stop_events(struct monitor *m)
{
    int i;

    if (m->death)
        libxl_evdisable_domain_death(m->ctx, m->death);
    m->death = NULL;
    for (i = 0; m->ejects && i < m->config->num_disks; i++)
        if (m->ejects[i])
            libxl_evdisable_disk_eject(m->ctx, m->ejects[i]);
    free(m->ejects);
    m->ejects = NULL;
}

static int start_events(struct monitor *m)
{
    libxl_domain_config *c = m->config;
    int i, rc;

    rc = libxl_evenable_domain_death(m->ctx, m->domid, 0, &m->death);
    if (rc)
        return rc;
    m->ejects = calloc(c->num_disks + 1, sizeof(void *));
    for (i = 0; m->ejects && i < c->num_disks; i++)
        if (c->disks[i].removable)
            libxl_evenable_disk_eject(m->ctx, m->domid,
                                      c->disks[i].vdev, 0, &m->ejects[i]);
    return 0;
}

/*----- the end of a domain -----*/

static libxl_action_on_shutdown action_for(const struct monitor *m,
                                           int reason)
{
    switch (reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        return m->config->on_poweroff;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
        return m->config->on_reboot;
    case LIBXL_SHUTDOWN_REASON_CRASH:
        return m->config->on_crash;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
        return m->config->on_watchdog;
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        return m->config->on_soft_reset;
    default:
        syslog(LOG_WARNING, "domain %u ended with reason %d, which is not"
               " known here: it is destroyed", m->domid, reason);
        return LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
    }
}

/* The configuration as it is now: disks may have come and gone. */
static void refresh_config(struct monitor *m)
{
    libxl_domain_config now;

    libxl_domain_config_init(&now);
    if (libxl_retrieve_domain_configuration(m->ctx, m->domid, &now,
                                            NULL)) {
        libxl_domain_config_dispose(&now);
        return;         /* the one that it was made of will do */
    }
    libxl_domain_config_dispose(m->config);
    *m->config = now;
}

static void dump_core(struct monitor *m)
{
    const char *name = m->config->c_info.name;
    char path[512], when[32] = "";
    time_t now = time(NULL);
    struct tm tm;

    if (gmtime_r(&now, &tm))
        strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
    /* Where xl puts it. */
    snprintf(path, sizeof(path), "/var/lib/xen/dump/%s-%s.core",
             name ? name : "domain", when);
    if (libxl_domain_core_dump(m->ctx, m->domid, path, NULL))
        syslog(LOG_ERR, "domain %u: no core dump at %s", m->domid, path);
}

/* The old one stays, under another name and another uuid. */
static int keep_old(struct monitor *m)
{
    char suffix[16];
    libxl_uuid uuid;

    snprintf(suffix, sizeof(suffix), "-%u", m->domid);
    libxl_uuid_generate(&uuid);
    return libxl_domain_preserve(m->ctx, m->domid, &m->config->c_info,
                                 suffix, uuid);
}

static int restart(struct monitor *m, bool rename_old)
{
    int rc;

    refresh_config(m);
    stop_events(m);
    if (rename_old ? keep_old(m)
                   : libxl_domain_destroy(m->ctx, m->domid, NULL))
        return -1;
    sleep(RESTART_WAIT_S);
    m->config->c_info.domid = 0;
    rc = libxl_domain_create_new(m->ctx, m->config, &m->domid, NULL, NULL);
    if (rc || libxl_domain_unpause(m->ctx, m->domid, NULL))
        return -1;
    return start_events(m) ? -1 : 0;
}

/* 0: waiting again, 1: nothing left to wait for, -1: it failed. */
static int handle_death(struct monitor *m, int reason)
{
    switch (action_for(m, reason)) {
    case LIBXL_ACTION_ON_SHUTDOWN_PRESERVE:
        return 1;
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY:
        dump_core(m);
        return libxl_domain_destroy(m->ctx, m->domid, NULL) ? -1 : 1;
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART:
        dump_core(m);
        return restart(m, false);
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART:
        return restart(m, false);
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME:
        return restart(m, true);
    case LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET:
        refresh_config(m);
        stop_events(m);
        if (libxl_domain_soft_reset(m->ctx, m->config, m->domid, NULL,
                                    NULL) ||
            libxl_domain_unpause(m->ctx, m->domid, NULL))
            return -1;
        return start_events(m) ? -1 : 0;
    default:
        return libxl_domain_destroy(m->ctx, m->domid, NULL) ? -1 : 1;
    }
}

/*
 * A save or a migration is somebody else's: the guest goes on or ends.
 * libxl reports one shutdown and no second one, so it is asked anew when
 * this one is over.
 */
static int wait_for_suspended(struct monitor *m)
{
    libxl_dominfo info;
    bool suspended;
    int rc;

    stop_events(m);
    do {
        sleep(1);
        libxl_dominfo_init(&info);
        rc = libxl_domain_info(m->ctx, &info, m->domid);
        suspended = !rc && info.shutdown && !info.dying &&
            info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND;
        libxl_dominfo_dispose(&info);
    } while (suspended);
    if (rc == ERROR_DOMAIN_NOTFOUND)
        return 1;
    return start_events(m) ? -1 : 0;
}

/* As handle_death(). */
static int handle(struct monitor *m, libxl_event *ev)
{
    switch (ev->type) {
    case LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN:
        if (ev->u.domain_shutdown.shutdown_reason ==
            LIBXL_SHUTDOWN_REASON_SUSPEND)
            return wait_for_suspended(m);
        return handle_death(m, ev->u.domain_shutdown.shutdown_reason);
    case LIBXL_EVENT_TYPE_DOMAIN_DEATH:
        return 1;
    case LIBXL_EVENT_TYPE_DISK_EJECT:
        libxl_cdrom_insert(m->ctx, m->domid, &ev->u.disk_eject.disk, NULL);
        return 0;
    default:
        return 0;
    }
}

static int is_ours(const libxl_event *ev, void *user)
{
    const struct monitor *m = user;

    return ev->domid == m->domid;
}

int guest_monitor(libxl_ctx *ctx, libxl_domain_config *config,
                  uint32_t domid)
{
    struct monitor m = { .ctx = ctx, .config = config, .domid = domid };
    libxl_event *ev;
    int r = start_events(&m) ? -1 : 0;

    while (!r) {
        if (libxl_event_wait(ctx, &ev, LIBXL_EVENTMASK_ALL, is_ours, &m)) {
            r = -1;
            break;
        }
        r = handle(&m, ev);
        libxl_event_free(ctx, ev);
    }
    stop_events(&m);
    if (r < 0)
        syslog(LOG_ERR, "domain %u: libxl failed, and nobody waits for its"
               " end any more", m.domid);
    return r < 0 ? EXIT_CANNOT : EXIT_WELL;
}

/*----- in the background -----*/

static void __attribute__((noreturn))
be_monitor(struct guest *g, libxl_domain_config *config, uint32_t domid)
{
    int null = open("/dev/null", O_RDWR);

    guest_no_cancel();
    libxl_postfork_child_noexec(g->libxl);
    setsid();
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
        chdir("/"))
        _exit(EXIT_CANNOT);
    openlog("xl-ext", LOG_PID, LOG_DAEMON);
    /* Its parent's context is of no use in a child. */
    if (libxl_ctx_alloc(&g->libxl, LIBXL_VERSION, 0, g->lg))
        _exit(EXIT_CANNOT);
    _exit(guest_monitor(g->libxl, config, domid));
}

int guest_monitor_start(struct guest *g, libxl_domain_config *config,
                        uint32_t domid)
{
    pid_t pid = fork();

    if (!pid)
        be_monitor(g, config, domid);
    if (pid > 0)
        return 0;
    guest_error(g, "cannot start the monitor of domain %u: %s: nobody will"
                " restart it", domid, strerror(errno));
    return -1;
}
