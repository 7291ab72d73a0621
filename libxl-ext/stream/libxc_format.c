/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Decoding and checking the headers of the libxc migration stream.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "stream/libxc_format.h"

int lxe__libxc_headers_decode(const void *buf,
                              struct lxe__libxc_headers *h,
                              struct lxe__err *err)
{
    const uint8_t *i = buf, *d = i + LXE_LIBXC_IHDR_LEN;
    uint64_t marker = lxe__get_le64(i);
    uint32_t id = lxe__get32(i + 8, true);
    uint32_t version = lxe__get32(i + 12, true);
    uint16_t options = lxe__get16(i + 16, true);
    uint32_t type = lxe__get_le32(d);
    uint16_t page_shift = lxe__get16(d + 4, false);

    if (marker != UINT64_MAX)
        return lxe__err_set(err, EPROTO, "libxc image header: marker"
                            " 0x%016"PRIx64" is not all ones: this is no"
                            " libxc stream", marker);
    if (id != LXE_LIBXC_ID)
        return lxe__err_set(err, EPROTO, "libxc image header: id 0x%08x"
                            " is not 0x%08x: this is no libxc stream",
                            id, LXE_LIBXC_ID);
    if (version < 2 || version > 3)
        return lxe__err_set(err, EPROTO, "libxc image header: version %u"
                            " is outside 2 to 3: convert the image on a"
                            " host that knows it", version);
    if (options & 1)
        return lxe__err_set(err, EPROTO, "libxc image header: options"
                            " 0x%x says big-endian, x86 restores only"
                            " little-endian images", options);
    if (type != LXE_LIBXC_TYPE_PV && type != LXE_LIBXC_TYPE_HVM)
        return lxe__err_set(err, EPROTO, "libxc domain header: type %u is"
                            " neither x86 PV (1) nor x86 HVM (2)", type);
    if (page_shift != 12)
        return lxe__err_set(err, EPROTO, "libxc domain header:"
                            " page_shift %u is not 12", page_shift);
    h->version = version;
    h->type = type;
    h->xen_major = lxe__get_le32(d + 8);
    h->xen_minor = lxe__get_le32(d + 12);
    return 0;
}

int lxe__libxc_rhdr_decode(const void *buf, struct lxe__libxc_rhdr *rh,
                           struct lxe__err *err)
{
    const uint8_t *p = buf;
    uint32_t type = lxe__get_le32(p), length = lxe__get_le32(p + 4);

    if (length > LXE_LIBXC_REC_MAX)
        return lxe__err_set(err, EPROTO, "libxc record of type 0x%08x:"
                            " length %u is above the bound of %u bytes:"
                            " the stream is damaged", type, length,
                            LXE_LIBXC_REC_MAX);
    rh->type = type;
    rh->length = length;
    return 0;
}

void lxe__libxc_rhdr_encode(const struct lxe__libxc_rhdr *rh, void *buf)
{
    uint8_t *p = buf;

    lxe__put_le32(p, rh->type);
    lxe__put_le32(p + 4, rh->length);
}

void lxe__libxc_page_data_encode(uint32_t count, void *buf)
{
    uint8_t *p = buf;

    lxe__put_le32(p, count);
    lxe__put_le32(p + 4, 0);
}

void lxe__libxc_page_encode(uint64_t pfn, unsigned int type, void *buf)
{
    lxe__put_le64(buf, lxe__libxc_entry(pfn, type));
}
