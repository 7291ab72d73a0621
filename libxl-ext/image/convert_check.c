/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The output of a conversion, read again by the reader of all images
 * before it gets its name: the octets that were written, no rule
 * broken, the same guest, the record that was meant.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/uuid.h"
#include "image/convert.h"
#include "image/window.h"

#define U(n) ((unsigned long long)(n))

struct check {
    struct lxe__convert *c;
    struct lxe__digest *octets;
    struct lxe__digest *state;
    struct lxe__window win;
    uint64_t seen;
};

/*
 * At @at of the output: how many octets, at most @len, are of one kind?
 * *@patched_r: they are of a record that was patched in, where the input
 * was copied on the way.
 */
static uint64_t same_kind(const struct lxe__convert *c, uint64_t at,
                          uint64_t len, bool *patched_r)
{
    const struct lxe__convert_place *const places[] = {
        &c->libxl, &c->libxc,
    };
    unsigned int i;

    *patched_r = false;
    for (i = 0; i < 2 && !c->twice; i++) {
        uint64_t from = places[i]->at, to = from + LXE_RECORD_IN_STREAM;

        if (!places[i]->put || at >= to)
            continue;
        *patched_r = at >= from;
        to = *patched_r ? to : from;
        return to - at < len ? to - at : len;
    }
    return len;
}

/* The octets as they were written: a record came in as zeroes. */
static int add_octets(void *user, const uint8_t *p, size_t len)
{
    static const uint8_t zeroes[LXE_RECORD_IN_STREAM];
    struct check *k = user;
    bool patched;
    uint64_t n;

    while (len) {
        n = same_kind(k->c, k->seen, len, &patched);
        lxe__digest_add(k->octets, patched ? zeroes : p, n);
        k->seen += n;
        p += n;
        len -= n;
    }
    return 0;
}

static int failed(struct lxe__convert *c, const char *what)
{
    return lxe__err_set(c->err, EIO, "image: output %s, read again: %s:"
                        " it was removed; the disk or this program is"
                        " at fault", c->out.file.path, what);
}

static int compare_sums(struct lxe__convert *c, struct lxe__sum a,
                        struct lxe__sum b, const char *what)
{
    return a.low == b.low && a.high == b.high ? 0 : failed(c, what);
}

static int check_guest(struct lxe__convert *c,
                       const struct libxl_ext_image *o)
{
    const struct libxl_ext_image *in = c->in;

    if (o->nr_faults)
        return lxe__err_set(c->err, EIO, "image: output %s, read again,"
                            " breaks rule %s at byte %llu: %.200s: it was"
                            " removed; the disk or this program is at"
                            " fault", c->out.file.path, o->faults[0].rule,
                            U(o->faults[0].offset), o->faults[0].text);
    if (!o->complete || o->size != c->out.written)
        return failed(c, "it is not whole");
    if (o->frames != in->frames || o->populated != in->populated ||
        o->first_frame != in->first_frame ||
        o->last_frame != in->last_frame ||
        memcmp(o->types, in->types, sizeof(o->types)))
        return failed(c, "frames or their types are not those of the"
                      " input");
    if (c->how->page_state && (!o->page_state_judged || o->tables_stale))
        return failed(c, "the page state is not as meant");
    if (o->have_record != c->done->have_record ||
        o->record_carrier != c->done->carrier)
        return failed(c, "the memory record is not as meant");
    if (!o->have_record)
        return 0;
    if (o->record_mandatory != c->done->record_mandatory ||
        o->max_pages != c->done->max_pages ||
        o->tot_pages != c->done->tot_pages)
        return failed(c, "the memory record is not as meant");
    return 0;
}

/* Nobody gets an image that is worse than the one there was. */
static int check_fate(struct lxe__convert *c,
                      const struct libxl_ext_image *o)
{
    if (o->ext.fate <= c->in->ext.fate)
        return 0;
    return lxe__err_set(c->err, EINVAL, "image: no libxl-ext host would"
                        " restore the output: %.250s: nothing was"
                        " converted", o->ext.reason);
}

static int add_frames(void *user, uint64_t first,
                      const struct lxe__frame *frames)
{
    struct check *k = user;
    const uint8_t *page;
    unsigned int i;

    for (i = 0; i < LXE_MAP_FRAMES; i++) {
        if (!(frames[i].flags & LXE_FRAME_NAMED))
            continue;
        page = NULL;
        if (frames[i].flags & LXE_FRAME_DATA) {
            page = lxe__window_page(&k->win, frames[i].what, k->c->err);
            if (!page)
                return -1;
        }
        lxe__state_add(k->state, first + i, &frames[i], page);
    }
    return 0;
}

/* The final state of every frame, found anew in the output. */
static int check_state(struct check *k, struct lxe__reader *r)
{
    struct lxe__convert *c = k->c;

    if (lxe__window_init(&k->win, &r->src, c->err))
        return -1;
    if (lxe__map_each(&r->map, add_frames, k))
        return c->err->code ? -1 :
               lxe__err_set(c->err, ENOMEM, "image: no memory");
    return compare_sums(c, lxe__digest_sum(k->state), c->state,
                        "pages are not those of the input");
}

static int check_output(struct check *k, struct libxl_ext_image *o)
{
    struct lxe__convert *c = k->c;
    struct lxe__reader *r;
    int rc;

    if (lseek(c->out.file.fd, 0, SEEK_SET) < 0)
        return lxe__err_set(c->err, errno, "image: output %s: lseek: %s",
                            c->out.file.path, strerror(errno));
    r = lxe__reader_new(c->out.file.fd, 0, o, c->err);
    if (!r)
        return -1;
    r->locate = c->how->drop_superseded;
    r->src.stop_fd = c->how->stop_fd;
    r->src.tap = add_octets;
    r->src.tap_user = k;
    rc = lxe__reader_run(r);
    if (!rc)
        rc = check_guest(c, o);
    if (!rc)
        rc = check_fate(c, o);
    if (!rc)
        rc = compare_sums(c, lxe__digest_sum(k->octets),
                          lxe__digest_sum(c->out.digest),
                          "bytes are not those that were written");
    if (!rc && r->locate)
        rc = check_state(k, r);
    lxe__reader_free(r);
    return rc;
}

int lxe__convert_check(struct lxe__convert *c)
{
    struct libxl_ext_image *o = malloc(sizeof(*o));
    struct check k = {
        .c = c, .octets = lxe__digest_new(), .state = lxe__digest_new(),
    };
    int rc = -1;

    if (!o || !k.octets || !k.state) {
        lxe__err_set(c->err, ENOMEM, "image: no memory");
        goto out;
    }
    if (!lxe__outfile_flush(&c->out, c->err))
        rc = check_output(&k, o);

 out:
    lxe__window_dispose(&k.win);
    lxe__digest_free(k.octets);
    lxe__digest_free(k.state);
    free(o);
    return rc;
}
