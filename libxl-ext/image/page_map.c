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

void lxe__map_dispose(struct lxe__page_map *map)
{
    size_t i;

    for (i = 0; i < map->nr_slots; i++)
        if (!map->slots[i].run)
            free(map->slots[i].frames);
    for (i = 0; i < LXE_PAGE_TYPES; i++)
        free(map->runs[i]);
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

        if (!slot->frames || slot->index == index)
            return slot;
    }
}

static int grow(struct lxe__page_map *map)
{
    size_t i, nr = map->nr_slots ? map->nr_slots * 2 : 256;
    struct lxe__map_slot *slots = calloc(nr, sizeof(*slots));

    if (!slots)
        return -1;
    for (i = 0; i < map->nr_slots; i++)
        if (map->slots[i].frames)
            *slot_of(slots, nr, map->slots[i].index) = map->slots[i];
    free(map->slots);
    map->slots = slots;
    map->nr_slots = nr;
    return 0;
}

/* A run of frames of @type; see page_map.h. */
static struct lxe__frame *run_of(struct lxe__page_map *map,
                                 unsigned int type)
{
    struct lxe__frame *run = map->runs[type];
    size_t i;

    if (run)
        return run;
    run = calloc(2 * LXE_MAP_FRAMES, sizeof(*run));
    for (i = 0; run && i < LXE_MAP_FRAMES; i++) {
        run[i].type = type;
        run[i].flags = lxe__frame_flags(type);
        run[i].pass = 1;
    }
    map->runs[type] = run;
    return run;
}

static struct lxe__map_slot *find_slot(const struct lxe__page_map *map,
                                       uint64_t index)
{
    struct lxe__map_slot *slot;

    if (!map->nr_slots)
        return NULL;
    slot = slot_of(map->slots, map->nr_slots, index);
    return slot->frames ? slot : NULL;
}

/* May there be one more map?  A slot for it, without frames yet. */
static struct lxe__map_slot *new_slot(struct lxe__page_map *map,
                                      uint64_t index)
{
    const uint64_t len = LXE_MAP_FRAMES * sizeof(struct lxe__frame);

    if ((map->nr_maps + 1) * len > LXE_MAP_SLACK +
        map->named * sizeof(struct lxe__frame)) {
        errno = ERANGE;
        return NULL;
    }
    if ((map->nr_maps + 1) * 2 > map->nr_slots && grow(map))
        return NULL;
    return slot_of(map->slots, map->nr_slots, index);
}

static void fill_slot(struct lxe__page_map *map,
                      struct lxe__map_slot *slot, uint64_t index,
                      struct lxe__frame *frames,
                      const struct lxe__frame *run)
{
    map->nr_maps += !slot->frames;
    slot->index = index;
    slot->frames = frames;
    slot->run = run;
}

/* A map of their own for the frames of a slot, or for none yet. */
static int own(struct lxe__page_map *map, struct lxe__map_slot *slot,
               uint64_t index)
{
    struct lxe__frame *frames = calloc(LXE_MAP_FRAMES, sizeof(*frames));

    if (!frames)
        return -1;
    if (slot->frames)
        memcpy(frames, slot->frames, LXE_MAP_FRAMES * sizeof(*frames));
    fill_slot(map, slot, index, frames, NULL);
    return 0;
}

static struct lxe__frame *use(struct lxe__page_map *map,
                              const struct lxe__map_slot *slot)
{
    map->last = slot->frames;
    map->last_index = slot->index;
    map->last_shared = slot->run;
    return slot->frames;
}

struct lxe__frame *lxe__map_switch(struct lxe__page_map *map,
                                   uint64_t index, bool change)
{
    struct lxe__map_slot *slot = find_slot(map, index);

    if (!slot && change)
        slot = new_slot(map, index);
    if (!slot)
        return NULL;
    if (change && (slot->run || !slot->frames) && own(map, slot, index))
        return NULL;
    return use(map, slot);
}

/* How many frames of a run are in the slot? */
static uint32_t run_length(const struct lxe__map_slot *slot)
{
    return slot->run + LXE_MAP_FRAMES - slot->frames;
}

uint32_t lxe__map_add(struct lxe__page_map *map, uint64_t first,
                      uint32_t count, unsigned int type)
{
    uint64_t index = first / LXE_MAP_FRAMES, at = first % LXE_MAP_FRAMES;
    struct lxe__map_slot *slot = find_slot(map, index);
    struct lxe__frame *run = run_of(map, type), *frames;

    if (!run)
        return 0;
    if (count > LXE_MAP_FRAMES - at)
        count = LXE_MAP_FRAMES - at;
    if (!slot && !at) {
        slot = new_slot(map, index);
        if (!slot)
            return 0;
        fill_slot(map, slot, index, run + LXE_MAP_FRAMES, run);
    }
    if (slot && slot->run == run && run_length(slot) == at) {
        slot->frames -= count;
        use(map, slot);
    } else {
        frames = lxe__map_switch(map, index, true);
        if (!frames)
            return 0;
        memcpy(frames + at, run, count * sizeof(*frames));
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
            if (map->slots[i].frames)
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
    struct lxe__map_slot *order;
    size_t i, nr;
    int rc = 0;

    if (lxe__map_order(map, &order, &nr))
        return -1;
    for (i = 0; i < nr && !rc; i++)
        rc = fn(user, order[i].index * LXE_MAP_FRAMES, order[i].frames);
    free(order);
    return rc;
}

/* How many from @f on, ahead of @end, are as it is: at least 1. */
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

    if (lxe__map_order(map, &order, &nr))
        return -1;
    for (i = 0; i < nr; i++) {
        uint64_t first = order[i].index * LXE_MAP_FRAMES;

        f = order[i].frames;
        if (order[i].run) {
            fn(user, first, run_length(&order[i]), f);
            continue;
        }
        for (end = f + LXE_MAP_FRAMES; f < end; f += n, first += n) {
            n = alike(f, end);
            if (f->flags & LXE_FRAME_NAMED)
                fn(user, first, n, f);
        }
    }
    free(order);
    return 0;
}
