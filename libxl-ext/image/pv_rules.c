/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What must hold between the parts of a guest when all have been read:
 * page tables, P2M table and registers of a PV guest refer to frames
 * that the image has; rules G4 to G8, and G13 by start_info.c.
 *
 * Page tables are judged in their last version, which is read a second
 * time: an earlier one of a live save may well refer to what was gone
 * later.  One that is not validated any more (P1 of page_tables.c) may
 * do so, too: nothing will use its entries.
 */
#include <errno.h>

#include "image/reader.h"

/* The type that @pfn has in the end; XTAB where it is not in the image. */
static unsigned int type_of(struct lxe__reader *r, uint64_t pfn)
{
    const struct lxe__frame *f = lxe__map_find(&r->map, pfn);

    return f && f->flags & LXE_FRAME_NAMED ? f->type : LXE_PAGE_XTAB;
}

/* Was it named without contents, in a pass that was not the last? */
static bool was_deferred(struct lxe__reader *r, uint64_t pfn)
{
    const struct lxe__frame *f = lxe__map_find(&r->map, pfn);

    return f && f->flags & LXE_FRAME_NAMED && f->type == LXE_PAGE_XTAB &&
           f->pass < r->pass;
}

/* An entry, at @offset, of a table in its last version. */
static void check_reference(struct lxe__reader *r, uint64_t table,
                            unsigned int index, uint64_t pfn,
                            uint64_t offset)
{
    if (pfn > r->max_pfn || lxe__page_is_populated(type_of(r, pfn)))
        return;         /* the first is G3 */
    if (was_deferred(r, pfn))
        lxe__fault_note(r, LXE_RULE_G5, offset, "page table in frame"
                        " 0x%llx: entry %u is of frame 0x%llx, which was"
                        " deferred in a pass of the live save and never"
                        " sent", (unsigned long long)table, index,
                        (unsigned long long)pfn);
    else
        lxe__fault_note(r, LXE_RULE_G4, offset, "page table in frame"
                        " 0x%llx: entry %u is of frame 0x%llx, which the"
                        " image has not", (unsigned long long)table, index,
                        (unsigned long long)pfn);
}

static int check_table(struct lxe__reader *r, uint64_t pfn,
                       const struct lxe__frame *f)
{
    uint8_t page[LXE_PAGE_SIZE];
    uint64_t at, pte;
    unsigned int i;

    if (lxe__source_again(&r->src, f->what, page, sizeof(page), &at,
                          r->err))
        return -1;
    for (i = 0; i < LXE_PAGE_SIZE / 8; i++) {
        pte = lxe__get64(page + i * 8, false);
        if (pte & LXE_PTE_PRESENT)
            check_reference(r, pfn, i, lxe__pte_frame(pte), at + i * 8);
    }
    return 0;
}

static int check_tables(void *user, uint64_t first,
                        const struct lxe__frame *frames)
{
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++)
        if (lxe__page_is_table(frames[i].type) &&
            frames[i].flags & LXE_FRAME_KEPT &&
            !(frames[i].flags & LXE_FRAME_STALE) &&
            check_table(user, first + i, &frames[i]))
            return -1;
    return 0;
}

/* A frame that must be a plain page with contents. */
static void check_plain(struct lxe__reader *r, enum lxe__rule rule,
                        uint64_t pfn, uint64_t offset, const char *what,
                        uint32_t index)
{
    unsigned int type = type_of(r, pfn);

    if (pfn <= r->max_pfn && type == LXE_PAGE_NOTAB)
        return;
    if (pfn <= r->max_pfn && was_deferred(r, pfn))
        rule = LXE_RULE_G5;
    lxe__fault_note(r, rule, offset, "%s %u: frame 0x%llx is %s and no"
                    " plain page", what, index, (unsigned long long)pfn,
                    pfn > r->max_pfn ? "above the guest's last" :
                    type == LXE_PAGE_XTAB ? "not in the image" :
                    lxe__page_is_table(type) ? "a page table" :
                    "without contents");
}

static int check_p2m(struct lxe__reader *r)
{
    uint8_t piece[LXE_P2M_PIECE];
    uint32_t i, n, done = 0;
    uint64_t at;

    if (r->p2m_first)
        lxe__fault_note(r, LXE_RULE_G6, r->p2m_offset - 8,
                        "X86_PV_P2M_FRAMES: p2m_start_pfn leaves out the"
                        " first %u frames of the table, which a restore"
                        " writes whole", r->p2m_first);
    for (; done < r->p2m_entries; done += n) {
        n = r->p2m_entries - done;
        if (n > LXE_P2M_PIECE / 8)
            n = LXE_P2M_PIECE / 8;
        if (lxe__source_again(&r->src,
                              r->p2m_pieces[done / (LXE_P2M_PIECE / 8)],
                              piece, n * 8, &at, r->err))
            return -1;
        for (i = 0; i < n; i++)
            check_plain(r, LXE_RULE_G6, lxe__get64(piece + i * 8,
                                                   r->out->big_endian),
                        at + i * 8, "X86_PV_P2M_FRAMES: entry", done + i);
    }
    return 0;
}

