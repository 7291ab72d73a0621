/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The sequence.  Functions stand in the order in which they run.
 *
 *   plan     recover leftovers, find backends, judge each
 *   arm      journal, guardian, memory for the peek
 *   run      wait for rings -> links down -> detach -> mark -> peek
 *   commit   tell the guardian that the image is whole, or
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

#include "base/fault.h"
#include "base/log.h"
#include "freeze/device.h"
#include "freeze/freeze.h"
#include "freeze/guard.h"
#include "freeze/mark.h"
#include "freeze/view.h"

/* A guardian of a save that failed has ended by then, and thawed. */
#define RECOVER_MS  (LXE_GUARD_LINGER_MS + LXE_GUARD_LEFT_MS + 10000)
#define HAND_MS     2000    /* somebody is waiting at a terminal */
#define TX_DRAIN_MS 50.0    /* what is left then is a lost packet */
#define RX_QUIET_MS 2.0

struct lxe__freeze {
    xc_interface *xch;
    struct xs_handle *xsh;
    xentoollog_logger *lg;
    uint32_t domid;
    bool hvm;
    bool by_hand;
    bool paused;                /* by hand, and not suspended */
    struct lxe__policy policy;  /* its strings are not used */
    struct lxe__view view;
    struct lxe__peek peek;
    bool peek_open;
    int guard_fd;               /* -1: no guardian */
    int journal_fd;             /* -1: no journal */
    bool acted;                 /* the journal names an act */
    bool committed;
};

/* What one run holds. */
struct run {
    struct lxe__freeze *f;
    double start, deadline;
    const volatile sig_atomic_t *stop;
    struct lxe__grants grants;
    struct lxe__frames frames;
    struct lxe__freeze_report *report;
    char laps[256];             /* where the time went, for -v */
    size_t laps_len;
    double lap;
};

/* The time since the last lap was spent on @what. */
static void lap(struct run *run, const char *what)
{
    double now = lxe__now_ms();
    int r;

    r = snprintf(run->laps + run->laps_len,
                 sizeof(run->laps) - run->laps_len, " %s %.1f", what,
                 now - run->lap);
    if (r > 0 && (size_t)r < sizeof(run->laps) - run->laps_len)
        run->laps_len += r;
    run->lap = now;
}

/*----- plan -----*/

static int judge_plan(struct lxe__freeze *f, struct lxe__err *err)
{
    size_t i;

    for (i = 0; i < f->view.bs.nr; i++) {
        const struct lxe__backend *b = &f->view.bs.list[i];

        if (b->verdict.act != LXE_ACT_UNFREEZABLE)
            continue;
        if (f->policy.freeze == LXE_FREEZE_REQUIRE && f->paused)
            return lxe__err_set(err, EPERM, "freeze: backend %s of domain"
                                " %u, which is paused, can only be"
                                " detached: %s; suspend the guest instead,"
                                " or set freeze = try", b->name, f->domid,
                                b->verdict.why);
        if (f->policy.freeze == LXE_FREEZE_REQUIRE)
            return lxe__err_set(err, EPERM, "freeze: backend %s of domain"
                                " %u cannot be frozen: %s; with"
                                " freeze = require this refuses the"
                                " operation, and %s would allow it",
                                b->name, f->domid, b->verdict.why,
                                b->verdict.allow);
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
                               : RECOVER_MS, false, NULL, err) ||
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

static int start_guardian(struct lxe__freeze *f, struct lxe__err *err)
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
                                   err);
    if (f->guard_fd >= 0)
        return 0;
    lxe__journal_remove(f->domid, NULL);
    close(f->journal_fd);
    f->journal_fd = -1;
    return -1;
}

int lxe__freeze_arm(struct lxe__freeze *f, struct lxe__err *err)
{
    if (f->policy.freeze == LXE_FREEZE_OFF)
        return 0;
    if (!f->peek_open) {
        if (lxe__peek_open(&f->peek, f->xch, f->domid, err))
            return -1;
        f->peek_open = true;
    }
    if (!f->view.complete && lxe__view_map(&f->view, err))
        return -1;
    return start_guardian(f, err);
}

