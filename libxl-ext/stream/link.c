/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Watching a TCP link; see link.h.  Who only reads is helped by the
 * kernel's keepalive.  Keepalive does not run while data is under way,
 * and TCP_USER_TIMEOUT ends a link whose receiver is merely slow (its
 * window is closed for that long), so a thread of ours looks after the
 * data under way once a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/link.h"

#define LOOK_MS 1000

struct lxe__link {
    int fd;                     /* the socket, under a number of ours */
    int stop;                   /* an eventfd: readable: it is to end */
    unsigned timeout_ms;
    bool given_up;              /* the thread's; read after joining */
    pthread_t thread;
};

bool lxe__link_dead(const struct lxe__link_state *s, uint64_t *asked_ms,
                    unsigned passed_ms, unsigned timeout_ms)
{
    *asked_ms = s->repeats ? *asked_ms + passed_ms : 0;
    return *asked_ms >= timeout_ms && s->silent_ms >= timeout_ms;
}

static int read_state(int fd, struct lxe__link_state *s)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    memset(&info, 0, sizeof(info));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
        return -1;
    s->repeats = info.tcpi_retransmits + info.tcpi_probes;
    s->silent_ms = info.tcpi_last_ack_recv;
    return 0;
}

static void *watch(void *arg)
{
    struct lxe__link *link = arg;
    struct pollfd stop = { .fd = link->stop, .events = POLLIN };
    struct lxe__link_state state;
    uint64_t asked_ms = 0;

    while (poll(&stop, 1, LOOK_MS) <= 0) {
        if (read_state(link->fd, &state))
            break;              /* the link has ended by itself */
        if (lxe__link_dead(&state, &asked_ms, LOOK_MS,
                           link->timeout_ms)) {
            link->given_up = true;
            shutdown(link->fd, SHUT_RDWR);
            break;
        }
    }
    return NULL;
}

static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t len = sizeof(protocol);

    return !getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
        protocol == IPPROTO_TCP;
}

/* Half the time without a word, then three questions. */
static int keep_alive(int fd, unsigned timeout_ms)
{
    int on = 1, probes = 3, idle = timeout_ms / 2000,
        every = timeout_ms / 6000;

    idle = idle > 0 ? idle : 1;
    every = every > 0 ? every : 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle,
                      sizeof(idle)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every,
                   sizeof(every)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes,
                   sizeof(probes)) ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) ?
        -1 : 0;
}

/* Signals are for the thread that moves the pages. */
static int start_thread(struct lxe__link *link)
{
    sigset_t all, old;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&link->thread, NULL, watch, link);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

int lxe__link_watch(struct lxe__link **out, int fd, unsigned timeout_ms,
                    struct lxe__err *err)
{
    struct lxe__link *link;
    int r;

    *out = NULL;
    if (!timeout_ms || !is_tcp(fd))
        return 0;
    link = calloc(1, sizeof(*link));
    if (!link)
        return lxe__err_set(err, ENOMEM, "stream: watching the link: out"
                            " of memory");
    link->timeout_ms = timeout_ms;
    link->stop = -1;
    link->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (link->fd < 0 || keep_alive(link->fd, timeout_ms) ||
        (link->stop = eventfd(0, EFD_CLOEXEC)) < 0) {
        r = errno;
        goto out;
    }
    r = start_thread(link);
    if (!r) {
        *out = link;
        return 0;
    }

 out:
    if (link->stop >= 0)
        close(link->stop);
    if (link->fd >= 0)
        close(link->fd);
    free(link);
    return lxe__err_set(err, r, "stream: watching the link (descriptor"
                        " %d): %s", fd, strerror(r));
}

void lxe__link_end(struct lxe__link *link, struct lxe__err *err)
{
    if (!link)
        return;
    if (eventfd_write(link->stop, 1))
        abort();        /* a fresh eventfd takes a 1, whatever happens */
    pthread_join(link->thread, NULL);
    if (link->given_up)
        lxe__err_set(err, ETIMEDOUT, "stream: no answer from the other"
                     " end for %u ms (link_timeout): the link is cut, or"
                     " its host is down", link->timeout_ms);
    close(link->stop);
    close(link->fd);
    free(link);
}
