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

static int in_order(void *user, uint64_t first,
                    const struct lxe__frame *frames)
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

/* Names frames as a reader does, some at a time, and what was named. */
struct shadow {
    struct lxe__page_map map;
    uint64_t next;
    uint8_t types[5 * LXE_MAP_FRAMES];
};

static void add(struct shadow *s, uint32_t count, unsigned int type)
{
    uint32_t n;

    for (; count; count -= n, s->next += n) {
        n = lxe__map_add(&s->map, s->next, count, type);
        CU_ASSERT_FATAL(n > 0 && n <= count);
        memset(s->types + s->next, type, n);
    }
}

static void check_shadow(struct shadow *s)
{
    const struct lxe__frame *f;
    uint64_t i, wrong = 0;

    CU_ASSERT_EQUAL(s->map.named, s->next);
    for (i = 0; i < s->next; i++) {
        f = lxe__map_find(&s->map, i);
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        wrong += f->type != s->types[i] || f->pass != 1 ||
                 f->flags != lxe__frame_flags(s->types[i]);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    /* After the last nothing is named. */
    f = lxe__map_find(&s->map, s->next);
    CU_ASSERT_TRUE(!f || !f->flags);
}

/* Maps with an entry for each frame. */
static unsigned int nr_full(const struct lxe__page_map *map)
{
    unsigned int nr = 0;
    size_t i;

    for (i = 0; i < map->nr_slots; i++)
        nr += map->slots[i].frames != NULL;
    return nr;
}

static unsigned int nr_runs(const struct lxe__page_map *map)
{
    unsigned int nr = 0;
    size_t i;

    for (i = 0; i < map->nr_slots; i++)
        nr += map->slots[i].nr_runs;
    return nr;
}

static void maps_of_one_type_are_one_run(void)
{
    static struct shadow s;

    memset(&s, 0, sizeof(s));
    add(&s, 1, LXE_PAGE_NOTAB);
    add(&s, 1023, LXE_PAGE_NOTAB);
    check_shadow(&s);
    add(&s, 2 * LXE_MAP_FRAMES - 1024, LXE_PAGE_NOTAB);
    add(&s, LXE_MAP_FRAMES, LXE_PAGE_XTAB);
    add(&s, 100, LXE_PAGE_XALLOC);
    check_shadow(&s);
    CU_ASSERT_EQUAL(s.map.nr_maps, 4);
    CU_ASSERT_EQUAL(nr_full(&s.map), 0);
    CU_ASSERT_EQUAL(nr_runs(&s.map), 4);
    lxe__map_dispose(&s.map);
}

static void maps_of_several_types_are_runs(void)
{
    static struct shadow s;
    uint32_t i;

    memset(&s, 0, sizeof(s));
    for (i = 0; i < 2 * LXE_MAP_FRAMES / 128; i++) {
        add(&s, 127, LXE_PAGE_NOTAB);
        add(&s, 1, LXE_PAGE_L1TAB | (i & 1 ? LXE_PAGE_PINNED : 0));
    }
    add(&s, 7, LXE_PAGE_XTAB);
    check_shadow(&s);
    CU_ASSERT_EQUAL(s.map.nr_maps, 3);
    CU_ASSERT_EQUAL(nr_full(&s.map), 0);
    CU_ASSERT_EQUAL(nr_runs(&s.map), 2 * 2 * 32 + 1);
    lxe__map_dispose(&s.map);
}

static void each_frame_may_be_a_run(void)
{
    static struct shadow s;
    uint32_t i;

    memset(&s, 0, sizeof(s));
    for (i = 0; i < LXE_MAP_FRAMES + 5; i++)
        add(&s, 1, i & 1 ? LXE_PAGE_XTAB : LXE_PAGE_NOTAB);
    check_shadow(&s);
    CU_ASSERT_EQUAL(nr_full(&s.map), 0);
    CU_ASSERT_EQUAL(nr_runs(&s.map), LXE_MAP_FRAMES + 5);
    lxe__map_get(&s.map, 77)->type = s.types[77] = LXE_PAGE_XALLOC;
    lxe__map_get(&s.map, 77)->flags = lxe__frame_flags(LXE_PAGE_XALLOC);
    check_shadow(&s);
    CU_ASSERT_EQUAL(nr_full(&s.map), 1);
    lxe__map_dispose(&s.map);
}

/* The first frames of the map are in no image of Xen's, but may be. */
static void a_brief_map_may_begin_anywhere(void)
{
    struct lxe__page_map map = { 0 };
    unsigned int i, wrong = 0;

    CU_ASSERT_EQUAL(lxe__map_add(&map, 10, 5, LXE_PAGE_NOTAB), 5);
    CU_ASSERT_EQUAL(lxe__map_add(&map, LXE_MAP_FRAMES - 2, 9,
                                 LXE_PAGE_XTAB), 2);
    for (i = 0; i < LXE_MAP_FRAMES; i++)
        wrong += lxe__map_find(&map, i)->flags !=
                 (i >= 10 && i < 15 ? lxe__frame_flags(LXE_PAGE_NOTAB) :
                  i >= LXE_MAP_FRAMES - 2 ? LXE_FRAME_NAMED : 0);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(map.named, 7);
    CU_ASSERT_EQUAL(nr_full(&map), 0);
    /* Not after all others. */
    CU_ASSERT_EQUAL(lxe__map_add(&map, 8, 2, LXE_PAGE_XALLOC), 2);
    CU_ASSERT_EQUAL(nr_full(&map), 1);
    CU_ASSERT_EQUAL(lxe__map_find(&map, 7)->flags, 0);
    CU_ASSERT_EQUAL(lxe__map_find(&map, 9)->type, LXE_PAGE_XALLOC);
    CU_ASSERT_EQUAL(lxe__map_find(&map, 10)->type, LXE_PAGE_NOTAB);
    CU_ASSERT_EQUAL(map.named, 9);
    lxe__map_dispose(&map);
}

static int count_named(void *user, uint64_t first,
                       const struct lxe__frame *frames)
{
    struct shadow *s = user;
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++)
        if (frames[i].flags & LXE_FRAME_NAMED) {
            CU_ASSERT_EQUAL(frames[i].type, s->types[first + i]);
            s->next++;
        }
    return 0;
}

