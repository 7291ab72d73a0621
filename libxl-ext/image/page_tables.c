/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which page tables of a PV guest are validated?  The walk of
 * tables/walk.h over those of an image, in their last version, from all
 * that holds one; rule G12 and the findings P1 and P2 of docs/image.md,
 * "Page state".
 *
 * What it relies on beyond that, from reading Xen 4.6 to 4.20:
 * - The type in the stream is what XEN_DOMCTL_getpageframeinfo3 says.
 *   Up to Xen 4.15 that is what a page was last, validated or not.
 *   Since 4.16 (commit 0a87e677f4f4, "x86/PV: make post-migration page
 *   state consistent") one that is not validated is NOTAB.
 * - Entries in the stream name frames of the guest, not of the machine;
 *   libxenguest refuses to save a present one that it cannot translate,
 *   and any superpage.  Xen's own slots of level 2 are zero.
 * - A vcpu that is offline holds what it had loaded, and libxenguest
 *   saves no registers of it.
 *
 * Tables that are reached and not read yet are a list through their
 * entries in the map.
 */
#include <errno.h>

#include "image/reader.h"
#include "tables/walk.h"

struct walk {
    struct lxe__reader *r;
    unsigned int mark;          /* LXE_FRAME_* that is given */
    bool busy;                  /* there is a list, which begins at */
    uint64_t head;
    bool unknown;               /* the contents of a table are not kept */
    uint64_t at;                /* where the table stands that is read */
    uint8_t page[LXE_PAGE_SIZE];
};

/* Is a rule broken that says something of the guest's memory? */
static bool is_broken(const struct lxe__reader *r)
{
    unsigned int i;

    for (i = 0; i < LXE_NR_RULES; i++)
        if (r->rule_seen[i / 32] & 1U << i % 32 &&
            (i < LXE_RULE_M1 || i > LXE_RULE_M6))
            return true;
    return false;
}

static unsigned int level_of(const struct lxe__frame *f)
{
    return f->type & LXE_PAGE_LEVEL;
}

/*----- the image as a source of tables -----*/

/* A frame that is not there is G4's or G5's. */
static int table_level(void *user, uint64_t pfn)
{
    struct walk *w = user;
    const struct lxe__frame *f = lxe__map_find(&w->r->map, pfn);

    if (!f || !(f->flags & LXE_FRAME_NAMED) ||
        !lxe__page_is_populated(f->type))
        return -1;
    return lxe__page_is_table(f->type) ? (int)level_of(f) : 0;
}

/* The last of the list names itself. */
static void reach(struct walk *w, uint64_t pfn)
{
    struct lxe__frame *f = lxe__map_table(&w->r->map, pfn);

    if (f->flags & (LXE_FRAME_REACHED | LXE_FRAME_HELD))
        return;
    f->flags |= w->mark;
    if (level_of(f) == 1)
        return;
    f->next = w->busy ? w->head : pfn;
    w->head = pfn;
    w->busy = true;
}

static void table_reach(void *user, uint64_t pfn)
{
    reach(user, pfn);
}

static bool table_next(void *user, uint64_t *pfn_r)
{
    struct walk *w = user;
    const struct lxe__frame *f;

    if (!w->busy)
        return false;
    *pfn_r = w->head;
    f = lxe__map_find(&w->r->map, w->head);
    w->busy = f->next != w->head;
    w->head = f->next;
    return true;
}

static int table_read(void *user, uint64_t pfn, const uint8_t **page_r)
{
    struct walk *w = user;

    *page_r = w->page;
    return lxe__source_again(&w->r->src, lxe__map_find(&w->r->map,
                                                       pfn)->what,
                             w->page, sizeof(w->page), &w->at, w->r->err);
}

/* G12 is of tables that a restore validates. */
static void table_bad(void *user, uint64_t pfn, unsigned int slot,
                      const char *what)
{
    struct walk *w = user;

    if (w->mark == LXE_FRAME_REACHED)
        lxe__fault_note(w->r, LXE_RULE_G12, w->at + slot * 8, "page table"
                        " in frame 0x%llx: entry %u %s: Xen will not"
                        " validate it", (unsigned long long)pfn, slot,
                        what);
}

static int read_tables(struct walk *w)
{
    static const struct lxe__walk_ops ops = {
        .level = table_level,
        .reach = table_reach,
        .next = table_next,
        .read = table_read,
        .bad = table_bad,
    };
    struct lxe__walk walk = {
        .ops = &ops,
        .user = w,
        .wide = w->r->out->pv_width == 8,
    };

    return lxe__walk_down(&walk);
}

/*----- what holds tables -----*/

static int each_table(struct walk *w,
                      int (*fn)(void *user, uint64_t first,
                                const struct lxe__frame *frames))
{
    return lxe__map_each(&w->r->map, fn, w) ?
           lxe__err_set(w->r->err, ENOMEM, "image: no memory") : 0;
}

/* Pins; and is what is in each table known? */
static int reach_pinned(void *user, uint64_t first,
                        const struct lxe__frame *frames)
{
    struct walk *w = user;
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++) {
        if (!lxe__page_is_table(frames[i].type))
            continue;
        w->r->out->tables++;
        if (!(frames[i].flags & LXE_FRAME_KEPT))
            w->unknown = true;
        if (frames[i].type & LXE_PAGE_PINNED)
            reach(w, first + i);
    }
    return 0;
}

