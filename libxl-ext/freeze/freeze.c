/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The sequence but for what happens while the guest stands still, which
 * is in run.c.  Functions stand in the order in which they run.
 *
 *   plan     recover leftovers, find backends, judge each
 *   arm      memory for the peek, judge what was read, tasks, journal,
 *            guardian
 *   (run     wait for rings -> links down -> detach -> mark -> peek)
 *   commit   tell the guardian that the image is whole (also whole), or
 *   hold     tell it to keep what was frozen by hand
 *   thaw     undo what the journal names, tell the guardian
 *
 * Every act that must be undone is in the journal before it is done.
 * docs/freeze.md says why each kind is treated as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xenstore.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/stop.h"
#include "freeze/backends.h"
#include "freeze/guard.h"
#include "freeze/journal.h"
#include "freeze/run.h"
#include "freeze/thaw.h"
#include "memory/domain.h"

/* A guardian of a save that failed has ended by then, and thawed. */
#define RECOVER_MS  (LXE_GUARD_LINGER_MS + LXE_GUARD_LEFT_MS + 10000)
#define HAND_MS     2000    /* at a terminal, or for freeze = off */

/* A device that is just being connected or unplugged. */
#define SETTLE_MS    250
#define SETTLE_LOOKS 2

/*----- plan -----*/

static int refuse(const struct lxe__freeze *f,
                  const struct lxe__backend *b, const char *why,
                  const char *allow, struct lxe__err *err)
{
    return lxe__err_set(err, EPERM, "freeze: backend %s of domain %u"
                        " cannot be frozen: %.250s; with freeze = require"
                        " this refuses the operation, and %s would allow"
                        " it", b->name, f->domid, why, allow);
}

static int judge_plan(struct lxe__freeze *f, struct lxe__err *err)
{
    size_t i;

    for (i = 0; i < f->view.bs.nr; i++) {
        const struct lxe__backend *b = &f->view.bs.list[i];

        if (b->verdict.act != LXE_ACT_UNFREEZABLE ||
            lxe__freeze_passes(f, b))
            continue;
        /* Of others it is not the method that refuses. */
        if (f->policy.freeze == LXE_FREEZE_REQUIRE && f->paused &&
            b->kind != LXE_BK_PCI && b->kind != LXE_BK_UNKNOWN)
            return lxe__err_set(err, EPERM, "freeze: backend %s of domain"
                                " %u, which is paused, can only be"
                                " detached: %s; suspend the guest instead,"
                                " or set freeze = try", b->name, f->domid,
                                b->verdict.why);
        if (f->policy.freeze == LXE_FREEZE_REQUIRE)
            return refuse(f, b, b->verdict.why, b->verdict.allow, err);
        LXE_WARN(f->lg, "freeze: backend %s of domain %u cannot be frozen:"
                 " %s; what it writes late is lost", b->name, f->domid,
                 b->verdict.why);
    }
    return 0;
}

/* By hand only a guest that stands still is frozen. */
static int check_still(struct lxe__freeze *f, struct lxe__err *err)
{
    struct lxe__domstate st;

    if (lxe__domstate_read(f->xch, f->domid, &st))
        return lxe__err_set(err, errno, "freeze: domain %u: %s", f->domid,
                            errno == ESRCH ? "there is no such domain"
                                           : strerror(errno));
    if (st.dying)
        return lxe__err_set(err, ESRCH, "freeze: domain %u is being"
                            " destroyed", f->domid);
    if (!st.suspended && !st.paused)
        return lxe__err_set(err, EINVAL, "freeze: domain %u is neither"
                            " suspended nor paused: pause it (xl pause %u)"
                            " or suspend it first", f->domid, f->domid);
    /* What was planned for a suspended guest is not enough else. */
    if (!st.suspended && f->view.xsh && !f->paused)
        return lxe__err_set(err, EINVAL, "freeze: domain %u was suspended"
                            " and is only paused now: try again",
                            f->domid);
    f->paused = !st.suspended;
    return 0;
}

static int plan_by_hand(struct lxe__freeze *f, struct lxe__err *err)
{
    f->by_hand = true;
    if (check_still(f, err))
        return -1;
    if (f->policy.freeze == LXE_FREEZE_OFF)
        f->policy.freeze = LXE_FREEZE_REQUIRE;
    if (f->paused)
        f->policy.freeze_method = LXE_METHOD_DETACH;
    return 0;
}

int lxe__freeze_plan(struct lxe__freeze **out, xc_interface *xch,
                     struct xs_handle *xsh, uint32_t domid, bool hvm,
                     const struct lxe__policy *policy,
                     enum lxe__freeze_why why, xentoollog_logger *lg,
                     const volatile sig_atomic_t *stop,
                     struct lxe__err *err)
{
    struct lxe__freeze *f = calloc(1, sizeof(*f));

