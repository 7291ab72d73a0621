/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The final states of the frames of two images, compared octet for
 * octet: each reader knows where the last contents stand, and both are
 * read a second time.  Frames that follow each other and differ in the
 * same way are handed out as one.
 */
#include <errno.h>
#include <stdlib.h>

#include "image/diff.h"
#include "image/window.h"

struct walk {
    struct lxe__diff *diff;
    struct lxe__window win[2];
    struct libxl_ext_image_difference range;    /* count 0: none */
};

static int end_range(struct walk *w)
{
    if (!w->range.count)
        return 0;
    w->diff->d = w->range;
    w->range.count = 0;
    return lxe__diff_found(w->diff);
}

static bool is_alike(const struct libxl_ext_image_difference *x,
                     const struct libxl_ext_image_difference *y)
{
    return x->where == y->where && x->types == y->types &&
           x->contents == y->contents && x->type_a == y->type_a &&
           x->type_b == y->type_b;
}

static int add_frame(struct walk *w, uint64_t pfn,
                     struct libxl_ext_image_difference *d)
{
    struct libxl_ext_image_differences *sum = w->diff->sum;

    sum->pages_only_a += d->where == LIBXL_EXT_IMAGE_IN_A;
    sum->pages_only_b += d->where == LIBXL_EXT_IMAGE_IN_B;
    sum->pages_type += d->types;
    sum->pages_contents += d->contents;
    if (!d->types)
        d->type_a = d->type_b = 0;      /* what it is does not matter */
    if (w->range.count && w->range.first + w->range.count == pfn &&
        is_alike(&w->range, d)) {
        w->range.count++;
        return 0;
    }
    if (end_range(w))
        return -1;
    d->first = pfn;
    d->count = 1;
    w->range = *d;
    return 0;
}

/* 1 where the contents differ, 0, or -1. */
static int compare_contents(struct walk *w, const struct lxe__frame *a,
                            const struct lxe__frame *b)
{
    bool data_a = a->flags & LXE_FRAME_DATA;
    bool data_b = b->flags & LXE_FRAME_DATA;
    const uint8_t *p, *q;

    if (!data_a || !data_b)
        return data_a != data_b;
    p = lxe__window_page(&w->win[0], a->what, w->diff->err);
    q = p ? lxe__window_page(&w->win[1], b->what, w->diff->err) : NULL;
    if (!q)
        return -1;
    w->diff->sum->pages_compared++;
    return memcmp(p, q, LXE_PAGE_SIZE) != 0;
}

/* One frame of both: not named is as not populated. */
static int compare_frame(struct walk *w, uint64_t pfn,
                         const struct lxe__frame *a,
                         const struct lxe__frame *b)
{
    struct libxl_ext_image_difference d = {
        .kind = LIBXL_EXT_IMAGE_PAGES,
    };
    bool in_a = a->flags & LXE_FRAME_POPULATED;
    bool in_b = b->flags & LXE_FRAME_POPULATED;
    int r;

    if (in_a != in_b) {
        d.where = in_a ? LIBXL_EXT_IMAGE_IN_A : LIBXL_EXT_IMAGE_IN_B;
        return add_frame(w, pfn, &d);
    }
    if (!in_a)
        return 0;
    d.type_a = a->type;
    d.type_b = b->type;
    d.types = a->type != b->type;
    r = compare_contents(w, a, b);
    if (r < 0)
        return -1;
    d.contents = r;
    return d.types || d.contents ? add_frame(w, pfn, &d) : 0;
}

/* Frame @i of a map of one side; NULL: the image has none there. */
static const struct lxe__frame *frame_of(const struct walk *w, int side,
                                         const struct lxe__map_slot *slot,
                                         unsigned int i)
{
    static const struct lxe__frame none;

    return slot ? lxe__map_frame(&w->diff->side[side].r->map, slot, i)
                : &none;
}

/* The maps that begin with @first. */
static int compare_maps(struct walk *w, uint64_t first,
                        const struct lxe__map_slot *a,
                        const struct lxe__map_slot *b)
{
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++)
        if (compare_frame(w, first + i, frame_of(w, 0, a, i),
                          frame_of(w, 1, b, i)))
            return -1;
    return 0;
}

static int compare_all(struct walk *w, const struct lxe__map_slot *a,
                       size_t nr_a, const struct lxe__map_slot *b,
                       size_t nr_b)
{
    size_t i = 0, k = 0;
    uint64_t index;

    while (i < nr_a || k < nr_b) {
        bool use_a = i < nr_a && (k == nr_b || a[i].index <= b[k].index);
        bool use_b = k < nr_b && (i == nr_a || b[k].index <= a[i].index);

        index = use_a ? a[i].index : b[k].index;
        if (compare_maps(w, index * LXE_MAP_FRAMES,
                         use_a ? &a[i] : NULL,
                         use_b ? &b[k] : NULL))
            return -1;
        i += use_a;
        k += use_b;
    }
    return end_range(w);
}

int lxe__diff_pages(struct lxe__diff *diff)
{
    struct lxe__map_slot *a = NULL, *b = NULL;
    struct walk w = { .diff = diff };
    size_t nr_a, nr_b;
    int rc = -1;

    if (lxe__window_init(&w.win[0], &diff->side[0].r->src, diff->err) ||
        lxe__window_init(&w.win[1], &diff->side[1].r->src, diff->err))
        goto out;
    if (lxe__map_order(&diff->side[0].r->map, &a, &nr_a) ||
        lxe__map_order(&diff->side[1].r->map, &b, &nr_b)) {
        lxe__err_set(diff->err, ENOMEM, "image: no memory");
        goto out;
    }
    rc = compare_all(&w, a, nr_a, b, nr_b);

 out:
    free(a);
    free(b);
    lxe__window_dispose(&w.win[0]);
    lxe__window_dispose(&w.win[1]);
    return rc;
}
