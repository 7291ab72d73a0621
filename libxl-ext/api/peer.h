/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What two ends of a migration say to each other around the stream;
 * docs/migration.md is the specification.  No call of Xen or libxl is
 * made here.
 */
#ifndef LXE_API_PEER_H
#define LXE_API_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "libxl_ext.h"

#define LXE_PEER_GREETING "xl-ext migration receiver ready, protocol 1\n"
#define LXE_PEER_LINE_MAX 128
#define LXE_PEER_BODY_MAX (1024 * 1024)

/* Of Xen's tools/xl/xl.h, the same from 4.2 to master. */
#define LXE_XL_GREETING \
    "xl migration receiver ready, send binary domain data.\n"
#define LXE_XL_READY "domain received, ready to unpause"
#define LXE_XL_GO    "domain is yours, you are cleared to unpause"
#define LXE_XL_DONE  "my copy unpause results are as follows"

enum lxe__peer_type {
    LXE_PEER_OFFER  = 'O',
    LXE_PEER_ANSWER = 'A',
    LXE_PEER_READY  = 'R',
    LXE_PEER_GO     = 'G',
    LXE_PEER_DONE   = 'D',
};

struct lxe__peer {
    int in, out;
    int stop_fd;                /* readable: ECANCELED; -1: never */
    unsigned timeout_ms;        /* for each thing read or sent */
    const char *who;            /* "the receiver", for messages */
};

/* The bounds of libxl_ext_migrate_params; EINVAL. */
int lxe__peer_check(const libxl_ext_migrate_params *params,
                    const char *op, struct lxe__err *err);

/* Sends what is no message: @what says in words what it is. */
int lxe__peer_say(const struct lxe__peer *p, const void *octets,
                  size_t len, const char *what, struct lxe__err *err);

/* Reads a greeting and says whose it is. */
int lxe__peer_greeted(const struct lxe__peer *p,
                      libxl_ext_peer_kind *kind_r, struct lxe__err *err);

/*
 * One message; @body of NULL: none.  Reading one of another type is
 * EPROTO; *@body_r is NUL-terminated and free(3)'d by the caller.
 * ETIMEDOUT, also where it takes nothing; EPIPE at the end of the stream,
 * ECANCELED.
 */
int lxe__peer_send(const struct lxe__peer *p, enum lxe__peer_type type,
                   const char *body, struct lxe__err *err);
int lxe__peer_receive(const struct lxe__peer *p, enum lxe__peer_type type,
                      char **body_r, struct lxe__err *err);

/* READY and DONE: -1 with the peer's own reason where it is not ok. */
int lxe__peer_report(const struct lxe__peer *p, enum lxe__peer_type type,
                     struct lxe__err *err);

/* xl's fixed texts, with their NUL. */
int lxe__peer_expect(const struct lxe__peer *p, const char *text,
                     struct lxe__err *err);

/* Exactly @len octets, in the time that is given. */
int lxe__peer_read(const struct lxe__peer *p, void *buf, size_t len,
                   const char *what, struct lxe__err *err);

#endif
