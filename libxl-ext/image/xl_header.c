/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What xl puts before libxl's stream; rules X1 to X8; see
 * stream/xl_format.h for its fields.
 */
#include <string.h>

#include "image/reader.h"
#include "stream/xl_format.h"

/*
 * Without the flag it is a configuration file, as xl up to 4.4 stored
 * it, and none of these begins as libxl's JSON does.
 */
static int check_unmarked(struct lxe__reader *r, uint64_t flags_at)
{
    const uint8_t *p;
    size_t have;

    p = lxe__source_peek(&r->src, 1, &have, r->err);
    if (!p)
        return -1;
    if (have && *p == '{')
        lxe__fault_note(r, LXE_RULE_X8, flags_at, "xl header: mandatory"
                        " flags lack 0x1, and the configuration is JSON:"
                        " xl cannot read it: give xl restore a"
                        " configuration file instead");
    return 0;
}

/* Nothing is wrong with the file, but with it alone there is no guest. */
static void lack_config(struct lxe__reader *r)
{
    lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "the file has no"
                   " configuration: give xl restore a configuration file"
                   " as well");
}

static int read_config(struct lxe__reader *r, uint32_t len, bool json,
                       uint64_t flags_at)
{
    if (!len) {
        lack_config(r);
        return 0;
    }
    if (json)
        return lxe__config_read(r, len);
    return check_unmarked(r, flags_at) ||
           lxe__pass_over(r, len, "xl configuration") ? -1 : 0;
}

static int read_optdata(struct lxe__reader *r, uint32_t len, bool json,
                        uint64_t flags_at)
{
    uint64_t at = r->src.offset;
    const uint8_t *p;
    uint32_t config;

    if (!len) {
        lack_config(r);
        return 0;
    }
    if (len < sizeof(config)) {
        lxe__fault_note(r, LXE_RULE_X7, at, "xl header: optional data of"
                        " %u bytes has no room for the 4 of the"
                        " configuration's length", len);
        return lxe__pass_over(r, len, "xl optional data");
    }
    p = lxe__take(r, sizeof(config), "xl optional data");
    if (!p)
        return -1;
    config = lxe__get32(p, false);
    len -= sizeof(config);
    if (config > len) {
        lxe__fault_note(r, LXE_RULE_X7, at, "xl header: a configuration of"
                        " %u bytes does not fit the %u of optional data"
                        " behind its length", config, len);
        return lxe__pass_over(r, len, "xl optional data");
    }
    r->config_offset = r->src.offset;
    r->config_len = config;
    if (read_config(r, config, json, flags_at))
        return -1;
    return lxe__pass_over(r, len - config, "xl optional data");
}

int lxe__xl_header_read(struct lxe__reader *r)
{
    uint64_t at = r->src.offset;
    const uint8_t *p = lxe__take(r, LXE_XL_HEADER_LEN, "xl header");
    uint32_t order, mandatory, optional, len;

    if (!p)
        return -1;
    if (memcmp(p, LXE_XL_MAGIC, LXE_XL_MAGIC_LEN))
        return lxe__fault_stop(r, LXE_RULE_X1, at, "xl header: the first"
                               " 32 bytes begin as xl's magic and are not:"
                               " the file is damaged");
    order = lxe__get32(p + 32, false);
    mandatory = lxe__get32(p + 36, false);
    optional = lxe__get32(p + 40, false);
    len = lxe__get32(p + 44, false);
    if (order != LXE_XL_ORDER)
        return lxe__fault_stop(r, LXE_RULE_X2, at + 32, "xl header: byte"
                               " order 0x%08x is not 0x%08x: the file is"
                               " damaged, or of a big-endian host", order,
                               LXE_XL_ORDER);
    if (mandatory & ~(LXE_XL_FLAG_JSON | LXE_XL_FLAG_V2))
        lxe__fault_note(r, LXE_RULE_X3, at + 36, "xl header: mandatory"
                        " flags 0x%x have bits outside 0x3: a newer xl"
                        " wrote it", mandatory);
    if (!(mandatory & LXE_XL_FLAG_V2))
        return lxe__fault_stop(r, LXE_RULE_X4, at + 36, "xl header:"
                               " mandatory flags 0x%x lack 0x2: a legacy"
                               " stream; convert-legacy-stream of Xen"
                               " reads it", mandatory);
    if (optional)
        lxe__fault_note(r, LXE_RULE_X5, at + 40, "xl header: optional"
                        " flags 0x%x are not 0", optional);
    if (len > LXE_XL_OPTDATA_MAX) {
        lxe__fault_note(r, LXE_RULE_X6, at + 44, "xl header: optional data"
                        " of %u bytes is above the bound of %u", len,
                        LXE_XL_OPTDATA_MAX);
        /* xl reads whatever there is; mostly there is less. */
        (void)lxe__pass_over(r, len, "xl optional data");
        return -1;
    }
    return read_optdata(r, len, mandatory & LXE_XL_FLAG_JSON, at + 36);
}
