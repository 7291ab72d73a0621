/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the files of the sequence share: freeze.c has its begin and end,
 * run.c what happens while the guest stands still, act.c what is done to
 * one backend.
 */
#ifndef LXE_FREEZE_RUN_H
#define LXE_FREEZE_RUN_H

#include "freeze/freeze.h"
#include "freeze/mark.h"
#include "freeze/view.h"

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

/* What one lxe__freeze_run() holds. */
struct lxe__run {
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

/* @b is only in the way of an image, and by hand no image is made. */
static inline bool lxe__freeze_passes(const struct lxe__freeze *f,
                                      const struct lxe__backend *b)
{
    return f->by_hand && b->kind == LXE_BK_USB;
}

/* The time since the last lap was spent on @what. */
void lxe__run_lap(struct lxe__run *run, const char *what);

/*
 * 0 also where @b could not be frozen and the policy lets the save go
 * on; b->done says what was done.
 */
int lxe__freeze_one(struct lxe__run *run, struct lxe__backend *b,
                    struct lxe__view_item *item, struct lxe__err *err);

#endif