static void each_hands_out_brief_maps_as_full_ones(void)
{
    static struct shadow s;

    memset(&s, 0, sizeof(s));
    add(&s, LXE_MAP_FRAMES, LXE_PAGE_XTAB);
    add(&s, LXE_MAP_FRAMES, LXE_PAGE_NOTAB);
    lxe__map_get(&s.map, 4100)->type = s.types[4100] = LXE_PAGE_L1TAB;
    add(&s, 20, LXE_PAGE_NOTAB);
    add(&s, 20, LXE_PAGE_XTAB);
    s.next = 0;
    CU_ASSERT_EQUAL(lxe__map_each(&s.map, count_named, &s), 0);
    CU_ASSERT_EQUAL(s.next, 2 * LXE_MAP_FRAMES + 40);
    lxe__map_dispose(&s.map);
}

static void a_change_of_one_frame_is_of_no_other(void)
{
    static const uint64_t pfns[] = { 0, 4095, 4096, 4097, 8190 };
    static struct shadow s;
    size_t i;

    memset(&s, 0, sizeof(s));
    add(&s, LXE_MAP_FRAMES, LXE_PAGE_NOTAB);
    /* Of two types: what is not a plain page is in the second map. */
    add(&s, 1000, LXE_PAGE_NOTAB);
    add(&s, 1, LXE_PAGE_L1TAB);
    add(&s, LXE_MAP_FRAMES - 1002, LXE_PAGE_NOTAB);
    /* Looked at first: the same frame is another one then. */
    for (i = 0; i < sizeof(pfns) / sizeof(pfns[0]); i++) {
        CU_ASSERT_EQUAL(lxe__map_find(&s.map, pfns[i])->type,
                        LXE_PAGE_NOTAB);
        lxe__map_get(&s.map, pfns[i])->type = LXE_PAGE_BROKEN;
        s.types[pfns[i]] = LXE_PAGE_BROKEN;
        CU_ASSERT_EQUAL(lxe__map_find(&s.map, pfns[i])->type,
                        LXE_PAGE_BROKEN);
        lxe__map_get(&s.map, pfns[i])->flags =
            lxe__frame_flags(LXE_PAGE_BROKEN);
    }
    check_shadow(&s);
    CU_ASSERT_EQUAL(nr_full(&s.map), 2);
    /* What comes after goes on where it was. */
    add(&s, 1, LXE_PAGE_NOTAB);
    add(&s, 10, LXE_PAGE_NOTAB);
    check_shadow(&s);
    CU_ASSERT_EQUAL(nr_full(&s.map), 2);
    lxe__map_dispose(&s.map);
}

