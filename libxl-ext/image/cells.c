/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What lies where in the guest's address space: frames by kind, in a
 * bounded number of cells, for a picture.
 *
 * Cells are of equal size; where nothing is, however far that goes, is
 * one cell, since the memory of a guest may end far below its last
 * frame.  The size is the smallest power of 2 with which they fit.
 */
#include <errno.h>
#include <string.h>

#include "image/reader.h"

#define CELLS_WANTED (LIBXL_EXT_IMAGE_CELLS / 2)

struct walk {
    struct libxl_ext_image *out;
    struct libxl_ext_image_cell cell;   /* under way; frames 0: none */
    uint32_t nr;                        /* may be above what is kept */
    bool last_hole;                     /* what the last of them is */
    uint64_t end;                       /* where it ends */
};

static unsigned int kind_of(const struct lxe__frame *f)
{
    if (lxe__page_is_table(f->type))
        return LIBXL_EXT_IMAGE_CELL_TABLE;
    if (!lxe__page_has_data(f->type))
        return f->type == LXE_PAGE_XALLOC ? LIBXL_EXT_IMAGE_CELL_EMPTY
                                          : LIBXL_EXT_IMAGE_CELL_HOLE;
    return f->flags & LXE_FRAME_ZERO ? LIBXL_EXT_IMAGE_CELL_ZERO
                                     : LIBXL_EXT_IMAGE_CELL_PLAIN;
}

static bool is_hole(const struct libxl_ext_image_cell *c)
{
    unsigned int i;

    for (i = 0; i < LIBXL_EXT_IMAGE_CELL_KINDS; i++)
        if (i != LIBXL_EXT_IMAGE_CELL_HOLE && c->counts[i])
            return false;
    return true;
}

static void append(struct walk *w, const struct libxl_ext_image_cell *c,
                   bool hole)
{
    struct libxl_ext_image_cell *to = w->out->cells;

    if (hole && w->last_hole) {
        if (w->nr <= LIBXL_EXT_IMAGE_CELLS) {
            to += w->nr - 1;
            to->frames = c->first + c->frames - to->first;
            to->counts[LIBXL_EXT_IMAGE_CELL_HOLE] +=
                c->counts[LIBXL_EXT_IMAGE_CELL_HOLE];
        }
    } else if (w->nr++ < LIBXL_EXT_IMAGE_CELLS) {
        to[w->nr - 1] = *c;
    }
    w->last_hole = hole;
    w->end = c->first + c->frames;
}

/* Ends the cell under way. */
static void end_cell(struct walk *w)
{
    struct libxl_ext_image_cell *c = &w->cell;
    struct libxl_ext_image_cell gap = { .first = w->end };

    if (!c->frames)
        return;
    gap.frames = c->first - w->end;
    if (gap.frames)
        append(w, &gap, true);
    append(w, c, is_hole(c));
    memset(c, 0, sizeof(*c));
}

static void count_cells(void *user, uint64_t pfn, uint64_t nr,
                        const struct lxe__frame *f)
{
    struct walk *w = user;
    uint64_t size = w->out->cell_frames, n;

    for (; nr; nr -= n, pfn += n) {
        if (pfn >= w->cell.first + w->cell.frames) {
            end_cell(w);
            w->cell.first = pfn & ~(size - 1);
            w->cell.frames = size;
        }
        n = w->cell.first + size - pfn;
        if (n > nr)
            n = nr;
        w->cell.counts[kind_of(f)] += n;
    }
}

int lxe__cells_count(struct lxe__reader *r)
{
    struct libxl_ext_image *out = r->out;
    struct walk w;

    if (!out->frames)
        return 0;
    out->cell_frames = 1;
    while (out->populated / out->cell_frames > CELLS_WANTED)
        out->cell_frames *= 2;
    for (;;) {
        w = (struct walk){ .out = out };
        memset(out->cells, 0, sizeof(out->cells));
        if (lxe__map_each_alike(&r->map, count_cells, &w))
            return lxe__err_set(r->err, ENOMEM, "image: no memory");
        end_cell(&w);
        if (w.nr <= LIBXL_EXT_IMAGE_CELLS)
            break;
        out->cell_frames *= 2;
    }
    out->nr_cells = w.nr;
    return 0;
}
