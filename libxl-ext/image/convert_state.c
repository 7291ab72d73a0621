/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Page state: pages that Xen up to 4.15 calls page tables although they
 * are not validated any more (P1 of page_tables.c) become plain pages,
 * NOTAB, with the contents that they had in memory; as Xen since 4.16
 * has them saved.
 *
 * The type alone would not do.  Because of it libxenguest has written
 * the number of a frame of the guest into each present entry, in the
 * place of the machine's; without it a restore leaves them, and the
 * guest would find neither what it had nor what is true of the new host.
 * The P2M table of the guest is in the image as it was in memory, since
 * a restore writes it anew, and from it each entry gets its machine
 * frame again.  That is exact: libxenguest translates only what the P2M
 * table translates back.  What cannot be had again:
 * - Xen's own slots, which it has cleared; they stay so.
 * - An entry of a frame that the guest gave away later in a live save:
 *   nothing says what it was, so it is cleared (and counted).
 */
#include <errno.h>
#include <stdlib.h>

#include "image/convert.h"
#include "stream/libxc_format.h"

#define U(n) ((unsigned long long)(n))

#define CACHED 64U              /* pages of the P2M table */
#define PIECE  1024U            /* frames of a record at a time */

struct p2m_page {
    bool known;                 /* data is that of index */
    uint64_t index;
    uint8_t data[LXE_PAGE_SIZE];
};

struct lxe__stale {
    struct lxe__convert *c;
    uint8_t page[LXE_PAGE_SIZE];
    struct p2m_page p2m[CACHED];
    uint64_t entries[PIECE];
};

static int again(struct lxe__stale *s, uint64_t place, void *data,
                 size_t len)
{
    uint64_t at;

    return lxe__source_again(&s->c->r->src, place, data, len, &at,
                             s->c->err);
}

int lxe__stale_init(struct lxe__convert *c, struct lxe__stale **stale_r)
{
    struct lxe__stale *s;

    if (c->in->hvm)
        return lxe__err_set(c->err, EINVAL, "image: --page-state is of the"
                            " page tables of PV guests, and this guest is"
                            " none");
    if (!c->in->page_state_judged)
        return lxe__err_set(c->err, EINVAL, "image: --page-state: a page"
                            " is a page table in the verify pass alone, so"
                            " nothing is known of its entries: nothing was"
                            " converted");
    s = calloc(1, sizeof(*s));
    if (!s)
        return lxe__err_set(c->err, ENOMEM, "image: no memory");
    s->c = c;
    *stale_r = s;
    c->done->stale_tables = c->in->tables_stale;
    return lxe__page_tables_reset(c->r);
}

void lxe__stale_free(struct lxe__stale *s)
{
    free(s);
}

/* The frame of the guest in which a page of the P2M table is. */
static int p2m_frame(struct lxe__stale *s, uint64_t index,
                     const struct lxe__frame **f_r)
{
    const uint32_t per_piece = LXE_P2M_PIECE / 8;
    struct lxe__reader *r = s->c->r;
    uint64_t nr = index - r->p2m_first;
    const struct lxe__frame *f;
    uint8_t pfn[8];

    *f_r = NULL;
    if (index < r->p2m_first || nr >= r->p2m_entries)
        return 0;
    if (again(s, r->p2m_pieces[nr / per_piece] + nr % per_piece * 8, pfn,
              sizeof(pfn)))
        return -1;
    f = lxe__map_find(&r->map, lxe__get64(pfn, s->c->in->big_endian));
    /* G6: it is a plain page. */
    if (f && f->flags & LXE_FRAME_DATA && f->type == LXE_PAGE_NOTAB)
        *f_r = f;
    return 0;
}

/* NULL in *@page_r: it is not in the image. */
static int p2m_page(struct lxe__stale *s, uint64_t index,
                    const uint8_t **page_r)
{
    struct p2m_page *p = &s->p2m[index % CACHED];
    const struct lxe__frame *f;

    *page_r = p->data;
    if (p->known && p->index == index)
        return 0;
    if (p2m_frame(s, index, &f))
        return -1;
    *page_r = f ? p->data : NULL;
    if (!f)
        return 0;
    p->known = false;
    if (again(s, f->what, p->data, sizeof(p->data)))
        return -1;
    p->known = true;
    p->index = index;
    return 0;
}

/*
 * *@known_r: the P2M table has a machine frame for @pfn.  Guests mark
 * there what is foreign or identity mapped in the highest bits, and all
 * ones are nothing; those are no frames that the table can vouch for.
 */
