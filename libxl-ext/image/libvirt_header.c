/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What libvirt's driver for libxl puts before libxl's stream; rules V1
 * to V5.  Integers are in the order of the saving host, and that is an
 * x86 one.
 *
 *    0  16  magic
 *   16   4  version: of libxl's stream
 *   20   4  length of the XML, with the NUL at its end
 *   24  40  unused
 *   64      the XML
 */
#include <string.h>

#include "image/reader.h"

#define HEADER_LEN      64
#define XML_MAX         (16U << 20)

static const char magic[16] = "libvirt-xml\n \0 \r";
static const char root[] = "<domain";

/* The version is what libxl is told of its stream. */
static int check_version(struct lxe__reader *r, uint32_t version,
                         uint64_t at)
{
    if (version == 2)
        return 0;
    lxe__fault_note(r, LXE_RULE_V2, at, "libvirt header: version %u is not"
                    " 2%s", version, version == 1
                    ? ": a legacy stream; convert-legacy-stream of Xen"
                      " reads what is behind the XML" : "");
    /* Of 0 libvirt and libxl make what they make of 2. */
    if (!version)
        return 0;
    lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "V2 at byte %llu: libvirt"
                   " header: version %u is not 2",
                   (unsigned long long)at, version);
    return -1;
}

static void check_unused(struct lxe__reader *r, const uint8_t *p,
                         uint64_t at)
{
    unsigned int i;

    for (i = 24; i < HEADER_LEN; i++)
        if (p[i]) {
            lxe__fault_note(r, LXE_RULE_V5, at + i, "libvirt header:"
                            " unused byte 0x%02x is not zero", p[i]);
            return;
        }
}

/* libvirt takes it as a C string, and writes nothing else. */
static int read_xml(struct lxe__reader *r, uint32_t len)
{
    uint64_t at = r->src.offset, end = at + len;
    bool begins = len > strlen(root), ends = false;

    while (r->src.offset < end) {
        uint64_t from = r->src.offset, n = end - from;
        const uint8_t *p, *nul;

        if (n > LXE_SOURCE_PEEK_MAX)
            n = LXE_SOURCE_PEEK_MAX;
        p = lxe__take(r, n, "libvirt XML");
        if (!p)
            return -1;
        if (from == at && begins)
            begins = !memcmp(p, root, strlen(root));
        nul = memchr(p, '\0', n);
        ends = nul && from + (nul - p) == end - 1;
        if (nul && !ends)
            break;
    }
    if (!begins)
        lxe__fault_note(r, LXE_RULE_V4, at, "libvirt XML: it does not"
                        " begin with %s", root);
    else if (!ends)
        lxe__fault_note(r, LXE_RULE_V4, at, "libvirt XML: its last byte"
                        " is not its first NUL");
    return lxe__pass_over(r, end - r->src.offset, "libvirt XML");
}

int lxe__libvirt_header_read(struct lxe__reader *r)
{
    uint64_t at = r->src.offset;
    const uint8_t *p = lxe__take(r, HEADER_LEN, "libvirt header");
    uint32_t len;

    if (!p)
        return -1;
    if (memcmp(p, magic, sizeof(magic)))
        return lxe__fault_stop(r, LXE_RULE_V1, at, "libvirt header: the"
                               " first 16 bytes begin as libvirt's magic"
                               " and are not: the file is damaged");
    len = lxe__get32(p + 20, false);
    check_unused(r, p, at);
    if (check_version(r, lxe__get32(p + 16, false), at + 16))
        return -1;
    if (len > XML_MAX) {
        lxe__fault_note(r, LXE_RULE_V3, at + 20, "libvirt header: XML of"
                        " %u bytes is above the bound of %u", len,
                        XML_MAX);
        /* libvirt reads whatever there is; mostly there is less. */
        (void)lxe__pass_over(r, len, "libvirt XML");
        return -1;
    }
    r->config_offset = r->src.offset;
    r->config_len = len;
    return read_xml(r, len);
}
