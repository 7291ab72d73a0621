/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the guardian does next: pure code over what it hears from the
 * helper and sees of the domain.
 *
 *   phase      holds                      left by
 *   WAITING    a save is under way        commit -> COMMITTED,
 *                                         whole -> WHOLE,
 *                                         hold -> HELD,
 *                                         done -> LEFT,
 *                                         end of the stream -> THAWING
 *   COMMITTED  the image is whole, and    domain runs -> THAWING
 *              another copy of the guest
 *              may run
 *   WHOLE      the image is whole, but    commit in the journal ->
 *              no other copy may run      COMMITTED, domain runs or
 *              until the toolstack says   toolstack gone -> THAWING
 *   HELD       frozen by hand; there is   domain runs, or thaw asked
 *              no copy of the guest       for -> THAWING
 *   THAWING    what is frozen must come   all undone -> LEFT
 *              back; where a device       (toolstack gone, or does not
 *              hangs, the guest need not  let it run -> resume it)
 *              wait for that
 *   LEFT       nothing is frozen; whoever domain runs -> end,
 *              asked for the save should  toolstack gone, or does not
 *              let the guest run again    -> resume it
 *
 * In every phase the end of the domain is the guardian's end.
 *
 * The end of the stream without a commit means that the helper failed or
 * died, so there is no image that another host could run: thawing is
 * safe although the domain may still be suspended.  So is letting it run
 * where libxl, whose part that is, has died, too, or where the program
 * around libxl forgets to: libvirt 9.0 leaves a guest suspended whose
 * migration fails after the suspend.  What was not suspended for this
 * save (a freeze by hand, or another save since) is left alone.  After a
 * commit only a domain that runs again is thawed: the copy would repeat
 * requests that the original gets answered.
 *
 * A guardian that is told to end (a signal: systemd stops the unit that
 * it was started from, and the toolstack with it) first does what it can:
 * as long as others are there whose turn it is, it is not counted; else
 * it tries for GUARD_TOLD_MS, or waits GUARD_STILL_MS for a guest that
 * only others may let run, and then leaves the rest to the journal.
 */
#ifndef LXE_GUARDIAN_DECIDE_H
#define LXE_GUARDIAN_DECIDE_H

#include <stdbool.h>

#include "freeze/guard.h"
#include "freeze/journal.h"

enum guard_phase {
    GUARD_WAITING, GUARD_COMMITTED, GUARD_WHOLE, GUARD_HELD, GUARD_THAWING,
    GUARD_LEFT,
};

enum guard_act {
    GUARD_WAIT,     /* look again later */
    GUARD_THAW,     /* then tell guard_thawed() */
    GUARD_RESUME,   /* then tell guard_resumed() */
    GUARD_END,
    GUARD_LEAVE,    /* end, and leave the journal as it is */
};

struct guard_state {
    enum guard_phase phase;
    bool asked;         /* libxl is suspending the guest just now */
    bool ours;          /* suspended, it is so for this save */
    bool tried;         /* to thaw, and something hangs */
    /* In THAWING, and anew in LEFT: */
    double left_ms;     /* since when; 0: not yet looked */
    double still_ms;    /* since when suspended */
    double gone_ms;     /* since when without a toolstack */
    double told_ms;     /* to end, since when that counts; 0: not yet */
};

struct guard_view {
    double now_ms;
    bool there;         /* the domain that is guarded */
    bool dying;
    bool suspended;     /* shut down with reason "suspend" */
    bool paused;        /* by the toolstack */
    bool thaw_asked;    /* in the journal */
    bool committed;     /* in the journal, read after toolstack_gone */
    bool toolstack_gone;    /* where that cannot be seen: no */
    bool toolstack_lives;   /* the same */
    bool told;              /* to end */
};

/*
 * A toolstack that has just died may have let the guest run with its
 * last act, and one whose helper is run by a script may only seem dead:
 * the guest gets this long, in ms, to run by itself.
 */
#define GUARD_ORPHAN_MS 3000
#define GUARD_LINGER_MS LXE_GUARD_LINGER_MS
#define GUARD_LEFT_MS   LXE_GUARD_LEFT_MS

/*
 * systemd sends SIGKILL 90 s after SIGTERM.  The longest that is waited
 * for without a toolstack is GUARD_LINGER_MS and GUARD_ORPHAN_MS.
 */
#define GUARD_TOLD_MS  30000
#define GUARD_STILL_MS 5000

#define GUARD_END_OF_STREAM (-1)

/* An order of freeze/guard.h, or GUARD_END_OF_STREAM. */
void guard_take(struct guard_state *s, int order);
/* Of a guardian that was killed: the journal has what it knew. */
void guard_take_up(struct guard_state *s, const struct lxe__journal *j);
enum guard_act guard_decide(struct guard_state *s,
                            const struct guard_view *v);
void guard_thawed(struct guard_state *s);
void guard_thaw_failed(struct guard_state *s);
void guard_resumed(struct guard_state *s);
/* Told to end: has it had @ms since that counts? */
bool guard_late(struct guard_state *s, double now_ms, double ms);

#endif
