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

#define PFN_MASK      LXE_LIBXC_PFN_MASK
#define PFN_RESERVED  (0xffULL << 52)

/* Marks of ours in the reserved bits of an entry that was checked. */
#define E_OUTSIDE     (1ULL << 52)  /* a frame that the guest has not */
#define E_AGAIN       (1ULL << 53)  /* was sent with contents before */

/* As many pages fit a record of the greatest length. */
#define DATA_MAX      (LXE_LIBXC_REC_MAX / LXE_PAGE_SIZE)

#define PIECE         (LXE_SOURCE_PEEK_MAX / 8)

static const uint8_t zeroes[LXE_PAGE_SIZE];

/* Is any page of the image looked at? */
static bool looks_into(const struct lxe__reader *r)
{
    return r->out->all_read || !(r->out->quick || r->out->hvm);
}

static bool is_reserved(unsigned int type)
{
    return type >= 5 && type <= 8;
}

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
    unsigned int type = lxe__libxc_entry_type(*entry);
    struct lxe__frame *f;

    count_pass(r, *entry & PFN_MASK, offset);
    f = get_frame(r, *entry & PFN_MASK, offset);
    if (!f)
        return -1;
    pass = pass_of(r);
    pass->named++;
    f->pass = r->pass;
    if (lxe__page_is_populated(type) && !(f->flags & LXE_FRAME_POPULATED))
        r->out->populated++;
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
    }
    f->flags |= lxe__frame_flags(type);
    f->type = type;     /* also after VERIFY, as libxenguest does */
    return 0;
}

/* The last that the guest can have. */
static uint64_t last_frame(const struct lxe__reader *r)
{
    return r->out->hvm ? LXE_IMAGE_PFN_MAX : r->max_pfn;
}

/* A page table that a guest of this kind has not. */
static void bad_table(struct lxe__reader *r, uint64_t pfn,
                      unsigned int type, uint64_t offset)
{
    unsigned long long at = offset;

    lxe__fault_note(r, LXE_RULE_B8, offset, "PAGE_DATA: frame 0x%llx is a"
                    " page table of level %u, which %s guest has not",
                    (unsigned long long)pfn, type & LXE_PAGE_LEVEL,
                    r->out->hvm ? "an HVM" : "a 32-bit PV");
    if (r->out->hvm)
        return;         /* its entries are left as they are */
    lxe__fate_both(r, LIBXL_EXT_IMAGE_DAMAGED, "B8 at byte %llu: what is"
                   " in the page is rewritten", at);
}

/* A page table that a guest of this kind cannot have. */
static bool is_no_table_of(const struct lxe__reader *r, unsigned int type)
{
    return lxe__page_is_table(type) &&
           (r->out->hvm || ((type & LXE_PAGE_LEVEL) == LXE_PAGE_L4TAB &&
                            r->out->pv_width == 4));
}

