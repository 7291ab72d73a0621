/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A TCP link whose other end does not answer any more.
 *
 * libvirt gives the helper a TCP socket for the stream.  When the cable
 * is cut, Linux repeats what was not acknowledged for a quarter of an
 * hour (tcp_retries2), and a receiver that only reads waits for ever: the
 * guest is suspended on one side all that time, and a dead copy holds
 * memory on the other.  A watched link is given up after a time that
 * the policy sets, by a shutdown, so that libxenguest's next read or
 * write fails and everything goes down its error path.
 *
 * A receiver that is alive and takes nothing for a while (it freezes, it
 * swaps) answers the sender's probes and is waited for.  Sockets of
 * other kinds, pipes and files are not watched: whoever stands behind
 * them (ssh: ServerAliveInterval) has to.
 */
#ifndef LXE_STREAM_LINK_H
#define LXE_STREAM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct lxe__link;

/* What Linux says of a link (struct tcp_info), as far as it counts. */
struct lxe__link_state {
    uint32_t repeats;           /* of data or probes, unanswered */
    uint32_t silent_ms;         /* since an acknowledgement came */
};

/*
 * One look, @passed_ms after the last: true where there was no answer
 * for @timeout_ms although one was asked for.  *asked_ms, 0 before the
 * first look, is for how long: a link that was idle before is not dead
 * when its first packet is lost.
 */
bool lxe__link_dead(const struct lxe__link_state *state,
                    uint64_t *asked_ms, unsigned passed_ms,
                    unsigned timeout_ms);

/*
 * Watches @fd until lxe__link_end(); *out is NULL where there is nothing
 * to watch: @fd is no TCP socket, or @timeout_ms is 0.  @fd stays the
 * caller's, who may close it or put another under its number.  The
 * socket's keepalive is set and stays so.  0, or -1 with @err set.
 */
int lxe__link_watch(struct lxe__link **out, int fd, unsigned timeout_ms,
                    struct lxe__err *err);

/* Ends it; @link may be NULL.  If it was given up, @err says so. */
void lxe__link_end(struct lxe__link *link, struct lxe__err *err);

#endif
