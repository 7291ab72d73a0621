/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The start info page of a PV guest, in which a restore translates the
 * frames of xenstore and of the console; rule G13.
 *
 * Which page it is the registers of vcpu 0 say, and these come last.  In
 * a file it is looked for then; of a pipe each page that begins as one
 * is noted as it passes by.
 */
#include <string.h>

#include "image/reader.h"
#include "stream/libxc_format.h"

#define MAGIC      "xen-"
#define MAGIC_LEN  4

/* Offsets in struct start_info of x86_64 and of x86_32. */
static const struct offsets {
    unsigned int store, console;
} wide = { 56, 72 }, narrow = { 44, 52 };

static const struct offsets *offsets_of(const struct lxe__reader *r)
{
    return r->out->pv_width == 4 ? &narrow : &wide;
}

/* False where @page is none; @at is where it stands. */
static bool parse(const struct lxe__reader *r, uint64_t pfn,
                  const uint8_t *page, uint64_t at,
                  struct lxe__start_info *info)
{
    const struct offsets *o = offsets_of(r);
    bool narrow_one = o == &narrow;

    if (memcmp(page, MAGIC, MAGIC_LEN))
        return false;
    info->pfn = pfn;
    info->at = at;
    info->store = narrow_one ? lxe__get32(page + o->store, false)
                             : lxe__get64(page + o->store, false);
    info->console = narrow_one ? lxe__get32(page + o->console, false)
                               : lxe__get64(page + o->console, false);
    return true;
}

static struct lxe__start_info *find_noted(struct lxe__reader *r,
                                          uint64_t pfn)
{
    unsigned int i;

    for (i = 0; i < r->nr_start_infos; i++)
        if (r->start_infos[i].pfn == pfn)
            return &r->start_infos[i];
    return NULL;
}

void lxe__start_info_note(struct lxe__reader *r, uint64_t pfn,
                          uint64_t at, const uint8_t *page)
{
    struct lxe__start_info info;
    struct lxe__start_info *old = find_noted(r, pfn);

    if (parse(r, pfn, page, at, &info)) {
        if (!old && r->nr_start_infos < LXE_START_INFOS)
            old = &r->start_infos[r->nr_start_infos++];
        if (old)
            *old = info;
    } else if (old) {
        *old = r->start_infos[--r->nr_start_infos];
    }
}

/*
 * Where the last contents of @pfn stand of those that the PAGE_DATA
 * record at @at sends; 0: it sends none.
 */
static int find_in_record(struct lxe__reader *r, uint64_t at, uint64_t pfn,
                          uint64_t *found_r)
{
    bool big = r->out->big_endian;
    uint64_t piece[LXE_START_INFO_PIECE], e, data, done, ignored;
    uint32_t count, i, n;

    if (lxe__source_again(&r->src, at, piece, 8, &ignored, r->err))
        return -1;
    count = lxe__get32((uint8_t *)piece, big);
    data = at + 8 + 8ULL * count;
    for (done = 0; done < count; done += n) {
        n = count - done < LXE_START_INFO_PIECE ? count - done
                                                : LXE_START_INFO_PIECE;
        if (lxe__source_again(&r->src, at + 8 + done * 8, piece, n * 8ULL,
                              &ignored, r->err))
            return -1;
        for (i = 0; i < n; i++) {
            e = lxe__get64((uint8_t *)&piece[i], big);
            if (!lxe__page_has_data(lxe__libxc_entry_type(e)))
                continue;
            if ((e & LXE_LIBXC_PFN_MASK) == pfn)
                *found_r = data;
            data += LXE_PAGE_SIZE;
        }
    }
    return 0;
}

/* The same of all records up to VERIFY or END, which the file has. */
static int find_in_file(struct lxe__reader *r, uint64_t pfn,
                        uint64_t *found_r)
{
    bool big = r->out->big_endian;
    uint64_t at = r->dhdr_offset + LXE_LIBXC_DHDR_LEN, ignored;
    uint8_t head[LXE_RHDR_LEN];
    uint32_t type, length;

    *found_r = 0;
    for (;;) {
        if (lxe__source_again(&r->src, at, head, sizeof(head), &ignored,
                              r->err))
            return -1;
        type = lxe__get32(head, big);
        length = lxe__get32(head + 4, big);
        at += sizeof(head);
        if (type == LXE_LIBXC_REC_END || type == LXE_LIBXC_REC_VERIFY)
            return 0;
        if (type == LXE_LIBXC_REC_PAGE_DATA &&
            find_in_record(r, at, pfn, found_r))
            return -1;
        at += lxe__rec_padded(length);
    }
}

/* 1: found; 0: there is no page that begins as one; or -1. */
static int find(struct lxe__reader *r, uint64_t pfn,
                struct lxe__start_info *info)
{
    uint8_t page[LXE_START_INFO_LEN];
    const struct lxe__start_info *noted;
    uint64_t at, ignored;

    if (!r->src.is_file) {
        noted = find_noted(r, pfn);
        if (noted)
            *info = *noted;
        return noted != NULL;
    }
    if (find_in_file(r, pfn, &at))
        return -1;
    if (!at)
        return 0;
    if (lxe__source_again(&r->src, at, page, sizeof(page), &ignored,
                          r->err))
        return -1;
    return parse(r, pfn, page, at, info);
}

static void check_ring(struct lxe__reader *r, uint64_t pfn,
                       uint64_t offset, const char *what)
{
    const struct lxe__frame *f = NULL;
    const char *is;

    if (pfn <= r->max_pfn)
        f = lxe__map_find(&r->map, pfn);
    if (!f)
        is = pfn > r->max_pfn ? "above the guest's last"
                              : "not in the image";
    else if (!(f->flags & LXE_FRAME_POPULATED))
        is = "not in the image";
    else if (lxe__page_is_table(f->type))
        is = "a page table";
    else
        return;
    lxe__fault_note(r, LXE_RULE_G13, offset, "start info: the %s frame"
                    " 0x%llx is %s", what, (unsigned long long)pfn, is);
    if (!f || !(f->flags & LXE_FRAME_POPULATED))
        lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "G13 at byte %llu: the"
                       " %s frame of the start info is %s",
                       (unsigned long long)offset, what, is);
}

int lxe__start_info_judge(struct lxe__reader *r, uint64_t pfn)
{
    const struct offsets *o = offsets_of(r);
    struct lxe__start_info info;
    int rc;

    /* A checkpointed stream has libxl's records between libxc's. */
    if (r->out->quick || r->out->checkpoints)
        return 0;
    rc = find(r, pfn, &info);
    if (rc <= 0)
        return rc;
    check_ring(r, info.store, info.at + o->store, "xenstore");
    check_ring(r, info.console, info.at + o->console, "console");
    return 0;
}
