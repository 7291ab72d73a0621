/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pages that are the same as another, counted over maps of any size in
 * a table of bounded size.
 */
#include <stdlib.h>
#include <string.h>

#include "image/reader.h"
#include "unit.h"

static uint64_t hash_of(uint64_t n)
{
    n = (n + 1) * 0x9e3779b97f4a7c15ULL;
    n = (n ^ n >> 29) * 0xbf58476d1ce4e5b9ULL;
    return n ^ n >> 32;
}

/* @nr frames; each @every-th has the contents of its neighbour. */
static uint64_t count(uint64_t nr, uint64_t every)
{
    struct lxe__reader *r = calloc(1, sizeof(*r));
    struct libxl_ext_image *out = calloc(1, sizeof(*out));
    uint64_t i, duplicates;
    struct lxe__err err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    lxe__err_init(&err);
    out->all_read = true;
    r->out = out;
    r->err = &err;
    for (i = 0; i < nr; i++)
        lxe__map_get(&r->map, i)->what =
            hash_of(every && i % every == 1 ? i - 1 : i);
    CU_ASSERT_EQUAL(lxe__duplicates_count(r), 0);
    duplicates = out->duplicate_pages;
    lxe__map_dispose(&r->map);
    free(out);
    free(r);
    return duplicates;
}

static void each_but_the_first_of_its_kind_counts(void)
{
    CU_ASSERT_EQUAL(count(0, 0), 0);
    CU_ASSERT_EQUAL(count(2000, 0), 0);
    CU_ASSERT_EQUAL(count(2000, 10), 200);
    CU_ASSERT_EQUAL(count(4, 2), 2);
}

/* 2^20 slots, half of them used: three walks over the map. */
static void more_pages_than_the_table_holds(void)
{
    CU_ASSERT_EQUAL(count(1200000, 4), 300000);
}

static void zero_pages_and_page_tables_do_not_count(void)
{
    struct libxl_ext_image out = { .all_read = true };
    struct lxe__err err = { 0 };
    struct lxe__reader r = { .out = &out, .err = &err };
    static const struct lxe__frame kinds[] = {
        { .what = 5, .flags = LXE_FRAME_ZERO },
        { .what = 5, .flags = LXE_FRAME_KEPT, .type = LXE_PAGE_L1TAB },
        { .what = 5, .type = LXE_PAGE_XTAB },
        { .what = 5 }, { .what = 5 },
    };
    size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct lxe__frame *f = lxe__map_get(&r.map, i);

        f->what = kinds[i].what;
        f->type = kinds[i].type;
        f->flags |= kinds[i].flags;
    }
    CU_ASSERT_EQUAL(lxe__duplicates_count(&r), 0);
    CU_ASSERT_EQUAL(out.duplicate_pages, 1);
    lxe__map_dispose(&r.map);
}

LXE_SUITE(image_duplicates,
    { "each but the first of its kind counts",
      each_but_the_first_of_its_kind_counts },
    { "more pages than the table holds", more_pages_than_the_table_holds },
    { "zero pages and page tables do not count",
      zero_pages_and_page_tables_do_not_count })
