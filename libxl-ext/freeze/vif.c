/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Network backends: the interface's link, and the hotplug script.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenstore.h>

#include "base/clock.h"
#include "freeze/vif.h"

int lxe__vif_describe(struct xs_handle *xsh, const struct lxe__backend *b,
                      struct lxe__jentry *e, bool *linkable_r,
                      struct lxe__err *err)
{
    char *script = lxe__xs_node(xsh, b->be_path, "script");
    char *vif = lxe__xs_node(xsh, b->be_path, "vifname");
    char path[96];
    int rc;

    if (script && strlen(script) >= sizeof(e->script)) {
        rc = lxe__err_set(err, ENAMETOOLONG, "freeze: %s: its hotplug"
                          " script has a path longer than %zu", b->name,
                          sizeof(e->script) - 1);
        goto out;
    }
    if (vif && strlen(vif) >= sizeof(e->vif)) {
        rc = lxe__err_set(err, ENAMETOOLONG, "freeze: %s: interface name"
                          " '%.32s' is longer than %zu", b->name, vif,
                          sizeof(e->vif) - 1);
        goto out;
    }
    snprintf(e->script, sizeof(e->script), "%s", script ? script : "");
    if (vif && vif[0])
        strcpy(e->vif, vif);
    else
        snprintf(e->vif, sizeof(e->vif), "vif%u.%u", b->domid, b->devid);
    snprintf(path, sizeof(path), "/sys/class/net/%s/master", e->vif);
    *linkable_r = !access(path, F_OK);
    rc = 0;

 out:
    free(script);
    free(vif);
    return rc;
}

/* What a task needs to know. */
struct link {
    char vif[IFNAMSIZ];
    bool up;
};

/* A socket to ask by, with *@ifr filled in, or -1 with errno. */
static int open_interface(const char *vif, struct ifreq *ifr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), saved;

    memset(ifr, 0, sizeof(*ifr));
    snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", vif);
    if (fd < 0 || !ioctl(fd, SIOCGIFFLAGS, ifr))
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Linux reads flags without the lock that setting them takes. */
int lxe__vif_is_up(const char *vif, bool *up_r, struct lxe__err *err)
{
    struct ifreq ifr;
    int fd = open_interface(vif, &ifr);

    if (fd < 0)
        return lxe__err_set(err, errno, "freeze: cannot read the flags of"
                            " interface %s: %s", vif, strerror(errno));
    close(fd);
    *up_r = ifr.ifr_flags & IFF_UP;
    return 0;
}

static int set_link(const void *data)
{
    const struct link *l = data;
    struct ifreq ifr;
    int fd = open_interface(l->vif, &ifr);

    if (fd < 0)
        return errno;
    if (l->up == !!(ifr.ifr_flags & IFF_UP))
        return 0;
    ifr.ifr_flags ^= IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &ifr) ? errno : 0;
}

static struct link link_of(const struct lxe__jentry *e, bool up)
{
    struct link l = { .up = up };

    strcpy(l.vif, e->vif);
    return l;
}

int lxe__vif_link(struct lxe__task *t, const struct lxe__jentry *e,
                  bool up, struct lxe__err *err)
{
    struct link l = link_of(e, up);

    return lxe__task_start(t, e->name, set_link, &l, err);
}

int lxe__vif_link_failed(const struct lxe__jentry *e, bool up, int result,
                         struct lxe__err *err)
{
    return lxe__err_set(err, result, "freeze: cannot set interface %s %s:"
                        " %s", e->vif, up ? "up" : "down",
                        strerror(result));
}

int lxe__vif_ready(struct lxe__task *t, const struct lxe__jentry *e,
                   struct lxe__err *err)
{
    struct link l = link_of(e, false);

    return lxe__task_ready(t, e->name, set_link, &l, err);
}

int lxe__vif_down(struct lxe__task *t, const struct lxe__jentry *e,
                  double deadline, const volatile sig_atomic_t *stop,
                  struct lxe__err *err)
{
    double start = lxe__now_ms();
    int result;

    if (!lxe__task_go(t) && lxe__vif_link(t, e, false, err))
        return -1;
    if (lxe__task_wait(t, deadline, stop, &result))
        return lxe__err_set(err, errno, "freeze: interface %s: not down"
                            " within %.0f ms%s", e->vif,
                            lxe__now_ms() - start, errno == EINTR ?
                            ", and told to stop" : "; something holds the"
                            " lock of the network's configuration");
    return result ? lxe__vif_link_failed(e, false, result, err) : 0;
}

/* What the script gets; made ahead of the fork. */
struct script {
    char path[256];
    char xenbus[160], self[300], vif[32];
};

static void __attribute__((noreturn)) become_script(struct script *s)
{
    char *envp[] = {
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XENBUS_TYPE=vif",
        "XENBUS_BASE_PATH=backend", "netdev=", s->xenbus, s->self, s->vif,
        NULL,
    };
    char *argv[] = { s->path, "online", "type_if=vif", NULL };

    setpgid(0, 0);
    execve(s->path, argv, envp);
    _exit(127);
}

/*
 * One that hangs is killed, or it would run into the next try.  It may
 * be stuck in the kernel; then so is this process, which nobody waits
 * for and which keeps the device's lock.
 */
static int run_script(const void *data)
{
    struct script s = *(const struct script *)data;
    double end = lxe__now_ms() + LXE_VIF_SCRIPT_MS;
    int status = 0;
    pid_t pid, r;

    pid = fork();
    if (pid < 0)
        return errno;
    if (!pid)
        become_script(&s);
    while (!(r = waitpid(pid, &status, WNOHANG)) && lxe__now_ms() < end)
        lxe__sleep_ms(5);
    if (!r) {
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
        return ETIMEDOUT;
    }
    return r == pid ? -status : errno;
}

int lxe__vif_online(struct lxe__task *t, const struct lxe__jentry *e,
                    const char *be_path, struct lxe__err *err)
{
    const char *rel = strstr(be_path, "/backend/");
    struct script s;
    unsigned a, b;

    /* The kernel's name: the script itself gives the other one. */
    if (!rel || sscanf(e->name, "vif-%u-%u", &a, &b) != 2)
        return lxe__err_set(err, EINVAL, "freeze: %s: no such path: %s",
                            e->name, be_path);
    snprintf(s.path, sizeof(s.path), "%s", e->script);
    snprintf(s.xenbus, sizeof(s.xenbus), "XENBUS_PATH=%s", rel + 1);
    snprintf(s.self, sizeof(s.self), "script=%s", e->script);
    snprintf(s.vif, sizeof(s.vif), "vif=vif%u.%u", a, b);
    return lxe__task_start(t, e->name, run_script, &s, err);
}

int lxe__vif_online_failed(const struct lxe__jentry *e, int result,
                           struct lxe__err *err)
{
    if (result > 0)
        return lxe__err_set(err, result, "freeze: %s: %s online: %s",
                            e->name, e->script, result == ETIMEDOUT ?
                            "it did not end in its time and was killed" :
                            strerror(result));
    return lxe__err_set(err, EIO, "freeze: %s: %s online failed (wait"
                        " status 0x%x): see /var/log/xen/xen-hotplug.log",
                        e->name, e->script, -result);
}
