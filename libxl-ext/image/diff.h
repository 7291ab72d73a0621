/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What differs between two images of one guest, and what the files of
 * this comparison share: diff.c reads both and compares facts,
 * diff_pages.c the final states of frames, diff_parts.c all records
 * but those of pages.
 */
#ifndef LXE_IMAGE_DIFF_H
#define LXE_IMAGE_DIFF_H

#include "base/err.h"
#include "image/image.h"
#include "image/reader.h"

/*
 * What is compared as one: a record, or a part of one that has a name
 * of its own.  Those of both images are sorted by key, and the n-th of
 * one key in A is compared with the n-th in B.
 */
struct lxe__part {
    uint32_t type;              /* of the record; UINT32_MAX: xl's */
    uint32_t id, sub;           /* what part; see diff_parts.c */
    uint32_t length;
    uint64_t place;             /* in the image */
    bool libxc;
};

/* As many are kept: each vcpu that there can be has four. */
#define LXE_PARTS_MAX (1U << 16)

struct lxe__diff_side {
    const char *name;           /* "A" */
    struct libxl_ext_image *image;
    struct lxe__reader *r;
    struct lxe__part *parts;
    uint32_t nr_parts, room;
};

struct lxe__diff {
    struct lxe__diff_side side[2];
    libxl_ext_image_difference_fn *found;       /* may be NULL */
    void *user;
    struct libxl_ext_image_differences *sum;
    struct lxe__err *err;
    struct libxl_ext_image_difference d;        /* under way */
};

/* diff.c: hands out diff->d, and clears it. */
int lxe__diff_found(struct lxe__diff *diff);

int lxe__diff_pages(struct lxe__diff *diff);

/* diff_parts.c: a reader's watch, with a side as its user. */
int lxe__diff_note(void *user, struct lxe__reader *r, bool libxc,
                   const struct lxe__rec *rec);
int lxe__diff_parts(struct lxe__diff *diff);

#endif