/*----- run -----*/

/*
 * Something about one backend failed.  0 where the policy lets the save
 * go on.
 */
static int give_up(struct run *run, struct lxe__backend *b,
                   const struct lxe__err *why, struct lxe__err *err)
{
    b->done = LXE_ACT_UNFREEZABLE;
    if (run->f->policy.freeze == LXE_FREEZE_TRY && why->code != EINTR) {
        LXE_WARN(run->f->lg, "%s; backend %s is not frozen", why->msg,
                 b->name);
        return 0;
    }
    return lxe__err_set(err, why->code, "%s", why->msg);
}

static int detach(struct run *run, struct lxe__backend *b,
                  struct lxe__view_item *item, struct lxe__err *err)
{
    struct lxe__freeze *f = run->f;
    double left, nap = 0.2;

    /* Without its rings, nothing would say that it has let go. */
    if (!item->rings.nr)
        return lxe__err_set(err, item->err.code, "%s", item->err.msg);
    item->entry.undo = LXE_UNDO_UNBIND;
    if (lxe__journal_intent(f->journal_fd, f->domid, &item->entry, err))
        return -1;
    f->acted = true;
    if (LXE_FAULT(FREEZE_BEFORE_UNBIND, err))
        return -1;
    left = run->deadline - lxe__now_ms();
    if (lxe__sysfs_unbind(item->entry.driver, b->name,
                          left > 1 ? left : 1, err))
        return -1;
    /*
     * unbind returns while requests are still in flight; their rings
     * stay mapped until the last one has been answered.
     */
    while (lxe__ringset_in_use(&item->rings, &f->view.gmap.t)) {
        if (lxe__now_ms() > run->deadline || (run->stop && *run->stop))
            return lxe__err_set(err, ETIMEDOUT, "freeze: %s: unbound, but"
                                " its ring is still in use after %u ms",
                                b->name, f->policy.freeze_timeout);
        lxe__sleep_ms(nap);
        if (nap < 5)
            nap *= 1.5;
    }
    b->done = LXE_ACT_DETACH;
    return LXE_FAULT(FREEZE_AFTER_UNBIND, err);
}

/* No packet may arrive any more, and those underway have. */
static int link_down(struct run *run, struct lxe__backend *b,
                     struct lxe__view_item *item, struct lxe__err *err)
{
    struct lxe__freeze *f = run->f;
    bool up;

    if (!item->linkable) {
        /* Its routes would go with the link: see docs/freeze.md. */
        b->done = LXE_ACT_PROVE;
        return 0;
    }
    if (lxe__vif_is_up(item->entry.vif, &up, err))
        return -1;
    /* One that somebody has set down is not ours to set up. */
    if (up) {
        item->entry.undo = LXE_UNDO_LINK;
        if (lxe__journal_intent(f->journal_fd, f->domid, &item->entry,
                                err))
            return -1;
        f->acted = true;
        if (LXE_FAULT(FREEZE_BEFORE_LINK, err) ||
            lxe__vif_link(item->entry.vif, false, err))
            return -1;
        lap(run, "link");
    }
    if (lxe__ringset_still(&item->rings, b, RX_QUIET_MS, run->deadline,
                           run->stop, err))
        return -1;
    b->done = LXE_ACT_LINK;
    return LXE_FAULT(FREEZE_AFTER_LINK, err);
}

static int prove(struct run *run, struct lxe__backend *b,
                 struct lxe__view_item *item, struct lxe__err *err)
{
    double deadline = run->deadline;
    struct lxe__err late;

    /* Leave time for the other way. */
    if (b->verdict.fallback == LXE_ACT_DETACH)
        deadline = (run->start + run->deadline) / 2;
    if (item->err.code)
        return lxe__err_set(err, item->err.code, "%s", item->err.msg);
    if (b->verdict.act != LXE_ACT_LINK) {
        if (lxe__ringset_drain(&item->rings, b, deadline, run->stop, err))
            return -1;
        b->done = LXE_ACT_PROVE;
        return 0;
    }
    /* With the link down, netback does not look at requests either. */
    if (deadline > lxe__now_ms() + TX_DRAIN_MS)
        deadline = lxe__now_ms() + TX_DRAIN_MS;
    lxe__err_init(&late);
    if (lxe__ringset_drain(&item->rings, b, deadline, run->stop, &late)) {
        if (late.code != ETIMEDOUT)
            return lxe__err_set(err, late.code, "%s", late.msg);
        LXE_DBG(run->f->lg, "%s", late.msg);
    }
    return link_down(run, b, item, err);
}

