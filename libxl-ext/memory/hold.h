/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whether the limit that was sent still holds while the pages are saved.
 * Pure code.
 */
#ifndef LXE_MEMORY_HOLD_H
#define LXE_MEMORY_HOLD_H

#include <stdint.h>

enum lxe__hold {
    LXE_HOLD_AS_SENT,
    LXE_HOLD_LOWERED,   /* the image has more than the guest has now */
    LXE_HOLD_RAISED,    /* and not in use: can be put back to @sent_max */
    LXE_HOLD_EXCEEDED,  /* and in use: the destination has no room */
};

/* @sent_*: what the memory record says; @max, @tot: what Xen says now. */
enum lxe__hold lxe__hold_judge(uint64_t sent_max, uint64_t sent_tot,
                               uint64_t max, uint64_t tot);

#endif
