/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * JSON as the generated code reads and writes it: what texts look like,
 * and what a peer could send to hurt us.  That each field of each type
 * refuses what it must is tested by generated code.
 */
#include <errno.h>
#include <libxl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "libxl_ext.h"
#include "unit.h"

static void refused(const char *json, const char *line)
{
    libxl_ext_operation_result p;
    char *said = NULL;

    CU_ASSERT_EQUAL(libxl_ext_operation_result_from_json(&p, json, &said),
                    ERROR_INVAL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(said);
    CU_ASSERT_STRING_EQUAL(said, line);
    free(said);
    /* Nothing is left in it: the sanitizer would see a leak. */
    CU_ASSERT_PTR_NULL(p.phases);
    CU_ASSERT_PTR_NULL(p.backends);
}

/* Field by field: a round trip alone does not see two that are swapped. */
static void the_text_is_this(void)
{
    libxl_ext_backend b;
    char *text;

    libxl_ext_backend_init(&b);
    b.name = strdup("vbd-3-51712");
    b.kind = LIBXL_EXT_BACKEND_KIND_VBD;
    b.devid = 51712;
    b.backend_domid = 7;
    b.method = LIBXL_EXT_BACKEND_METHOD_PROVE;
    b.state = LIBXL_EXT_BACKEND_STATE_FROZEN;
    b.setting = strdup("a \"b\"");
    text = libxl_ext_backend_to_json(&b);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text,
        "{\n"
        "    \"name\": \"vbd-3-51712\",\n"
        "    \"kind\": \"vbd\",\n"
        "    \"devid\": 51712,\n"
        "    \"backend_domid\": 7,\n"
        "    \"method\": \"prove\",\n"
        "    \"state\": \"frozen\",\n"
        "    \"why\": null,\n"
        "    \"setting\": \"a \\\"b\\\"\"\n"
        "}\n");
    free(text);
    libxl_ext_backend_dispose(&b);
}

static void what_is_missing_keeps_its_default(void)
{
    libxl_ext_policy p;

    CU_ASSERT_EQUAL(libxl_ext_policy_from_json(&p,
        "{\"memory_bump\": \"track\", \"claim\": false}", NULL), 0);
    CU_ASSERT_EQUAL(p.memory_bump, LIBXL_EXT_MEMORY_BUMP_TRACK);
    CU_ASSERT_FALSE(p.claim);
    CU_ASSERT_EQUAL(p.freeze_timeout, 10000);
    libxl_ext_policy_dispose(&p);
    CU_ASSERT_EQUAL(p.memory_bump, LIBXL_EXT_MEMORY_BUMP_BOUNDED);
}

static void what_has_no_json_is_an_error(void)
{
    libxl_ext_progress p;
    libxl_ext_migrate_offer o;

    libxl_ext_progress_init(&p);
    p.phase = 1000;
    errno = 0;
    CU_ASSERT_PTR_NULL(libxl_ext_progress_to_json(&p));
    CU_ASSERT_EQUAL(errno, EINVAL);
    libxl_ext_migrate_offer_init(&o);
    o.config = strdup("caf\xe9");
    errno = 0;
    CU_ASSERT_PTR_NULL(libxl_ext_migrate_offer_to_json(&o));
    CU_ASSERT_EQUAL(errno, EILSEQ);
    libxl_ext_migrate_offer_dispose(&o);
}

