/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The connection to the library, if an operation of the library caused
 * this helper to run; session/message.h describes the messages.  Without a
 * connection each call here does nothing and costs nothing.
 */
#ifndef LXE_HELPER_CALLER_H
#define LXE_HELPER_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "_libxl_ext_types.h"
#include "base/err.h"
#include "session/message.h"

struct lxe__proto;

struct lxe__caller {
    int sock;                           /* -1: there is none */
    libxl_ext_operation_result result;
    libxl_ext_progress progress;
    uint64_t told_us;                   /* progress was sent last */
    uint64_t moved;                     /* by this process at the start */
    bool commits;                       /* the library, not the helper */
};

void lxe__caller_init(struct lxe__caller *c);
void lxe__caller_dispose(struct lxe__caller *c);

/* Looks for it and says HELLO.  -1 if it exists but cannot be reached. */
int lxe__caller_find(struct lxe__caller *c, enum lxe__session_op op,
                     uint32_t domid, const uint8_t uuid[16],
                     struct lxe__err *err);

static inline bool lxe__caller_there(const struct lxe__caller *c)
{
    return c->sock >= 0;
}

/*
 * A save's turn: hands over the memory record and waits for GO, which
 * puts the real descriptor under the number @fd.  *@libxc_r: the libxc
 * carrier is wanted.  -1 where library or libxl have gone.
 */
int lxe__caller_record(struct lxe__caller *c, const struct lxe__proto *p,
                       const void *record, size_t len, bool mandatory,
                       int fd, bool *libxc_r, struct lxe__err *err);

/*
 * A restore's: waits for GO as above; *@len_r octets of the libxl
 * carrier's record are then in @record, 0 where there was none.
 */
int lxe__caller_go(struct lxe__caller *c, const struct lxe__proto *p,
                   int fd, void *record, size_t room, size_t *len_r,
                   struct lxe__err *err);

/* The step now under way; ends the one before. */
void lxe__caller_phase(struct lxe__caller *c, libxl_ext_phase phase);

/* @round from 1; a total of 0: not known. */
void lxe__caller_pages(struct lxe__caller *c, uint32_t round,
                       uint64_t done, uint64_t total);

/* The last words; @err of NULL or without a code: it went well. */
void lxe__caller_end(struct lxe__caller *c, const struct lxe__err *err);

#endif
