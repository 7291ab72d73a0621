/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What both operations do when SIGTERM has told them to stop.  The handler
 * (save.c, keep.c) has made the stream's descriptor useless, so that
 * libxenguest, which runs straight through, goes down its own error path.
 */
#include <errno.h>
#include <signal.h>

#include "helper/helper.h"
#include "stream/relay.h"

int lxe__helper_told_to_stop(const struct lxe__helper *h, const char *op,
                             struct lxe__err *err)
{
    if (!h->stop || !*h->stop)
        return 0;
    return lxe__err_set(err, EINTR, "%s: domain %u: told to stop by"
                        " SIGTERM", op, h->domid);
}

int lxe__helper_leave_relay(const struct lxe__helper *h, const char *op,
                            struct lxe__relay *relay, struct lxe__err *err)
{
    sigset_t set, old;
    int rc;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &old);
    rc = lxe__helper_told_to_stop(h, op, err) ||
        lxe__relay_finish(relay, err) ? -1 : 0;
    sigprocmask(SIG_SETMASK, &old, NULL);
    return rc;
}
