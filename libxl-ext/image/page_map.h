/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is known of each frame of the guest: 16 bytes a frame, in maps
 * of LXE_MAP_FRAMES frames that are allocated when one of them is first
 * named.
 *
 * Frame numbers come from the image, so an image could name one frame
 * in each map and make this allocate 4096 times what it has.  Therefore
 * what is allocated stays below LXE_MAP_SLACK plus 16 bytes for each
 * frame that was named; lxe__map_get() says so when that would not hold.
 *
 * Most frames of most images are named once, in the first pass, and
 * nothing more is known of them than their type.  A map of which all
 * are so, as lxe__map_add() names them, is *brief*: it has runs of
 * frames of one type.  Who changes a frame, by lxe__map_get(), makes a
 * full one of its map; lxe__map_table() is for frames of full maps
 * alone.
 */
#ifndef LXE_IMAGE_PAGE_MAP_H
#define LXE_IMAGE_PAGE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables/pages.h"

#define LXE_MAP_FRAMES 4096U
#define LXE_MAP_SLACK  (40ULL << 20)

struct lxe__frame {
    /*
     * Of a page table the handle that lxe__source_keep() gave; where the
     * reader locates, the place of the contents in the image; else a
     * hash of them where all is read, and nothing where it is not.
     */
    uint64_t what;
    union {
        uint32_t pass;      /* that named it last, from 1; saturates */
        uint32_t next;      /* of a page table: see page_tables.c */
    };
    uint8_t type;           /* LXE_PAGE_*, the last one */
    uint8_t flags;
#define LXE_FRAME_NAMED     (1U << 0)
#define LXE_FRAME_DATA      (1U << 1)  /* was sent with contents */
#define LXE_FRAME_POPULATED (1U << 2)  /* a restore allocates it */
#define LXE_FRAME_ZERO      (1U << 3)  /* its last contents are zero */
#define LXE_FRAME_KEPT      (1U << 4)  /* "what" is a handle */
/* What page_tables.c found of a page table, at most one of them. */
#define LXE_FRAME_REACHED   (1U << 5)  /* it is validated */
#define LXE_FRAME_HELD      (1U << 6)  /* a vcpu that is off may hold it */
#define LXE_FRAME_STALE     (1U << 7)  /* P1: it is not validated */
    uint8_t data_type;      /* LXE_PAGE_*, with the last contents */
    uint8_t unused;
};

/* In place of a type: the frame was not named. */
#define LXE_MAP_UNNAMED LXE_PAGE_TYPES

struct lxe__map_run {
    uint16_t end;               /* the frame after its last */
    uint8_t type;               /* or LXE_MAP_UNNAMED */
};

struct lxe__map_slot {
    uint64_t index;             /* pfn / LXE_MAP_FRAMES */
    struct lxe__frame *frames;  /* of a full map, else NULL */
    struct lxe__map_run *runs;  /* of a brief one, ascending; what is */
    unsigned int nr_runs;       /* after the last was not named */
    bool used;                  /* there is a map */
};

struct lxe__page_map {
    struct lxe__map_slot *slots;    /* open addressing */
    size_t nr_slots, nr_maps;
    uint64_t named;
    struct lxe__map_slot *last;     /* that was used last */
    /* What is said of a frame of a brief map, by its type. */
    struct lxe__frame kinds[LXE_PAGE_TYPES + 1];
};

/* The flags of a frame that was named once, with @type. */
static inline unsigned int lxe__frame_flags(unsigned int type)
{
    return LXE_FRAME_NAMED |
           (lxe__page_is_populated(type) ? LXE_FRAME_POPULATED : 0) |
           (lxe__page_has_data(type) ? LXE_FRAME_DATA : 0);
}

/*
 * The type with which a frame must be named first so that a restore
 * makes of it what it is now: that of its contents, or one that only
 * allocates.  Where its last type is another it is named once more.
 */
static inline unsigned int
lxe__frame_first_type(const struct lxe__frame *f)
{
    if (f->flags & LXE_FRAME_DATA)
        return f->data_type;
    return f->flags & LXE_FRAME_POPULATED &&
           !lxe__page_is_populated(f->type) ? LXE_PAGE_XALLOC : f->type;
}

