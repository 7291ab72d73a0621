/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Putting frames of a suspended guest into Xen's dirty bitmap, and
 * looking at that bitmap without clearing it.
 */
#ifndef LXE_FREEZE_MARK_H
#define LXE_FREEZE_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "base/err.h"
#include "guest/m2p.h"

/* One frame at risk. */
struct lxe__frame {
    uint64_t frame;             /* gfn; PV: mfn */
    uint64_t pfn;               /* its bit in the dirty bitmap */
    uint32_t ref;               /* a grant of it, where has_ref */
    uint16_t domid;             /* to whom it is granted */
    bool has_ref;
    bool reserved;              /* console or xenstore page */
    bool marked;                /* seen in the bitmap afterwards */
};

struct lxe__frames {
    struct lxe__frame *list;
    size_t nr, room;
};

int lxe__frames_add(struct lxe__frames *fs, const struct lxe__frame *f,
                    struct lxe__err *err);
/* Sorts by frame and removes doubles, keeping one with a grant. */
void lxe__frames_sort(struct lxe__frames *fs);
void lxe__frames_dispose(struct lxe__frames *fs);

struct lxe__marker {
    xc_interface *xch;
    xenforeignmemory_handle *fmem;      /* not ours */
    uint32_t domid, own_domid;
    bool hvm;
    uint64_t max_pfn;           /* the highest of the guest */
};

/* PV: finds the pfn of each frame in Xen's machine-to-physical table. */
int lxe__frames_resolve(const struct lxe__marker *m,
                        struct lxe__frames *fs, struct lxe__err *err);

/*
 * Asks Xen to mark every frame that has a pfn.  Nothing is believed:
 * whether a frame is in the bitmap is for lxe__peek_check() to say.
 */
int lxe__mark(const struct lxe__marker *m, struct lxe__frames *fs,
              struct lxe__err *err);

/*
 * A second way, for frames that are granted to this domain; @all: those
 * that are not .marked, else only the highest of a PVH or HVM guest,
 * which lxe__mark() cannot mark.  Xen marks a frame itself when a
 * writable grant mapping of it goes away, so each is mapped and unmapped
 * once.  Its content is not touched.
 */
int lxe__mark_by_grant(const struct lxe__marker *m,
                       struct lxe__frames *fs, bool all,
                       struct lxe__err *err);

struct lxe__peek {
    xc_interface *xch;
    uint32_t domid;
    uint64_t pages;
    struct xc_hypercall_buffer *hbuf;   /* private */
    void *priv;
};

/* Before the guest suspends: takes the memory that a peek needs. */
int lxe__peek_open(struct lxe__peek *p, xc_interface *xch, uint32_t domid,
                   struct lxe__err *err);
void lxe__peek_close(struct lxe__peek *p);

/* How many frames are dirty, without the bitmap. */
int lxe__peek_count(struct lxe__peek *p, uint64_t *dirty_r,
                    struct lxe__err *err);

/* Sets .marked of each frame from the bitmap; *missing_r are not in it. */
int lxe__peek_check(struct lxe__peek *p, struct lxe__frames *fs,
                    uint64_t *dirty_r, size_t *missing_r,
                    struct lxe__err *err);

/*
 * Log-dirty mode off.  Nothing of the memory is changed, and nobody but a
 * live save under way needs the mode: that would fail.  QEMU turns it on
 * again for the frames of a display.
 */
int lxe__logdirty_off(xc_interface *xch, uint32_t domid,
                      struct lxe__err *err);

#endif
