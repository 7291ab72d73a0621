/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From one image to another: what is asked for, what the input must
 * be, and the conversion that needs one pass, which lets all bytes
 * through but the memory record.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/convert.h"

#define U(n) ((unsigned long long)(n))

static int check_request(const struct libxl_ext_image_conversion *how,
                         struct lxe__err *err)
{
    if (how->record > LIBXL_EXT_IMAGE_RECORD_DROP)
        return lxe__err_set(err, EINVAL, "image: record %u is not one of 0"
                            " to %u", how->record,
                            LIBXL_EXT_IMAGE_RECORD_DROP);
    if (how->max_pages > LXE_RECORD_MAX_PAGES)
        return lxe__err_set(err, EINVAL, "image: --max-pages %llu is above"
                            " the bound of %llu", U(how->max_pages),
                            U(LXE_RECORD_MAX_PAGES));
    if (how->carrier > LIBXL_EXT_IMAGE_CARRIER_BOTH)
        return lxe__err_set(err, EINVAL, "image: carrier %u is not one of"
                            " 0 to %u", how->carrier,
                            LIBXL_EXT_IMAGE_CARRIER_BOTH);
    if ((how->max_pages || how->carrier) &&
        how->record == LIBXL_EXT_IMAGE_RECORD_DROP)
        return lxe__err_set(err, EINVAL, "image: --%s is of the memory"
                            " record, which --record drop leaves out: give"
                            " one of the two", how->max_pages
                            ? "max-pages" : "carrier");
    if (!how->max_pages && !how->carrier && !how->drop_superseded &&
        !how->page_state && how->record == LIBXL_EXT_IMAGE_RECORD_KEEP)
        return lxe__err_set(err, EINVAL, "image: nothing is to be changed:"
                            " give --record, --max-pages, --carrier,"
                            " --drop-superseded or --page-state");
    return 0;
}

/* Does the fault not count, since what breaks the rule goes? */
static bool is_mended(const struct lxe__convert *c, enum lxe__rule rule)
{
    switch (rule) {
    case LXE_RULE_M2:
    case LXE_RULE_M3:
    case LXE_RULE_M4:
    case LXE_RULE_M6:
        return c->cut_record && !c->put_record;
    case LXE_RULE_M5:
    case LXE_RULE_G9:
        return c->cut_record;
    default:
        return false;
    }
}

static const char *rule_name(enum lxe__rule rule)
{
    static const char *const names[LXE_NR_RULES] = {
#define X(name, fate) #name,
        LXE_RULES(X)
#undef X
    };

    return names[rule];
}

/* The first that was kept of a rule; else the rule alone. */
static void take_fault(struct lxe__convert *c, const char *rule)
{
    struct libxl_ext_image_fault *to = &c->done->fault;
    int i;

    for (i = 0; i < LIBXL_EXT_IMAGE_FAULTS; i++)
        if (!strcmp(c->in->faults[i].rule, rule)) {
            *to = c->in->faults[i];
            return;
        }
    snprintf(to->rule, sizeof(to->rule), "%s", rule);
    snprintf(to->text, sizeof(to->text), "one of many faults");
}

static const char *advice(enum lxe__rule rule)
{
    return rule >= LXE_RULE_M2 && rule <= LXE_RULE_M6 &&
           rule != LXE_RULE_M5
           ? "--record drop leaves the memory record out"
           : "xl-ext image verify lists all faults";
}

static int check_input(struct lxe__convert *c)
{
    const struct libxl_ext_image_fault *f = &c->done->fault;
    unsigned int i;

    for (i = 0; i < LXE_NR_RULES; i++)
        if (c->r->rule_seen[i / 32] & 1U << i % 32 && !is_mended(c, i)) {
            take_fault(c, rule_name(i));
            return lxe__err_set(c->err, EBADMSG, "image: the input breaks"
                                " rule %s at byte %llu: %.300s: nothing"
                                " was converted; %s", f->rule,
                                U(f->offset), f->text, advice(i));
        }
    return 0;
}

/* What only moves a record needs one. */
static int check_moved(struct lxe__convert *c)
{
    if (!c->how->carrier || c->how->max_pages || c->in->have_record ||
        c->how->record != LIBXL_EXT_IMAGE_RECORD_KEEP)
        return 0;
    return lxe__err_set(c->err, EINVAL, "image: --carrier: there is no"
                        " memory record to be moved: --record or"
                        " --max-pages adds one");
}

int lxe__convert_judge(struct lxe__convert *c)
{
    struct libxl_ext_image_converted *d = c->done;

    d->size_in = c->in->size;
    d->had_record = c->in->have_record;
    d->had_carrier = c->in->record_carrier;
    if (check_input(c) || check_moved(c))
        return -1;
    if (c->put_record &&
        lxe__convert_record(c->how, c->in, &c->record, &c->record_type,
                            c->err))
        return -1;
    d->have_record = c->put_record || (c->in->have_record &&
                                       !c->cut_record);
    if (!d->have_record)
        return 0;
    d->carrier = !c->put_record ? c->in->record_carrier :
                 (c->libxl.put ? LIBXL_EXT_IMAGE_CARRIER_LIBXL : 0) |
                 (c->libxc.put ? LIBXL_EXT_IMAGE_CARRIER_LIBXC : 0);
    d->record_mandatory = c->put_record
                          ? c->record_type == LXE_RECORD_TYPE_MANDATORY
                          : c->in->record_mandatory;
    d->max_pages = c->put_record ? c->record.max_pages : c->in->max_pages;
    d->tot_pages = c->put_record ? c->record.tot_pages : c->in->tot_pages;
    return 0;
}