/* An all-zero map is empty and needs no init. */
void lxe__map_dispose(struct lxe__page_map *map);

/* The slot of a map; NULL where there is none. */
struct lxe__map_slot *lxe__map_slot(struct lxe__page_map *map,
                                    uint64_t index);

/* The same of a full map, which it is made; NULL with errno. */
struct lxe__map_slot *lxe__map_full(struct lxe__page_map *map,
                                    uint64_t index);

/* A frame of a brief map. */
const struct lxe__frame *lxe__map_brief(const struct lxe__page_map *map,
                                        const struct lxe__map_slot *slot,
                                        unsigned int i);

/* A frame of the map in @slot, or in a copy of it, to be looked at. */
static inline const struct lxe__frame *
lxe__map_frame(const struct lxe__page_map *map,
               const struct lxe__map_slot *slot, unsigned int i)
{
    return slot->frames ? &slot->frames[i] : lxe__map_brief(map, slot, i);
}

/*
 * The entry of @pfn, to be changed; it counts as named from now on.
 * NULL with errno: ERANGE where the frames lie too far apart, which is
 * not said of one that was named before; ENOMEM.
 */
static inline struct lxe__frame *lxe__map_get(struct lxe__page_map *map,
                                              uint64_t pfn)
{
    uint64_t index = pfn / LXE_MAP_FRAMES;
    struct lxe__map_slot *slot = map->last;
    struct lxe__frame *f;

    if (!slot || slot->index != index || !slot->frames)
        slot = lxe__map_full(map, index);
    if (!slot)
        return NULL;
    f = &slot->frames[pfn % LXE_MAP_FRAMES];
    if (!(f->flags & LXE_FRAME_NAMED)) {
        f->flags |= LXE_FRAME_NAMED;
        map->named++;
    }
    return f;
}

/*
 * Names up to @count frames from @first on with @type, in the first
 * pass: as many as are in one map.  None of them was named before; of
 * page tables nothing but the type may be wanted later on.  How many; 0
 * with errno as above.
 */
uint32_t lxe__map_add(struct lxe__page_map *map, uint64_t first,
                      uint32_t count, unsigned int type);

/* To be looked at alone; NULL where no frame near it was named. */
static inline const struct lxe__frame *
lxe__map_find(struct lxe__page_map *map, uint64_t pfn)
{
    uint64_t index = pfn / LXE_MAP_FRAMES;
    const struct lxe__map_slot *slot = map->last;

    if (!slot || slot->index != index)
        slot = lxe__map_slot(map, index);
    return slot ? lxe__map_frame(map, slot, pfn % LXE_MAP_FRAMES) : NULL;
}

/* Of a page table in a full map: to be changed where it is. */
static inline struct lxe__frame *
lxe__map_table(struct lxe__page_map *map, uint64_t pfn)
{
    return (struct lxe__frame *)lxe__map_find(map, pfn);
}

/*
 * The maps in ascending order: *@nr_r of them, in memory that the
 * caller frees (NULL where there is none).  -1 with ENOMEM.
 */
int lxe__map_order(const struct lxe__page_map *map,
                   struct lxe__map_slot **order_r, size_t *nr_r);

/*
 * Calls @fn for each map, in ascending order: @frames are its
 * LXE_MAP_FRAMES entries, or a copy of those of a brief map, from frame
 * number @first on; those that are not named are among them.  Ends at
 * the first that is not 0, and returns it; -1 with ENOMEM.
 */
int lxe__map_each(struct lxe__page_map *map,
                  int (*fn)(void *user, uint64_t first,
                            const struct lxe__frame *frames), void *user);

/*
 * Calls @fn for all named frames, in ascending order: for @nr at a time,
 * from frame number @first on, that have type and flags of @f.  0, or -1
 * with ENOMEM.
 */
int lxe__map_each_alike(struct lxe__page_map *map,
                        void (*fn)(void *user, uint64_t first,
                                   uint64_t nr,
                                   const struct lxe__frame *f),
                        void *user);

#endif
