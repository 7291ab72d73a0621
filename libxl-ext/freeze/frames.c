/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A list of frames at risk.  Pure code.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "freeze/mark.h"

int lxe__frames_add(struct lxe__frames *fs, const struct lxe__frame *f,
                    struct lxe__err *err)
{
    struct lxe__frame *list;
    size_t room;

    if (fs->nr == fs->room) {
        room = fs->room ? fs->room * 2 : 512;
        list = realloc(fs->list, room * sizeof(*list));
        if (!list)
            return lxe__err_set(err, ENOMEM, "freeze: no memory for %zu"
                                " frames at risk", room);
        fs->list = list;
        fs->room = room;
    }
    fs->list[fs->nr++] = *f;
    return 0;
}

static int by_frame(const void *av, const void *bv)
{
    const struct lxe__frame *a = av, *b = bv;

    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    /* The one that stays must be the one that has a grant. */
    return b->has_ref - a->has_ref;
}

void lxe__frames_sort(struct lxe__frames *fs)
{
    size_t i, n = 0;

    if (!fs->nr)
        return;
    qsort(fs->list, fs->nr, sizeof(*fs->list), by_frame);
    for (i = 1; i < fs->nr; i++) {
        if (fs->list[i].frame == fs->list[n].frame)
            fs->list[n].reserved |= fs->list[i].reserved;
        else
            fs->list[++n] = fs->list[i];
    }
    fs->nr = n + 1;
}

void lxe__frames_dispose(struct lxe__frames *fs)
{
    free(fs->list);
    memset(fs, 0, sizeof(*fs));
}
