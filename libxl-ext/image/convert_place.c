/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where the memory record stands in the two streams of an image, and
 * where that of a converted one is to be: the reader calls after each
 * stream's headers, before anything after them comes by.
 *
 * An image that is copied on the way gets its room here, so what is not
 * known until its end, what the record says, cannot weigh in.
 */
#include <errno.h>

#include "image/convert.h"
#include "stream/record_header.h"

/*
 * After a stream's headers: is there an old record?  Where one is to be
 * left out it is; it ends within the image or the reader says so.
 */
static int find_record(struct lxe__convert *c, struct lxe__reader *r,
                       struct lxe__convert_place *place, bool *there_r)
{
    const uint8_t *p;
    size_t have;

    place->cut_from = place->cut_to = r->src.offset;
    p = lxe__source_peek(&r->src, LXE_RHDR_LEN, &have, r->err);
    if (!p)
        return -1;
    *there_r = have == LXE_RHDR_LEN &&
               lxe__is_memory_record(lxe__get32(p, place->big));
    if (c->cut_record && *there_r)
        place->cut_to += LXE_RHDR_LEN +
                         lxe__rec_padded(lxe__get32(p + 4, place->big));
    return 0;
}

/* Room for the new record: what it says is known at the end. */
static int leave_room(struct lxe__convert *c,
                      struct lxe__convert_place *place)
{
    static const uint8_t room[LXE_RECORD_IN_STREAM];

    place->at = c->out.written;
    return !place->put || c->twice ? 0 :
           lxe__outfile_write(&c->out, room, sizeof(room), c->err);
}

int lxe__convert_at_libxl(void *user, struct lxe__reader *r)
{
    struct lxe__convert *c = user;
    bool there;

    c->libxl.big = r->libxl_big;
    if (find_record(c, r, &c->libxl, &there))
        return -1;
    c->libxl.put = c->put_record && (c->how->carrier
                   ? c->how->carrier & LIBXL_EXT_IMAGE_CARRIER_LIBXL
                   : there);
    return leave_room(c, &c->libxl);
}

/* Can the container hold a record in libxl's stream? */
static int check_carrier(enum libxl_ext_image_carrier to,
                         enum libxl_ext_image_container container,
                         struct lxe__err *err)
{
    const char *what;

    if (!(to & LIBXL_EXT_IMAGE_CARRIER_LIBXL))
        return 0;
    if (container == LIBXL_EXT_IMAGE_LIBXC)
        what = "bare stream of libxc, which is in none of libxl";
    else if (container == LIBXL_EXT_IMAGE_LIBVIRT)
        what = "file of libvirt, which alone restores it, and not with a"
               " memory record in libxl's stream";
    else
        return 0;
    return lxe__err_set(err, EINVAL, "image: --carrier %s: the input is a"
                        " %s: only libxc is possible",
                        to == LIBXL_EXT_IMAGE_CARRIER_BOTH ? "both"
                        : "libxl", what);
}

int lxe__convert_at_libxc(void *user, struct lxe__reader *r)
{
    enum libxl_ext_image_carrier to;
    struct lxe__convert *c = user;
    bool there;

    to = c->how->carrier;
    if (check_carrier(to, r->out->container, c->err))
        return -1;
    c->libxc.big = r->out->big_endian;
    if (find_record(c, r, &c->libxc, &there))
        return -1;
    c->libxc.put = c->put_record &&
                   (to ? to & LIBXL_EXT_IMAGE_CARRIER_LIBXC
                       : there || !c->libxl.put);
    return leave_room(c, &c->libxc);
}