static int machine_frame(struct lxe__stale *s, uint64_t pfn,
                         uint64_t *mfn_r, bool *known_r)
{
    uint32_t width = s->c->in->pv_width, per = LXE_PAGE_SIZE / width;
    const uint8_t *page;

    *known_r = false;
    if (p2m_page(s, pfn / per, &page))
        return -1;
    if (!page)
        return 0;
    page += pfn % per * width;
    *mfn_r = width == 8 ? lxe__get64(page, false)
                        : lxe__get32(page, false);
    *known_r = *mfn_r < (width == 8 ? 1ULL << 40 : 1ULL << 30);
    return 0;
}

const uint8_t *lxe__stale_page(struct lxe__stale *s, const uint8_t *page)
{
    uint64_t pte, mfn;
    unsigned int i;
    bool known;

    for (i = 0; i < LXE_PAGE_SIZE / 8; i++) {
        pte = lxe__get64(page + i * 8, false);
        if (pte & LXE_PTE_PRESENT) {
            if (machine_frame(s, lxe__pte_frame(pte), &mfn, &known))
                return NULL;
            s->c->done->stale_entries += !known;
            pte = known ? (pte & ~LXE_PTE_FRAME) | mfn << 12 : 0;
        }
        lxe__put64(s->page + i * 8, pte, false);
    }
    return s->page;
}

/* Was this copy written as a table that is not validated in the end? */
static bool is_stale(struct lxe__stale *s, uint64_t entry)
{
    const struct lxe__frame *f;

    if (!lxe__page_is_table(lxe__libxc_entry_type(entry)))
        return false;
    f = lxe__map_find(&s->c->r->map, entry & LXE_LIBXC_PFN_MASK);
    return f && f->flags & LXE_FRAME_STALE;
}

/* The next *@nr_r of @left entries of a record, into s->entries. */
static int get_entries(struct lxe__stale *s, uint64_t place, uint32_t left,
                       uint32_t *nr_r)
{
    uint32_t i, nr = left < PIECE ? left : PIECE;

    *nr_r = nr;
    if (again(s, place, s->entries, nr * 8))
        return -1;
    for (i = 0; i < nr; i++)
        s->entries[i] = lxe__get64((const uint8_t *)&s->entries[i],
                                   s->c->in->big_endian);
    return 0;
}

static int put_entries(struct lxe__stale *s, uint64_t place,
                       uint32_t count)
{
    bool big = s->c->in->big_endian;
    uint32_t i, n;

    for (; count; count -= n, place += n * 8) {
        if (get_entries(s, place, count, &n))
            return -1;
        for (i = 0; i < n; i++) {
            if (is_stale(s, s->entries[i]))
                s->entries[i] &= LXE_LIBXC_PFN_MASK;
            lxe__put64((uint8_t *)&s->entries[i], s->entries[i], big);
        }
        if (lxe__outfile_write(&s->c->out, (uint8_t *)s->entries, n * 8,
                               s->c->err))
            return -1;
    }
    return 0;
}

static int put_stale(struct lxe__stale *s, uint64_t place)
{
    uint8_t was[LXE_PAGE_SIZE];
    const uint8_t *page;

    if (again(s, place, was, sizeof(was)))
        return -1;
    page = lxe__stale_page(s, was);
    return page ? lxe__outfile_write(&s->c->out, page, LXE_PAGE_SIZE,
                                     s->c->err) : -1;
}

/* The pages after the entries, as they are but for those few. */
static int put_contents(struct lxe__stale *s, uint64_t place,
                        uint32_t count, uint64_t end)
{
    uint64_t page = place + 8ULL * count, from = page;
    uint32_t i, n;

    for (; count; count -= n, place += n * 8) {
        if (get_entries(s, place, count, &n))
            return -1;
        for (i = 0; i < n; i++) {
            if (is_stale(s, s->entries[i])) {
                if (lxe__convert_range(s->c, from, page) ||
                    put_stale(s, page))
                    return -1;
                from = page + LXE_PAGE_SIZE;
            }
            if (lxe__page_has_data(lxe__libxc_entry_type(s->entries[i])))
                page += LXE_PAGE_SIZE;
        }
    }
    return lxe__convert_range(s->c, from, end);
}

int lxe__stale_record(struct lxe__stale *s, uint64_t at, uint32_t length)
{
    uint64_t body = at + LXE_RHDR_LEN;
    uint8_t head[8];
    uint32_t count;

    if (again(s, body, head, sizeof(head)))
        return -1;
    count = lxe__get32(head, s->c->in->big_endian);
    /* As the reader has found it, unless the file was changed since. */
    if (count > (length - 8) / 8)
        return lxe__err_set(s->c->err, EBUSY, "image: the input was"
                            " changed while it was converted: wait until"
                            " its writer is done");
    return lxe__convert_range(s->c, at, body + 8) ||
           put_entries(s, body + 8, count) ||
           put_contents(s, body + 8, count,
                        body + lxe__rec_padded(length)) ? -1 : 0;
}
