/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the parts of the helper share: its arguments, and the two
 * operations.
 */
#ifndef LXE_HELPER_HELPER_H
#define LXE_HELPER_HELPER_H

#include <signal.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xenguest.h>
#include <xenstore.h>

#include "engine/engine.h"
#include "helper/caller.h"
#include "helper/keep.h"
#include "helper/protocol.h"
#include "memory/limits.h"
#include "memory/policy.h"

/* What both operations share. */
struct lxe__helper {
    struct lxe__proto proto;
    struct lxe__caller caller;
    int lock;                   /* of the operation; -1: the caller's */
    xc_interface *xch;
    struct xs_handle *xsh;
    uint32_t domid;
    char *name;                 /* of the domain, for messages */
    struct lxe__policy policy;
    struct lxe__keep keep;      /* a restore's image */
    const volatile sig_atomic_t *stop;  /* set once SIGTERM was caught;
                                           NULL: it is not caught */
};

struct lxe__save_args {
    int fd;
    int recv_fd;
    uint32_t flags;             /* XCFLAGS_* */
    xc_stream_type_t stream_type;
};

/*
 * What libxl gives after the word that names the operation; @argv ends
 * with NULL.  0 with h->domid and h->proto.cbflags set, or -1 with
 * nothing changed.
 */
int lxe__args_save(char **argv, struct lxe__helper *h,
                   struct lxe__save_args *a, struct lxe__err *err);
int lxe__args_restore(char **argv, struct lxe__helper *h,
                      struct lxe__restore_args *a, struct lxe__err *err);

/*
 * Both do the whole operation and return 0, or -1 with errno and the
 * cause logged.  After a failed save the guest is as libxl left it, with
 * no backend frozen; libxl then resumes it.  After a failed restore the
 * domain is of no use; libxl then destroys it.
 */
int lxe__helper_save(struct lxe__helper *h,
                     const struct lxe__save_args *a);
int lxe__helper_restore(struct lxe__helper *h,
                        struct lxe__restore_args *a);

/* stop.c */

struct lxe__relay;

/* 0, or -1 and a line once a SIGTERM was seen.  @op begins the line. */
int lxe__helper_told_to_stop(const struct lxe__helper *h, const char *op,
                             struct lxe__err *err);

/*
 * lxe__relay_finish(), unless a SIGTERM has made the descriptor useless:
 * it must stay so, also where one comes meanwhile.
 */
int lxe__helper_leave_relay(const struct lxe__helper *h, const char *op,
                            struct lxe__relay *relay,
                            struct lxe__err *err);

/*
 * Becomes the stock helper, for what this one does not serve.  Returns
 * only on failure, with the cause in @err.
 */
int lxe__helper_exec_stock(const struct lxe__helper *h, char **argv,
                           struct lxe__err *err);

#endif