static int freeze_one(struct run *run, struct lxe__backend *b,
                      struct lxe__view_item *item, struct lxe__err *err)
{
    enum lxe__bk_act act = b->verdict.act;
    struct lxe__err why;
    int r = 0;

    b->done = act;
    if (act == LXE_ACT_NOTHING || act == LXE_ACT_MARK)
        return 0;
    lxe__err_init(&why);
    if (act == LXE_ACT_UNFREEZABLE) {
        lxe__err_set(&why, EPERM, "freeze: backend %s of domain %u cannot"
                     " be frozen: %s", b->name, run->f->domid,
                     b->verdict.why);
        return give_up(run, b, &why, err);
    }
    if (act == LXE_ACT_DETACH)
        r = detach(run, b, item, &why);
    else
        r = prove(run, b, item, &why);
    if (r && why.code != EINTR && act != LXE_ACT_DETACH &&
        b->verdict.fallback == LXE_ACT_DETACH) {
        LXE_WARN(run->f->lg, "%s; detaching it", why.msg);
        lxe__err_init(&why);
        r = detach(run, b, item, &why);
    }
    return r ? give_up(run, b, &why, err) : 0;
}

/* The pages that QEMU's frame buffer and keyboard share with the guest. */
static int add_fb_page(struct run *run, const struct lxe__backend *b,
                       struct lxe__err *err)
{
    struct lxe__frame frame = { .reserved = true };
    char *v = lxe__xs_node(run->f->xsh, b->fe_path, "page-ref");
    char *end;
    int rc = 0;

    if (v && v[0] >= '0' && v[0] <= '9') {
        frame.frame = strtoull(v, &end, 10);
        if (!*end)
            rc = lxe__frames_add(&run->frames, &frame, err);
    }
    free(v);
    return rc;
}

static int collect(struct run *run, struct lxe__err *err)
{
    struct lxe__backends *bs = &run->f->view.bs;
    size_t i;

    if (lxe__gtable_collect(&run->f->view.gmap.t, &run->grants, err))
        return -1;
    run->frames.nr = 0;
    for (i = 0; i < run->grants.nr; i++) {
        const struct lxe__grant *g = &run->grants.list[i];
        struct lxe__frame frame = {
            .frame = g->frame, .ref = g->ref, .domid = g->domid,
            .has_ref = true, .reserved = g->ref < LXE_GRANT_RESERVED,
        };

        if (lxe__frames_add(&run->frames, &frame, err))
            return -1;
    }
    for (i = 0; i < bs->nr; i++)
        if (bs->list[i].kind == LXE_BK_FB && bs->list[i].connected &&
            add_fb_page(run, &bs->list[i], err))
            return -1;
    lxe__frames_sort(&run->frames);
    return 0;
}

static int mark_all(struct run *run, uint64_t dirty_before,
                    struct lxe__err *err)
{
    struct lxe__freeze *f = run->f;
    struct lxe__marker m = {
        .xch = f->xch, .fmem = f->view.fmem, .domid = f->domid,
        .own_domid = f->view.bs.own_domid, .hvm = f->hvm,
        .max_pfn = f->peek.pages - 1,
    };
    uint64_t dirty;
    size_t missing, i;