/*
 * How many of the @len octets at @at of the input are all left out
 * (*@cut_r is true), or all kept?  Where the cut is, is known before its
 * octets come by.
 */
static uint64_t same_side(const struct lxe__convert *c, uint64_t at,
                          uint64_t len, bool *cut_r)
{
    const struct lxe__convert_place *const places[] = {
        &c->libxl, &c->libxc,
    };
    unsigned int i;

    *cut_r = false;
    for (i = 0; i < 2; i++) {
        uint64_t from = places[i]->cut_from, to = places[i]->cut_to;

        if (at >= to)
            continue;
        *cut_r = at >= from;
        to = *cut_r ? to : from;
        return to - at < len ? to - at : len;
    }
    return len;
}

/* A piece of the input, as the reader hands it out. */
static int copy_piece(void *user, const uint8_t *p, size_t len)
{
    struct lxe__convert *c = user;
    uint64_t n;
    bool cut;

    for (; len; len -= n, p += n, c->seen += n) {
        n = same_side(c, c->seen, len, &cut);
        if (!cut && lxe__outfile_write(&c->out, p, n, c->err))
            return -1;
    }
    return 0;
}

static int patch(struct lxe__convert *c,
                 const struct lxe__convert_place *place)
{
    uint8_t rec[LXE_RECORD_IN_STREAM];

    if (!place->put)
        return 0;
    lxe__convert_encode(c, place->big, rec);
    return lxe__outfile_patch(&c->out, place->at, rec, sizeof(rec),
                              c->err);
}

static int copy(struct lxe__convert *c)
{
    c->r->src.tap = copy_piece;
    c->r->src.tap_user = c;
    if (lxe__reader_run(c->r) || lxe__convert_judge(c))
        return -1;
    c->done->frames = c->in->frames;
    return patch(c, &c->libxl) || patch(c, &c->libxc) ? -1 : 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Two passes: what was found must be there in the second one. */
static int write_anew(struct lxe__convert *c)
{
    const char *option = c->how->drop_superseded ? "--drop-superseded"
                                                 : "--page-state";
    struct stat before, after;

    if (!c->r->src.is_file)
        return lxe__err_set(c->err, ESPIPE, "image: %s reads the input"
                            " twice, and it is no file: write it to a file"
                            " first", option);
    c->r->locate = true;
    if (fstat(c->fd, &before))
        return lxe__err_set(c->err, errno, "image: fstat: %s",
                            strerror(errno));
    if (lxe__reader_run(c->r) || lxe__convert_judge(c))
        return -1;
    if (c->in->checkpoints)
        return lxe__err_set(c->err, EINVAL, "image: %s: a stream of %llu"
                            " checkpoints has a state of its pages at"
                            " each: only one without them can be written"
                            " anew", option, U(c->in->checkpoints));
    if (lxe__convert_pages(c))
        return -1;
    if (fstat(c->fd, &after) || !is_same_file(&before, &after))
        return lxe__err_set(c->err, EBUSY, "image: the input was changed"
                            " while it was converted: wait until its"
                            " writer is done");
    return 0;
}

static int convert(struct lxe__convert *c)
{
    const struct lxe__watch watch = {
        .user = c, .libxl_header = lxe__convert_at_libxl,
        .headers = lxe__convert_at_libxc,
    };
    const struct libxl_ext_image_conversion *how = c->how;
    int rc;

    c->put_record = how->max_pages || how->carrier ||
                    how->record == LIBXL_EXT_IMAGE_RECORD_OPTIONAL ||
                    how->record == LIBXL_EXT_IMAGE_RECORD_MANDATORY;
    c->cut_record = c->put_record ||
                    how->record == LIBXL_EXT_IMAGE_RECORD_DROP;
    c->twice = how->drop_superseded || how->page_state;
    c->in = malloc(sizeof(*c->in));
    if (!c->in)
        return lxe__err_set(c->err, ENOMEM, "image: no memory");
    c->r = lxe__reader_new(c->fd, 0, c->in, c->err);
    if (!c->r)
        return -1;
    c->r->watch = &watch;
    c->r->src.stop_fd = how->stop_fd;
    rc = c->twice ? write_anew(c) : copy(c);
    /* Its map is as large as that of the output, which is read now. */
    lxe__reader_free(c->r);
    c->r = NULL;
    if (!rc)
        rc = lxe__convert_check(c);
    c->done->size_out = c->out.written;
    return rc;
}

int lxe__image_convert(int fd, const char *path,
                       const struct libxl_ext_image_conversion *how,
                       struct libxl_ext_image_converted *done,
                       struct lxe__err *err)
{
    struct lxe__convert c = {
        .how = how, .done = done, .err = err, .fd = fd,
    };
    int rc;

    memset(done, 0, sizeof(*done));
    if (check_request(how, err))
        return -1;
    rc = lxe__outfile_open(&c.out, fd, path, how->replace, false, err);
    c.out.stop_fd = how->stop_fd;
    if (!rc)
        rc = convert(&c);
    if (!rc)
        rc = lxe__outfile_commit(&c.out, err);
    lxe__outfile_dispose(&c.out);
    free(c.in);
    return rc;
}
