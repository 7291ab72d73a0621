/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A hash of maps, keyed by the frame number of their first frame; see
 * page_map.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/page_map.h"

_Static_assert(sizeof(struct lxe__frame) == 16, "16 bytes a frame");
_Static_assert(sizeof(struct lxe__map_run) == 4, "runs are shorter");

void lxe__map_dispose(struct lxe__page_map *map)
{
    size_t i;

    for (i = 0; i < map->nr_slots; i++) {
        free(map->slots[i].frames);
        free(map->slots[i].runs);
    }
    free(map->slots);
    memset(map, 0, sizeof(*map));
}

/* Where @index is or would go; there is always a free slot. */
static struct lxe__map_slot *slot_of(struct lxe__map_slot *slots,
                                     size_t nr, uint64_t index)
{
    size_t i = (index * 0x9e3779b97f4a7c15ULL) >> 32;

    for (;; i++) {
        struct lxe__map_slot *slot = &slots[i & (nr - 1)];

        if (!slot->used || slot->index == index)
            return slot;
    }
}

static void fill_kinds(struct lxe__page_map *map)
{
    unsigned int type;

    for (type = 0; type < LXE_PAGE_TYPES; type++) {
        map->kinds[type].type = type;
        map->kinds[type].flags = lxe__frame_flags(type);
        map->kinds[type].pass = 1;
    }
}

static int grow(struct lxe__page_map *map)
{
    size_t i, nr = map->nr_slots ? map->nr_slots * 2 : 256;
    struct lxe__map_slot *slots = calloc(nr, sizeof(*slots));

    if (!slots)
        return -1;
    for (i = 0; i < map->nr_slots; i++)
        if (map->slots[i].used)
            *slot_of(slots, nr, map->slots[i].index) = map->slots[i];
    if (!map->slots)
        fill_kinds(map);
    free(map->slots);
    map->slots = slots;
    map->nr_slots = nr;
    map->last = NULL;
    return 0;
}

struct lxe__map_slot *lxe__map_slot(struct lxe__page_map *map,
                                    uint64_t index)
{
    struct lxe__map_slot *slot;

    if (!map->nr_slots)
        return NULL;
    slot = slot_of(map->slots, map->nr_slots, index);
    if (!slot->used)
        return NULL;
    map->last = slot;
    return slot;
}

/* One more map, a brief one, if there may be. */
static struct lxe__map_slot *new_map(struct lxe__page_map *map,
                                     uint64_t index)
{
    const uint64_t len = LXE_MAP_FRAMES * sizeof(struct lxe__frame);
    struct lxe__map_slot *slot;

    if ((map->nr_maps + 1) * len > LXE_MAP_SLACK +
        map->named * sizeof(struct lxe__frame)) {
        errno = ERANGE;
        return NULL;
    }
    if ((map->nr_maps + 1) * 2 > map->nr_slots && grow(map))
        return NULL;
    slot = slot_of(map->slots, map->nr_slots, index);
    slot->index = index;
    slot->used = true;
    map->nr_maps++;
    map->last = slot;
    return slot;
}

const struct lxe__frame *lxe__map_brief(const struct lxe__page_map *map,
                                        const struct lxe__map_slot *slot,
                                        unsigned int i)
{
    unsigned int from = 0, to = slot->nr_runs, k;

    while (from < to) {
        k = (from + to) / 2;
        if (slot->runs[k].end > i)
            to = k;
        else
            from = k + 1;
    }
    return &map->kinds[from < slot->nr_runs ? slot->runs[from].type
                                            : LXE_MAP_UNNAMED];
}

/* Of a brief map to @to, which is zero. */
static void copy_frames(const struct lxe__page_map *map,
                        const struct lxe__map_slot *slot,
                        struct lxe__frame *to)
{
    unsigned int i, at = 0;

    for (i = 0; i < slot->nr_runs; i++)
        for (; at < slot->runs[i].end; at++)
            to[at] = map->kinds[slot->runs[i].type];
}

struct lxe__map_slot *lxe__map_full(struct lxe__page_map *map,
                                    uint64_t index)
{
    struct lxe__map_slot *slot = lxe__map_slot(map, index);
    struct lxe__frame *frames;

    if (!slot)
        slot = new_map(map, index);
    if (!slot || slot->frames)
        return slot;
    frames = calloc(LXE_MAP_FRAMES, sizeof(*frames));
    if (!frames)
        return NULL;
    copy_frames(map, slot, frames);
    free(slot->runs);
    slot->runs = NULL;
    slot->nr_runs = 0;
    slot->frames = frames;
    return slot;
}

