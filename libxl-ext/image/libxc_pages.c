/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PAGE_DATA: which frames are sent, of what type, in which pass, and
 * what is in them; rules B2 to B8, G1 to G3, G10, G11.
 *
 * A pass is not marked in the stream.  libxenguest goes through the
 * frames in ascending order, once in full and then, in a live save,
 * through those that were written to since; so a number that is not
 * above the one before begins a pass.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL      /* no library at run time: dom0 may lack it */
#include <xxhash.h>

#include "image/reader.h"
#include "stream/libxc_format.h"

#define PFN_MASK      ((1ULL << 52) - 1)
#define PFN_RESERVED  (0xffULL << 52)
#define TYPE_OF(e)    ((unsigned int)((e) >> 60))

/* Marks of ours in the reserved bits of an entry that was checked. */
#define E_OUTSIDE     (1ULL << 52)  /* a frame that the guest has not */
#define E_AGAIN       (1ULL << 53)  /* was sent with contents before */

/* As many pages fit a record of the greatest length. */
#define DATA_MAX      (LXE_LIBXC_REC_MAX / LXE_PAGE_SIZE)

#define PIECE         (LXE_SOURCE_PEEK_MAX / 8)

static const uint8_t zeroes[LXE_PAGE_SIZE];

static struct libxl_ext_image_pass *pass_of(struct lxe__reader *r)
{
    uint32_t i = r->pass - 1;

    if (i >= LIBXL_EXT_IMAGE_PASSES)
        i = LIBXL_EXT_IMAGE_PASSES - 1;
    return &r->out->passes[i];
}

/* Converted streams name frames in another order, and not all. */
static bool all_named(const struct lxe__reader *r)
{
    return r->out->xen_major != 0;
}

void lxe__pass_end(struct lxe__reader *r, uint64_t offset)
{
    if (!r->pages_begun)
        return;
    r->pages_begun = false;
    if (r->pass == 1 && !r->out->hvm && r->prev_pfn != r->max_pfn &&
        r->max_pfn != UINT32_MAX && all_named(r))
        lxe__fault_note(r, LXE_RULE_G1, offset, "PAGE_DATA: the first pass"
                        " ends at frame 0x%llx, the guest's last is"
                        " 0x%llx: pages are missing or records are out of"
                        " order",
                        (unsigned long long)r->prev_pfn,
                        (unsigned long long)r->max_pfn);
}

/* Which pass @pfn belongs to, and whether it may come next in it. */
static void count_pass(struct lxe__reader *r, uint64_t pfn,
                       uint64_t offset)
{
    uint64_t want;

    if (r->pages_begun && pfn <= r->prev_pfn)
        lxe__pass_end(r, offset);
    want = r->pages_begun ? r->prev_pfn + 1 : 0;
    if (!r->pages_begun) {
        r->pages_begun = true;
        if (r->pass < UINT32_MAX)
            r->pass++;
        if (r->out->nr_passes < LIBXL_EXT_IMAGE_PASSES)
            r->out->nr_passes++;
        pass_of(r)->verify = r->seen_verify;
    }
    if (r->pass == 1 && pfn != want && all_named(r))
        lxe__fault_note(r, LXE_RULE_G1, offset, "PAGE_DATA: frame 0x%llx"
                        " where 0x%llx is next in the first pass: pages"
                        " are missing or records are out of order",
                        (unsigned long long)pfn, (unsigned long long)want);
    r->prev_pfn = pfn;
}

static struct lxe__frame *get_frame(struct lxe__reader *r, uint64_t pfn,
                                    uint64_t offset)
{
    uint64_t named = r->map.named;
    struct lxe__frame *f = lxe__map_get(&r->map, pfn);

    if (!f && errno == ERANGE) {
        lxe__fault_stop(r, LXE_RULE_G11, offset, "PAGE_DATA: frame 0x%llx"
                        " lies too far from the %llu others: the image is"
                        " damaged", (unsigned long long)pfn,
                        (unsigned long long)named);
        return NULL;
    }
    if (!f) {
        lxe__err_set(r->err, ENOMEM, "image: no memory for the map of %llu"
                     " frames", (unsigned long long)named);
        return NULL;
    }
    if (named != r->map.named && r->pass > 1 && all_named(r))
        lxe__fault_note(r, LXE_RULE_G2, offset, "PAGE_DATA: frame 0x%llx"
                        " is first named in pass %u: the first pass has a"
                        " gap or records are out of order",
                        (unsigned long long)pfn, r->pass);
    return f;
}

