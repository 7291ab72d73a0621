/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pages of an image, read a second time; see window.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/reader.h"
#include "image/window.h"

#define WINDOW_LEN (64 * LXE_PAGE_SIZE)

int lxe__window_init(struct lxe__window *w, struct lxe__source *src,
                     struct lxe__err *err)
{
    memset(w, 0, sizeof(*w));
    w->src = src;
    w->buf = malloc(WINDOW_LEN);
    return w->buf ? 0 : lxe__err_set(err, ENOMEM, "image: no memory");
}

void lxe__window_dispose(struct lxe__window *w)
{
    free(w->buf);
    w->buf = NULL;
}

const uint8_t *lxe__window_page(struct lxe__window *w, uint64_t place,
                                struct lxe__err *err)
{
    size_t len = place == w->next ? WINDOW_LEN : LXE_PAGE_SIZE;
    uint64_t size = w->src->size, at;

    w->next = place + LXE_PAGE_SIZE;
    if (place >= w->start && w->next <= w->start + w->len)
        return w->buf + (place - w->start);
    if (size >= w->next && len > size - place)
        len = size - place;
    w->len = 0;
    if (lxe__source_again(w->src, place, w->buf, len, &at, err))
        return NULL;
    w->start = place;
    w->len = len;
    return w->buf;
}
