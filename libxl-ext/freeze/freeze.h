/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Freezing the backends of a guest: the sequence, as its caller (the
 * helper's save, or a freeze by hand) sees it.
 *
 *   plan    before the first byte: which backends, which method each,
 *           what the policy says of those that cannot be frozen
 *   arm     before the guest suspends: tasks, journal, guardian; with
 *           freeze = off the latter two, where they can be had
 *   run     after the guest suspended, before the last dirty bitmap
 *   commit  the image is whole: from here the guardian waits to see what
 *           becomes of the domain
 *   whole   instead of commit, where the toolstack says itself when
 *           another copy may run
 *   hold    instead of commit, by hand: from here the guardian waits
 *           until the guest runs or somebody asks for a thaw
 *   thaw    the save failed: everything is undone now
 *
 * If the process dies anywhere in between, the guardian does what thaw
 * does; if libxl dies with it, the guardian also lets the guest run
 * again, which is otherwise libxl's part.  After commit nothing is undone
 * unless the guest runs again.
 */
#ifndef LXE_FREEZE_FREEZE_H
#define LXE_FREEZE_FREEZE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xentoollog.h>

#include "base/err.h"
#include "freeze/backends.h"
#include "memory/policy.h"

struct xs_handle;
struct lxe__freeze;

struct lxe__freeze_report {
    unsigned backends;          /* frozen */
    unsigned proved;            /* of these, still bound (prove, link) */
    unsigned detached;          /* of these, unbound */
    unsigned unfrozen;          /* let pass by freeze = try */
    uint64_t frames_at_risk;    /* in use by a grant as it began */
    uint64_t frames_marked;     /* in use as it ended, in the bitmap */
    uint64_t frames_lost_by_stock; /* not in the bitmap before, in after */
    double ms;                  /* of lxe__freeze_run() */
};

enum lxe__freeze_why {
    LXE_FREEZE_FOR_SAVE,
    /*
     * The guest must be suspended or paused now.  For a paused one the
     * method is detach, whatever the policy says: it may run at any
     * time, and then a ring that has drained fills again.  freeze = off
     * counts as require.
     */
    LXE_FREEZE_BY_HAND,
};

/*
 * 0 and *out, or -1: nothing has been changed and the save must be
 * refused.  *out is freed with lxe__freeze_free().  *stop, where not
 * NULL, ends each wait of plan and arm early, with EINTR.
 */
int lxe__freeze_plan(struct lxe__freeze **out, xc_interface *xch,
                     struct xs_handle *xsh, uint32_t domid, bool hvm,
                     const struct lxe__policy *policy,
                     enum lxe__freeze_why why, xentoollog_logger *lg,
                     const volatile sig_atomic_t *stop,
                     struct lxe__err *err);

int lxe__freeze_arm(struct lxe__freeze *f,
                    const volatile sig_atomic_t *stop,
                    struct lxe__err *err);

/*
 * From time to time between arm and run, while pages are written: what
 * xenstore has to say of the backends is heard, and heeded by run.
 */
void lxe__freeze_listen(struct lxe__freeze *f);

/*
 * The domain must be shut down with reason "suspend" or, by hand, be as
 * it was found by the plan.  @logdirty: Xen's log-dirty mode is on (a
 * live save), so frames are marked and peeked at; in a save that is not
 * live every page is still to be read, and a drained or detached backend
 * is all that is needed.  @stop, where not NULL, ends a wait early with
 * EINTR (a SIGTERM was seen).
 * On failure what was frozen so far is still frozen: call thaw.
 */
int lxe__freeze_run(struct lxe__freeze *f, bool logdirty,
                    const volatile sig_atomic_t *stop,
                    struct lxe__freeze_report *report,
                    struct lxe__err *err);

/* What it found and, after run, did; owned by @f. */
const struct lxe__backends *lxe__freeze_backends(
    const struct lxe__freeze *f);

/* -1 where the journal could not be told: the save has failed. */
int lxe__freeze_commit(struct lxe__freeze *f, struct lxe__err *err);

/*
 * Instead of commit, for a toolstack that writes that into the journal
 * itself (lxe__journal_commit()), when another copy may run.  Should it
 * die before, the guardian lets the guest run again.
 */
int lxe__freeze_whole(struct lxe__freeze *f, struct lxe__err *err);

/* -1 where the guest runs meanwhile, or for want of a journal: thaw. */
int lxe__freeze_hold(struct lxe__freeze *f, struct lxe__err *err);

/*
 * libxl is about to be asked to suspend the domain; it has answered.
 * Should all die in between, the guardian waits for what comes of it.
 */
void lxe__freeze_suspending(struct lxe__freeze *f);
void lxe__freeze_answered(struct lxe__freeze *f);

/*
 * Idempotent.  -1 where a backend could not be brought back within
 * LXE_UNDO_MS (thaw.h), or LXE_UNDO_STOPPED_MS after *stop was set: its
 * guardian goes on.
 */
int lxe__freeze_thaw(struct lxe__freeze *f,
                     const volatile sig_atomic_t *stop,
                     struct lxe__err *err);

/* Without commit or thaw before it, this is thaw. */
void lxe__freeze_free(struct lxe__freeze *f);

#endif