/* Notes frame and type; adds a mark to *@entry where it has contents. */
static int name_frame(struct lxe__reader *r, uint64_t *entry,
                      uint64_t offset)
{
    struct libxl_ext_image_pass *pass;
    unsigned int type = TYPE_OF(*entry);
    struct lxe__frame *f;

    count_pass(r, *entry & PFN_MASK, offset);
    f = get_frame(r, *entry & PFN_MASK, offset);
    if (!f)
        return -1;
    pass = pass_of(r);
    pass->named++;
    f->pass = r->pass;
    if (lxe__page_is_populated(type) &&
        !(f->flags & LXE_FRAME_POPULATED)) {
        f->flags |= LXE_FRAME_POPULATED;
        r->out->populated++;
    }
    if (lxe__page_has_data(type)) {
        pass->data++;
        if (f->flags & LXE_FRAME_DATA) {
            pass->again++;
            *entry |= E_AGAIN;
        } else if (r->seen_verify) {
            lxe__fault_note(r, LXE_RULE_G10, offset, "PAGE_DATA: frame"
                            " 0x%llx has contents only behind VERIFY,"
                            " where they are compared and not kept",
                            (unsigned long long)(*entry & PFN_MASK));
        }
        f->flags |= LXE_FRAME_DATA;
    }
    f->type = type;     /* also behind VERIFY, as libxenguest does */
    return 0;
}

static int check_entry(struct lxe__reader *r, uint64_t *entry,
                       uint64_t offset)
{
    unsigned int type = TYPE_OF(*entry);
    uint64_t pfn = *entry & PFN_MASK;
    uint64_t max = r->out->hvm ? LXE_IMAGE_PFN_MAX : r->max_pfn;

    if (type >= 5 && type <= 8)
        return lxe__fault_stop(r, LXE_RULE_B6, offset, "PAGE_DATA: type"
                               " 0x%x of frame 0x%llx is reserved", type,
                               (unsigned long long)pfn);
    if (*entry & PFN_RESERVED) {
        lxe__fault_note(r, LXE_RULE_B5, offset, "PAGE_DATA: reserved bits"
                        " 0x%02x of frame 0x%llx are not zero",
                        (unsigned int)(*entry >> 52 & 0xff),
                        (unsigned long long)pfn);
        *entry &= ~PFN_RESERVED;
    }
    if (lxe__page_is_table(type) &&
        (r->out->hvm || ((type & LXE_PAGE_LEVEL) == LXE_PAGE_L4TAB &&
                         r->out->pv_width == 4)))
        lxe__fault_note(r, LXE_RULE_B8, offset, "PAGE_DATA: frame 0x%llx"
                        " is a page table of level %u, which %s guest has"
                        " not", (unsigned long long)pfn,
                        type & LXE_PAGE_LEVEL,
                        r->out->hvm ? "an HVM" : "a 32-bit PV");
    if (pfn > max) {
        *entry |= E_OUTSIDE;
        return lxe__fault_note(r, LXE_RULE_B7, offset, "PAGE_DATA: frame"
                               " 0x%llx is above 0x%llx, the last that the"
                               " guest can have", (unsigned long long)pfn,
                               (unsigned long long)max);
    }
    return name_frame(r, entry, offset);
}

/*
 * The commonest entry by far, in a tenth of the time: a plain page that
 * is next in the first pass.  False for any other, which check_entry()
 * judges.  In an ascending pass no frame was named before.
 */
