/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is done to one backend while the guest stands still.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/stop.h"
#include "freeze/backends.h"
#include "freeze/journal.h"
#include "freeze/run.h"
#include "freeze/sysfs.h"
#include "freeze/task.h"
#include "freeze/vif.h"

#define TX_DRAIN_MS 50.0    /* what is left then is a lost packet */
#define RX_QUIET_MS 2.0

/*
 * Something about one backend failed.  0 where the policy lets the save
 * go on.
 */
static int give_up(struct lxe__run *run, struct lxe__backend *b,
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

/* Unplugged since the guest was suspended, and its frames let go of. */
static bool is_gone(const struct lxe__run *run,
                    const struct lxe__view_item *item)
{
    return !lxe__sysfs_exists(item->entry.name) &&
        !lxe__ringset_in_use(&item->rings, &run->f->view.gmap.t);
}

static int detach(struct lxe__run *run, struct lxe__backend *b,
                  struct lxe__view_item *item, struct lxe__err *err)
{
    struct lxe__freeze *f = run->f;
    double nap = 0.2;

    /* Without its rings, nothing would say that it has let go. */
    if (!item->rings.nr)
        return lxe__err_set(err, item->err.code, "%s", item->err.msg);
    item->entry.undo = LXE_UNDO_UNBIND;
    if (lxe__journal_intent(f->journal_fd, f->domid, &item->entry, err))
        return -1;
    f->acted = true;
    if (LXE_FAULT(FREEZE_BEFORE_UNBIND, err))
        return -1;
    if (lxe__sysfs_unbind(&item->unbind, item->entry.driver, b->name,
                          run->deadline, run->stop, err)) {
        if (!is_gone(run, item))
            return -1;
        b->done = LXE_ACT_NOTHING;
        return 0;
    }
    /*
     * unbind returns while requests are still in flight; their rings
     * stay mapped until the last one has been answered.
     */
    while (lxe__ringset_in_use(&item->rings, &f->view.gmap.t)) {
        if (lxe__told_to_stop(run->stop))
            return lxe__err_set(err, EINTR, "freeze: %s: unbound, but its"
                                " ring is still in use: told to stop",
                                b->name);
        if (lxe__now_ms() > run->deadline)
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
static int link_down(struct lxe__run *run, struct lxe__backend *b,
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
            lxe__vif_down(&item->down, &item->entry, run->deadline,
                          run->stop, err))
            return -1;
        lxe__run_lap(run, "link");
    }
    if (lxe__ringset_still(&item->rings, b, RX_QUIET_MS, run->deadline,
                           run->stop, err))
        return -1;
    b->done = LXE_ACT_LINK;
    return LXE_FAULT(FREEZE_AFTER_LINK, err);
}

/*
 * What a card was to transmit and did not is a lost packet.  netback only
 * reads such a packet: it copies from the page or maps it read-only, and
 * netfront grants no more.  An answer that comes late changes the ring's
 * own page, and netfront gives up its rings and what is on them when it
 * resumes.  So nothing is gained by waiting for a peer that is slow to
 * take a packet.
 */
static int prove(struct lxe__run *run, struct lxe__backend *b,
                 struct lxe__view_item *item, struct lxe__err *err)
{
    bool card = b->kind == LXE_BK_VIF;
    double deadline = run->deadline;
    struct lxe__err late;

    lxe__err_init(&late);
    /* Leave time for the other way. */
    if (b->verdict.fallback == LXE_ACT_DETACH)
        deadline = (run->start + run->deadline) / 2;
    if (item->err.code)
        return lxe__err_set(err, item->err.code, "%s", item->err.msg);
    if (card && deadline > lxe__now_ms() + TX_DRAIN_MS)
        deadline = lxe__now_ms() + TX_DRAIN_MS;
    b->done = LXE_ACT_PROVE;
    if (lxe__ringset_drain(&item->rings, b, deadline, run->stop, &late)) {
        if (late.code != ETIMEDOUT)
            return lxe__err_set(err, late.code, "%s", late.msg);
        if (b->verdict.act != LXE_ACT_LINK &&
            !lxe__ringset_in_use(&item->rings, &run->f->view.gmap.t)) {
            /* Its domain has ended since its rings were mapped, say. */
            LXE_WARN(run->f->lg, "freeze: %s: its backend has let go of it"
                     " and will answer nothing more", b->name);
            b->done = LXE_ACT_NOTHING;
            return 0;
        }
        if (!card)
            return lxe__err_set(err, late.code, "%s", late.msg);
        LXE_DBG(run->f->lg, "%s", late.msg);
    }
    return b->verdict.act == LXE_ACT_LINK ? link_down(run, b, item, err)
                                          : 0;
}

int lxe__freeze_one(struct lxe__run *run, struct lxe__backend *b,
                    struct lxe__view_item *item, struct lxe__err *err)
{
    enum lxe__bk_act act = b->verdict.act;
    struct lxe__err why;
    int r = 0;

    b->done = lxe__freeze_passes(run->f, b) ? LXE_ACT_NOTHING : act;
    act = b->done;
    if (act == LXE_ACT_NOTHING || act == LXE_ACT_MARK)
        return 0;
    lxe__err_init(&why);
    if (act == LXE_ACT_UNFREEZABLE) {
        lxe__err_set(&why, EPERM, "freeze: backend %s of domain %u cannot"
                     " be frozen: %s", b->name, run->f->domid,
                     b->verdict.why);
        return give_up(run, b, &why, err);
    }
    if (lxe__told_to_stop(run->stop))
        r = lxe__err_set(&why, EINTR, "freeze: %s: not begun: told to"
                         " stop", b->name);
    else if (act == LXE_ACT_DETACH)
        r = detach(run, b, item, &why);
    else
        r = prove(run, b, item, &why);
    /* What hangs could not be detached either. */
    if (r && why.code != EINTR && act != LXE_ACT_DETACH &&
        b->verdict.fallback == LXE_ACT_DETACH &&
        !lxe__task_busy(b->name)) {
        LXE_WARN(run->f->lg, "%s; detaching it", why.msg);
        lxe__err_init(&why);
        r = detach(run, b, item, &why);
    }
    return r ? give_up(run, b, &why, err) : 0;
}
