/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * All that a freeze must know of a guest's backends, read and mapped
 * while the guest still runs, so that little is left to do while it
 * stands still.
 *
 * The view is kept true by xenstore watches on the list of devices, on
 * the state of each backend and on each frontend: where anything there
 * was written since, it is made anew.
 */
#ifndef LXE_FREEZE_VIEW_H
#define LXE_FREEZE_VIEW_H

#include "freeze/backends.h"
#include "freeze/grants.h"
#include "freeze/journal.h"
#include "freeze/poll.h"
#include "freeze/task.h"

/* What belongs to the backend of the same index. */
struct lxe__view_item {
    struct lxe__ringset rings;
    bool linkable;              /* see lxe__vif_describe() */
    struct lxe__jentry entry;   /* to write into the journal */
    struct lxe__task down, unbind;      /* see lxe__view_ready() */
    struct lxe__err err;        /* why its rings could not be mapped */
};

struct lxe__view {
    xc_interface *xch;          /* not ours */
    uint32_t domid;
    const struct lxe__policy *policy;   /* not ours */
    struct xs_handle *xsh;      /* for the watches, so not shared */
    xenforeignmemory_handle *fmem;
    struct lxe__backends bs;
    struct lxe__view_item *items;
    struct lxe__gmap gmap;
    bool complete;
    bool changed;               /* events were taken, and not yet heeded */
};

/* Finds and judges the backends, and begins to watch. */
int lxe__view_open(struct lxe__view *v, xc_interface *xch, uint32_t domid,
                   const struct lxe__policy *policy, struct lxe__err *err);

/*
 * Lists and maps rings and grant table.  What is wrong with one backend
 * is in its item; -1 is for what is wrong with all.
 */
int lxe__view_map(struct lxe__view *v, struct lxe__err *err);

/*
 * Makes ready the task that will be needed for each, where it can.  They
 * are gone when the view is made anew.
 */
void lxe__view_ready(struct lxe__view *v);

/*
 * Takes the events that have come, which would pile up else: the guest
 * can make as many as it likes.  Asks xenstored nothing.
 */
void lxe__view_take(struct lxe__view *v);

/*
 * Makes the view true again if something changed since; *remade_r says
 * so.  Costs one round trip to xenstored and one hypercall if nothing
 * did.
 */
int lxe__view_refresh(struct lxe__view *v, bool *remade_r,
                      struct lxe__err *err);

void lxe__view_close(struct lxe__view *v);

#endif
