/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Decoding and checking the headers of the libxc migration stream.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "stream/libxc_format.h"

/* Unaligned reads; the bytes come from a peer at any address. */
static uint16_t get16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

int lxe__libxc_headers_decode(const void *buf,
                              struct lxe__libxc_headers *h,
                              struct lxe__err *err)
{
    const uint8_t *i = buf, *d = i + LXE_LIBXC_IHDR_LEN;
    uint64_t marker = get64(i);
    uint32_t id = be32toh(get32(i + 8));
    uint32_t version = be32toh(get32(i + 12));
    uint16_t options = be16toh(get16(i + 16));
    uint32_t type = le32toh(get32(d));
    uint16_t page_shift = le16toh(get16(d + 4));

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
    h->xen_major = le32toh(get32(d + 8));
    h->xen_minor = le32toh(get32(d + 12));
    return 0;
}

int lxe__libxc_rhdr_decode(const void *buf, struct lxe__libxc_rhdr *rh,
                           struct lxe__err *err)
{
    const uint8_t *p = buf;
    uint32_t type = le32toh(get32(p)), length = le32toh(get32(p + 4));

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
    uint32_t le[2] = { htole32(rh->type), htole32(rh->length) };

    memcpy(buf, le, sizeof(le));
}

void lxe__libxc_page_data_encode(uint32_t count, void *buf)
{
    uint32_t le[2] = { htole32(count), 0 };

    memcpy(buf, le, sizeof(le));
}

void lxe__libxc_page_encode(uint64_t pfn, unsigned int type, void *buf)
{
    uint64_t le = htole64((uint64_t)type << 60 | pfn);

    memcpy(buf, &le, sizeof(le));
}
