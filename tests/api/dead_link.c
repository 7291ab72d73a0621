/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * dead_link sender | receiver | slow TIMEOUT_MS
 *
 * A TCP link in a network namespace of its own, one end watched as the
 * helper does.  sender, receiver: the link dies under who writes or reads
 * the stream.  slow: nothing dies, but the receiver takes nothing for
 * three times the timeout.  Prints "SECONDS CODE MESSAGE": how long the
 * watched end's reads or writes went on, and what lxe__link_end() says.
 */
#define _GNU_SOURCE
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "stream/link.h"

#define MUCH (32L << 20)        /* more than the buffers of both ends */

static char buf[1 << 16];

static int must(int r, const char *what)
{
    if (r < 0) {
        perror(what);
        exit(2);
    }
    return r;
}

static void loopback(int up)
{
    struct ifreq r = { .ifr_name = "lo" };
    int s = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

    r.ifr_flags = up ? IFF_UP : 0;
    must(ioctl(s, SIOCSIFFLAGS, &r), "lo");
    close(s);
}

static void tcp_pair(int *writer, int *reader)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);
    int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(l, (void *)&a, len), "bind");
    must(listen(l, 1), "listen");
    must(getsockname(l, (void *)&a, &len), "getsockname");
    *writer = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(connect(*writer, (void *)&a, len), "connect");
    *reader = must(accept(l, NULL, NULL), "accept");
}

int main(int argc, char **argv)
{
    const char *who = argc == 3 ? argv[1] : "";
    int timeout = argc == 3 ? atoi(argv[2]) : 0;
    bool receiver = !strcmp(who, "receiver"), slow = !strcmp(who, "slow");
    struct lxe__link *link;
    struct lxe__err err;
    int writer, reader;
    ssize_t r;
    long sent = 0;
    uint64_t start;

    if (timeout <= 0)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    must(unshare(CLONE_NEWNET), "unshare");
    loopback(1);
    tcp_pair(&writer, &reader);
    lxe__err_init(&err);
    must(lxe__link_watch(&link, receiver ? reader : writer, timeout, &err),
         "watch");
    if (slow) {
        if (!must(fork(), "fork")) {
            close(writer);
            usleep(3000 * timeout);
            while (read(reader, buf, sizeof(buf)) > 0)
                ;
            _exit(0);
        }
        close(reader);
    } else {
        usleep(500 * 1000);
        loopback(0);
    }
    start = lxe__now_us();
    do {
        r = receiver ? read(reader, buf, 1)
                     : write(writer, buf, sizeof(buf));
        sent += r;
    } while (r > 0 && !(slow && sent >= MUCH));
    printf("%.1f ", (lxe__now_us() - start) / 1e6);
    lxe__link_end(link, &err);
    printf("%d %s\n", err.code, err.msg);
    /* The child has copies of it: a close would not end the stream. */
    shutdown(writer, SHUT_WR);
    if (slow)
        wait(NULL);
    return 0;
}
