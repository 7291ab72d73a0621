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
        free(map->slots[i].frames);
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

static struct lxe__frame *add_map(struct lxe__page_map *map,
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
    slot->frames = calloc(LXE_MAP_FRAMES, sizeof(struct lxe__frame));
    if (!slot->frames)
        return NULL;
    slot->index = index;
    map->nr_maps++;
    map->last = slot->frames;
    map->last_index = index;
    return slot->frames;
}

struct lxe__frame *lxe__map_switch(struct lxe__page_map *map,
                                   uint64_t index, bool add)
{
    struct lxe__frame *frames = NULL;

    if (map->nr_slots)
        frames = slot_of(map->slots, map->nr_slots, index)->frames;
    if (!frames && add)
        return add_map(map, index);
    if (frames) {
        map->last = frames;
        map->last_index = index;
    }
    return frames;
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
                            struct lxe__frame *frames), void *user)
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
