/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Messages to a peer that takes nothing: sending them has the same bound
 * as waiting for an answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/peer.h"
#include "unit.h"

/* A pipe has room for 64 KiB. */
#define MUCH (200 * 1024)

static char *much(void)
{
    char *body = malloc(MUCH + 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(body);
    memset(body, ' ', MUCH);
    body[MUCH] = '\0';
    return body;
}

static void send_to_nobody(int stop_fd, int code, const char *says)
{
    char *body = much();
    struct lxe__peer p = {
        .in = -1, .stop_fd = stop_fd, .timeout_ms = 50, .who = "the peer",
    };
    struct lxe__err err;
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    p.out = fds[1];
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__peer_send(&p, LXE_PEER_OFFER, body, &err), -1);
    CU_ASSERT_EQUAL(err.code, code);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, says));
    /* Now there is no room at all. */
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__peer_say(&p, body, 4096, "permission", &err), -1);
    CU_ASSERT_EQUAL(err.code, code);
    close(fds[0]);
    close(fds[1]);
    free(body);
}

static void a_peer_that_takes_nothing_is_left(void)
{
    send_to_nobody(-1, ETIMEDOUT, "the peer did not take the offer within"
                   " 50 ms");
}

static void a_peer_that_takes_nothing_can_be_left(void)
{
    int stop = eventfd(1, 0);

    send_to_nobody(stop, ECANCELED, "cannot send the offer to the peer");
    close(stop);
}

LXE_SUITE(peer,
    { "a peer that takes nothing is left",
      a_peer_that_takes_nothing_is_left },
    { "a peer that takes nothing can be left",
      a_peer_that_takes_nothing_can_be_left })
