/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whether the limit that was sent still holds; see hold.h.
 */
#include "memory/hold.h"
#include "memory/record.h"

enum lxe__hold lxe__hold_judge(uint64_t sent_max, uint64_t sent_tot,
                               uint64_t max, uint64_t tot)
{
    if (tot > lxe__pages_limit(sent_max, sent_tot))
        return LXE_HOLD_EXCEEDED;
    if (max > sent_max)
        return LXE_HOLD_RAISED;
    /* One that was lowered may rise again as far as that. */
    return max < sent_max ? LXE_HOLD_LOWERED : LXE_HOLD_AS_SENT;
}
