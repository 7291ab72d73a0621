/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory record's body: what goes in comes out, and each damage is
 * refused with its own words, leaving the caller's struct alone.
 */
#include <errno.h>
#include <string.h>

#include "memory/record.h"
#include "unit.h"

static struct lxe__record sample(void)
{
    struct lxe__record r = {
        .version = 1, .flags = LXE_RECORD_F_HVM | LXE_RECORD_F_RAISED,
        .uuid = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
        .max_pages = 43264, .tot_pages = 43020, .outstanding_pages = 3,
        .shr_pages = 4, .paged_pages = 5, .target_kb = 163840,
        .static_max_kb = 163841, .stock_max_kb = 164864,
    };

    return r;
}

static void refused(const struct lxe__record *bad, const char *field,
                    const char *value)
{
    struct lxe__record got = { .version = 99 };
    uint8_t body[LXE_RECORD_LEN];
    struct lxe__err err;

    lxe__err_init(&err);
    lxe__record_encode(bad, body);
    CU_ASSERT_EQUAL(lxe__record_decode(body, sizeof(body), &got, &err),
                    -1);
    CU_ASSERT_EQUAL(errno, EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, field));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, value));
    CU_ASSERT_PTR_NULL(strchr(err.msg, '\n'));
    CU_ASSERT_EQUAL(got.version, 99);
}

static void what_goes_in_comes_out(void)
{
    struct lxe__record r = sample(), got;
    uint8_t body[LXE_RECORD_LEN];
    struct lxe__err err;

    lxe__err_init(&err);
    lxe__record_encode(&r, body);
    memset(&got, 0, sizeof(got));
    CU_ASSERT_EQUAL(lxe__record_decode(body, sizeof(body), &got, &err), 0);
    CU_ASSERT_EQUAL(memcmp(&r, &got, sizeof(r)), 0);
}

static void the_layout_is_that_of_the_specification(void)
{
    static const uint8_t want[] = {
        1, 0, 0, 0, 3, 0, 0, 0,
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        0x00, 0xa9, 0, 0, 0, 0, 0, 0, 0x0c, 0xa8, 0, 0, 0, 0, 0, 0,
        3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0,
        5, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x80, 2, 0, 0, 0, 0, 0,
        0x01, 0x80, 2, 0, 0, 0, 0, 0, 0x00, 0x84, 2, 0, 0, 0, 0, 0,
    };
    struct lxe__record r = sample();
    uint8_t body[LXE_RECORD_LEN];

    CU_ASSERT_EQUAL_FATAL(sizeof(want), LXE_RECORD_LEN);
    lxe__record_encode(&r, body);
    CU_ASSERT_EQUAL(memcmp(body, want, sizeof(want)), 0);
}

static void cut_at_every_byte_it_is_refused(void)
{
    struct lxe__record r = sample(), got;
    uint8_t body[LXE_RECORD_LEN + 8];
    struct lxe__err err;
    size_t len;

    memset(body, 0, sizeof(body));
    lxe__record_encode(&r, body);
    for (len = 0; len <= sizeof(body); len++) {
        if (len == LXE_RECORD_LEN)
            continue;
        lxe__err_init(&err);
        CU_ASSERT_EQUAL(lxe__record_decode(body, len, &got, &err), -1);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "length"));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, len < LXE_RECORD_LEN ?
                                      "cut short" : "too long"));
    }
}

/* A later version may be longer: its version is what must be named. */
static void a_version_from_the_future_is_named_whatever_its_length(void)
{
    struct lxe__record r = sample(), got;
    uint8_t body[LXE_RECORD_LEN + 32] = { 0 };
    struct lxe__err err;

    r.version = 2;
    lxe__record_encode(&r, body);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__record_decode(body, sizeof(body), &got, &err),
                    -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "version 2 is newer than 1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "update"));
    r.version = 0;
    refused(&r, "version 0", "1");
}

static void each_bad_field_is_named_with_value_and_bound(void)
{
    struct lxe__record r;

    r = sample(); r.flags = 0x80000001; refused(&r, "flags", "0x80000001");
    r = sample(); r.max_pages = 0; refused(&r, "max_pages is 0", "1");
    r = sample(); r.max_pages = UINT64_MAX;
    refused(&r, "max_pages is all ones", "1099511627776");
    r = sample(); r.max_pages = LXE_RECORD_MAX_PAGES + 1;
    refused(&r, "max_pages 1099511627777", "1099511627776");
    r = sample(); r.tot_pages = LXE_RECORD_MAX_PAGES + 1;
    refused(&r, "tot_pages 1099511627777", "1099511627776");
    r = sample(); r.outstanding_pages = UINT64_MAX;
    refused(&r, "outstanding_pages", "1099511627776");
    r = sample(); r.shr_pages = UINT64_MAX;
    refused(&r, "shr_pages", "1099511627776");
    r = sample(); r.paged_pages = UINT64_MAX;
    refused(&r, "paged_pages", "1099511627776");
    r = sample(); r.target_kb = UINT64_MAX;
    refused(&r, "target_kb", "4398046511104");
    r = sample(); r.static_max_kb = UINT64_MAX;
    refused(&r, "static_max_kb", "4398046511104");
    r = sample(); r.stock_max_kb = UINT64_MAX;
    refused(&r, "stock_max_kb", "4398046511104");
}

static void another_domain_s_record_raises_no_limit(void)
{
    struct lxe__record r = sample();
    struct lxe__err err;
    uint64_t limit = lxe__pages_limit(r.max_pages, r.tot_pages);
    uint8_t other[16];
    bool its = false;

    memcpy(other, r.uuid, 16);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__record_check_uuid(&r, other, 5, 0, &its, &err), 0);
    CU_ASSERT_TRUE(its);
    other[15] ^= 1;
    /* What needs no more than stock libxl allows. */
    CU_ASSERT_EQUAL(lxe__record_check_uuid(&r, other, 5, limit, &its,
                                           &err), 0);
    CU_ASSERT_FALSE(its);
    CU_ASSERT_EQUAL(err.code, 0);
    CU_ASSERT_EQUAL(lxe__record_check_uuid(&r, other, 5, limit - 1, &its,
                                           &err), -1);
    CU_ASSERT_EQUAL(errno, EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg,
        "uuid = \"01020304-0506-0708-090a-0b0c0d0e0f10\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg,
        "01020304-0506-0708-090a-0b0c0d0e0f11"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "domain 5"));
    /* Nor what has more than it may have. */
    lxe__err_init(&err);
    r.tot_pages = limit + 1;
    CU_ASSERT_EQUAL(lxe__record_check_uuid(&r, other, 5, limit, &its,
                                           &err), -1);
}

LXE_SUITE(record,
    { "what goes in comes out", what_goes_in_comes_out },
    { "the layout is that of the specification",
      the_layout_is_that_of_the_specification },
    { "cut at every byte it is refused", cut_at_every_byte_it_is_refused },
    { "a version from the future is named whatever its length",
      a_version_from_the_future_is_named_whatever_its_length },
    { "each bad field is named with value and bound",
      each_bad_field_is_named_with_value_and_bound },
    { "another domain's record is refused",
      another_domain_s_record_raises_no_limit })
