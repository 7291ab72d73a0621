/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Two images: both are read, then compared; see diff.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/diff.h"

int lxe__diff_found(struct lxe__diff *diff)
{
    int r = diff->found ? diff->found(diff->user, &diff->d) : 0;

    memset(&diff->d, 0, sizeof(diff->d));
    return r ? lxe__err_set(diff->err, ECANCELED, "image: the comparison"
                            " was ended by its caller") : 0;
}

/* ---- facts ------------------------------------------------------ */

/* Values as text; empty: not in the image. */
static int compare_texts(struct lxe__diff *diff, const char *name,
                         const char *a, const char *b)
{
    if (!strcmp(a, b))
        return 0;
    diff->sum->facts++;
    diff->d.kind = LIBXL_EXT_IMAGE_FACT;
    diff->d.name = name;
    diff->d.where = !*a ? LIBXL_EXT_IMAGE_IN_B :
                    !*b ? LIBXL_EXT_IMAGE_IN_A : LIBXL_EXT_IMAGE_IN_BOTH;
    snprintf(diff->d.a, sizeof(diff->d.a), "%s", a);
    snprintf(diff->d.b, sizeof(diff->d.b), "%s", b);
    return lxe__diff_found(diff);
}

static void number_text(char text[24], bool there, uint64_t value)
{
    text[0] = '\0';
    if (there)
        snprintf(text, 24, "%" PRIu64, value);
}

static int compare_numbers(struct lxe__diff *diff, const char *name,
                           bool there_a, uint64_t a, bool there_b,
                           uint64_t b)
{
    char text_a[24], text_b[24];

    number_text(text_a, there_a, a);
    number_text(text_b, there_b, b);
    return compare_texts(diff, name, text_a, text_b);
}

static int compare_guest(struct lxe__diff *diff)
{
    const struct libxl_ext_image *a = diff->side[0].image;
    const struct libxl_ext_image *b = diff->side[1].image;
    char xen_a[32], xen_b[32];

    snprintf(xen_a, sizeof(xen_a), "%u.%u", a->xen_major, a->xen_minor);
    snprintf(xen_b, sizeof(xen_b), "%u.%u", b->xen_major, b->xen_minor);
    return compare_texts(diff, "name", a->name, b->name) ||
           compare_texts(diff, "uuid", a->uuid, b->uuid) ||
           compare_texts(diff, "type", a->type, b->type) ||
           compare_texts(diff, "xen", xen_a, xen_b) ||
           compare_numbers(diff, "version", true, a->version, true,
                           b->version) ||
           compare_numbers(diff, "width", a->pv_width, a->pv_width,
                           b->pv_width, b->pv_width) ||
           compare_numbers(diff, "checkpoints", true, a->checkpoints, true,
                           b->checkpoints) ? -1 : 0;
}

static const char *record_type(const struct libxl_ext_image *im)
{
    return !im->have_record ? "" :
           im->record_mandatory ? "mandatory" : "optional";
}

static const char *carrier(const struct libxl_ext_image *im)
{
    static const char *const names[] = { "", "libxc", "libxl", "both" };

    return names[im->record_carrier];
}

static int compare_limits(struct lxe__diff *diff)
{
    const struct libxl_ext_image *a = diff->side[0].image;
    const struct libxl_ext_image *b = diff->side[1].image;

#define KB(field)                                                       \
    compare_numbers(diff, #field, a->field != UINT64_MAX, a->field,     \
                    b->field != UINT64_MAX, b->field)
#define RECORD(field)                                                   \
    compare_numbers(diff, #field, a->have_record, a->field,             \
                    b->have_record, b->field)
    return KB(config_target_kb) || KB(config_max_kb) ||
           compare_texts(diff, "memory_record", record_type(a),
                         record_type(b)) ||
           compare_texts(diff, "carrier", carrier(a), carrier(b)) ||
           compare_texts(diff, "record_uuid", a->record_uuid,
                         b->record_uuid) ||
           RECORD(max_pages) || RECORD(tot_pages) ||
           RECORD(outstanding_pages) || RECORD(shr_pages) ||
           RECORD(paged_pages) || RECORD(target_kb) ||
           RECORD(static_max_kb) || RECORD(stock_max_kb) ||
           compare_numbers(diff, "stock_limit_kb", a->restore_max_kb,
                           a->restore_max_kb, b->restore_max_kb,
                           b->restore_max_kb) ? -1 : 0;
#undef KB
#undef RECORD
}

/* ---- reading ---------------------------------------------------- */

static int read_side(struct lxe__diff *diff, struct lxe__diff_side *s,
                     int fd, int stop_fd)
{
    const struct lxe__watch watch = {
        .user = s, .record = lxe__diff_note,
    };
    const struct libxl_ext_image_fault *f;

    s->image = malloc(sizeof(*s->image));
    if (!s->image)
        return lxe__err_set(diff->err, ENOMEM, "image: no memory");
    s->r = lxe__reader_new(fd, 0, s->image, diff->err);
    if (!s->r)
        return -1;
    if (!s->r->src.is_file)
        return lxe__err_set(diff->err, ESPIPE, "image %s: its pages are"
                            " read twice, and it is no file: write it to a"
                            " file first", s->name);
    s->r->src.stop_fd = stop_fd;
    s->r->locate = true;
    s->r->watch = &watch;
    if (lxe__reader_run(s->r))
        return -1;
    s->r->watch = NULL;
    f = &s->image->faults[0];
    return !s->image->nr_faults ? 0 :
           lxe__err_set(diff->err, EBADMSG, "image %s: it breaks rule %s"
                        " at byte %llu: %.300s: only whole images are"
                        " compared", s->name, f->rule,
                        (unsigned long long)f->offset, f->text);
}

/* Would what differs be the guest, and not how it is written down? */
static int check_comparable(struct lxe__diff *diff)
{
    const struct libxl_ext_image *a = diff->side[0].image;
    const struct libxl_ext_image *b = diff->side[1].image;

    if (a->hvm != b->hvm)
        return lxe__err_set(diff->err, EINVAL, "image: A is of an x86 %s"
                            " guest and B of an x86 %s one: only images of"
                            " one guest are compared",
                            a->hvm ? "HVM" : "PV", b->hvm ? "HVM" : "PV");
    if (a->big_endian != b->big_endian)
        return lxe__err_set(diff->err, EINVAL, "image: A is %s-endian and"
                            " B is not: only images of one byte order are"
                            " compared", a->big_endian ? "big" : "little");
    return 0;
}

int lxe__image_diff(int fd_a, int fd_b, int stop_fd,
                    libxl_ext_image_difference_fn *found, void *user,
                    struct libxl_ext_image_differences *sum,
                    struct lxe__err *err)
{
    struct lxe__diff diff = {
        .side = { { .name = "A" }, { .name = "B" } },
        .found = found, .user = user, .sum = sum, .err = err,
    };
    int rc, i;

    memset(sum, 0, sizeof(*sum));
    rc = read_side(&diff, &diff.side[0], fd_a, stop_fd);
    if (!rc)
        rc = read_side(&diff, &diff.side[1], fd_b, stop_fd);
    if (!rc)
        rc = check_comparable(&diff);
    if (!rc)
        rc = compare_guest(&diff);
    if (!rc)
        rc = compare_limits(&diff);
    if (!rc)
        rc = lxe__diff_pages(&diff);
    if (!rc)
        rc = lxe__diff_parts(&diff);
    for (i = 0; i < 2; i++) {
        lxe__reader_free(diff.side[i].r);
        free(diff.side[i].image);
        free(diff.side[i].parts);
    }
    return rc;
}
