/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Headers of the libxc stream: what is taken, what is refused and with
 * which words.
 */
#include <errno.h>
#include <string.h>

#include "stream/libxc_format.h"
#include "unit.h"

static const uint8_t good[LXE_LIBXC_HEADERS] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x58, 0x45, 0x4e, 0x46, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0, 17, 0, 0, 0,
};

static void refused(size_t at, uint8_t value, const char *word)
{
    struct lxe__libxc_headers h = { .version = 77 };
    uint8_t bytes[LXE_LIBXC_HEADERS];
    struct lxe__err err;

    memcpy(bytes, good, sizeof(bytes));
    bytes[at] = value;
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__libxc_headers_decode(bytes, &h, &err), -1);
    CU_ASSERT_EQUAL(errno, EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, word));
    CU_ASSERT_EQUAL(h.version, 77);
}

static void good_headers_are_taken(void)
{
    struct lxe__libxc_headers h;
    struct lxe__err err;

    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__libxc_headers_decode(good, &h, &err), 0);
    CU_ASSERT_EQUAL(h.version, 3);
    CU_ASSERT_EQUAL(h.type, LXE_LIBXC_TYPE_HVM);
    CU_ASSERT_EQUAL(h.xen_major, 4);
    CU_ASSERT_EQUAL(h.xen_minor, 17);
    CU_ASSERT_EQUAL(err.code, 0);
}

static void each_bad_header_field_is_named(void)
{
    refused(0, 0xfe, "marker");
    refused(8, 0x59, "id 0x59454e46");
    refused(15, 4, "version 4");
    refused(15, 1, "version 1");
    refused(17, 1, "big-endian");
    refused(24, 3, "type 3");
    refused(28, 13, "page_shift 13");
}

static void a_record_length_is_bounded(void)
{
    struct lxe__libxc_rhdr rh = { .type = 1, .length = 128U << 20 }, out;
    uint8_t bytes[LXE_RHDR_LEN];
    struct lxe__err err;

    lxe__err_init(&err);
    lxe__libxc_rhdr_encode(&rh, bytes);
    CU_ASSERT_EQUAL(lxe__libxc_rhdr_decode(bytes, &out, &err), 0);
    CU_ASSERT_EQUAL(out.length, rh.length);
    rh.length++;
    lxe__libxc_rhdr_encode(&rh, bytes);
    CU_ASSERT_EQUAL(lxe__libxc_rhdr_decode(bytes, &out, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "length 134217729"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "134217728"));
}

static void bodies_are_padded_to_8(void)
{
    CU_ASSERT_EQUAL(lxe__rec_padded(0), 0);
    CU_ASSERT_EQUAL(lxe__rec_padded(1), 8);
    CU_ASSERT_EQUAL(lxe__rec_padded(8), 8);
    CU_ASSERT_EQUAL(lxe__rec_padded(0xffffffff), 0x100000000ULL);
}

static void page_data_is_a_count_and_entries(void)
{
    static const uint8_t expected[16] = {
        2, 1, 0, 0, 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0x90,
    };
    uint8_t bytes[16];

    lxe__libxc_page_data_encode(0x102, bytes);
    lxe__libxc_page_encode(0x12345678, 9, bytes + 8);
    CU_ASSERT_EQUAL(memcmp(bytes, expected, sizeof(bytes)), 0);
}

LXE_SUITE(libxc_format,
    { "page data is a count and entries",
      page_data_is_a_count_and_entries },
    { "good headers are taken", good_headers_are_taken },
    { "each bad header field is named", each_bad_header_field_is_named },
    { "a record length is bounded", a_record_length_is_bounded },
    { "bodies are padded to 8", bodies_are_padded_to_8 })