static bool is_next_plain(struct lxe__reader *r, uint64_t entry)
{
    struct lxe__frame *f;

    if (r->pass != 1 || !r->pages_begun || r->seen_verify ||
        entry != r->prev_pfn + 1 ||
        entry > (r->out->hvm ? LXE_IMAGE_PFN_MAX : r->max_pfn))
        return false;
    f = lxe__map_get(&r->map, entry);
    if (!f)
        return false;
    f->flags |= LXE_FRAME_DATA | LXE_FRAME_POPULATED;
    f->pass = 1;
    r->out->populated++;
    r->out->passes[0].named++;
    r->out->passes[0].data++;
    r->prev_pfn = entry;
    return true;
}

static int bad_length(struct lxe__reader *r, const struct lxe__rec *rec,
                      uint32_t count, uint32_t nr_data)
{
    return lxe__fault_stop(r, LXE_RULE_B4, rec->offset + 4, "PAGE_DATA:"
                           " length %u is not 8 and %u frames of 8 and %u"
                           " pages of 4096 octets: the record is damaged",
                           rec->length, count, nr_data);
}

/*
 * The array of frames.  Where it can be seen as a whole, as in every
 * image of Xen, its length is judged before any of its entries: with a
 * wrong count they would be page contents.
 */
static int read_entries(struct lxe__reader *r, const struct lxe__rec *rec,
                        uint32_t count, uint32_t *nr_r)
{
    uint32_t i, n, done, nr = 0;
    uint64_t at, entry;
    const uint8_t *p;

    for (done = 0; done < count; done += n) {
        n = count - done < PIECE ? count - done : PIECE;
        at = r->src.offset;
        p = lxe__take(r, n * 8, "PAGE_DATA");
        if (!p)
            return -1;
        if (n == count) {
            for (i = nr = 0; i < n; i++)
                nr += lxe__page_has_data(TYPE_OF(
                    lxe__get64(p + i * 8, r->out->big_endian)));
            if (rec->length != 8 + 8ULL * n + (uint64_t)nr * LXE_PAGE_SIZE)
                return bad_length(r, rec, count, nr);
            nr = 0;
        }
        for (i = 0; i < n; i++) {
            entry = lxe__get64(p + i * 8, r->out->big_endian);
            if (!is_next_plain(r, entry) &&
                check_entry(r, &entry, at + i * 8))
                return -1;
            if (!lxe__page_has_data(TYPE_OF(entry)))
                continue;
            if (nr == DATA_MAX)
                return bad_length(r, rec, count, nr + 1);
            r->data_pfns[nr++] = entry;
        }
    }
    *nr_r = nr;
    return rec->length == 8 + 8ULL * count + (uint64_t)nr * LXE_PAGE_SIZE
           ? 0 : bad_length(r, rec, count, nr);
}

/* A page table of a PV guest: judged, and kept for the end. */
static int read_table(struct lxe__reader *r, struct lxe__frame *f,
                      uint64_t pfn, const uint8_t *p, uint64_t at)
{
    unsigned int i;

    for (i = 0; i < LXE_PAGE_SIZE / 8; i++) {
        uint64_t pte = lxe__get64(p + i * 8, false);

        if ((pte & 1) && (pte & PFN_MASK) >> 12 > r->max_pfn)
            lxe__fault_note(r, LXE_RULE_G3, at + i * 8, "page table in"
                            " frame 0x%llx: entry %u is of frame 0x%llx,"
                            " the guest's last is 0x%llx",
                            (unsigned long long)pfn, i,
                            (unsigned long long)((pte & PFN_MASK) >> 12),
                            (unsigned long long)r->max_pfn);
    }
    if (!(f->flags & LXE_FRAME_KEPT))
        f->what = LXE_KEEP_NEW;
    f->flags |= LXE_FRAME_KEPT;
    f->flags &= ~LXE_FRAME_ZERO;
    return lxe__source_keep(&r->src, p, LXE_PAGE_SIZE, at, &f->what,
                            r->err);
}

/* Does a rule speak of what is in it? */
static bool is_judged(const struct lxe__reader *r, uint64_t entry)
{
    return !r->out->hvm && !r->seen_verify && !(entry & E_OUTSIDE) &&
           lxe__page_is_table(TYPE_OF(entry));
}

