/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What guest/tables.c keeps of what it saw.  The walk over a guest, and
 * page state as a whole, is tests/image/test_page_state_save.py's.
 */
#include "guest/tables.h"
#include "unit.h"

static void each_frame_is_kept_once(void)
{
    struct lxe__seen seen = { .nr = 0 };
    uint64_t i;

    for (i = 0; i < 5000; i++)
        lxe__seen_add(&seen, 5000 - i % 700);
    lxe__seen_sort(&seen);
    CU_ASSERT_EQUAL(seen.nr, 700);
    CU_ASSERT_FALSE(seen.lost);
    for (i = 0; i < seen.nr; i++)
        CU_ASSERT_EQUAL(seen.mfns[i], 4301 + i);
    lxe__seen_dispose(&seen);
}

/* A live save of many passes sees the same tables in each. */
static void passes_take_no_more_memory(void)
{
    struct lxe__seen seen = { .nr = 0 };
    uint64_t i, pass;

    for (pass = 0; pass < 100; pass++)
        for (i = 0; i < 3000; i++)
            lxe__seen_add(&seen, i * 3);
    CU_ASSERT(seen.room <= 8192);
    lxe__seen_sort(&seen);
    CU_ASSERT_EQUAL(seen.nr, 3000);
    lxe__seen_dispose(&seen);
}

static void nothing_seen_is_nothing(void)
{
    struct lxe__seen seen = { .nr = 0 };

    lxe__seen_sort(&seen);
    CU_ASSERT_EQUAL(seen.nr, 0);
    lxe__seen_dispose(&seen);
}

static void types_are_of_the_four_highest_bits(void)
{
    CU_ASSERT_EQUAL(lxe__page_type(XEN_DOMCTL_PFINFO_NOTAB), 0);
    CU_ASSERT_EQUAL(lxe__page_type(XEN_DOMCTL_PFINFO_L4TAB |
                                   XEN_DOMCTL_PFINFO_LPINTAB), 0xc);
    CU_ASSERT_EQUAL(lxe__page_type(XEN_DOMCTL_PFINFO_XTAB), 0xf);
}

LXE_SUITE(guest_tables,
    { "each frame is kept once", each_frame_is_kept_once },
    { "passes take no more memory", passes_take_no_more_memory },
    { "nothing seen is nothing", nothing_seen_is_nothing },
    { "types are of the four highest bits",
      types_are_of_the_four_highest_bits })
