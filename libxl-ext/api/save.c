/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl_ext_domain_save(): libxl suspends and libxl-ext's helper saves;
 * this file stands around both.
 *
 *   check    helper, domain, lock; nothing is changed
 *   save     libxl_domain_suspend(), with a session beside it
 *   undo     after a failure: whatever libxl left, the guest runs
 *
 * Should the caller die anywhere here, the guardian that the helper
 * started sees libxl's end and does what undo does.
 */
#include <errno.h>
#include <libxl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/ctx.h"
#include "api/op.h"
#include "base/clock.h"
#include "base/resume.h"
#include "memory/domain.h"
#include "session/lock.h"

/* A guest that has taken the request needs so long to suspend. */
#define LATE_MS 3000

/*----- check -----*/

static int check_params(const libxl_ext_save_params *p,
                        struct lxe__err *err)
{
    if (p->carrier > LIBXL_EXT_CARRIER_BOTH)
        return lxe__err_set(err, EINVAL, "save: carrier %u is not one of 0"
                            " to %u", p->carrier, LIBXL_EXT_CARRIER_BOTH);
    return 0;
}

int lxe__op_find(struct libxl_ext_ctx *ctx, const char *what,
                 uint32_t domid, uint8_t uuid[16], struct lxe__err *err)
{
    struct lxe__domstate st;

    if (lxe__domstate_read(ctx->xch, domid, &st))
        return lxe__err_set(err, errno, "%s: domain %u: %s", what,
                            domid, errno == ESRCH ? "there is no"
                            " such domain" : strerror(errno));
    if (st.dying)
        return lxe__err_set(err, ESRCH, "%s: domain %u: it is being"
                            " destroyed", what, domid);
    if (st.suspended)
        return lxe__err_set(err, EINVAL, "%s: domain %u: it is suspended"
                            " already: resume or destroy it", what,
                            domid);
    memcpy(uuid, st.uuid, sizeof(st.uuid));
    return 0;
}

/*----- undo -----*/

/*
 * libxl that was told to stop while it waited for the guest leaves its
 * request in xenstore, and the guest would follow it later on.  Takes it
 * back, or returns false: the guest has it and may suspend in a moment.
 */
static bool take_request_back(struct libxl_ext_ctx *ctx, uint32_t domid)
{
    xs_transaction_t t;
    char path[64], *v;
    bool back, done;

    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown",
             domid);
    do {
        t = xs_transaction_start(ctx->xsh);
        if (t == XBT_NULL)
            return false;
        v = xs_read(ctx->xsh, t, path, NULL);
        back = v && !strcmp(v, "suspend");
        free(v);
        if (back)
            back = xs_write(ctx->xsh, t, path, "", 0);
        done = xs_transaction_end(ctx->xsh, t, !back);
    } while (!done && errno == EAGAIN);
    return back && done;
}

int lxe__op_resume(struct libxl_ext_ctx *ctx, const char *what,
                   uint32_t domid, const char *force, struct lxe__err *err)
{
    int rc = lxe__resume(ctx->libxl, domid);

    if (!rc)
        return 0;
    return lxe__err_set(err, EIO, "%s: domain %u: it is suspended, and"
                        " libxl could not resume it (rc %d): see why, then"
                        " libxl-ext-guardian --resume %u%s", what, domid,
                        rc, domid, force);
}

/*
 * 0 where the guest runs or is gone.  @late: libxl stopped waiting for
 * the guest, which may suspend after that.
 */
static int make_it_run(struct libxl_ext_ctx *ctx, uint32_t domid,
                       bool late, struct lxe__err *err)
{
    uint64_t end = lxe__now_us();
    struct lxe__domstate st;

    if (late && !take_request_back(ctx, domid))
        end += LATE_MS * 1000ULL;
    for (;;) {
        if (lxe__domstate_read(ctx->xch, domid, &st) || st.dying)
            return 0;
        if (st.suspended)
            break;
        if (lxe__now_us() >= end)
            return 0;
        lxe__sleep_ms(20);
    }
    return lxe__op_resume(ctx, "save", domid, "", err);
}

/*----- save -----*/

/* What is left to say when neither libxl nor the helper said it to us. */
static void fill_error(struct libxl_ext_op *op, uint32_t domid, int rc)
{
    if (op->stop) {
        lxe__op_forget(op);
        lxe__err_set(&op->err, ECANCELED, "save: domain %u: cancelled",
                     domid);
    } else {
        lxe__err_set(&op->err, EIO, "save: domain %u: libxl failed (rc %d)"
                     " and has said why to its logger", domid, rc);
    }
}

/*
 * Was the guest asked to suspend?  A helper that was killed has not said
 * how far it came.
 */
static bool was_asked(const struct libxl_ext_op *op)
{
    const libxl_ext_operation_result *r = &op->result;
    uint32_t i;

    for (i = 0; i < r->num_phases; i++)
        if (r->phases[i].phase == LIBXL_EXT_PHASE_SUSPEND)
            return true;
    return op->met && !op->reported;
}

int lxe__op_save(struct libxl_ext_ctx *ctx, uint32_t domid, int fd,
                 const uint8_t uuid[16], const libxl_ext_save_params *p,
                 struct libxl_ext_op *op)
{
    int flags = (p->live ? LIBXL_SUSPEND_LIVE : 0) |
        (p->verify ? LIBXL_SUSPEND_DEBUG : 0);
    struct lxe__err undo_err;
    int libxl_fd, rc;
    bool late;

    op->carrier = p->carrier;
    if (lxe__op_begin(op, ctx->libxl, LXE_SESSION_SAVE, uuid, fd,
                      &libxl_fd)) {
        if (op->err.code == ECANCELED)
            fill_error(op, domid, 0);
        return -1;
    }
    rc = libxl_domain_suspend(ctx->libxl, domid, libxl_fd, flags, NULL);
    lxe__op_end(op);
    if (!rc)
        return 0;
    late = was_asked(op);
    fill_error(op, domid, rc);
    lxe__err_init(&undo_err);
    if (make_it_run(ctx, domid, late, &undo_err)) {
        lxe__op_forget(op);
        lxe__err_set(&op->err, undo_err.code, "%s", undo_err.msg);
    }
    return -1;
}

int libxl_ext_domain_save(struct libxl_ext_ctx *ctx, uint32_t domid,
                          int fd, const libxl_ext_save_params *params,
                          libxl_ext_op *op)
{
    libxl_ext_save_params defaults;
    uint8_t uuid[16];
    int lock = -1, r = -1;

    lxe__ctx_begin(ctx);
    libxl_ext_save_params_init(&defaults);
    if (!params)
        params = &defaults;
    if (lxe__op_check(ctx, op, "save") ||
        check_params(params, &op->err) ||
        lxe__ctx_open(ctx) ||
        lxe__ctx_guest(ctx, "save", domid) ||
        lxe__op_find(ctx, "save", domid, uuid, &op->err))
        goto out;
    lock = lxe__operation_lock(domid, "save", getpid(), &op->err);
    if (lock < 0)
        goto out;
    r = lxe__op_save(ctx, domid, fd, uuid, params, op);

 out:
    lxe__operation_unlock(lock, domid);
    libxl_ext_save_params_dispose(&defaults);
    return lxe__op_return(ctx, op, r);
}
