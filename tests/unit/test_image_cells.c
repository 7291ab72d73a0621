/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The cells of the picture: every frame in one of them, a gap in one,
 * never more than there is room for.
 */
#include <stdlib.h>

#include "image/reader.h"
#include "unit.h"

static struct libxl_ext_image out;

/* @nr frames from @first on, each @step further. */
static void name(struct lxe__reader *r, uint64_t first, uint64_t nr,
                 uint64_t step, uint8_t type)
{
    struct lxe__frame *f;
    uint64_t i;

    for (i = 0; i < nr; i++) {
        f = lxe__map_get(&r->map, first + i * step);
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        f->type = type;
        out.populated += lxe__page_is_populated(type);
    }
}

static void check(struct lxe__reader *r, uint64_t want)
{
    uint64_t sum = 0, end = 0;
    unsigned int i, k;

    CU_ASSERT_EQUAL(lxe__frames_count(r), 0);
    CU_ASSERT_EQUAL(lxe__cells_count(r), 0);
    CU_ASSERT_TRUE(out.nr_cells >= 1);
    CU_ASSERT_TRUE(out.nr_cells <= LIBXL_EXT_IMAGE_CELLS);
    for (i = 0; i < out.nr_cells; i++) {
        CU_ASSERT_EQUAL(out.cells[i].first, end);
        end = out.cells[i].first + out.cells[i].frames;
        for (k = 0; k < LIBXL_EXT_IMAGE_CELL_KINDS; k++)
            sum += out.cells[i].counts[k];
    }
    CU_ASSERT_EQUAL(sum, want);
    CU_ASSERT_TRUE(end > out.last_frame);
    lxe__map_dispose(&r->map);
}

static struct lxe__reader *begin(void)
{
    static struct lxe__err err;
    static struct lxe__reader r;

    out = (struct libxl_ext_image){ 0 };
    lxe__err_init(&err);
    r = (struct lxe__reader){ .out = &out, .err = &err };
    return &r;
}

static void each_frame_has_a_cell_while_there_is_room(void)
{
    struct lxe__reader *r = begin();

    name(r, 0, 256, 1, LXE_PAGE_NOTAB);
    check(r, 256);
    CU_ASSERT_EQUAL(out.cell_frames, 1);
    CU_ASSERT_EQUAL(out.nr_cells, 256);
}

static void cells_grow_with_the_guest(void)
{
    struct lxe__reader *r = begin();

    name(r, 0, 1000000, 1, LXE_PAGE_NOTAB);
    check(r, 1000000);
    CU_ASSERT_EQUAL(out.cell_frames, 4096);
    CU_ASSERT_EQUAL(out.nr_cells, 245);
}

static void what_is_named_and_not_there_is_one_gap(void)
{
    struct lxe__reader *r = begin();

    name(r, 0, 100, 1, LXE_PAGE_NOTAB);
    name(r, 100, 300000, 1, LXE_PAGE_XTAB);
    name(r, 1 << 20, 50, 1, LXE_PAGE_XALLOC);
    check(r, 300150);
    CU_ASSERT_EQUAL(out.nr_cells, 151);
    CU_ASSERT_EQUAL(out.cells[100].first, 100);
    CU_ASSERT_EQUAL(out.cells[100].frames, (1 << 20) - 100);
    CU_ASSERT_EQUAL(out.cells[100].counts[LIBXL_EXT_IMAGE_CELL_HOLE],
                    300000);
}

/* Every other frame: twice as many cells as there are frames. */
static void gaps_everywhere_fit_too(void)
{
    struct lxe__reader *r = begin();

    name(r, 1, 300, 2, LXE_PAGE_NOTAB);
    check(r, 300);
    r = begin();
    name(r, 5, 600, 4096, LXE_PAGE_NOTAB);
    check(r, 600);
}

static void nothing_named_is_no_cell(void)
{
    struct lxe__reader *r = begin();

    CU_ASSERT_EQUAL(lxe__frames_count(r), 0);
    CU_ASSERT_EQUAL(lxe__cells_count(r), 0);
    CU_ASSERT_EQUAL(out.nr_cells, 0);
}

LXE_SUITE(image_cells,
    { "each frame has a cell while there is room",
      each_frame_has_a_cell_while_there_is_room },
    { "cells grow with the guest", cells_grow_with_the_guest },
    { "what is named and not there is one gap",
      what_is_named_and_not_there_is_one_gap },
    { "gaps everywhere fit too", gaps_everywhere_fit_too },
    { "nothing named is no cell", nothing_named_is_no_cell })
