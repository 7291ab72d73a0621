/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory record of a converted image: its figures, and which
 * type they allow.
 */
#include <errno.h>
#include <string.h>

#include "image/convert.h"
#include "unit.h"

static const uint8_t uuid[16] = { 0x12, 0x34, [15] = 0xff };

/* A PVH guest of 200 frames that stock would allow 256. */
static struct libxl_ext_image guest(void)
{
    struct libxl_ext_image im = {
        .type = "pvh", .uuid = "12340000-0000-0000-0000-0000000000ff",
        .hvm = true, .populated = 200, .config_target_kb = 0,
        .config_max_kb = UINT64_MAX, .restore_max_kb = 1024,
    };

    return im;
}

/* The same with a record. */
static struct libxl_ext_image recorded(uint64_t max_pages, uint64_t tot,
                                       bool mandatory)
{
    struct libxl_ext_image im = guest();

    im.have_record = true;
    im.record_mandatory = mandatory;
    strcpy(im.record_uuid, im.uuid);
    im.max_pages = max_pages;
    im.tot_pages = tot;
    im.shr_pages = 3;
    im.target_kb = 777;
    im.stock_max_kb = 1024;
    return im;
}

static struct lxe__record got;
static uint32_t type;
static struct lxe__err err;

static int make(const struct libxl_ext_image *im,
                enum libxl_ext_image_record_change change,
                uint64_t max_pages)
{
    const struct libxl_ext_image_conversion how = {
        .record = change, .max_pages = max_pages,
    };

    lxe__err_init(&err);
    return lxe__convert_record(&how, im, &got, &type, &err);
}

static void refused(const struct libxl_ext_image *im,
                    enum libxl_ext_image_record_change change,
                    uint64_t max_pages, const char *words)
{
    CU_ASSERT_EQUAL(make(im, change, max_pages), -1);
    CU_ASSERT_EQUAL(err.code, EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, words));
}

#define KEEP      LIBXL_EXT_IMAGE_RECORD_KEEP
#define OPTIONAL  LIBXL_EXT_IMAGE_RECORD_OPTIONAL
#define MANDATORY LIBXL_EXT_IMAGE_RECORD_MANDATORY

static void a_new_one_says_what_the_image_shows(void)
{
    struct libxl_ext_image im = guest();

    CU_ASSERT_EQUAL_FATAL(make(&im, OPTIONAL, 0), 0);
    CU_ASSERT_EQUAL(type, LXE_RECORD_TYPE_OPTIONAL);
    CU_ASSERT_EQUAL(got.version, 1);
    CU_ASSERT_EQUAL(got.flags, LXE_RECORD_F_HVM);
    CU_ASSERT_EQUAL(memcmp(got.uuid, uuid, 16), 0);
    CU_ASSERT_EQUAL(got.max_pages, 256);
    CU_ASSERT_EQUAL(got.tot_pages, 200);
    CU_ASSERT_EQUAL(got.shr_pages, 0);
    CU_ASSERT_EQUAL(got.target_kb, 0);
    CU_ASSERT_EQUAL(got.static_max_kb, 0);
    CU_ASSERT_EQUAL(got.stock_max_kb, 1024);
    im.config_target_kb = 40;
    im.config_max_kb = 50;
    im.hvm = false;
    CU_ASSERT_EQUAL_FATAL(make(&im, KEEP, 257), 0);
    CU_ASSERT_EQUAL(got.flags, LXE_RECORD_F_RAISED);
    CU_ASSERT_EQUAL(got.target_kb, 40);
    CU_ASSERT_EQUAL(got.static_max_kb, 50);
    CU_ASSERT_EQUAL(got.max_pages, 257);
}

static void what_is_not_known_is_refused(void)
{
    struct libxl_ext_image im = guest();

    im.populated = 257;
    refused(&im, OPTIONAL, 0, "257 frames, its configuration allows 256");
    CU_ASSERT_EQUAL(make(&im, KEEP, 257), 0);
    CU_ASSERT_EQUAL(type, LXE_RECORD_TYPE_MANDATORY);
    im.config_target_kb = UINT64_MAX;
    refused(&im, KEEP, 300, "no target_memkb");
    im.uuid[0] = 'x';
    refused(&im, KEEP, 300, "no uuid");
    im.type[0] = '\0';
    refused(&im, KEEP, 300, "no configuration");
}

static void an_old_one_keeps_all_but_the_limit(void)
{
    struct libxl_ext_image im = recorded(300, 250, false);

    CU_ASSERT_EQUAL_FATAL(make(&im, KEEP, 400), 0);
    CU_ASSERT_EQUAL(got.max_pages, 400);
    CU_ASSERT_EQUAL(got.tot_pages, 250);
    CU_ASSERT_EQUAL(got.shr_pages, 3);
    CU_ASSERT_EQUAL(got.target_kb, 777);
    CU_ASSERT_EQUAL(got.flags, LXE_RECORD_F_HVM | LXE_RECORD_F_RAISED);
    CU_ASSERT_EQUAL(type, LXE_RECORD_TYPE_OPTIONAL);
}

/* Stock's limit is 256 pages. */
static void the_figures_say_which_type_may_be(void)
{
    static const struct {
        uint64_t max, tot;
        bool optional, mandatory;       /* may be */
    } rows[] = {
        { 256, 256, true, false }, { 255, 1, true, false },
        { 257, 256, true, true }, { 256, 257, false, true },
        { 257, 257, false, true },
    };
    struct libxl_ext_image im;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        im = recorded(rows[i].max, rows[i].tot, false);
        CU_ASSERT_EQUAL(make(&im, OPTIONAL, 0),
                        rows[i].optional ? 0 : -1);
        CU_ASSERT_EQUAL(make(&im, MANDATORY, 0),
                        rows[i].mandatory ? 0 : -1);
        /* Kept where it may be, else the other one. */
        CU_ASSERT_EQUAL(make(&im, KEEP, 0), 0);
        CU_ASSERT_EQUAL(type, rows[i].optional
                        ? LXE_RECORD_TYPE_OPTIONAL
                        : LXE_RECORD_TYPE_MANDATORY);
        im.record_mandatory = true;
        CU_ASSERT_EQUAL(make(&im, KEEP, 0), 0);
        CU_ASSERT_EQUAL(type, rows[i].mandatory
                        ? LXE_RECORD_TYPE_MANDATORY
                        : LXE_RECORD_TYPE_OPTIONAL);
    }
}

static void a_limit_holds_all_frames_and_has_a_bound(void)
{
    struct libxl_ext_image im = guest();

    refused(&im, KEEP, 199, "199 is below the 200 frames");
    CU_ASSERT_EQUAL(make(&im, KEEP, 200), 0);
    CU_ASSERT_EQUAL(make(&im, KEEP, LXE_RECORD_MAX_PAGES), 0);
    refused(&im, KEEP, LXE_RECORD_MAX_PAGES + 1, "not within 1 to 2^40");
    im.config_target_kb = im.restore_max_kb = 4 * LXE_RECORD_MAX_PAGES + 4;
    refused(&im, OPTIONAL, 0, "not within 1 to 2^40");
}

LXE_SUITE(image_record,
    { "a new one says what the image shows",
      a_new_one_says_what_the_image_shows },
    { "what is not known is refused", what_is_not_known_is_refused },
    { "an old one keeps all but the limit",
      an_old_one_keeps_all_but_the_limit },
    { "the figures say which type may be",
      the_figures_say_which_type_may_be },
    { "a limit holds all frames and has a bound",
      a_limit_holds_all_frames_and_has_a_bound })