static int check_entry(struct lxe__reader *r, uint64_t *entry,
                       uint64_t offset)
{
    unsigned int type = lxe__libxc_entry_type(*entry);
    uint64_t pfn = *entry & PFN_MASK;
    uint64_t max = last_frame(r);

    if (is_reserved(type))
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
    if (is_no_table_of(r, type))
        bad_table(r, pfn, type, offset);
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
 * How many of the @n entries at @p count up by one from the first on?
 * Eight at a time while they do: this is where a quick verify is busy.
 */
static inline uint32_t count_up(const uint8_t *p, uint32_t n, bool big)
{
    uint64_t next = lxe__get64(p, big);
    uint32_t i = 0;

#define OFF(k) (lxe__get64(p + 8 * (k), big) ^ (next + (k)))
    for (; n - i >= 8; i += 8, p += 64, next += 8)
        if (OFF(0) | OFF(1) | OFF(2) | OFF(3) |
            OFF(4) | OFF(5) | OFF(6) | OFF(7))
            break;
#undef OFF
    for (; i < n && lxe__get64(p, big) == next; p += 8, next++)
        i++;
    return i;
}

/*
 * The same where they are of one type, too.  A loop for each byte order:
 * there are many of them.
 */
static uint32_t count_ascending(const uint8_t *p, uint32_t n, bool big)
{
    uint64_t left = PFN_MASK - (lxe__get64(p, big) & PFN_MASK);

    if (n > left)
        n = left + 1;
    return big ? count_up(p, n, true) : count_up(p, n, false);
}

/*
 * How many of the @n entries at @p are of frames with contents?  The
 * first @up count up.
 */
static uint32_t count_data(const uint8_t *p, uint32_t n, uint32_t up,
                           bool big)
{
    uint32_t i, nr = 0;
    uint64_t entry;

    for (i = 0; i < n; i += up) {
        if (i)
            up = count_ascending(p + i * 8, n - i, big);
        entry = lxe__get64(p + i * 8, big);
        if (lxe__page_has_data(lxe__libxc_entry_type(entry)))
            nr += up;
    }
    return nr;
}

/*
 * The commonest entries by far, many at a time: frames that are next in
 * the first pass, of one type, so that no rule is broken; page tables
 * only where nobody looks into them.  How many of the @n that count up
 * from @entry on have been named; 0 where check_entry() must judge.
 */
static uint32_t name_run(struct lxe__reader *r, uint64_t entry,
                         uint32_t n)
{
    uint64_t pfn = entry & PFN_MASK, max = last_frame(r);
    unsigned int type = lxe__libxc_entry_type(entry);

    if (r->pass != 1 || !r->pages_begun || r->seen_verify ||
        pfn != r->prev_pfn + 1 || pfn > max || entry & PFN_RESERVED ||
        is_reserved(type) || is_no_table_of(r, type) ||
        (lxe__page_is_table(type) && looks_into(r)))
        return 0;
    if (n > max - pfn)
        n = max - pfn + 1;
    n = lxe__map_add(&r->map, pfn, n, type);
    r->prev_pfn += n;
    r->out->passes[0].named += n;
    r->out->passes[0].data += lxe__page_has_data(type) ? n : 0;
    r->out->populated += lxe__page_is_populated(type) ? n : 0;
    return n;
}

static int bad_length(struct lxe__reader *r, const struct lxe__rec *rec,
                      uint32_t count, uint32_t nr_data)
{
    return lxe__fault_stop(r, LXE_RULE_B4, rec->offset + 4, "PAGE_DATA:"
                           " length %u is not 8 and %u frames of 8 and %u"
                           " pages of 4096 bytes: the record is damaged",
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
    bool big = r->out->big_endian;
    uint32_t i, k, n, done, run, up, nr = 0;
    uint64_t at, entry;
    const uint8_t *p;

    for (done = 0; done < count; done += n) {
        n = count - done < PIECE ? count - done : PIECE;
        at = r->src.offset;
        p = lxe__take(r, n * 8, "PAGE_DATA");
        if (!p)
            return -1;
        up = count_ascending(p, n, big);
        if (n == count) {
            i = count_data(p, n, up, big);
            if (rec->length != 8 + 8ULL * n + (uint64_t)i * LXE_PAGE_SIZE)
                return bad_length(r, rec, count, i);
        }
        for (i = 0; i < n; i += run, up -= run) {
            entry = lxe__get64(p + i * 8, big);
            if (!up)
                up = count_ascending(p + i * 8, n - i, big);
            run = name_run(r, entry, up);
            if (!run && check_entry(r, &entry, at + i * 8))
                return -1;
            if (!run)
                run = 1;
            if (!lxe__page_has_data(lxe__libxc_entry_type(entry)))
                continue;
            if (run > DATA_MAX - nr)
                return bad_length(r, rec, count, DATA_MAX + 1);
            for (k = 0; r->data_pfns && k < run; k++)
                r->data_pfns[nr + k] = entry + k;
            nr += run;
        }
    }
    *nr_r = nr;
    return rec->length == 8 + 8ULL * count + (uint64_t)nr * LXE_PAGE_SIZE
           ? 0 : bad_length(r, rec, count, nr);
}

/*
 * A page table of a PV guest: judged, and kept for the end but behind
 * VERIFY, where a restore compares it once its entries are translated.
 */
static int read_table(struct lxe__reader *r, struct lxe__frame *f,
                      uint64_t pfn, const uint8_t *p, uint64_t at)
{
    unsigned int i;

    for (i = 0; i < LXE_PAGE_SIZE / 8; i++) {
        uint64_t pte = lxe__get64(p + i * 8, false);
        uint64_t frame = (pte & LXE_PTE_FRAME) >> 12;

        if ((pte & 1) && frame > r->max_pfn)
            lxe__fault_note(r, LXE_RULE_G3, at + i * 8, "page table in"
                            " frame 0x%llx: entry %u is of frame 0x%llx,"
                            " the guest's last is 0x%llx",
                            (unsigned long long)pfn, i,
                            (unsigned long long)frame,
                            (unsigned long long)r->max_pfn);
    }
    if (r->seen_verify)
        return 0;
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
    return !r->out->hvm && !(entry & E_OUTSIDE) &&
           lxe__page_is_table(lxe__libxc_entry_type(entry));
}

/* Of a pipe: what a start info says is noted, since none comes again. */
static bool is_noted(const struct lxe__reader *r, uint64_t entry)
{
    return !r->src.is_file && !r->out->hvm && !r->seen_verify &&
           !(entry & E_OUTSIDE) && r->out->pv_width;
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
    if (is_noted(r, entry))
        lxe__start_info_note(r, pfn, at, p);
    f = lxe__map_get(&r->map, pfn);
    if (!f)
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    if (!r->seen_verify)
        f->data_type = lxe__libxc_entry_type(entry);
    if (is_judged(r, entry))
        return read_table(r, f, pfn, p, at);
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

/* Where not all is read: what was a table before may be none now. */
static int forget_table(struct lxe__reader *r, uint64_t entry)
{
    struct lxe__frame *f;

    if (!(entry & E_AGAIN) || r->seen_verify)
        return 0;
    f = lxe__map_get(&r->map, entry & PFN_MASK);
    if (!f)
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    f->flags &= ~LXE_FRAME_KEPT;
    return 0;
}

/* One of a pipe, that passes by; *@have_r: how much of it there is. */
static int pass_page(struct lxe__reader *r, uint64_t entry,
                     uint64_t *have_r)
{
    const uint8_t *p;
    size_t have;

    if (is_noted(r, entry)) {
        p = lxe__source_peek(&r->src, LXE_START_INFO_LEN, &have, r->err);
        if (!p)
            return -1;
        if (have == LXE_START_INFO_LEN)
            lxe__start_info_note(r, entry & PFN_MASK, r->src.offset, p);
    }
    return lxe__source_skip(&r->src, LXE_PAGE_SIZE, have_r, r->err);
}

/* @nr pages of which no rule speaks. */
static int pass_pages(struct lxe__reader *r, const uint64_t *entries,
                      uint32_t nr)
{
    uint64_t len = (uint64_t)nr * LXE_PAGE_SIZE, have;
    uint32_t i;

    for (i = 0; i < nr; i++)
        if (forget_table(r, entries[i]))
            return -1;
    if (r->src.is_file)
        return lxe__pass_over(r, len, "PAGE_DATA");
    for (i = 0; i < nr; i++) {
        if (pass_page(r, entries[i], &have))
            return -1;
        if (have < LXE_PAGE_SIZE)
            return lxe__cut_short(r, (uint64_t)i * LXE_PAGE_SIZE + have,
                                  len, "PAGE_DATA");
    }
    return 0;
}

/*
 * The pages after the entries.  Where not all are read, only tables
 * that a rule judges are.
 */
static int read_contents(struct lxe__reader *r, uint32_t nr)
{
    const uint64_t *entries = r->data_pfns;
    uint32_t i, n;

    if (!entries)
        return lxe__pass_over(r, (uint64_t)nr * LXE_PAGE_SIZE,
                              "PAGE_DATA");
    for (i = 0; i < nr; i += n) {
        n = 0;
        while (i + n < nr && !r->out->all_read &&
               !is_judged(r, entries[i + n]))
            n++;
        if (n ? pass_pages(r, entries + i, n) : read_page(r, entries[i]))
            return -1;
        if (!n)
            n = 1;
    }
    return 0;
}

int lxe__page_data_read(struct lxe__reader *r, const struct lxe__rec *rec)
{
    uint32_t count, reserved, nr = 0;
    const uint8_t *p;

    if (rec->length < 8)
        return lxe__fault_stop(r, LXE_RULE_B2, rec->offset + 4,
                               "PAGE_DATA: length %u has no room for the 8"
                               " bytes of its header", rec->length);
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
                        " reserved bytes 0x%08x are not zero", reserved);
    if (looks_into(r) && !r->data_pfns &&
        !(r->data_pfns = malloc(DATA_MAX * sizeof(*r->data_pfns))))
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    if (read_entries(r, rec, count, &nr))
        return -1;
    if (!r->zero_hash)
        r->zero_hash = XXH3_64bits(zeroes, sizeof(zeroes));
    return read_contents(r, nr);
}
