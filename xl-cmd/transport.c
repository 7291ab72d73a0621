/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The way to another host; see transport.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "transport.h"

#define STOP_MS 200             /* so often somebody may want to stop */

static void __attribute__((noreturn))
become_command(int in, int out, const char *shell, const char *host,
               const char *remote)
{
    char *line = NULL;

    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    signal(SIGPIPE, SIG_DFL);
    /* A Ctrl-C is for us, who then end the link in order; ssh keeps it
       ignored and can still ask for a password. */
    signal(SIGINT, SIG_IGN);
    if (*shell) {
        if (asprintf(&line, "exec %s \"$0\" \"$1\"", shell) < 0)
            _exit(126);
        execlp("sh", "sh", "-c", line, host, remote, NULL);
    } else {
        execlp("sh", "sh", "-c", host, NULL);
    }
    _exit(127);
}

int transport_open(struct transport *t, const char *shell,
                   const char *host, const char *remote)
{
    int to[2] = { -1, -1 }, from[2] = { -1, -1 }, saved;

    t->pid = -1;
    t->to = t->from = -1;
    if (!shell)
        shell = TRANSPORT_SSH;
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
        goto fail;
    t->pid = fork();
    if (t->pid < 0)
        goto fail;
    if (!t->pid)
        become_command(to[0], from[1], shell, host, remote);
    close(to[0]);
    close(from[1]);
    t->to = to[1];
    t->from = from[0];
    return 0;

 fail:
    saved = errno;
    if (to[0] >= 0) {
        close(to[0]);
        close(to[1]);
    }
    if (from[0] >= 0) {
        close(from[0]);
        close(from[1]);
    }
    errno = saved;
    return -1;
}

const char *transport_name(const char *shell, const char *host)
{
    return !shell ? "ssh" : *shell ? shell : host;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

ssize_t transport_read(const struct transport *t, char *buf, size_t len,
                       unsigned ms, const volatile sig_atomic_t *stop)
{
    struct pollfd p = { .fd = t->from, .events = POLLIN };
    int64_t left, until = now_ms() + ms;
    size_t have = 0;
    ssize_t n;
    int r;

    while (have < len) {
        left = until - now_ms();
        r = poll(&p, 1, left > STOP_MS ? STOP_MS : left > 0 ? left : 0);
        if (*stop || (!r && left <= STOP_MS)) {
            errno = *stop ? ECANCELED : ETIMEDOUT;
            return -1;
        }
        if (!r)
            continue;
        n = r < 0 ? -1 : read(t->from, buf + have, len - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (!n)
            break;
        have += n;
    }
    return have;
}

void transport_close(struct transport *t, unsigned ms)
{
    struct timespec nap = { 0, 10 * 1000 * 1000 };
    unsigned waited = 0;

    if (t->to >= 0)
        close(t->to);
    if (t->from >= 0)
        close(t->from);
    t->to = t->from = -1;
    while (t->pid > 0 && !waitpid(t->pid, NULL, WNOHANG)) {
        if (waited >= ms) {
            kill(t->pid, SIGKILL);
            waitpid(t->pid, NULL, 0);
            break;
        }
        nanosleep(&nap, NULL);
        waited += 10;
    }
    t->pid = -1;
}
