/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public calls that freeze and thaw by hand.  The steps are those of
 * a save, without its stream (freeze/freeze.h): plan, arm, run, and hold
 * where a save commits.  Killed before the hold, this process leaves all
 * to the guardian, which thaws.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <libxl.h>
#include <unistd.h>

#include "report/convert.h"
#include "api/ctx.h"
#include "api/op.h"
#include "base/log.h"
#include "base/resume.h"
#include "freeze/guard.h"
#include "memory/domain.h"
#include "session/lock.h"

static const volatile sig_atomic_t *stop_of(const libxl_ext_op *op)
{
    return op ? &op->stop : NULL;
}

static int check_cancelled(const char *what, uint32_t domid,
                           const libxl_ext_op *op, struct lxe__err *err)
{
    if (!op || !op->stop)
        return 0;
    return lxe__err_set(err, ECANCELED, "%s: domain %u: cancelled before"
                        " it began", what, domid);
}

/* What the guest is left with is the line, not what was under way. */
static void say_cancelled(uint32_t domid, const struct lxe__err *left,
                          struct lxe__err *err)
{
    lxe__err_init(err);
    if (left->code)
        lxe__err_set(err, ECANCELED, "freeze: domain %u: cancelled, and"
                     " the guest is as it was; %.400s", domid, left->msg);
    else
        lxe__err_set(err, ECANCELED, "freeze: domain %u: cancelled: none"
                     " of its backends is frozen, and the guest is as it"
                     " was", domid);
}

static int freeze(libxl_ext_ctx *ctx, uint32_t domid,
                  const struct lxe__policy *policy, bool hvm,
                  const volatile sig_atomic_t *stop,
                  struct lxe__freeze_report *report)
{
    struct lxe__freeze *f = NULL;
    struct lxe__err thaw_err;
    int r;

    r = lxe__freeze_plan(&f, ctx->xch, ctx->xsh, domid, hvm, policy,
                         LXE_FREEZE_BY_HAND, ctx->lg, stop, &ctx->err) ||
        lxe__freeze_arm(f, stop, &ctx->err) ||
        lxe__freeze_run(f, false, stop, report, &ctx->err) ||
        lxe__freeze_hold(f, &ctx->err);
    lxe__err_init(&thaw_err);
    if (r && f) {
        lxe__freeze_thaw(f, stop, &thaw_err);
        if (ctx->err.code == EINTR)
            say_cancelled(domid, &thaw_err, &ctx->err);
        else if (thaw_err.code)
            LXE_ERROR(ctx->lg, "%s", thaw_err.msg);
    }
    lxe__freeze_free(f);
    return r;
}

int libxl_ext_freeze(libxl_ext_ctx *ctx, uint32_t domid, libxl_ext_op *op,
                     libxl_ext_freeze_report *report_r)
{
    struct lxe__freeze_report report;
    struct lxe__policy policy;
    struct lxe__limits l;
    int r;

    libxl_ext_freeze_report_init(report_r);
    memset(&report, 0, sizeof(report));
    lxe__policy_init(&policy);
    lxe__ctx_begin(ctx);
    r = lxe__ctx_domid(ctx, "freeze", domid) ||
        check_cancelled("freeze", domid, op, &ctx->err) ||
        lxe__ctx_open(ctx) ||
        lxe__limits_read(ctx->xch, NULL, domid, &l, &ctx->err) ||
        lxe__policy_load_domain(&policy, ctx->xsh, domid, NULL, NULL,
                                &ctx->err) ||
        freeze(ctx, domid, &policy, l.hvm, stop_of(op), &report);
    if (!r)
        lxe__to_freeze_report(report_r, &report);
    lxe__policy_dispose(&policy);
    return lxe__ctx_end(ctx, r);
}

/*----- letting a guest run -----*/

#define AGAIN_MS 200    /* what is to be ended may not have begun */

/*
 * A libxl_ctx of its own: an abort names its one call, and the caller of
 * a thaw need not have one.
 */
struct resuming {
    libxl_ext_ctx *ctx;
    libxl_ext_op *op;
    libxl_ctx *libxl;
    int end_fd;
};

static void *abort_when_cancelled(void *arg)
{
    struct resuming *s = arg;
    struct pollfd p[] = {
        { .fd = s->end_fd, .events = POLLIN },
        { .fd = lxe__op_stop_fd(s->op), .events = POLLIN },
    };
    int wait = -1, r;

    for (;;) {
        r = poll(p, 2, wait);
        if (r < 0 && errno != EINTR)
            return NULL;
        if (r < 0)
            continue;
        if (p[0].revents)
            return NULL;
        libxl_ao_abort(s->libxl, NULL);
        p[1].fd = -1;   /* it stays readable */
        wait = AGAIN_MS;
    }
}

/* 0, or a code of libxl. */
static int resume_or_abort(struct resuming *s, uint32_t domid)
{
    uint64_t one = 1;
    pthread_t thread;
    int rc = ERROR_NOMEM;

    s->end_fd = eventfd(0, EFD_CLOEXEC);
    if (s->end_fd < 0)
        return rc;
    if (!pthread_create(&thread, NULL, abort_when_cancelled, s)) {
        rc = lxe__resume(s->libxl, domid);
        /* A counter of 0 always has room. */
        if (write(s->end_fd, &one, sizeof(one)) == sizeof(one))
            pthread_join(thread, NULL);
    }
    close(s->end_fd);
    return rc;
}

static int resume_left(void *user, uint32_t domid, struct lxe__err *err)
{
    struct resuming *s = user;
    int rc = libxl_ctx_alloc(&s->libxl, LIBXL_VERSION, 0, s->ctx->lg);

    if (!rc) {
        rc = resume_or_abort(s, domid);
        libxl_ctx_free(s->libxl);
    }
    if (rc == ERROR_ABORTED)
        return lxe__err_set(err, ECANCELED, "thaw: domain %u: cancelled;"
                            " its backends are back, and libxl has not let"
                            " it run: xl-ext thaw %u tries again", domid,
                            domid);
    return rc ? lxe__err_set(err, EIO, "thaw: domain %u: libxl could not"
                             " let it run (rc %d)", domid, rc) : 0;
}

/*----- thaw -----*/

int libxl_ext_thaw(libxl_ext_ctx *ctx, uint32_t domid, bool force,
                   libxl_ext_op *op)
{
    struct resuming resuming = { .ctx = ctx, .op = op };
    struct lxe__resumer resumer = { resume_left, &resuming };
    struct lxe__domstate st;
    int r, lock = -1;

    lxe__ctx_begin(ctx);
    r = lxe__ctx_domid(ctx, "thaw", domid) ||
        check_cancelled("thaw", domid, op, &ctx->err) ||
        lxe__ctx_open(ctx);
    if (!r && lxe__domstate_read(ctx->xch, domid, &st))
        r = lxe__err_set(&ctx->err, errno, "thaw: domain %u: %s", domid,
                         errno == ESRCH ? "there is no such domain"
                                        : strerror(errno));
    if (!r && !force) {
        lock = lxe__operation_lock(domid, "thaw", getpid(), &ctx->err);
        r = lock < 0 ? -1 : 0;
    }
    if (!r)
        r = lxe__guard_thaw(ctx->xch, ctx->xsh, domid, force, &resumer,
                            stop_of(op), &ctx->err);
    lxe__operation_unlock(lock, domid);
    return lxe__ctx_end(ctx, r);
}
