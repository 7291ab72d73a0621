/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory record of a converted image: what the image shows and its
 * configuration says, or what the record that it has says, and what
 * was asked for.  docs/image.md, "The memory record".  Pure code.
 */
#include <errno.h>
#include <string.h>

#include "base/uuid.h"
#include "image/convert.h"

#define U(n) ((unsigned long long)(n))

static int unknown(struct lxe__err *err, const char *what)
{
    return lxe__err_set(err, EINVAL, "memory record: the image has no %s,"
                        " so none can be added: save the guest with"
                        " libxl-ext, or convert the file of xl save",
                        what);
}

/* A record for an image that has none. */
static int new_record(const struct libxl_ext_image_conversion *how,
                      const struct libxl_ext_image *in,
                      struct lxe__record *m, struct lxe__err *err)
{
    uint64_t stock = in->restore_max_kb / 4;

    memset(m, 0, sizeof(*m));
    if (!*in->type)
        return unknown(err, "configuration of the guest");
    if (lxe__uuid_from_text(in->uuid, m->uuid))
        return unknown(err, "uuid of the guest");
    if (in->config_target_kb == UINT64_MAX)
        return unknown(err, "target_memkb of the guest");
    if (!how->max_pages && in->populated > stock)
        return lxe__err_set(err, EINVAL, "memory record: what the limit"
                            " was is not known: the image has %llu frames,"
                            " its configuration allows %llu: say it with"
                            " --max-pages", U(in->populated), U(stock));
    m->version = LXE_RECORD_VERSION;
    m->flags = in->hvm ? LXE_RECORD_F_HVM : 0;
    m->max_pages = stock;
    m->tot_pages = in->populated;
    m->target_kb = in->config_target_kb;
    if (in->config_max_kb != UINT64_MAX)
        m->static_max_kb = in->config_max_kb;
    m->stock_max_kb = in->restore_max_kb;
    return 0;
}

static int old_record(const struct libxl_ext_image *in,
                      struct lxe__record *m, struct lxe__err *err)
{
    memset(m, 0, sizeof(*m));
    if (lxe__uuid_from_text(in->record_uuid, m->uuid))
        return lxe__err_set(err, EINVAL, "memory record: its uuid cannot"
                            " be read");
    m->version = LXE_RECORD_VERSION;
    m->flags = in->hvm ? LXE_RECORD_F_HVM : 0;
    m->max_pages = in->max_pages;
    m->tot_pages = in->tot_pages;
    m->outstanding_pages = in->outstanding_pages;
    m->shr_pages = in->shr_pages;
    m->paged_pages = in->paged_pages;
    m->target_kb = in->target_kb;
    m->static_max_kb = in->static_max_kb;
    m->stock_max_kb = in->stock_max_kb;
    return 0;
}

static int set_limit(uint64_t max_pages, const struct libxl_ext_image *in,
                     struct lxe__record *m, struct lxe__err *err)
{
    if (max_pages < in->populated)
        return lxe__err_set(err, EINVAL, "memory record: --max-pages %llu"
                            " is below the %llu frames that the image has:"
                            " give at least these", U(max_pages),
                            U(in->populated));
    m->max_pages = max_pages;
    return 0;
}

/* Which type the figures allow, and which is asked for. */
static int choose_type(const struct libxl_ext_image_conversion *how,
                       const struct libxl_ext_image *in,
                       const struct lxe__record *m, uint32_t *type_r,
                       struct lxe__err *err)
{
    uint64_t stock = m->stock_max_kb / 4;
    bool must = m->tot_pages > stock, may = must || m->max_pages > stock;
    bool mandatory = must;

    if (how->record == LIBXL_EXT_IMAGE_RECORD_OPTIONAL && must)
        return lxe__err_set(err, EINVAL, "memory record: it cannot be"
                            " optional: the guest has %llu pages, a stock"
                            " host would allow %llu and lose it half-way:"
                            " leave it mandatory", U(m->tot_pages),
                            U(stock));
    if (how->record == LIBXL_EXT_IMAGE_RECORD_MANDATORY && !may)
        return lxe__err_set(err, EINVAL, "memory record: it cannot be"
                            " mandatory: a stock host would allow all %llu"
                            " pages of max_pages %llu: make it optional",
                            U(stock), U(m->max_pages));
    if (how->record == LIBXL_EXT_IMAGE_RECORD_MANDATORY)
        mandatory = true;
    if (how->record == LIBXL_EXT_IMAGE_RECORD_KEEP && in->have_record &&
        in->record_mandatory && may)
        mandatory = true;
    *type_r = mandatory ? LXE_RECORD_TYPE_MANDATORY
                        : LXE_RECORD_TYPE_OPTIONAL;
    return 0;
}

int lxe__convert_record(const struct libxl_ext_image_conversion *how,
                        const struct libxl_ext_image *in,
                        struct lxe__record *record_r, uint32_t *type_r,
                        struct lxe__err *err)
{
    struct lxe__record *m = record_r;

    if (in->have_record ? old_record(in, m, err)
                        : new_record(how, in, m, err))
        return -1;
    if (how->max_pages && set_limit(how->max_pages, in, m, err))
        return -1;
    if (!m->max_pages || m->max_pages > LXE_RECORD_MAX_PAGES ||
        m->stock_max_kb > 4 * LXE_RECORD_MAX_PAGES ||
        m->target_kb > 4 * LXE_RECORD_MAX_PAGES ||
        m->static_max_kb > 4 * LXE_RECORD_MAX_PAGES)
        return lxe__err_set(err, EINVAL, "memory record: max_pages %llu,"
                            " target %llu KiB, static_max %llu KiB: not"
                            " within 1 to 2^40 pages: the configuration is"
                            " damaged, give --max-pages",
                            U(m->max_pages), U(m->target_kb),
                            U(m->static_max_kb));
    if (m->max_pages > m->stock_max_kb / 4)
        m->flags |= LXE_RECORD_F_RAISED;
    return choose_type(how, in, m, type_r, err);
}

void lxe__convert_encode(const struct lxe__convert *c, bool big,
                         uint8_t to[LXE_RECORD_IN_STREAM])
{
    lxe__put32(to, c->record_type, big);
    lxe__put32(to + 4, LXE_RECORD_LEN, big);
    lxe__record_encode(&c->record, to + 8);
}
