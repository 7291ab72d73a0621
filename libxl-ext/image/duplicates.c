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

static void count_frames(void *user, uint64_t first, uint64_t nr,
                         const struct lxe__frame *f)
{
    struct libxl_ext_image *out = user;

    if (!out->frames)
        out->first_frame = first;
    out->last_frame = first + nr - 1;
    out->frames += nr;
    out->types[f->type] += nr;
    if (f->flags & LXE_FRAME_ZERO && lxe__page_has_data(f->type))
        out->zero_pages += nr;
}

int lxe__frames_count(struct lxe__reader *r)
{
    if (lxe__map_each_alike(&r->map, count_frames, r->out))
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    return 0;
}

/* At most 8 MiB; at most half full where hashes spread evenly. */
#define TABLE_MIN   (1U << 10)
#define TABLE_MAX   (1U << 20)

struct table {
    uint64_t *slots;            /* hashes; 0 is free */
    uint64_t nr_slots;          /* a power of 2 */
    uint64_t walks, walk;       /* hashes with hash % walks == walk */
    uint64_t entries, duplicates;
};

static void add_hash(struct table *t, uint64_t hash)
{
    uint64_t mask = t->nr_slots - 1, i;

    for (i = hash >> 40 & mask; t->slots[i]; i = (i + 1) & mask)
        if (t->slots[i] == hash) {
            t->duplicates++;
            return;
        }
    /* Hashes made to fall together: leave free slots, whatever. */
    if (t->entries < t->nr_slots / 4 * 3) {
        t->slots[i] = hash;
        t->entries++;
    }
}

static int add_hashes(void *user, uint64_t first,
                      const struct lxe__frame *frames)
{
    const struct lxe__frame *f = frames;
    struct table *t = user;

    (void)first;
    for (; f < frames + LXE_MAP_FRAMES; f++)
        if (f->flags & LXE_FRAME_NAMED && lxe__page_has_data(f->type) &&
            !(f->flags & (LXE_FRAME_ZERO | LXE_FRAME_KEPT)) &&
            f->what && f->what % t->walks == t->walk)
            add_hash(t, f->what);
    return 0;
}

int lxe__duplicates_count(struct lxe__reader *r)
{
    struct table t = { .nr_slots = TABLE_MIN };
    int rc = 0;

    if (!r->out->all_read || r->locate)
        return 0;
    while (t.nr_slots < TABLE_MAX && t.nr_slots / 2 < r->map.named)
        t.nr_slots *= 2;
    t.walks = r->map.named / (t.nr_slots / 2) + 1;
    t.slots = malloc(t.nr_slots * sizeof(*t.slots));
    if (!t.slots)
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    for (t.walk = 0; t.walk < t.walks && !rc; t.walk++) {
        memset(t.slots, 0, t.nr_slots * sizeof(*t.slots));
        t.entries = 0;
        rc = lxe__map_each(&r->map, add_hashes, &t);
    }
    r->out->duplicate_pages = t.duplicates;
    free(t.slots);
    return rc ? lxe__err_set(r->err, ENOMEM, "image: no memory") : 0;
}
