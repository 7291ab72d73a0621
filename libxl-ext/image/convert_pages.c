/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * An image written anew.  The reader has judged the input and knows
 * where the last contents of each frame stand; here the records are
 * walked a second time.  With drop_superseded all frames stand where the
 * first PAGE_DATA was, each once, in its final state; else all copies
 * stay where they were.
 *
 * What a restore makes of several copies is in docs/image.md,
 * "Superseded copies".
 */
#include <errno.h>
#include <stdlib.h>

#include "image/convert.h"
#include "image/window.h"
#include "stream/libxc_format.h"

#define U(n) ((unsigned long long)(n))

/* As libxenguest puts into a record. */
#define BATCH 1024U

struct pages {
    struct lxe__convert *c;
    struct lxe__window win;
    struct lxe__digest *state;
    struct lxe__stale *stale;   /* NULL: types stay as they are */
    bool again;                 /* the second pass, types only */
    uint32_t nr, nr_data;
    uint64_t entries[BATCH];
    uint64_t places[BATCH];
    const struct lxe__frame *frames[BATCH];
    uint8_t head[16 + BATCH * 8];
    uint64_t written;           /* pages with contents */
};

void lxe__state_add(struct lxe__digest *d, uint64_t pfn,
                    const struct lxe__frame *f, const uint8_t *page)
{
    uint64_t what[2] = { pfn, lxe__frame_first_type(f) << 8 | f->type };

    lxe__digest_add(d, what, sizeof(what));
    if (page)
        lxe__digest_add(d, page, LXE_PAGE_SIZE);
}

/* Writes the record that was gathered. */
static int put_batch(struct pages *b)
{
    struct lxe__convert *c = b->c;
    bool big = c->in->big_endian;
    const uint8_t *page;
    uint32_t i, data = 0;

    if (!b->nr)
        return 0;
    lxe__put32(b->head, LXE_LIBXC_REC_PAGE_DATA, big);
    lxe__put32(b->head + 4, 8 + b->nr * 8 + b->nr_data * LXE_PAGE_SIZE,
               big);
    lxe__put32(b->head + 8, b->nr, big);
    lxe__put32(b->head + 12, 0, big);
    for (i = 0; i < b->nr; i++)
        lxe__put64(b->head + 16 + i * 8, b->entries[i], big);
    if (lxe__outfile_write(&c->out, b->head, 16 + b->nr * 8, c->err))
        return -1;
    for (i = 0; i < b->nr; i++) {
        page = NULL;
        if (lxe__page_has_data(lxe__libxc_entry_type(b->entries[i]))) {
            page = lxe__window_page(&b->win, b->places[data++], c->err);
            if (page && b->stale && b->frames[i]->flags & LXE_FRAME_STALE)
                page = lxe__stale_page(b->stale, page);
            if (!page || lxe__outfile_write(&c->out, page, LXE_PAGE_SIZE,
                                            c->err))
                return -1;
        }
        if (!b->again)
            lxe__state_add(b->state, b->entries[i] & LXE_LIBXC_PFN_MASK,
                           b->frames[i], page);
    }
    b->written += b->nr_data;
    b->nr = b->nr_data = 0;
    return 0;
}

static int put_frame(struct pages *b, uint64_t pfn,
                     const struct lxe__frame *f)
{
    unsigned int first = lxe__frame_first_type(f);
    unsigned int type = b->again ? f->type : first;

    if (b->again && first == f->type)
        return 0;
    if (first != f->type && lxe__page_has_data(f->type))
        return lxe__err_set(b->c->err, EINVAL, "image: --drop-superseded:"
                            " frame 0x%llx has type 0x%x in the verify"
                            " pass, and contents of type 0x%x ahead of it:"
                            " no stream without the pass says that",
                            U(pfn), f->type, first);
    b->frames[b->nr] = f;
    b->entries[b->nr++] = lxe__libxc_entry(pfn, type);
    if (lxe__page_has_data(type))
        b->places[b->nr_data++] = f->what;
    return b->nr == BATCH ? put_batch(b) : 0;
}

static int put_frames(void *user, uint64_t first,
                      const struct lxe__frame *frames)
{
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++)
        if (frames[i].flags & LXE_FRAME_NAMED &&
            put_frame(user, first + i, &frames[i]))
            return -1;
    return 0;
}

static int put_pages(struct pages *b)
{
    struct lxe__convert *c = b->c;
    int pass;

    for (pass = 0; pass < 2; pass++) {
        b->again = pass;
        errno = 0;
        if (lxe__map_each(&c->r->map, put_frames, b) || put_batch(b))
            return c->err->code ? -1 :
                   lxe__err_set(c->err, ENOMEM, "image: no memory");
    }
    return 0;
}

