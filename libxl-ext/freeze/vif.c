/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Network backends: the interface's link, and the hotplug script.
 */
#include <errno.h>
#include <fcntl.h>
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

#include "base/program.h"
#include "freeze/device.h"

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

/* A socket to ask by, with *@ifr filled in, or -1. */
static int open_interface(const char *vif, struct ifreq *ifr,
                          struct lxe__err *err)
{
    int fd;

    memset(ifr, 0, sizeof(*ifr));
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return lxe__err_set(err, errno, "freeze: no socket to reach"
                            " interface %s: %s", vif, strerror(errno));
    snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", vif);
    if (!ioctl(fd, SIOCGIFFLAGS, ifr))
        return fd;
    lxe__err_set(err, errno, "freeze: interface %s: %s", vif,
                 strerror(errno));
    close(fd);
    return -1;
}

int lxe__vif_is_up(const char *vif, bool *up_r, struct lxe__err *err)
{
    struct ifreq ifr;
    int fd = open_interface(vif, &ifr, err);

    if (fd < 0)
        return -1;
    close(fd);
    *up_r = ifr.ifr_flags & IFF_UP;
    return 0;
}

int lxe__vif_link(const char *vif, bool up, struct lxe__err *err)
{
    struct ifreq ifr;
    int fd = open_interface(vif, &ifr, err), rc;

    if (fd < 0)
        return -1;
    if (up == !!(ifr.ifr_flags & IFF_UP)) {
        rc = 0;
        goto out;
    }
    if (up)
        ifr.ifr_flags |= IFF_UP;
    else
        ifr.ifr_flags &= ~IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &ifr)) {
        rc = lxe__err_set(err, errno, "freeze: cannot set interface %s"
                          " %s: %s", vif, up ? "up" : "down",
                          strerror(errno));
        goto out;
    }
    rc = 0;

 out:
    close(fd);
    return rc;
}

int lxe__vif_online(const struct lxe__jentry *e, const char *be_path,
                    unsigned ms, struct lxe__err *err)
{
    char xenbus[160], script[300], vif[32];
    const char *rel = strstr(be_path, "/backend/");
    char *envp[] = {
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XENBUS_TYPE=vif",
        "XENBUS_BASE_PATH=backend", "netdev=", xenbus, script, vif,
        NULL,
    };
    char *argv[] = { (char *)e->script, "online", "type_if=vif", NULL };
    int status = 0;
    unsigned a, b;
    pid_t pid;

    if (!e->script[0])
        return 0;
    /* The kernel's name: the script itself gives the other one. */
    if (!rel || sscanf(e->name, "vif-%u-%u", &a, &b) != 2)
        return lxe__err_set(err, EINVAL, "freeze: %s: no such path: %s",
                            e->name, be_path);
    snprintf(xenbus, sizeof(xenbus), "XENBUS_PATH=%s", rel + 1);
    snprintf(script, sizeof(script), "script=%s", e->script);
    snprintf(vif, sizeof(vif), "vif=vif%u.%u", a, b);
    pid = fork();
    if (pid < 0)
        return lxe__err_set(err, errno, "freeze: %s: cannot fork: %s",
                            e->name, strerror(errno));
    if (!pid) {
        sigset_t none;

        setpgid(0, 0);
        /*
         * Our output is libxl's protocol, and what the script leaves
         * running would keep the stream open.
         */
        if (dup2(2, 1) < 0)
            close(1);
        close(0);
        open("/dev/null", O_RDONLY);
        lxe__close_from(3);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(e->script, argv, envp);
        _exit(127);
    }
    if (lxe__wait_child(pid, ms, &status)) {
        lxe__err_set(err, errno, "freeze: %s: %s online did not end within"
                     " %u ms", e->name, e->script, ms);
        /* Or it would run into the next try. */
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
        return -1;
    }
    if (status)
        return lxe__err_set(err, EIO, "freeze: %s: %s online failed"
                            " (wait status 0x%x)", e->name, e->script,
                            status);
    return 0;
}
