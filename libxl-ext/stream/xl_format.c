/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl's header of an image; see xl_format.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "stream/xl_format.h"

_Static_assert(sizeof(LXE_XL_MAGIC) == LXE_XL_MAGIC_LEN + 1,
               "xl's magic is 32 bytes");

void lxe__xl_header_encode(uint32_t config_len,
                           uint8_t out[LXE_XL_HEADER_LEN + 4])
{
    memcpy(out, LXE_XL_MAGIC, LXE_XL_MAGIC_LEN);
    lxe__put_le32(out + 32, LXE_XL_ORDER);
    lxe__put_le32(out + 36, LXE_XL_FLAG_JSON | LXE_XL_FLAG_V2);
    lxe__put_le32(out + 40, 0);
    lxe__put_le32(out + 44, config_len + 4);
    lxe__put_le32(out + 48, config_len);
}

int lxe__xl_header_decode(const uint8_t in[LXE_XL_HEADER_LEN],
                          uint32_t *optdata_r, struct lxe__err *err)
{
    uint32_t order = lxe__get_le32(in + 32);
    uint32_t mandatory = lxe__get_le32(in + 36);
    uint32_t optional = lxe__get_le32(in + 40);
    uint32_t len = lxe__get_le32(in + 44);

    if (memcmp(in, LXE_XL_MAGIC, LXE_XL_MAGIC_LEN))
        return lxe__err_set(err, EPROTO, "xl header: the first 32 bytes"
                            " are not xl's magic: it is no image of a"
                            " guest");
    if (order != LXE_XL_ORDER)
        return lxe__err_set(err, EPROTO, "xl header: byte order"
                            " 0x%08"PRIx32" is not 0x%08x: the image is"
                            " damaged, or of a big-endian host", order,
                            LXE_XL_ORDER);
    if (mandatory != (LXE_XL_FLAG_JSON | LXE_XL_FLAG_V2))
        return lxe__err_set(err, EPROTO, "xl header: mandatory flags"
                            " 0x%"PRIx32" are not 0x3 (configuration in"
                            " JSON, stream of version 2): an xl older than"
                            " 4.6 or newer than this wrote it; stock xl"
                            " restore may take it", mandatory);
    if (optional)
        return lxe__err_set(err, EPROTO, "xl header: optional flags"
                            " 0x%"PRIx32" are not 0", optional);
    if (len < 4 || len > LXE_XL_OPTDATA_MAX)
        return lxe__err_set(err, EPROTO, "xl header: optional data of"
                            " %"PRIu32" bytes is not within 4 and %u",
                            len, LXE_XL_OPTDATA_MAX);
    *optdata_r = len;
    return 0;
}
