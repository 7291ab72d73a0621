/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The limit that was sent, and what became of it meanwhile
 * (memory/hold.c).
 */
#include "memory/hold.h"
#include "unit.h"

static void as_sent(void)
{
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 90, 100, 100), LXE_HOLD_AS_SENT);
    /* Ballooning down still: it has more than its limit. */
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 120, 100, 120),
                    LXE_HOLD_AS_SENT);
}

static void raised(void)
{
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 90, 101, 100), LXE_HOLD_RAISED);
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 90, 101, 101),
                    LXE_HOLD_EXCEEDED);
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 120, 121, 120), LXE_HOLD_RAISED);
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 120, 121, 121),
                    LXE_HOLD_EXCEEDED);
}

/* xl mem-set down and up again: the image has room for all of that. */
static void lowered_and_back(void)
{
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 90, 80, 90), LXE_HOLD_LOWERED);
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 90, 95, 90), LXE_HOLD_LOWERED);
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 90, 100, 90), LXE_HOLD_AS_SENT);
    CU_ASSERT_EQUAL(lxe__hold_judge(100, 90, 102, 90), LXE_HOLD_RAISED);
}

LXE_SUITE(hold,
    { "as sent", as_sent },
    { "raised", raised },
    { "lowered and back", lowered_and_back })
