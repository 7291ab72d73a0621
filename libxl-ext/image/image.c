/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One reading of an image, from opening to verdict.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "image/reader.h"
#include "stream/libxl_format.h"
#include "stream/xl_format.h"

/* Which of the containers begins here? */
static int tell_container(struct lxe__reader *r)
{
    const uint8_t *p;
    size_t have;

    p = lxe__source_peek(&r->src, 8, &have, r->err);
    if (!p)
        return -1;
    if (have < 8)
        return lxe__fault_stop(r, LXE_RULE_S1, have, "the first 8 bytes:"
                               " the image ends %zu bytes into them",
                               have);
    if (!memcmp(p, LXE_XL_MAGIC, 8))
        r->out->container = LIBXL_EXT_IMAGE_XL;
    else if (lxe__get64(p, true) == UINT64_MAX)
        r->out->container = LIBXL_EXT_IMAGE_LIBXC;
    else if (!memcmp(p, LXE_LIBXL_IDENT, LXE_LIBXL_IDENT_LEN))
        r->out->container = LIBXL_EXT_IMAGE_LIBXL;
    else if (!memcmp(p, "libvirt-", 8))
        r->out->container = LIBXL_EXT_IMAGE_LIBVIRT;
    else
        return lxe__fault_stop(r, LXE_RULE_X1, 0, "the first 8 bytes"
                               " 0x%016llx begin neither a file of xl save"
                               " or virsh save nor a stream of libxl or"
                               " libxc: no image, or a damaged one",
                               (unsigned long long)lxe__get64(p, true));
    return 0;
}

/* A bare stream of libxc: checkpoints follow each other directly. */
static int read_bare_libxc(struct lxe__reader *r)
{
    enum lxe__libxc_stop stop;

    if (lxe__libxc_headers_read(r))
        return -1;
    do {
        if (lxe__libxc_records_read(r, &stop))
            return -1;
    } while (stop != LXE_LIBXC_END);
    return 0;
}

static int read_container(struct lxe__reader *r)
{
    if (tell_container(r))
        return -1;
    if (r->out->container == LIBXL_EXT_IMAGE_LIBXC)
        return read_bare_libxc(r);
    if (r->out->container == LIBXL_EXT_IMAGE_XL && lxe__xl_header_read(r))
        return -1;
    if (r->out->container == LIBXL_EXT_IMAGE_LIBVIRT &&
        lxe__libvirt_header_read(r))
        return -1;
    return lxe__libxl_stream_read(r);
}

/* Nothing may follow; of a device the rest was there before. */
static int read_end(struct lxe__reader *r)
{
    uint64_t at = r->src.offset, more;
    const uint8_t *p;
    size_t have;

    if (r->src.is_device)
        return 0;
    p = lxe__source_peek(&r->src, 1, &have, r->err);
    if (!p)
        return -1;
    if (!have)
        return 0;
    if (lxe__source_skip(&r->src, UINT64_MAX - at, &more, r->err))
        return -1;
    return lxe__fault_note(r, LXE_RULE_S2, at, "behind END: %llu bytes"
                           " that belong to nothing",
                           (unsigned long long)more);
}

static int read_all(struct lxe__reader *r)
{
    if (read_container(r) || read_end(r))
        return -1;
    r->out->complete = true;
    return lxe__pv_judge(r);
}

struct lxe__reader *lxe__reader_new(int fd, unsigned int flags,
                                    struct libxl_ext_image *out,
                                    struct lxe__err *err)
{
    struct lxe__reader *r;

    memset(out, 0, sizeof(*out));
    out->config_target_kb = out->config_max_kb = UINT64_MAX;
    out->quick = flags & LIBXL_EXT_IMAGE_QUICK;
    out->all_read = !flags;
    r = calloc(1, sizeof(*r));
    if (!r) {
        lxe__err_set(err, ENOMEM, "image: no memory");
        return NULL;
    }
    r->out = out;
    r->err = err;
    if (lxe__source_init(&r->src, fd, !out->all_read, err)) {
        lxe__reader_free(r);
        return NULL;
    }
    return r;
}

int lxe__reader_run(struct lxe__reader *r)
{
    int rc = 0;

    if (read_all(r) && r->err->code)
        rc = -1;
    r->out->size = r->src.offset;
    if (!rc && r->src.tap_failed)
        rc = -1;        /* at the last byte: nobody peeked since */
    if (!rc)
        rc = lxe__frames_count(r);
    if (!rc)
        rc = lxe__cells_count(r);
    if (!rc)
        rc = lxe__duplicates_count(r);
    if (!rc)
        lxe__verdict(r);
    return rc;
}

void lxe__reader_free(struct lxe__reader *r)
{
    if (!r)
        return;
    lxe__source_dispose(&r->src);
    lxe__map_dispose(&r->map);
    free(r->data_pfns);
    free(r->vcpus);
    free(r->p2m_pieces);
    free(r);
}

int lxe__image_read(int fd, unsigned int flags, int stop_fd,
                    struct libxl_ext_image *out, struct lxe__err *err)
{
    struct lxe__reader *r = lxe__reader_new(fd, flags, out, err);
    int rc = -1;

    if (r) {
        r->src.stop_fd = stop_fd;
        rc = lxe__reader_run(r);
    }
    lxe__reader_free(r);
    return rc;
}