static int read_page(struct lxe__reader *r, uint64_t entry)
{
    uint64_t at = r->src.offset, pfn = entry & PFN_MASK, hash;
    const uint8_t *p = lxe__take(r, LXE_PAGE_SIZE, "PAGE_DATA");
    struct lxe__frame *f;
    bool comparable;

    if (!p)
        return -1;
    if (entry & E_OUTSIDE)
        return 0;
    f = lxe__map_find(&r->map, pfn);
    if (!r->seen_verify)
        f->data_type = TYPE_OF(entry);
    if (is_judged(r, entry))
        return read_table(r, f, pfn, p, at);
    if (!r->out->hvm && lxe__page_is_table(TYPE_OF(entry)))
        return 0;
    if (r->locate) {
        if (!r->seen_verify) {
            f->what = at;
            f->flags &= ~LXE_FRAME_KEPT;
        }
        return 0;
    }
    hash = XXH3_64bits(p, LXE_PAGE_SIZE);
    comparable = (entry & E_AGAIN) && !(f->flags & LXE_FRAME_KEPT);
    if (comparable && f->what == hash)
        pass_of(r)->unchanged++;
    if (r->seen_verify) {
        r->out->verify_differs += comparable && f->what != hash;
        return 0;
    }
    f->what = hash;
    f->flags &= ~(LXE_FRAME_KEPT | LXE_FRAME_ZERO);
    if (hash == r->zero_hash && !memcmp(p, zeroes, sizeof(zeroes)))
        f->flags |= LXE_FRAME_ZERO;
    return 0;
}

/*
 * The pages behind the entries.  Where not all are read, only tables
 * that a rule judges are; and what was one before is none any more.
 */
static int read_contents(struct lxe__reader *r, uint32_t nr)
{
    uint64_t entry, skip = 0;
    uint32_t i;

    for (i = 0; i < nr && !r->out->quick; i++) {
        entry = r->data_pfns[i];
        if (!r->out->all_read && !is_judged(r, entry)) {
            skip += LXE_PAGE_SIZE;
            if (entry & E_AGAIN && !r->seen_verify)
                lxe__map_find(&r->map, entry & PFN_MASK)->flags &=
                    ~LXE_FRAME_KEPT;
            continue;
        }
        if ((skip && lxe__pass_over(r, skip, "PAGE_DATA")) ||
            read_page(r, entry))
            return -1;
        skip = 0;
    }
    if (r->out->quick)
        skip = (uint64_t)nr * LXE_PAGE_SIZE;
    return lxe__pass_over(r, skip, "PAGE_DATA");
}

int lxe__page_data_read(struct lxe__reader *r, const struct lxe__rec *rec)
{
    uint32_t count, reserved, nr = 0;
    const uint8_t *p;

    if (rec->length < 8)
        return lxe__fault_stop(r, LXE_RULE_B2, rec->offset + 4,
                               "PAGE_DATA: length %u has no room for the 8"
                               " octets of its header", rec->length);
    p = lxe__take(r, 8, "PAGE_DATA");
    if (!p)
        return -1;
    count = lxe__get32(p, r->out->big_endian);
    reserved = lxe__get32(p + 4, r->out->big_endian);
    if (!count || count > (rec->length - 8) / 8)
        return lxe__fault_stop(r, LXE_RULE_B2, rec->body, "PAGE_DATA:"
                               " count %u is not 1 to %u, for which the"
                               " record has room", count,
                               (rec->length - 8) / 8);
    if (reserved)
        lxe__fault_note(r, LXE_RULE_B3, rec->body + 4, "PAGE_DATA:"
                        " reserved octets 0x%08x are not zero", reserved);
    if (!r->data_pfns &&
        !(r->data_pfns = malloc(DATA_MAX * sizeof(*r->data_pfns))))
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    if (read_entries(r, rec, count, &nr))
        return -1;
    if (!r->zero_hash)
        r->zero_hash = XXH3_64bits(zeroes, sizeof(zeroes));
    return read_contents(r, nr);
}
