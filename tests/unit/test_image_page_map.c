/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The map of frames: what was named is found, and no choice of frame
 * numbers makes it take more memory than it may.
 */
#include <errno.h>
#include <string.h>

#include "image/page_map.h"
#include "unit.h"

#define MAP_LEN (LXE_MAP_FRAMES * sizeof(struct lxe__frame))

static void what_is_named_is_found_and_counted_once(void)
{
    static const uint64_t pfns[] = { 0, 1, 4095, 4096, 0xfeffc,
                                     (1ULL << 40) - 1 };
    struct lxe__page_map map = { 0 };
    size_t i, n = sizeof(pfns) / sizeof(pfns[0]);

    CU_ASSERT_PTR_NULL(lxe__map_find(&map, 0));
    for (i = 0; i < n; i++)
        lxe__map_get(&map, pfns[i])->what = i + 1;
    for (i = 0; i < n; i++)
        CU_ASSERT_EQUAL(lxe__map_get(&map, pfns[i])->what, i + 1);
    CU_ASSERT_EQUAL(map.named, n);
    CU_ASSERT_EQUAL(lxe__map_find(&map, 2)->flags, 0);
    CU_ASSERT_PTR_NULL(lxe__map_find(&map, 1 << 20));
    CU_ASSERT_EQUAL(map.named, n);
    lxe__map_dispose(&map);
}

static void many_maps_are_found_again(void)
{
    struct lxe__page_map map = { 0 };
    uint64_t i;

    for (i = 0; i < 600; i++)
        lxe__map_get(&map, i * 7 * LXE_MAP_FRAMES)->what = i;
    for (i = 0; i < 600; i++)
        CU_ASSERT_EQUAL(lxe__map_find(&map, i * 7 * LXE_MAP_FRAMES)->what,
                        i);
    lxe__map_dispose(&map);
}

static void scattered_frames_are_refused_at_the_bound(void)
{
    struct lxe__page_map map = { 0 };
    uint64_t i = 0;

    while (lxe__map_get(&map, i * LXE_MAP_FRAMES))
        i++;
    CU_ASSERT_EQUAL(errno, ERANGE);
    CU_ASSERT_TRUE(map.nr_maps * MAP_LEN <= LXE_MAP_SLACK + 16 * i);
    CU_ASSERT_TRUE((map.nr_maps + 1) * MAP_LEN > LXE_MAP_SLACK + 16 * i);
    CU_ASSERT_EQUAL(map.named, i);
    /* Frames that lie with others are still taken. */
    CU_ASSERT_PTR_NOT_NULL(lxe__map_get(&map, 1));
    lxe__map_dispose(&map);
}

static void frames_that_lie_together_are_never_refused(void)
{
    struct lxe__page_map map = { 0 };
    uint64_t i, nr = 2 * LXE_MAP_SLACK / sizeof(struct lxe__frame);

    for (i = 0; i < nr && lxe__map_get(&map, i); i++)
        ;
    CU_ASSERT_EQUAL(i, nr);
    lxe__map_dispose(&map);
}

static int in_order(void *user, uint64_t first, struct lxe__frame *frames)
{
    uint64_t *next = user;

    CU_ASSERT_EQUAL(first % LXE_MAP_FRAMES, 0);
    CU_ASSERT_TRUE(first >= *next);
    CU_ASSERT_EQUAL(frames[9].what, first + 9);
    *next = first + 1;
    return first == 0xfe000 ? 7 : 0;
}

static void each_goes_up_and_ends_when_told_to(void)
{
    static const uint64_t pfns[] = { 0x100009, 0xfe009, 9, 0x3009 };
    struct lxe__page_map map = { 0 };
    uint64_t next = 0;
    size_t i;

    CU_ASSERT_EQUAL(lxe__map_each(&map, in_order, &next), 0);
    for (i = 0; i < sizeof(pfns) / sizeof(pfns[0]); i++)
        lxe__map_get(&map, pfns[i])->what = pfns[i];
    CU_ASSERT_EQUAL(lxe__map_each(&map, in_order, &next), 7);
    CU_ASSERT_EQUAL(next, 0xfe001);
    lxe__map_dispose(&map);
}

static void types_are_what_the_specification_says(void)
{
    unsigned int t;

    for (t = 0; t < 16; t++) {
        if (t >= 5 && t <= 8)
            continue;
        CU_ASSERT_EQUAL(lxe__page_has_data(t), t < 0xd);
        CU_ASSERT_EQUAL(lxe__page_is_populated(t), t < 0xd || t == 0xe);
        CU_ASSERT_EQUAL(lxe__page_is_table(t), t && t < 0xd);
    }
}

LXE_SUITE(image_page_map,
    { "what is named is found and counted once",
      what_is_named_is_found_and_counted_once },
    { "many maps are found again", many_maps_are_found_again },
    { "scattered frames are refused at the bound",
      scattered_frames_are_refused_at_the_bound },
    { "frames that lie together are never refused",
      frames_that_lie_together_are_never_refused },
    { "each goes up and ends when told to",
      each_goes_up_and_ends_when_told_to },
    { "types are what the specification says",
      types_are_what_the_specification_says })