/* Room is for a power of 2 of them, at least 8. */
static int put_run(struct lxe__map_slot *slot, unsigned int end,
                   unsigned int type)
{
    unsigned int nr = slot->nr_runs;
    struct lxe__map_run *runs = slot->runs;

    if (nr && runs[nr - 1].type == type) {
        runs[nr - 1].end = end;
        return 0;
    }
    if (!nr || (nr >= 8 && !(nr & (nr - 1)))) {
        runs = realloc(runs, (nr ? nr * 2 : 8) * sizeof(*runs));
        if (!runs)
            return -1;
        slot->runs = runs;
    }
    runs[nr] = (struct lxe__map_run){ .end = end, .type = type };
    slot->nr_runs++;
    return 0;
}

/* Can frames from @at on be told by runs: after all others? */
static bool stays_brief(const struct lxe__map_slot *slot, unsigned int at)
{
    return !slot->frames &&
           (!slot->nr_runs || slot->runs[slot->nr_runs - 1].end <= at);
}

uint32_t lxe__map_add(struct lxe__page_map *map, uint64_t first,
                      uint32_t count, unsigned int type)
{
    uint64_t index = first / LXE_MAP_FRAMES;
    uint32_t i, at = first % LXE_MAP_FRAMES, end;
    struct lxe__map_slot *slot = lxe__map_slot(map, index);

    if (count > LXE_MAP_FRAMES - at)
        count = LXE_MAP_FRAMES - at;
    if (!slot && !(slot = new_map(map, index)))
        return 0;
    if (stays_brief(slot, at)) {
        end = slot->nr_runs ? slot->runs[slot->nr_runs - 1].end : 0;
        if ((end < at && put_run(slot, at, LXE_MAP_UNNAMED)) ||
            put_run(slot, at + count, type))
            return 0;
    } else {
        slot = lxe__map_full(map, index);
        if (!slot)
            return 0;
        for (i = 0; i < count; i++)
            slot->frames[at + i] = map->kinds[type];
    }
    map->named += count;
    return count;
}

static int by_index(const void *a, const void *b)
{
    const struct lxe__map_slot *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

int lxe__map_order(const struct lxe__page_map *map,
                   struct lxe__map_slot **order_r, size_t *nr_r)
{
    struct lxe__map_slot *order = NULL;
    size_t i, nr = 0;

    if (map->nr_maps) {
        order = malloc(map->nr_maps * sizeof(*order));
        if (!order)
            return -1;
        for (i = 0; i < map->nr_slots; i++)
            if (map->slots[i].used)
                order[nr++] = map->slots[i];
        qsort(order, nr, sizeof(*order), by_index);
    }
    *order_r = order;
    *nr_r = nr;
    return 0;
}

int lxe__map_each(struct lxe__page_map *map,
                  int (*fn)(void *user, uint64_t first,
                            const struct lxe__frame *frames), void *user)
{
    struct lxe__frame *copy = NULL;
    struct lxe__map_slot *order;
    size_t i, nr;
    int rc = 0;

    if (lxe__map_order(map, &order, &nr))
        return -1;
    for (i = 0; i < nr && !rc; i++) {
        uint64_t first = order[i].index * LXE_MAP_FRAMES;

        if (order[i].frames) {
            rc = fn(user, first, order[i].frames);
            continue;
        }
        if (!copy && !(copy = malloc(LXE_MAP_FRAMES * sizeof(*copy)))) {
            rc = -1;
            break;
        }
        memset(copy, 0, LXE_MAP_FRAMES * sizeof(*copy));
        copy_frames(map, &order[i], copy);
        rc = fn(user, first, copy);
    }
    free(copy);
    free(order);
    return rc;
}

/* How many from @f on, before @end, are as it is: at least 1. */
static size_t alike(const struct lxe__frame *f,
                    const struct lxe__frame *end)
{
    const struct lxe__frame *g = f + 1;

    while (g < end && g->type == f->type && g->flags == f->flags)
        g++;
    return g - f;
}

int lxe__map_each_alike(struct lxe__page_map *map,
                        void (*fn)(void *user, uint64_t first,
                                   uint64_t nr,
                                   const struct lxe__frame *f),
                        void *user)
{
    const struct lxe__frame *f, *end;
    struct lxe__map_slot *order;
    size_t i, n, nr;
    unsigned int k;

    if (lxe__map_order(map, &order, &nr))
        return -1;
    for (i = 0; i < nr; i++) {
        uint64_t first = order[i].index * LXE_MAP_FRAMES;

        for (k = 0, n = 0; k < order[i].nr_runs; k++) {
            const struct lxe__map_run *run = &order[i].runs[k];

            if (run->type != LXE_MAP_UNNAMED)
                fn(user, first + n, run->end - n, &map->kinds[run->type]);
            n = run->end;
        }
        f = order[i].frames;
        for (end = f ? f + LXE_MAP_FRAMES : f; f < end;
             f += n, first += n) {
            n = alike(f, end);
            if (f->flags & LXE_FRAME_NAMED)
                fn(user, first, n, f);
        }
    }
    free(order);
    return 0;
}
