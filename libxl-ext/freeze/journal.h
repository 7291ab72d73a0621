/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The journal: what of a domain is frozen in a way that must be undone.
 *
 * One file per domain, RUNDIR/DOMID.journal, lines of words:
 *
 *   libxl-ext-freeze 1
 *   domain DOMID UUID
 *   intent unbind NAME DRIVER VIF SCRIPT
 *   intent link NAME DRIVER VIF SCRIPT
 *   undone METHOD NAME
 *   suspend
 *   answered
 *   ran
 *   whole
 *   commit
 *   hold
 *   thaw
 *
 * "suspend": libxl is about to be asked to suspend the guest for this
 * save, "answered": it has answered, "ran": the guest was seen running
 * since.  docs/freeze.md says what each makes of a crash after it.
 * "whole": libxenguest's part of an image is, and the toolstack decides
 * what comes of it.  "commit": that another copy may run; from here on
 * only a guest that runs by itself is thawed.  "hold": frozen by hand,
 * until the guest runs or "thaw" asks for it, which any process may
 * append.
 * NAME is the backend's name in sysfs (vbd-3-51712), DRIVER vbd or vif,
 * VIF the network interface or "-", SCRIPT the hotplug script or "-",
 * with bytes outside of printable ASCII, blanks and '%' as %XX.  A line
 * is written with one write(2), before the act that it names.  A line
 * without its newline was cut and does not count: its act was never
 * begun.  Whoever appends next takes it away; they do so one at a time.
 *
 * Pure code but for file calls; no Xen function is called.
 */
#ifndef LXE_FREEZE_JOURNAL_H
#define LXE_FREEZE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rundir.h"

#define LXE_JOURNAL_MAX     (256 * 1024)

enum lxe__undo { LXE_UNDO_UNBIND, LXE_UNDO_LINK };

struct lxe__jentry {
    enum lxe__undo undo;
    char name[48];
    char driver[8];
    char vif[16];               /* "" where there is none */
    char script[256];           /* "" where there is none */
    bool undone;
};

struct lxe__journal {
    uint32_t domid;
    uint8_t uuid[16];
    bool ours;                  /* suspended for this save, if it is */
    bool asked;                 /* ... and libxl has not answered yet */
    bool whole;
    bool committed;
    bool held;
    bool thaw;                  /* somebody asks the guardian to */
    struct lxe__jentry *list;
    size_t nr;
};

/*
 * Pure: text in, journal out.  EPROTO names the line; ENODATA: it was cut
 * in its head; ENOMEM.
 */
int lxe__journal_parse(struct lxe__journal *j, const char *text,
                       size_t len, struct lxe__err *err);
void lxe__journal_dispose(struct lxe__journal *j);

/*
 * Are the names such that they can be put into a path and given to a
 * script?  Checked by the parser and before a line is written.
 */
bool lxe__jentry_valid(const struct lxe__jentry *e, uint32_t domid);

/* A file of @domid in RUNDIR; @suffix is "journal" or "log". */
int lxe__journal_path(char *path, size_t len, uint32_t domid,
                      const char *suffix, struct lxe__err *err);

/*
 * Makes the run directory and a new journal; EBUSY if there is one, or if
 * another process took it for a leftover before its first line was
 * written.  Returns a descriptor to append to, or -1.
 *
 * The descriptor holds the journal's lock, and so does every copy of it
 * that a fork makes: until the last is closed, whoever would recover
 * the domain waits.  The guardian gets one (lxe__guard_start()).
 */
int lxe__journal_create(uint32_t domid, const uint8_t uuid[16],
                        struct lxe__err *err);

/* Opens an existing one to append; -1 with ENOENT where there is none. */
int lxe__journal_open(uint32_t domid, struct lxe__err *err);

/*
 * Reads all of it from the descriptor.  As lxe__journal_parse(), and EFBIG
 * where it is too long for a journal; all else may pass.
 */
int lxe__journal_read(struct lxe__journal *j, int fd,
                      struct lxe__err *err);

int lxe__journal_intent(int fd, uint32_t domid,
                        const struct lxe__jentry *e,
                        struct lxe__err *err);
int lxe__journal_undone(int fd, const struct lxe__jentry *e,
                        struct lxe__err *err);
int lxe__journal_suspend(int fd, struct lxe__err *err);
int lxe__journal_answered(int fd, struct lxe__err *err);
int lxe__journal_ran(int fd, struct lxe__err *err);
int lxe__journal_whole(int fd, struct lxe__err *err);
int lxe__journal_commit(int fd, struct lxe__err *err);
int lxe__journal_hold(int fd, struct lxe__err *err);
int lxe__journal_ask_thaw(int fd, struct lxe__err *err);

/* Has somebody removed it since it was opened? */
bool lxe__journal_removed(int fd);

int lxe__journal_remove(uint32_t domid, struct lxe__err *err);

#endif
