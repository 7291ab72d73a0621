/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guardian, seen from the process that starts it.
 *
 * The guardian is a program of its own (guardian/main.c).  A socket
 * leads to it (a pipe would raise SIGPIPE); one byte is one message:
 *
 *   SUSPENDING  libxl is about to be asked to suspend the guest
 *   ANSWERED    libxl has answered
 *   WHOLE       libxenguest's part of the image is whole; the toolstack
 *               commits in the journal when another copy may run
 *   COMMIT      the same, and another copy may run from now on
 *   HOLD        what was frozen by hand stays so until the guest runs
 *               again or the journal asks for a thaw
 *   DONE        everything has been undone
 *
 * The end of the stream without WHOLE, COMMIT, HOLD or DONE means that the
 * save failed.  So does the end of the process that started it: a child of
 * that one, forked without exec(2), may keep the stream open.
 */
#ifndef LXE_FREEZE_GUARD_H
#define LXE_FREEZE_GUARD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "base/err.h"

struct xs_handle;

#define LXE_GUARD_PROGRAM "libxl-ext-guardian"
#define LXE_GUARD_READY      'R'
#define LXE_GUARD_SUSPENDING 'S'
#define LXE_GUARD_ANSWERED   'A'
#define LXE_GUARD_COMMIT     'C'
#define LXE_GUARD_DONE       'D'
#define LXE_GUARD_WHOLE      'W'
#define LXE_GUARD_HOLD       'H'

/*
 * Starts it for @domid and waits until it is at work.  It gets a copy of
 * @journal_fd, which lxe__journal_create() returned, and with it the
 * journal's lock.  The caller's parent is taken for the toolstack:
 * where it dies and leaves the guest suspended, the guardian resumes it.
 * With @by_hand there is no toolstack, and nobody is resumed.
 * Returns the socket to it, or -1; with EINTR where *stop (which may be
 * NULL) was set before it was at work.
 */
int lxe__guard_start(uint32_t domid, int journal_fd, bool by_hand,
                     const volatile sig_atomic_t *stop,
                     struct lxe__err *err);

/*
 * xl lets a guest whose save failed run again at once.  A toolstack that
 * lives and has not done so after this, in ms, will not.
 */
#define LXE_GUARD_LEFT_MS 20000
/*
 * A guest that was asked to suspend by a helper that is gone may still
 * do so, and libxl does not wait for that.  Linux gives its tasks 20 s
 * to freeze.  So long, and then LXE_GUARD_LEFT_MS, a guardian may stay
 * when its save has failed.
 */
#define LXE_GUARD_LINGER_MS 20000

/* libxl's part: lets a suspended domain run again.  -1 and @err. */
struct lxe__resumer {
    int (*resume)(void *user, uint32_t domid, struct lxe__err *err);
    void *user;
};

/*
 * Undoes what an earlier process left for @domid.  Waits up to @wait_ms
 * for a guardian that is still at work; EBUSY where it does not end, or
 * where the domain is suspended, its pages are all written and @force is
 * not set: then somebody may let a copy run.  The caller has the domain's
 * operation lock.
 *
 * Where the domain is left suspended by a save that failed, and stays so
 * until LXE_GUARD_LEFT_MS after the last word in the journal, it is let
 * run by @resumer, as its guardian would have; with NULL it stays as it
 * is.
 *
 * Once *stop (which may be NULL) is set, devices have
 * LXE_UNDO_STOPPED_MS (thaw.h) and nothing else is waited for: EINTR
 * where something is left, and a line that says what and who goes on.
 */
int lxe__guard_recover(xc_interface *xch, struct xs_handle *xsh,
                       uint32_t domid, unsigned wait_ms, bool force,
                       const struct lxe__resumer *resumer,
                       const volatile sig_atomic_t *stop,
                       struct lxe__err *err);

/*
 * What is frozen of @domid is to be thawed because somebody says so.
 * What was frozen by hand is, by its guardian; this waits for it.  For
 * all else as lxe__guard_recover() without waiting.
 */
int lxe__guard_thaw(xc_interface *xch, struct xs_handle *xsh,
                    uint32_t domid, bool force,
                    const struct lxe__resumer *resumer,
                    const volatile sig_atomic_t *stop,
                    struct lxe__err *err);

#endif