static void check_root(struct lxe__reader *r, uint32_t id, uint64_t pfn,
                       const char *name, uint64_t offset)
{
    unsigned int type = type_of(r, pfn);

    if (pfn <= r->max_pfn && lxe__page_is_table(type) &&
        (type & LXE_PAGE_LEVEL) == r->out->pv_levels)
        return;
    lxe__fault_note(r, LXE_RULE_G7, offset, "vcpu %u: %s is frame 0x%llx,"
                    " of type 0x%x and no page table of level %u", id,
                    name, (unsigned long long)pfn, type,
                    r->out->pv_levels);
}

/* Offsets in the registers: see read_context() in libxc_records.c. */
static void check_vcpu(struct lxe__reader *r, uint32_t id,
                       const struct lxe__vcpu *v)
{
    bool wide = r->out->pv_width == 8;
    uint32_t i, frames;

    if (!v->offset || !r->out->pv_width)
        return;
    if (!id)
        check_plain(r, LXE_RULE_G7, v->start_info,
                    v->offset + (wide ? 616 : 524), "start info of vcpu",
                    id);
    /* Xen's own descriptors begin after the 14th frame. */
    frames = v->gdt_ents / 512 + !!(v->gdt_ents % 512);
    if (v->gdt_ents > 14 * 512) {
        lxe__fault_note(r, LXE_RULE_G7, v->offset + (wide ? 4960 : 2704),
                        "vcpu %u: %u entries of the GDT are above %u", id,
                        v->gdt_ents, 14 * 512);
        frames = 0;
    }
    for (i = 0; i < frames; i++)
        check_plain(r, LXE_RULE_G7, v->gdt[i],
                    v->offset + (wide ? 4832 + i * 8 : 2640 + i * 4),
                    "GDT of a vcpu, part", i);
    check_root(r, id, v->cr3, "cr3", v->offset + (wide ? 5008 : 2728));
    if (wide && v->cr1 & 1)
        check_root(r, id, v->cr1 >> 12, "cr1", v->offset + 4992);
}

/* Where it is none G7 says so. */
static bool has_start_info(struct lxe__reader *r)
{
    return r->nr_vcpus && r->vcpus[0].offset && r->out->pv_width &&
           r->vcpus[0].start_info <= r->max_pfn &&
           type_of(r, r->vcpus[0].start_info) == LXE_PAGE_NOTAB;
}

/* A parameter of an HVM guest; @offset 0: no record names it. */
static void check_magic(struct lxe__reader *r, uint64_t pfn,
                        uint64_t offset, const char *what)
{
    if (!offset && r->params_offset)
        lxe__fault_note(r, LXE_RULE_G8, r->params_offset, "HVM_PARAMS: the"
                        " %s frame is not named", what);
    if (offset && !lxe__page_is_populated(type_of(r, pfn)))
        lxe__fault_note(r, LXE_RULE_G8, offset, "HVM_PARAMS: the %s frame"
                        " 0x%llx is not in the image", what,
                        (unsigned long long)pfn);
}

int lxe__pv_judge(struct lxe__reader *r)
{
    uint32_t i;
    int rc;

    if (r->out->hvm) {
        check_magic(r, r->store_pfn, r->store_offset, "xenstore");
        /* A legacy stream need not have it. */
        if (r->console_offset || r->out->xen_major)
            check_magic(r, r->console_pfn, r->console_offset, "console");
        return 0;
    }
    if (check_p2m(r))
        return -1;
    for (i = 0; i < r->nr_vcpus; i++)
        check_vcpu(r, i, &r->vcpus[i]);
    if (has_start_info(r) &&
        lxe__start_info_judge(r, r->vcpus[0].start_info))
        return -1;
    if (r->out->quick)
        return 0;
    if (lxe__page_tables_walk(r))
        return -1;
    errno = 0;
    rc = lxe__map_each(&r->map, check_tables, r);
    if (rc && !r->err->code)
        lxe__err_set(r->err, ENOMEM, "image: no memory");
    if (!rc)
        lxe__page_tables_conclude(r);
    return rc;
}
