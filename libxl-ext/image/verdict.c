/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Who would restore an image, besides what its faults say of it already:
 * do its frames fit the limit that each host would set?
 */
#include "image/reader.h"
#include "memory/record.h"
#include "memory/stock.h"

static void judge_stock(struct libxl_ext_image *o)
{
    uint64_t pages = o->restore_max_kb / 4;

    if (o->have_record && o->record_mandatory)
        lxe__fate_raise(&o->stock, LIBXL_EXT_IMAGE_REFUSED, "the memory"
                        " record is mandatory: the guest may have %llu"
                        " pages, stock libxl would allow %llu",
                        (unsigned long long)o->max_pages,
                        (unsigned long long)pages);
    if (!o->restore_max_kb || o->populated <= pages)
        return;
    lxe__fate_raise(&o->stock, LIBXL_EXT_IMAGE_REFUSED, "%llu frames are"
                    " above the %llu pages that stock libxl would allow:"
                    " the guest would be lost half-way",
                    (unsigned long long)o->populated,
                    (unsigned long long)pages);
    if (!o->have_record)
        lxe__fate_raise(&o->ext, LIBXL_EXT_IMAGE_REFUSED, "%llu frames are"
                        " above the %llu pages that libxl would allow, and"
                        " there is no memory record to say more",
                        (unsigned long long)o->populated,
                        (unsigned long long)pages);
}

static bool is_broken(const struct lxe__reader *r, enum lxe__rule rule)
{
    return r->rule_seen[rule / 32] & 1U << (rule % 32);
}

/* Is each frame named, and once, so that the order does not matter? */
static bool all_named_once(const struct lxe__reader *r)
{
    const struct libxl_ext_image *o = r->out;
    uint64_t named = 0, last = o->hvm ? o->last_frame : r->max_pfn;
    uint32_t i;

    for (i = 0; i < o->nr_passes; i++)
        if (!o->passes[i].verify)
            named += o->passes[i].named;
    return o->complete && named == o->frames && o->frames == last + 1;
}

/*
 * A restore takes frames in any order.  But of one that is sent twice it
 * keeps what comes last, and where the order is lost that may be old.
 */
static void judge_order(struct lxe__reader *r)
{
    if (!is_broken(r, LXE_RULE_G1) && !is_broken(r, LXE_RULE_G2))
        return;
    if (!all_named_once(r))
        lxe__fate_both(r, LIBXL_EXT_IMAGE_DAMAGED, "%s: pages are missing,"
                       " or old ones may take the place of new ones",
                       is_broken(r, LXE_RULE_G1) ? "G1" : "G2");
}

void lxe__verdict(struct lxe__reader *r)
{
    struct libxl_ext_image *o = r->out;
    uint64_t limit;

    /* What the sender reckoned is in the record; stock reads this. */
    if (o->config_target_kb != UINT64_MAX)
        o->restore_max_kb = o->config_target_kb +
            LXE_STOCK_MAXMEM_CONSTANT_KB;
    else if (o->have_record)
        o->restore_max_kb = o->stock_max_kb;
    judge_order(r);
    if (!o->complete)
        return;
    limit = lxe__pages_limit(o->max_pages, o->tot_pages);
    if (o->have_record && o->populated > limit) {
        lxe__fault_note(r, LXE_RULE_G9, r->dhdr_offset, "memory record:"
                        " the image has %llu frames, max_pages and"
                        " tot_pages allow %llu",
                        (unsigned long long)o->populated,
                        (unsigned long long)limit);
        lxe__fate_raise(&o->ext, LIBXL_EXT_IMAGE_REFUSED, "G9: %llu frames"
                        " are above the %llu pages of the memory record",
                        (unsigned long long)o->populated,
                        (unsigned long long)limit);
    }
    judge_stock(o);
}
