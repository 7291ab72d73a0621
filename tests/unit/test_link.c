/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The watch over a TCP link: when it is dead, and what is watched at
 * all.  That a cable which is pulled ends a migration is shown in the
 * lab, with two hosts.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/link.h"
#include "unit.h"

#define LIMIT 30000

static void a_link_is_dead_when_it_was_asked_for_so_long(void)
{
    struct lxe__link_state s = { .repeats = 1, .silent_ms = 1000000 };
    uint64_t asked = 0;
    int i;

    /* It was idle before: the silence counts from the question. */
    for (i = 0; i < 29; i++)
        CU_ASSERT_FALSE(lxe__link_dead(&s, &asked, 1000, LIMIT));
    CU_ASSERT_TRUE(lxe__link_dead(&s, &asked, 1000, LIMIT));
}

static void an_answer_starts_it_anew(void)
{
    struct lxe__link_state s = { .repeats = 5, .silent_ms = 29000 };
    uint64_t asked = 100000;

    /* Packets were lost all the time, but some came through. */
    CU_ASSERT_FALSE(lxe__link_dead(&s, &asked, 1000, LIMIT));
    s.repeats = 0;
    s.silent_ms = 1000000;
    CU_ASSERT_FALSE(lxe__link_dead(&s, &asked, 1000, LIMIT));
    CU_ASSERT_EQUAL(asked, 0);
}

static void tcp_pair(int fds[2])
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_FATAL(l >= 0 && !bind(l, (void *)&a, len) && !listen(l, 1) &&
                    !getsockname(l, (void *)&a, &len));
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fds[0], (void *)&a, len), 0);
    fds[1] = accept(l, NULL, NULL);
    CU_ASSERT_FATAL(fds[1] >= 0);
    close(l);
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    CU_ASSERT_EQUAL(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void a_tcp_link_is_watched_and_kept_alive(void)
{
    struct lxe__link *link;
    struct lxe__err err;
    int fds[2];
    char c;

    tcp_pair(fds);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(lxe__link_watch(&link, fds[0], LIMIT, &err), 0);
    CU_ASSERT_PTR_NOT_NULL(link);
    CU_ASSERT_EQUAL(option(fds[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    CU_ASSERT_EQUAL(option(fds[0], IPPROTO_TCP, TCP_KEEPIDLE) +
                    option(fds[0], IPPROTO_TCP, TCP_KEEPINTVL) *
                    option(fds[0], IPPROTO_TCP, TCP_KEEPCNT),
                    LIMIT / 1000);
    lxe__link_end(link, &err);
    CU_ASSERT_EQUAL(err.code, 0);
    /* It carries on. */
    CU_ASSERT_EQUAL(write(fds[0], "x", 1), 1);
    CU_ASSERT_EQUAL(read(fds[1], &c, 1), 1);
    close(fds[0]);
    close(fds[1]);
}

static void nothing_else_is_watched(void)
{
    struct lxe__link *link;
    struct lxe__err err;
    int fds[2], pair[2];

    lxe__err_init(&err);
    tcp_pair(fds);
    CU_ASSERT_EQUAL(lxe__link_watch(&link, fds[0], 0, &err), 0);
    CU_ASSERT_PTR_NULL(link);
    CU_ASSERT_EQUAL(option(fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    CU_ASSERT_EQUAL_FATAL(pipe(pair), 0);
    CU_ASSERT_EQUAL(lxe__link_watch(&link, pair[1], LIMIT, &err), 0);
    CU_ASSERT_PTR_NULL(link);
    close(pair[0]);
    close(pair[1]);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CU_ASSERT_EQUAL(lxe__link_watch(&link, pair[0], LIMIT, &err), 0);
    CU_ASSERT_PTR_NULL(link);
    close(pair[0]);
    close(pair[1]);
    close(fds[0]);
    close(fds[1]);
    lxe__link_end(NULL, &err);
    CU_ASSERT_EQUAL(err.code, 0);
}

LXE_SUITE(link,
    { "a link is dead when it was asked for so long",
      a_link_is_dead_when_it_was_asked_for_so_long },
    { "an answer starts it anew", an_answer_starts_it_anew },
    { "a TCP link is watched and kept alive",
      a_tcp_link_is_watched_and_kept_alive },
    { "nothing else is watched", nothing_else_is_watched })
