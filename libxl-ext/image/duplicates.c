/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Counts over all frames in their last state: types, zero pages, and
 * pages that are the same as another.
 *
 * For the last, hashes go into a table of fixed size: a guest of many
 * pages is done in several walks over the map, each for the hashes that
 * begin with the same bits.  The hash is not a cryptographic one; the
 * figure is a statistic and no verdict hangs on it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/reader.h"

static int count_frame(void *user, uint64_t pfn, struct lxe__frame *f)
{
    struct libxl_ext_image *out = user;

    if (!out->frames++)
        out->first_frame = pfn;
    out->last_frame = pfn;
    out->types[f->type]++;
    if (f->flags & LXE_FRAME_ZERO && lxe__page_has_data(f->type))
        out->zero_pages++;
    return 0;
}

int lxe__frames_count(struct lxe__reader *r)
{
    if (lxe__map_each(&r->map, count_frame, r->out))
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    return 0;
}

#define TABLE_LEN   (1U << 20)          /* 8 MiB */
#define TABLE_FULL  (TABLE_LEN / 2)

struct table {
    uint64_t *slots;            /* hashes; 0 is free */
    uint64_t walks, walk;       /* hashes with hash % walks == walk */
    uint64_t entries, duplicates;
};

static int add_hash(void *user, uint64_t pfn, struct lxe__frame *f)
{
    struct table *t = user;
    uint64_t i, hash = f->what;

    (void)pfn;
    if (!lxe__page_has_data(f->type) || !hash ||
        f->flags & (LXE_FRAME_ZERO | LXE_FRAME_KEPT) ||
        hash % t->walks != t->walk)
        return 0;
    for (i = hash >> 40; t->slots[i & (TABLE_LEN - 1)]; i++)
        if (t->slots[i & (TABLE_LEN - 1)] == hash) {
            t->duplicates++;
            return 0;
        }
    if (t->entries < TABLE_FULL + TABLE_FULL / 2) {
        t->slots[i & (TABLE_LEN - 1)] = hash;
        t->entries++;
    }
    return 0;
}

int lxe__duplicates_count(struct lxe__reader *r)
{
    struct table t = { .walks = r->map.named / TABLE_FULL + 1 };
    int rc = 0;

    if (r->out->quick)
        return 0;
    t.slots = malloc(TABLE_LEN * sizeof(*t.slots));
    if (!t.slots)
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    for (t.walk = 0; t.walk < t.walks && !rc; t.walk++) {
        memset(t.slots, 0, TABLE_LEN * sizeof(*t.slots));
        t.entries = 0;
        rc = lxe__map_each(&r->map, add_hash, &t);
    }
    r->out->duplicate_pages = t.duplicates;
    free(t.slots);
    return rc ? lxe__err_set(r->err, ENOMEM, "image: no memory") : 0;
}