static void put(const char *text, const char *expected)
{
    struct lxe__json_out o;
    char *json, quoted[64];

    snprintf(quoted, sizeof(quoted), "\"%s\"\n", expected);
    lxe__json_begin(&o);
    lxe__json_put_string(&o, text);
    json = lxe__json_end(&o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    CU_ASSERT_STRING_EQUAL(json, quoted);
    free(json);
    lxe__json_begin(&o);
    lxe__json_put_exact(&o, text);
    errno = 0;
    json = lxe__json_end(&o);
    CU_ASSERT_EQUAL(!json, !!strcmp(text, expected));
    CU_ASSERT_EQUAL(errno, json ? 0 : EILSEQ);
    free(json);
}

static void what_is_no_utf8_becomes_question_marks(void)
{
    size_t i;
    static const struct { const char *text, *expected; } of[] = {
        { "", "" }, { "caf\xc3\xa9", "caf\xc3\xa9" },
        /* The first and the last of each length, and around surrogates. */
        { "\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf" },
        { "\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf" },
        { "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },
        { "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
          "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
        /* Another character set, and octets that begin nothing. */
        { "caf\xe9", "caf?" }, { "caf\xe9!", "caf?!" },
        { "\x80\xbf\xc0\xc1\xf5\xfe\xff", "???????" },
        /* Longer than they have to be. */
        { "\xc0\xaf", "??" }, { "\xc1\xbf", "??" },
        { "\xe0\x9f\xbf", "???" }, { "\xf0\x8f\xbf\xbf", "????" },
        /* Surrogates, and what is above U+10FFFF. */
        { "\xed\xa0\x80", "???" }, { "\xed\xbf\xbf", "???" },
        { "\xf4\x90\x80\x80", "????" }, { "\xf5\x80\x80\x80", "????" },
        /* Cut, at the end and ahead of another. */
        { "\xc3", "?" }, { "\xe2\x82", "??" },
        { "\xf0\x9f\x98", "???" },
        { "\xe2\x82\xc3\xa9", "??\xc3\xa9" }, { "\xe2(\xa1", "?(?" },
    };

    for (i = 0; i < sizeof(of) / sizeof(of[0]); i++)
        put(of[i].text, of[i].expected);
}

static void a_bad_element_is_named_and_what_was_read_is_freed(void)
{
    refused("{\"phases\": [{\"phase\": \"judge\"}],"
            " \"backends\": [{\"name\": \"a\"},"
            " {\"name\": \"b\", \"kind\": \"nbd\"}]}",
            "libxl_ext_backend from JSON: kind \"nbd\" is not one of"
            " unknown, vbd, vif, qdisk, console, fb, pci, usb");
    refused("{\"phases\": [{}, {\"time_us\": 18446744073709551616}]}",
            "libxl_ext_phase_time from JSON: time_us 18446744073709551616"
            " is not a whole number from 0 to 18446744073709551615");
    refused("{\"backends\": [{\"name\": \"a\"}, 7]}",
            "libxl_ext_backend from JSON: 7 is not an object");
    refused("{\"stop\": {\"thaw_us\": 7}}",
            "libxl_ext_stop_time from JSON: key \"thaw_us\" is none of"
            " suspend_us, freeze_us, last_pass_us, emulator_us");
}

static void what_is_shown_of_a_value_is_short_and_clean(void)
{
    refused("{\"operation\": \"\\u001b[31m\\u000a\\u009bred\\u007f\"}",
            "libxl_ext_operation_result from JSON: operation"
            " \"?[31m???red?\""
            " is not one of none, save, restore, migrate, receive");
    refused("{\"operation\": \"0123456789012345678901234567890123456789"
            "x\"}",
            "libxl_ext_operation_result from JSON: operation"
            " \"0123456789012345678901234567890123456789\"... is not one"
            " of none, save, restore, migrate, receive");
}

static void a_key_is_shown_short_and_clean_too(void)
{
    libxl_ext_stop_time p;
    char *said;

    CU_ASSERT_EQUAL(libxl_ext_stop_time_from_json(&p,
        "{\"\\u001b0123456789012345678901234567890123456789\": 1}",
        &said), ERROR_INVAL);
    CU_ASSERT_STRING_EQUAL(said, "libxl_ext_stop_time from JSON: key"
        " \"?012345678901234567890123456789012345678\" is none of"
        " suspend_us, freeze_us, last_pass_us, emulator_us");
    free(said);
}

static void texts_that_are_no_json_are_refused(void)
{
    libxl_ext_operation_result p;
    static const char *const bad[] = {
        "", " ", "{", "{}}", "{} {}", "{\"rounds\": 007}",
        "{\"rounds\": }", "{'rounds': 1}", "{\"rounds\": \"\xff\"}",
    };
    char *said;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(libxl_ext_operation_result_from_json(&p, bad[i],
                                                             &said),
                        ERROR_INVAL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(said);
        CU_ASSERT_PTR_NOT_NULL(strstr(said,
                                      "operation_result from JSON: "));
        CU_ASSERT_PTR_NULL(strchr(said, '\n'));
        free(said);
    }
}

static void cut_at_every_byte_it_is_refused(void)
{
    char text[] = "{\"backends\":[{\"name\":\"a\\u00e9\",\"devid\":12}],"
                  "\"stop\":{\"freeze_us\":1},\"rounds\":3}";
    libxl_ext_operation_result p;
    size_t len = strlen(text);

    CU_ASSERT_EQUAL(libxl_ext_operation_result_from_json(&p, text, NULL),
                    0);
    libxl_ext_operation_result_dispose(&p);
    while (len--) {
        text[len] = '\0';
        CU_ASSERT_EQUAL(libxl_ext_operation_result_from_json(&p, text,
                                                             NULL),
                        ERROR_INVAL);
    }
}

/*
 * yajl would take these, and the stack or a string would suffer: 300,000
 * brackets are too many for a stack of 8 MiB.
 */
static void what_yajl_must_not_be_given(void)
{
    const size_t deep = 500000;
    char *text = calloc(1, LXE_JSON_MAX_LEN + 2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, '[', deep);
    memset(text + deep, ']', deep);
    refused(text, "libxl_ext_operation_result from JSON: it nests deeper"
                  " than 16");
    memcpy(text, "/*\"*/", 5);
    refused(text, "libxl_ext_operation_result from JSON: a slash outside"
                  " of strings; JSON has no comments");
    memset(text, ' ', LXE_JSON_MAX_LEN + 1);
    refused(text, "libxl_ext_operation_result from JSON: its length of"
                  " 1048577 bytes is above the bound of 1048576");
    free(text);
    refused("{\"backends\": [{\"name\": \"a\\\\\\u0000b\"}]}",
            "libxl_ext_operation_result from JSON: \\u0000 in a string,"
            " which cannot hold it");
}

static void what_only_looks_like_it_is_taken(void)
{
    libxl_ext_backend b;

    CU_ASSERT_EQUAL(libxl_ext_backend_from_json(&b,
        "{\"name\": \"a\\\\u0000//\","
        " \"why\": \"\\\"[[[[[[[[[[[[[[[[[[\"}",
        NULL), 0);
    CU_ASSERT_STRING_EQUAL(b.name, "a\\u0000//");
    CU_ASSERT_STRING_EQUAL(b.why, "\"[[[[[[[[[[[[[[[[[[");
    libxl_ext_backend_dispose(&b);
}

LXE_SUITE(json,
    { "the text is this", the_text_is_this },
    { "what is missing keeps its default",
      what_is_missing_keeps_its_default },
    { "what has no JSON is an error", what_has_no_json_is_an_error },
    { "what is no UTF-8 becomes question marks",
      what_is_no_utf8_becomes_question_marks },
    { "a bad element is named and what was read is freed",
      a_bad_element_is_named_and_what_was_read_is_freed },
    { "what is shown of a value is short and clean",
      what_is_shown_of_a_value_is_short_and_clean },
    { "a key is shown short and clean, too",
      a_key_is_shown_short_and_clean_too },
    { "texts that are no JSON are refused",
      texts_that_are_no_json_are_refused },
    { "cut at every byte it is refused", cut_at_every_byte_it_is_refused },
    { "what yajl must not be given", what_yajl_must_not_be_given },
    { "what only looks like it is taken",
      what_only_looks_like_it_is_taken })
