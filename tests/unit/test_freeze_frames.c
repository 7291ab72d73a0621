/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The list of frames at risk (freeze/frames.c).
 */
#include "freeze/mark.h"
#include "unit.h"

static void add(struct lxe__frames *fs, uint64_t frame, bool has_ref,
                bool reserved)
{
    struct lxe__frame f = {
        .frame = frame, .has_ref = has_ref, .reserved = reserved,
    };

    CU_ASSERT_EQUAL(lxe__frames_add(fs, &f, NULL), 0);
}

static void sorted_without_doubles(void)
{
    struct lxe__frames fs = { 0 };

    add(&fs, 9, true, false);
    add(&fs, 3, false, false);
    add(&fs, 9, true, false);
    add(&fs, 3, true, true);
    add(&fs, 5, true, false);
    lxe__frames_sort(&fs);
    CU_ASSERT_EQUAL_FATAL(fs.nr, 3);
    CU_ASSERT_EQUAL(fs.list[0].frame, 3);
    CU_ASSERT_TRUE(fs.list[0].has_ref && fs.list[0].reserved);
    CU_ASSERT_EQUAL(fs.list[1].frame, 5);
    CU_ASSERT_EQUAL(fs.list[2].frame, 9);
    lxe__frames_dispose(&fs);
}

static void empty_list(void)
{
    struct lxe__frames fs = { 0 };

    lxe__frames_sort(&fs);
    CU_ASSERT_EQUAL(fs.nr, 0);
    lxe__frames_dispose(&fs);
}

static void grows(void)
{
    struct lxe__frames fs = { 0 };
    int i;

    for (i = 0; i < 2000; i++)
        add(&fs, 2000 - i, true, false);
    lxe__frames_sort(&fs);
    CU_ASSERT_EQUAL_FATAL(fs.nr, 2000);
    CU_ASSERT_EQUAL(fs.list[0].frame, 1);
    CU_ASSERT_EQUAL(fs.list[1999].frame, 2000);
    lxe__frames_dispose(&fs);
}

LXE_SUITE(freeze_frames,
    { "sorted without doubles", sorted_without_doubles },
    { "empty list", empty_list },
    { "grows", grows })
