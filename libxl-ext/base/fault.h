/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Numbered fault points, for tests of recovery.
 *
 * LIBXL_EXT_FAULT=N:ACTION chooses point N and what happens when it is
 * reached:
 *
 *   error   it fails with EIO
 *   kill    the process sends SIGKILL to itself
 *   stop    the process sends SIGSTOP to itself, so that a test can do
 *           something at that very point and let it go on
 *   nap     it sleeps until a signal is caught, for 20 s at most
 *   sleep   the same, for 10 minutes at most
 *
 * "N:error:K" acts the K-th time that the point is reached (1 is the
 * first).  Present in debug builds only (-DLXE_DEBUG): in a release build
 * LXE_FAULT() is the constant 0 and the variable is not even read.
 *
 * A number is never reused for another point: test reports of older
 * releases name them.  libxl-ext-save-helper --list-faults prints the
 * list of a debug build.
 */
#ifndef LXE_BASE_FAULT_H
#define LXE_BASE_FAULT_H

#include "base/err.h"

/* number, name, side, what a crash here leaves behind */
#define LXE_FAULT_POINTS(X)                                             \
    X(1,  SAVE_BEFORE_LIMITS,   "save", "nothing done")                 \
    X(2,  SAVE_AFTER_LIMITS,    "save", "limits read and judged")       \
    X(3,  SAVE_BEFORE_RECORD,   "save", "headers held back")            \
    X(4,  SAVE_AFTER_RECORD,    "save", "memory record written")        \
    X(5,  SAVE_BEFORE_PRECOPY,  "save", "relay still in the stream")    \
    X(6,  SAVE_AFTER_ROUND,     "save", "log-dirty on, guest runs")     \
    X(7,  SAVE_BEFORE_SUSPEND,  "save", "log-dirty on, guest runs")     \
    X(8,  SAVE_AFTER_SUSPEND,   "save", "guest suspended")              \
    X(9,  SAVE_BEFORE_FREEZE,   "save", "guest suspended")              \
    X(10, SAVE_AFTER_FREEZE,    "save", "backends frozen")              \
    X(11, SAVE_BEFORE_RECHECK,  "save", "backends frozen")              \
    X(12, SAVE_AFTER_RECHECK,   "save", "backends frozen, limits held") \
    X(13, SAVE_AFTER_LAST_PASS, "save", "all pages written")            \
    X(14, SAVE_BEFORE_COMPLETE, "save", "END written, libxl not told")  \
    X(15, GUARD_BEFORE_START,   "save", "no guardian")                  \
    X(16, GUARD_AFTER_START,    "save", "guardian waits, journal empty")\
    X(17, FREEZE_BEFORE_PROVE,  "save", "nothing frozen")               \
    X(18, FREEZE_AFTER_PROVE,   "save", "rings drained")                \
    X(19, FREEZE_BEFORE_MARK,   "save", "rings drained")                \
    X(20, FREEZE_AFTER_MARK,    "save", "frames marked dirty")          \
    X(21, FREEZE_BEFORE_UNBIND, "save", "journal names the backend")    \
    X(22, FREEZE_AFTER_UNBIND,  "save", "backend unbound")              \
    X(23, FREEZE_BEFORE_LINK,   "save", "journal names the interface")  \
    X(24, FREEZE_AFTER_LINK,    "save", "interface is down")            \
    X(25, THAW_BEFORE,          "save", "backend frozen, thaw due")     \
    X(26, THAW_AFTER,           "save", "backend thawed")               \
    X(27, SAVE_AFTER_COMMIT,    "save", "guardian waits, libxl not told")\
    X(28, HOLD_BEFORE,          "hand", "backends frozen, guardian waits")\
    X(29, HOLD_AFTER_JOURNAL,   "hand", "journal held, guardian not told")\
    X(30, STATE_BEFORE,         "state", "all pages written")           \
    X(31, STATE_AFTER_RECORD,   "state", "stale tables sent as pages")  \
    X(40, RESTORE_BEFORE_RECORD,"restore", "nothing read")              \
    X(41, RESTORE_AFTER_RECORD, "restore", "record read, not judged")   \
    X(42, RESTORE_BEFORE_LIMIT, "restore", "verdict given")             \
    X(43, RESTORE_AFTER_LIMIT,  "restore", "limit set, nothing claimed")\
    X(44, RESTORE_AFTER_CLAIM,  "restore", "pages claimed, none in")    \
    X(45, RESTORE_BEFORE_PAGES, "restore", "relay still in the stream") \
    X(46, RESTORE_AFTER_PAGES,  "restore", "pages in, libxl not told")  \
    X(47, RESTORE_BEFORE_COMPLETE,"restore", "claim given back")        \
    X(48, KEEP_BEFORE,          "keep", "restore failed, image unnamed")\
    X(49, KEEP_AFTER_COPY,      "keep", "copied, the copy has no name") \
    X(50, KEEP_AFTER_NAME,      "keep", "put back, libxl not told")     \
    X(60, MIGRATE_AFTER_SAVE,   "migrate", "image whole, no word yet")  \
    X(61, MIGRATE_AFTER_READY,  "migrate", "the peer waits for GO")     \
    X(62, MIGRATE_AFTER_COMMIT, "migrate", "committed, GO not sent")    \
    X(63, MIGRATE_AFTER_GO,     "migrate", "GO sent")                   \
    X(64, MIGRATE_AFTER_DONE,   "migrate", "it runs there, a copy here")\
    X(70, RECEIVE_AFTER_OFFER,  "receive", "nothing made")              \
    X(71, RECEIVE_AFTER_RESTORE,"receive", "paused copy, no word yet")  \
    X(72, RECEIVE_AFTER_READY,  "receive", "paused copy, GO awaited")   \
    X(73, RECEIVE_AFTER_GO,     "receive", "paused copy, may run")      \
    X(74, RECEIVE_AFTER_RUN,    "receive", "it runs, no word yet")

#define LXE_FAULT_ENV "LIBXL_EXT_FAULT"

enum lxe__fault_point {
#define X(n, name, side, leaves) LXE_FAULT_##name = n,
    LXE_FAULT_POINTS(X)
#undef X
};

#ifdef LXE_DEBUG
/*
 * 0 where nothing is to happen.  -1 with errno EIO and @err set where
 * the point is chosen to fail.  Does not return where it is chosen to
 * die.
 */
int lxe__fault(enum lxe__fault_point point, struct lxe__err *err);
#define LXE_FAULT(name, err) lxe__fault(LXE_FAULT_##name, (err))
/* Prints number, name, side and what is left, one point a line. */
void lxe__fault_list(void);
#else
#define LXE_FAULT(name, err) ((void)(err), 0)
#endif

#endif
