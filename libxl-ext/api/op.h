/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One operation of the library: what libxl is called with, the helper
 * that it causes to run, progress, cancelling and the result.
 *
 *   caller's thread                  the operation's own thread
 *   lxe__op_begin                    waits for the helper
 *   libxl_domain_suspend, or         HELLO, RECORD -> GO
 *   libxl_domain_create_restore      PROGRESS -> the caller's callback
 *                                    RESULT, ERROR -> kept
 *   lxe__op_end                      ends
 *
 * Up to GO libxl has a pipe in the stream's place; op_stream.h says what
 * goes through it.
 */
#ifndef LXE_API_OP_H
#define LXE_API_OP_H

#include <libxl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "api/op_stream.h"
#include "base/err.h"
#include "base/io.h"
#include "libxl_ext.h"
#include "session/message.h"

struct libxl_ext_op {
    /* set at the allocation */
    void (*progress)(const libxl_ext_progress *p, void *user);
    void *user;
    int cancel_fd;              /* eventfd: readable once cancelled */
    volatile sig_atomic_t stop; /* once cancelled: for code that polls */

    /* of the run under way */
    libxl_ctx *ctx;
    enum lxe__session_op what;
    libxl_ext_carrier carrier;  /* of a save */
    unsigned head_ms;           /* a restore waits so long for the stream's
                                   head; 0: until it is cancelled */
    uint64_t start_us;
    struct lxe__op_stream stream;
    int listen_fd;
    struct sockaddr_un where;
    int end_fd;                 /* eventfd: the thread is to end */
    pthread_t thread;
    bool thread_runs;
    int helper_pid_fd;          /* -1: not met, or no pidfds here */
    bool met;                   /* the helper was given its GO */
    bool used;
    bool reported;              /* the helper said what it did */
    bool said;                  /* libxl has logged the helper's line */
    int64_t file_at;            /* where the file stood; -1: no file */

    /* what came of it */
    libxl_ext_operation_result result;
    struct lxe__err err;
};

/*
 * Before everything else: is there a libxl_ctx, would libxl start our
 * helper, and is @op unused?  -1 with op->err.
 */
int lxe__op_check(struct libxl_ext_ctx *ctx, struct libxl_ext_op *op,
                  const char *what);

/* For another line in place of what @op has: nobody has logged that. */
void lxe__op_forget(struct libxl_ext_op *op);

/* Ends a call: logs its line unless libxl has, and returns its code. */
int lxe__op_return(struct libxl_ext_ctx *ctx, struct libxl_ext_op *op,
                   int r);

/*
 * @fd: the real stream, for the session to hand over.  0, or -1 with
 * op->err; nothing has been changed then.  *@libxl_fd_r is what libxl is
 * to be called with; lxe__op_end() closes it.
 */
int lxe__op_begin(struct libxl_ext_op *op, libxl_ctx *ctx,
                  enum lxe__session_op what, const uint8_t uuid[16],
                  int fd, int *libxl_fd_r);

/* Ends the thread and adds up the result.  Idempotent. */
void lxe__op_end(struct libxl_ext_op *op);

/*
 * save.c: the whole of a save but for its lock; -1 with op->err, and the
 * guest runs.
 */
int lxe__op_save(struct libxl_ext_ctx *ctx, uint32_t domid, int fd,
                 const uint8_t uuid[16], const libxl_ext_save_params *p,
                 struct libxl_ext_op *op);
/*
 * commit.c: another copy of the domain may run from here on.  0 also
 * where nothing of it is frozen, since then nobody would let it run.
 */
int lxe__op_commit(uint32_t domid, const uint8_t uuid[16],
                   struct lxe__err *err);
/* save.c: the domain's uuid; -1 where it cannot be saved. */
int lxe__op_find(struct libxl_ext_ctx *ctx, const char *what,
                 uint32_t domid, uint8_t uuid[16], struct lxe__err *err);

/*
 * save.c: a suspended domain goes on.  @force: " --force" where a whole
 * copy of it may exist, for who does it by hand.
 */
int lxe__op_resume(struct libxl_ext_ctx *ctx, const char *what,
                   uint32_t domid, const char *force,
                   struct lxe__err *err);

/* config.c: as libxl_ext_config_check(). */
int lxe__config_check(const char *json, struct lxe__err *err);

/* file.c: the header of an image, which xl's receiver wants, too. */
int lxe__header_write(int fd, const char *config,
                      const struct lxe__bound *b, struct lxe__err *err);

/* restore.c: the whole of a restore; -1 with op->err, and no domain. */
int lxe__op_restore(struct libxl_ext_ctx *ctx,
                    struct libxl_domain_config *config, int fd,
                    uint32_t *domid_r, struct libxl_ext_op *op);

/* What ends a wait of a call that hears only the cancel of @op; or -1. */
static inline int lxe__op_stop_fd(const struct libxl_ext_op *op)
{
    return op ? op->cancel_fd : -1;
}

/* A step of the caller's own thread, after those of the helper. */
void lxe__op_phase(struct libxl_ext_op *op, libxl_ext_phase phase);

#endif