    if (collect(run, err) || LXE_FAULT(FREEZE_BEFORE_MARK, err) ||
        lxe__frames_resolve(&m, &run->frames, err) ||
        lxe__mark(&m, &run->frames, err))
        return -1;
    lap(run, "mark");
    if (lxe__mark_by_grant(&m, &run->frames, false, err))
        return -1;
    lap(run, "top");
    if (lxe__peek_check(&f->peek, &run->frames, &dirty, &missing, err))
        return -1;
    if (missing) {
        LXE_DBG(f->lg, "freeze: %zu of %zu frames are marked by their"
                " grants", missing, run->frames.nr);
        if (lxe__mark_by_grant(&m, &run->frames, true, err) ||
            lxe__peek_check(&f->peek, &run->frames, &dirty, &missing, err))
            return -1;
        lap(run, "grants");
    }
    lap(run, "check");
    run->report->frames_marked = run->frames.nr - missing;
    run->report->frames_lost_by_stock =
        dirty > dirty_before ? dirty - dirty_before : 0;
    for (i = 0; i < run->frames.nr; i++) {
        const struct lxe__frame *fr = &run->frames.list[i];

        if (fr->marked)
            continue;
        LXE_DBG(f->lg, "freeze: frame 0x%llx (pfn 0x%llx, grant %u) is"
                " not in the dirty bitmap", (unsigned long long)fr->frame,
                (unsigned long long)fr->pfn, fr->ref);
        if (!fr->reserved)
            return lxe__err_set(err, EIO, "freeze: frame 0x%llx of domain"
                                " %u is in use by domain %u through grant"
                                " %u and could not be marked dirty",
                                (unsigned long long)fr->frame, f->domid,
                                fr->domid, fr->ref);
    }
    return LXE_FAULT(FREEZE_AFTER_MARK, err);
}

static void log_report(const struct run *run, bool logdirty)
{
    const struct lxe__backends *bs = &run->f->view.bs;
    const struct lxe__freeze_report *r = run->report;
    char line[768];
    size_t i, len = 0;

    for (i = 0; i < bs->nr && len < sizeof(line) - 80; i++)
        if (bs->list[i].done != LXE_ACT_NOTHING &&
            bs->list[i].done != LXE_ACT_MARK)
            len += snprintf(line + len, sizeof(line) - len, "%s%s %s",
                            len ? ", " : "", bs->list[i].name,
                            lxe__act_name(bs->list[i].done));
    if (!len)
        len = snprintf(line, sizeof(line), "no backend");
    if (i < bs->nr)
        len += snprintf(line + len, sizeof(line) - len, ", ...");
    if (logdirty)
        snprintf(line + len, sizeof(line) - len, "; %llu frames at risk,"
                 " %llu marked, %llu would have been lost",
                 (unsigned long long)r->frames_at_risk,
                 (unsigned long long)r->frames_marked,
                 (unsigned long long)r->frames_lost_by_stock);
    LXE_INFO(run->f->lg, "freeze: dom %u: %s, %.1f ms", run->f->domid,
             line, r->ms);
}

static void count_report(struct run *run)
{
    const struct lxe__backends *bs = &run->f->view.bs;
    struct lxe__freeze_report *r = run->report;
    size_t i;

    r->backends = r->proved = r->detached = r->unfrozen = 0;
    for (i = 0; i < bs->nr; i++)
        switch (bs->list[i].done) {
        case LXE_ACT_PROVE:
        case LXE_ACT_LINK:
            r->proved++;
            r->backends++;
            break;
        case LXE_ACT_DETACH:
            r->detached++;
            r->backends++;
            break;
        case LXE_ACT_UNFREEZABLE:
            r->unfrozen++;
            break;
        case LXE_ACT_NOTHING:
        case LXE_ACT_MARK:
            break;
        }
}

static int run_steps(struct run *run, bool logdirty, struct lxe__err *err)
{
    struct lxe__freeze *f = run->f;
    uint64_t dirty = 0;
    bool remade;
    size_t i;

    /* A device may have come or gone since the plan. */
    if (lxe__view_refresh(&f->view, &remade, err))
        return -1;
    lap(run, remade ? "remade" : "view");
    if (logdirty) {
        if (lxe__peek_count(&f->peek, &dirty, err) || collect(run, err))
            return -1;
        run->report->frames_at_risk = run->frames.nr;
    }
    lap(run, "look");
    if (LXE_FAULT(FREEZE_BEFORE_PROVE, err))
        return -1;
    for (i = 0; i < f->view.bs.nr; i++) {
        if (freeze_one(run, &f->view.bs.list[i], &f->view.items[i],
                       err))
            return -1;
        if (f->view.bs.list[i].done != LXE_ACT_MARK)
            lap(run, f->view.bs.list[i].name);
    }
    if (LXE_FAULT(FREEZE_AFTER_PROVE, err))
        return -1;
    return logdirty ? mark_all(run, dirty, err) : 0;
}

