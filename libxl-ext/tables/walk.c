/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The walk of walk.h: what the entries of one table hold, for each.
 */
#include <endian.h>
#include <string.h>

#include "tables/pages.h"
#include "tables/walk.h"

#define XEN_L4_FIRST    256U
#define XEN_L4_LAST     271U
#define PAE_L3_ENTRIES  4U

/* Does Xen look at this slot of a table? */
static bool is_guest_slot(const struct lxe__walk *w, int level,
                          unsigned int slot)
{
    if (level == 4)
        return slot < XEN_L4_FIRST || slot > XEN_L4_LAST;
    return level != 3 || w->wide || slot < PAE_L3_ENTRIES;
}

/* May an entry refer to a table of its own level? */
static bool is_linear(const struct lxe__walk *w, int level, uint64_t pte)
{
    return !(pte & LXE_PTE_RW) && (level != 3 || w->wide);
}

static void follow(const struct lxe__walk *w, uint64_t table, int level,
                   unsigned int slot, uint64_t pte)
{
    uint64_t frame = lxe__pte_frame(pte);
    int below;

    if (pte & LXE_PTE_SUPERPAGE) {
        w->ops->bad(w->user, table, slot, "is of a superpage");
        return;
    }
    below = w->ops->level(w->user, frame);
    if (below < 0)
        return;
    if (below && (below == level - 1 ||
                  (below == level && is_linear(w, level, pte))))
        w->ops->reach(w->user, frame);
    else
        w->ops->bad(w->user, table, slot, "is of a frame that is no page"
                    " table of the level below");
}

static uint64_t entry(const uint8_t *page, unsigned int slot)
{
    uint64_t pte;

    memcpy(&pte, page + slot * sizeof(pte), sizeof(pte));
    return le64toh(pte);
}

int lxe__walk_down(const struct lxe__walk *w)
{
    const uint8_t *page;
    unsigned int i;
    uint64_t table, pte;
    int level;

    while (w->ops->next(w->user, &table)) {
        level = w->ops->level(w->user, table);
        if (w->ops->read(w->user, table, &page))
            return -1;
        for (i = 0; i < LXE_PAGE_SIZE / sizeof(pte); i++) {
            if (!is_guest_slot(w, level, i))
                continue;
            pte = entry(page, i);
            if (pte & LXE_PTE_PRESENT)
                follow(w, table, level, i, pte);
            else if (!w->wide && level == 3 && i == PAE_L3_ENTRIES - 1)
                w->ops->bad(w->user, table, i, "is not present, which"
                            " every table of level 3 of a 32-bit guest"
                            " needs");
        }
    }
    return 0;
}
