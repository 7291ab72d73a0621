/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pages of an image that is a file, read a second time by their place:
 * many at once as long as they follow each other, else one.
 */
#ifndef LXE_IMAGE_WINDOW_H
#define LXE_IMAGE_WINDOW_H

#include "image/source.h"

struct lxe__window {
    struct lxe__source *src;
    uint8_t *buf;
    uint64_t start, next;       /* places: of buf, after the last page */
    size_t len;
};

int lxe__window_init(struct lxe__window *w, struct lxe__source *src,
                     struct lxe__err *err);
void lxe__window_dispose(struct lxe__window *w);

/* Good until the next call; NULL with @err. */
const uint8_t *lxe__window_page(struct lxe__window *w, uint64_t place,
                                struct lxe__err *err);

#endif