int lxe__freeze_run(struct lxe__freeze *f, bool logdirty,
                    const volatile sig_atomic_t *stop,
                    struct lxe__freeze_report *report,
                    struct lxe__err *err)
{
    struct run run = { .f = f, .stop = stop, .report = report };
    struct lxe__err mine;
    int rc;

    memset(report, 0, sizeof(*report));
    if (f->policy.freeze == LXE_FREEZE_OFF)
        return 0;
    lxe__err_init(&mine);
    run.start = run.lap = lxe__now_ms();
    run.deadline = run.start + f->policy.freeze_timeout;
    if (!f->peek_open && lxe__freeze_arm(f, &mine))
        rc = -1;
    else
        rc = run_steps(&run, logdirty, &mine);
    lxe__grants_dispose(&run.grants);
    lxe__frames_dispose(&run.frames);
    lap(&run, "end");
    LXE_DBG(f->lg, "freeze: dom %u: ms:%s", f->domid, run.laps);
    report->ms = lxe__now_ms() - run.start;
    if (!rc)
        count_report(&run);
    if (rc && f->policy.freeze == LXE_FREEZE_TRY && mine.code != EINTR) {
        LXE_WARN(f->lg, "%s; going on because of freeze = try", mine.msg);
        rc = 0;
    }
    if (rc)
        return lxe__err_set(err, mine.code, "%s", mine.msg);
    log_report(&run, logdirty);
    return 0;
}

/*----- commit, hold, thaw, free -----*/

/* Its death is seen by the journal's lock, not here. */
static void tell_guardian(struct lxe__freeze *f, char order)
{
    if (f->guard_fd >= 0)
        send(f->guard_fd, &order, 1, MSG_NOSIGNAL);
}

/*
 * The file first here, too, for the guardian that comes after one that
 * was killed.  What could not be written is not known to it: it then
 * lets nobody run.
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
 * The file first: should the guardian die, who reads it must know that
 * another copy of the guest may exist.
 */
int lxe__freeze_commit(struct lxe__freeze *f, struct lxe__err *err)
{
    if (f->guard_fd >= 0) {
        if (lxe__journal_commit(f->journal_fd, err))
            return -1;
        tell_guardian(f, LXE_GUARD_COMMIT);
        close(f->guard_fd);
        f->guard_fd = -1;
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
        close(f->guard_fd);
        f->guard_fd = -1;
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
    close(f->guard_fd);
    f->guard_fd = -1;
    return 0;
}

int lxe__freeze_thaw(struct lxe__freeze *f, struct lxe__err *err)
{
    struct lxe__journal j = { 0 };
    int rc = 0;

    if (f->guard_fd < 0)
        return 0;
    if (f->acted) {
        rc = lxe__journal_read(&j, f->journal_fd, err);
        if (!rc)
            rc = lxe__undo_all(f->xch, f->xsh, f->view.bs.own_domid,
                               f->journal_fd, &j, err);
        lxe__journal_dispose(&j);
    }
    /* Where it failed, the guardian sees the end and tries again. */
    if (!rc)
        tell_guardian(f, LXE_GUARD_DONE);
    close(f->guard_fd);
    f->guard_fd = -1;
    f->acted = false;
    return rc;
}

void lxe__freeze_free(struct lxe__freeze *f)
{
    if (!f)
        return;
    if (!f->committed)
        lxe__freeze_thaw(f, NULL);
    if (f->guard_fd >= 0)
        close(f->guard_fd);
    if (f->journal_fd >= 0)
        close(f->journal_fd);
    if (f->peek_open)
        lxe__peek_close(&f->peek);
    lxe__view_close(&f->view);
    free(f);
}