static void count_alike(void *user, uint64_t first, uint64_t nr,
                        const struct lxe__frame *f)
{
    struct shadow *s = user;
    uint64_t i;

    CU_ASSERT_TRUE_FATAL(first >= s->next);
    for (i = s->next; i < first; i++)
        CU_ASSERT_EQUAL(s->types[i], 0xff);
    for (i = first; i < first + nr; i++)
        CU_ASSERT_EQUAL(s->types[i], f->type);
    s->next = first + nr;
}

static void frames_that_are_alike_are_handed_out_together(void)
{
    static struct shadow s;

    memset(&s, 0, sizeof(s));
    add(&s, 5000, LXE_PAGE_NOTAB);
    add(&s, 1000, LXE_PAGE_XTAB);
    memset(s.types + s.next, 0xff, sizeof(s.types) - s.next);
    lxe__map_get(&s.map, 7000)->type = s.types[7000] = LXE_PAGE_XALLOC;
    lxe__map_get(&s.map, 17)->type = s.types[17] = LXE_PAGE_L1TAB;
    s.next = 8192;
    memset(s.types + 7001, 0xff, 8192 - 7001);
    add(&s, 13, LXE_PAGE_NOTAB);
    add(&s, 9, LXE_PAGE_L1TAB);
    add(&s, 1, LXE_PAGE_NOTAB);
    s.next = 0;
    CU_ASSERT_EQUAL(lxe__map_each_alike(&s.map, count_alike, &s), 0);
    CU_ASSERT_EQUAL(s.next, 8192 + 23);
    lxe__map_dispose(&s.map);
}

/* The bound is that of frames one by one, at the same frame. */
static void scattered_runs_are_refused_at_the_bound(void)
{
    struct lxe__page_map map = { 0 }, one = { 0 };
    uint64_t i = 0, k = 0;

    while (lxe__map_add(&map, i * LXE_MAP_FRAMES, 1, LXE_PAGE_XTAB))
        i++;
    CU_ASSERT_EQUAL(errno, ERANGE);
    while (lxe__map_get(&one, k * LXE_MAP_FRAMES))
        k++;
    CU_ASSERT_EQUAL(i, k);
    CU_ASSERT_EQUAL(map.named, one.named);
    CU_ASSERT_EQUAL(lxe__map_add(&map, i * LXE_MAP_FRAMES + 1, 1,
                                 LXE_PAGE_XTAB), 0);
    CU_ASSERT_EQUAL(map.nr_maps, one.nr_maps);
    lxe__map_dispose(&map);
    lxe__map_dispose(&one);
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
    { "maps of one type are one run", maps_of_one_type_are_one_run },
    { "maps of several types are runs", maps_of_several_types_are_runs },
    { "each frame may be a run", each_frame_may_be_a_run },
    { "a brief map may begin anywhere", a_brief_map_may_begin_anywhere },
    { "each hands out brief maps as full ones",
      each_hands_out_brief_maps_as_full_ones },
    { "a change of one frame is of no other",
      a_change_of_one_frame_is_of_no_other },
    { "frames that are alike are handed out together",
      frames_that_are_alike_are_handed_out_together },
    { "scattered runs are refused at the bound",
      scattered_runs_are_refused_at_the_bound },
    { "types are what the specification says",
      types_are_what_the_specification_says })