    *out = NULL;
    if (!f)
        return lxe__err_set(err, ENOMEM, "freeze: no memory");
    f->xch = xch;
    f->xsh = xsh;
    f->lg = lg;
    f->domid = domid;
    f->hvm = hvm;
    f->policy = *policy;
    f->guard_fd = f->journal_fd = -1;
    if (why == LXE_FREEZE_BY_HAND && plan_by_hand(f, err)) {
        lxe__freeze_free(f);
        return -1;
    }
    if (f->policy.freeze != LXE_FREEZE_OFF) {
        if (lxe__guard_recover(xch, xsh, domid, f->by_hand ? HAND_MS
                               : RECOVER_MS, false, NULL, stop, err) ||
            lxe__view_open(&f->view, xch, domid, &f->policy, err) ||
            judge_plan(f, err)) {
            lxe__freeze_free(f);
            return -1;
        }
    }
    *out = f;
    return 0;
}

/*----- arm -----*/

/* Its rings cannot be watched, and it cannot be detached either. */
static bool is_lost(const struct lxe__backend *b,
                    const struct lxe__view_item *item)
{
    bool can_detach = b->verdict.act == LXE_ACT_DETACH ||
                      b->verdict.fallback == LXE_ACT_DETACH;

    return item->err.code && (!can_detach || !item->rings.nr);
}

/* The first that is; NULL: none. */
static const struct lxe__backend *find_lost(const struct lxe__freeze *f,
                                            const char **why_r)
{
    const struct lxe__view *v = &f->view;
    char ahead[80];
    size_t i, len;

    for (i = 0; i < v->bs.nr; i++) {
        if (!is_lost(&v->bs.list[i], &v->items[i]))
            continue;
        /* The line names it already. */
        len = snprintf(ahead, sizeof(ahead), "freeze: %s: ",
                       v->bs.list[i].name);
        *why_r = v->items[i].err.msg;
        if (!strncmp(*why_r, ahead, len))
            *why_r += len;
        return &v->bs.list[i];
    }
    return NULL;
}

static int pause_for(const struct lxe__freeze *f, double ms,
                     const volatile sig_atomic_t *stop,
                     struct lxe__err *err)
{
    double end = lxe__now_ms() + ms;

    while (lxe__now_ms() < end) {
        if (lxe__told_to_stop(stop))
            return lxe__err_set(err, EINTR, "freeze: domain %u: told to"
                                " stop", f->domid);
        lxe__sleep_ms(LXE_LOOK_MS);
    }
    return 0;
}

/*
 * What could only fail when the guest stands still, after all of its
 * pages have been written, is refused now.  Of a guest that stands still
 * already nothing will change.
 */
static int judge_view(struct lxe__freeze *f,
                      const volatile sig_atomic_t *stop,
                      struct lxe__err *err)
{
    int looks = f->by_hand ? 0 : SETTLE_LOOKS;
    const struct lxe__backend *b;
    const char *why;
    bool remade;

    if (f->policy.freeze != LXE_FREEZE_REQUIRE)
        return 0;
    while ((b = find_lost(f, &why)) && looks--)
        if (pause_for(f, SETTLE_MS, stop, err) ||
            lxe__view_refresh(&f->view, &remade, err) ||
            judge_plan(f, err))
            return -1;
    return b ? refuse(f, b, why, "freeze = try", err) : 0;
}

static int start_guardian(struct lxe__freeze *f,
                          const volatile sig_atomic_t *stop,
                          struct lxe__err *err)
{
    struct lxe__domstate st;

    if (f->guard_fd >= 0)
        return 0;
    if (lxe__domstate_read(f->xch, f->domid, &st))
        return lxe__err_set(err, errno, "freeze: domain %u: %s", f->domid,
                            strerror(errno));
    f->journal_fd = lxe__journal_create(f->domid, st.uuid, err);
    if (f->journal_fd < 0)
        return -1;
    f->guard_fd = lxe__guard_start(f->domid, f->journal_fd, f->by_hand,
                                   stop, err);
    if (f->guard_fd >= 0)
        return 0;
    lxe__journal_remove(f->domid, NULL);
    close(f->journal_fd);
    f->journal_fd = -1;
    return -1;
}

/*
 * With freeze = off nothing is frozen, but a guest whose save and whose
 * toolstack are killed while it is suspended must run again, too.  That
 * is no reason to refuse what off lets pass.
 */
static void arm_without_freeze(struct lxe__freeze *f,
                               const volatile sig_atomic_t *stop)
{
    struct lxe__err mine;

    lxe__err_init(&mine);
    if (f->guard_fd < 0 &&
        (lxe__guard_recover(f->xch, f->xsh, f->domid, HAND_MS, false, NULL,
                            stop, &mine) ||
         start_guardian(f, stop, &mine)))
        LXE_WARN(f->lg, "%s; going on because of freeze = off: if the save"
                 " and its toolstack are killed, domain %u may stay"
                 " suspended", mine.msg, f->domid);
}