static void reach_root(struct walk *w, uint64_t pfn)
{
    const struct lxe__frame *f = lxe__map_find(&w->r->map, pfn);

    /* G7 says that it is one. */
    if (f && lxe__page_is_table(f->type))
        reach(w, pfn);
}

static void reach_loaded(struct walk *w)
{
    const struct lxe__vcpu *v = w->r->vcpus;
    uint32_t i;

    for (i = 0; i < w->r->nr_vcpus; i++, v++) {
        if (!v->offset)
            continue;
        reach_root(w, v->cr3);
        if (v->cr1 & 1)         /* 0 in a 32-bit guest */
            reach_root(w, v->cr1 >> 12);
    }
}

/* May there be a vcpu of which the image has no registers? */
static bool may_be_offline(const struct lxe__reader *r)
{
    return !r->config_vcpus || r->out->vcpus < r->config_vcpus;
}

/* What such a vcpu may have loaded. */
static int reach_held(void *user, uint64_t first,
                      const struct lxe__frame *frames)
{
    struct walk *w = user;
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++)
        if (lxe__page_is_table(frames[i].type) &&
            level_of(&frames[i]) == w->r->out->pv_levels)
            reach(w, first + i);
    return 0;
}

/*----- what nothing holds -----*/

/* Are types as Xen up to 4.15 says them?  0.x: a converted stream. */
static bool is_old_xen(const struct libxl_ext_image *o)
{
    return o->xen_major < 4 || (o->xen_major == 4 && o->xen_minor < 16);
}

static int judge_frames(void *user, uint64_t first,
                        const struct lxe__frame *frames)
{
    struct walk *w = user;
    struct libxl_ext_image *o = w->r->out;
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++) {
        const struct lxe__frame *f = &frames[i];

        if (!lxe__page_is_table(f->type) || f->flags & LXE_FRAME_REACHED)
            continue;
        if (f->flags & LXE_FRAME_HELD || !is_old_xen(o)) {
            o->tables_held++;
            continue;
        }
        lxe__map_table(&w->r->map, first + i)->flags |= LXE_FRAME_STALE;
        if (o->tables_stale < LIBXL_EXT_IMAGE_STALE) {
            o->stale[o->tables_stale].frame = first + i;
            o->stale[o->tables_stale].type = f->type;
        }
        o->tables_stale++;
    }
    return 0;
}

int lxe__page_tables_walk(struct lxe__reader *r)
{
    struct walk w = { .r = r, .mark = LXE_FRAME_REACHED };

    if (is_broken(r))
        return 0;
    if (each_table(&w, reach_pinned))
        return -1;
    if (w.unknown)
        return 0;
    reach_loaded(&w);
    if (read_tables(&w))
        return -1;
    if (is_broken(r))
        return 0;       /* something below was not reached */
    w.mark = LXE_FRAME_HELD;
    if (may_be_offline(r) &&
        (each_table(&w, reach_held) || read_tables(&w)))
        return -1;
    if (each_table(&w, judge_frames))
        return -1;
    r->out->page_state_judged = true;
    return 0;
}

void lxe__page_tables_conclude(struct lxe__reader *r)
{
    struct libxl_ext_image *o = r->out;

    if (o->page_state_judged && !is_broken(r))
        return;
    o->page_state_judged = false;
    o->tables = o->tables_held = o->tables_stale = 0;
    memset(o->stale, 0, sizeof(o->stale));
}

static int reset_frames(void *user, uint64_t first,
                        const struct lxe__frame *frames)
{
    struct lxe__reader *r = user;
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++)
        if (frames[i].flags & LXE_FRAME_STALE) {
            struct lxe__frame *f = lxe__map_table(&r->map, first + i);

            r->out->types[f->type]--;
            r->out->types[LXE_PAGE_NOTAB]++;
            f->type = f->data_type = LXE_PAGE_NOTAB;
        }
    return 0;
}

int lxe__page_tables_reset(struct lxe__reader *r)
{
    return lxe__map_each(&r->map, reset_frames, r) ?
           lxe__err_set(r->err, ENOMEM, "image: no memory") : 0;
}