int lxe__convert_range(struct lxe__convert *c, uint64_t from, uint64_t to)
{
    uint8_t piece[16 << 10];
    uint64_t at;
    size_t n;

    for (; from < to; from += n) {
        n = to - from < sizeof(piece) ? to - from : sizeof(piece);
        if (lxe__source_again(&c->r->src, from, piece, n, &at, c->err) ||
            lxe__outfile_write(&c->out, piece, n, c->err))
            return -1;
    }
    return 0;
}

/* How many pages with contents has a PAGE_DATA record? */
static int count_pages(struct lxe__convert *c, uint64_t body,
                       uint32_t length, uint64_t *sum)
{
    uint8_t count[4];
    uint64_t at;

    if (lxe__source_again(&c->r->src, body, count, sizeof(count), &at,
                          c->err))
        return -1;
    *sum += (length - 8 - 8ULL * lxe__get32(count, c->in->big_endian)) /
            LXE_PAGE_SIZE;
    return 0;
}

/* libxc's records from @at on, to END; *@at is after that. */
static int put_records(struct pages *b, uint64_t *at)
{
    struct lxe__convert *c = b->c;
    bool big = c->in->big_endian, verify = false, done = false;
    const bool drop = c->how->drop_superseded;
    uint64_t sent = 0, verified = 0, next, from;
    uint8_t head[LXE_RHDR_LEN];
    uint32_t type, length;

    do {
        if (lxe__source_again(&c->r->src, *at, head, sizeof(head), &from,
                              c->err))
            return -1;
        type = lxe__get32(head, big);
        length = lxe__get32(head + 4, big);
        next = *at + sizeof(head) + lxe__rec_padded(length);
        if (next > c->in->size)
            return lxe__err_set(c->err, EBUSY, "image: the input was"
                                " changed while it was converted: wait"
                                " until its writer is done");
        if (type == LXE_LIBXC_REC_VERIFY && drop) {
            verify = true;
        } else if (type == LXE_LIBXC_REC_PAGE_DATA && drop) {
            if (count_pages(c, *at + sizeof(head), length,
                            verify ? &verified : &sent) ||
                (!done && put_pages(b)))
                return -1;
            done = true;
        } else if (type == LXE_LIBXC_REC_PAGE_DATA) {
            if (lxe__stale_record(b->stale, *at, length))
                return -1;
        } else if (lxe__convert_range(c, *at, next)) {
            return -1;
        }
        *at = next;
    } while (type != LXE_LIBXC_REC_END);
    if (drop) {
        c->done->superseded_pages = sent - b->written;
        c->done->verify_pages = verified;
    }
    return 0;
}

static int put_record(struct lxe__convert *c,
                      const struct lxe__convert_place *place)
{
    uint8_t rec[LXE_RECORD_IN_STREAM];

    if (!place->put)
        return 0;
    lxe__convert_encode(c, place->big, rec);
    return lxe__outfile_write(&c->out, rec, sizeof(rec), c->err);
}

static int put_all(struct pages *b)
{
    struct lxe__convert *c = b->c;
    uint64_t at = c->libxc.cut_to;

    if (c->how->page_state && lxe__stale_init(c, &b->stale))
        return -1;
    /* A bare libxc stream has no place in libxl's: that is all zero. */
    if (lxe__convert_range(c, 0, c->libxl.cut_from) ||
        put_record(c, &c->libxl) ||
        lxe__convert_range(c, c->libxl.cut_to, c->libxc.cut_from) ||
        put_record(c, &c->libxc))
        return -1;
    if (put_records(b, &at) || lxe__convert_range(c, at, c->in->size))
        return -1;
    c->done->frames = c->in->frames;
    c->state = lxe__digest_sum(b->state);
    return 0;
}

int lxe__convert_pages(struct lxe__convert *c)
{
    struct pages *b = calloc(1, sizeof(*b));
    int rc = -1;

    if (b) {
        b->c = c;
        b->state = lxe__digest_new();
    }
    if (!b || !b->state)
        lxe__err_set(c->err, ENOMEM, "image: no memory");
    else if (!lxe__window_init(&b->win, &c->r->src, c->err))
        rc = put_all(b);
    if (b) {
        lxe__window_dispose(&b->win);
        lxe__digest_free(b->state);
        lxe__stale_free(b->stale);
    }
    free(b);
    return rc;
}