int lxe__freeze_arm(struct lxe__freeze *f,
                    const volatile sig_atomic_t *stop,
                    struct lxe__err *err)
{
    if (f->policy.freeze == LXE_FREEZE_OFF) {
        arm_without_freeze(f, stop);
        return 0;
    }
    if (!f->peek_open) {
        if (lxe__peek_open(&f->peek, f->xch, f->domid, err))
            return -1;
        f->peek_open = true;
    }
    if (!f->view.complete) {
        if (lxe__view_map(&f->view, err) || judge_view(f, stop, err))
            return -1;
        lxe__view_ready(&f->view);
    }
    return start_guardian(f, stop, err);
}

void lxe__freeze_listen(struct lxe__freeze *f)
{
    if (f->view.xsh)
        lxe__view_take(&f->view);
}

/*----- commit, hold, thaw, free -----*/

/* Its death is seen by the journal's lock, not here. */
static void tell_guardian(struct lxe__freeze *f, char order)
{
    if (f->guard_fd >= 0)
        send(f->guard_fd, &order, 1, MSG_NOSIGNAL);
}

/*
 * A child that another thread has forked meanwhile would keep open what
 * is only closed here, and the guardian would not see the end.
 */
static void leave_guardian(struct lxe__freeze *f)
{
    shutdown(f->guard_fd, SHUT_RDWR);
    close(f->guard_fd);
    f->guard_fd = -1;
}

/*
 * The file first here, too, for the guardian that replaces one that was
 * killed.  It does not know what could not be written, and then does not
 * let the guest run.
 */
void lxe__freeze_suspending(struct lxe__freeze *f)
{
    if (f->journal_fd >= 0)
        lxe__journal_suspend(f->journal_fd, NULL);
    tell_guardian(f, LXE_GUARD_SUSPENDING);
}

void lxe__freeze_answered(struct lxe__freeze *f)
{
    if (f->journal_fd >= 0)
        lxe__journal_answered(f->journal_fd, NULL);
    tell_guardian(f, LXE_GUARD_ANSWERED);
}

const struct lxe__backends *lxe__freeze_backends(
    const struct lxe__freeze *f)
{
    return &f->view.bs;
}

/*
 * The file first: if the guardian dies, whoever reads the journal must
 * know that another copy of the guest may exist.
 */
int lxe__freeze_commit(struct lxe__freeze *f, struct lxe__err *err)
{
    if (f->guard_fd >= 0) {
        if (lxe__journal_commit(f->journal_fd, err))
            return -1;
        tell_guardian(f, LXE_GUARD_COMMIT);
        leave_guardian(f);
    }
    f->committed = true;
    return 0;
}

int lxe__freeze_whole(struct lxe__freeze *f, struct lxe__err *err)
{
    if (f->guard_fd >= 0) {
        if (lxe__journal_whole(f->journal_fd, err))
            return -1;
        tell_guardian(f, LXE_GUARD_WHOLE);
        leave_guardian(f);
    }
    f->committed = true;
    return 0;
}

int lxe__freeze_hold(struct lxe__freeze *f, struct lxe__err *err)
{
    if (LXE_FAULT(HOLD_BEFORE, err) || check_still(f, err))
        return -1;
    /* As with a commit: the file first. */
    if (lxe__journal_hold(f->journal_fd, err) ||
        LXE_FAULT(HOLD_AFTER_JOURNAL, err))
        return -1;
    f->committed = true;
    tell_guardian(f, LXE_GUARD_HOLD);
    leave_guardian(f);
    return 0;
}

int lxe__freeze_thaw(struct lxe__freeze *f,
                     const volatile sig_atomic_t *stop,
                     struct lxe__err *err)
{
    struct lxe__journal j = { 0 };
    struct lxe__err mine;
    int rc = 0;

    if (f->guard_fd < 0)
        return 0;
    if (f->acted) {
        lxe__err_init(&mine);
        rc = lxe__journal_read(&j, f->journal_fd, &mine);
        if (!rc)
            rc = lxe__undo_all(f->xch, f->xsh, f->view.bs.own_domid,
                               f->journal_fd, &j,
                               lxe__now_ms() + LXE_UNDO_MS, stop, &mine);
        lxe__journal_dispose(&j);
        if (rc)
            lxe__err_set(err, mine.code, "%.400s; the guardian of domain"
                         " %u goes on trying", mine.msg, f->domid);
    }
    /* Where it failed, the guardian sees the end and tries again. */
    if (!rc)
        tell_guardian(f, LXE_GUARD_DONE);
    leave_guardian(f);
    f->acted = false;
    return rc;
}

void lxe__freeze_free(struct lxe__freeze *f)
{
    if (!f)
        return;
    if (!f->committed)
        lxe__freeze_thaw(f, NULL, NULL);
    if (f->guard_fd >= 0)
        leave_guardian(f);
    if (f->journal_fd >= 0)
        close(f->journal_fd);
    if (f->peek_open)
        lxe__peek_close(&f->peek);
    lxe__view_close(&f->view);
    free(f);
}
