/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public types against the code behind them: the same numbers, the
 * same words, the same defaults and bounds.  The API converts by a cast.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "freeze/backends.h"
#include "libxl_ext.h"
#include "memory/policy.h"
#include "unit.h"

#define SAME(public, private)                                           \
    _Static_assert((int)LIBXL_EXT_##public == (int)LXE_##private, #public)
SAME(MEMORY_BUMP_STRICT, BUMP_STRICT);
SAME(MEMORY_BUMP_BOUNDED, BUMP_BOUNDED);
SAME(MEMORY_BUMP_TRACK, BUMP_TRACK);
SAME(FREEZE_MODE_REQUIRE, FREEZE_REQUIRE);
SAME(FREEZE_MODE_TRY, FREEZE_TRY);
SAME(FREEZE_MODE_OFF, FREEZE_OFF);
SAME(FREEZE_METHOD_AUTO, METHOD_AUTO);
SAME(FREEZE_METHOD_PROVE, METHOD_PROVE);
SAME(FREEZE_METHOD_DETACH, METHOD_DETACH);
SAME(BACKEND_KIND_UNKNOWN, BK_UNKNOWN);
SAME(BACKEND_KIND_VBD, BK_VBD);
SAME(BACKEND_KIND_VIF, BK_VIF);
SAME(BACKEND_KIND_QDISK, BK_QDISK);
SAME(BACKEND_KIND_CONSOLE, BK_CONSOLE);
SAME(BACKEND_KIND_FB, BK_FB);
SAME(BACKEND_METHOD_NOTHING, ACT_NOTHING);
SAME(BACKEND_METHOD_MARK, ACT_MARK);
SAME(BACKEND_METHOD_PROVE, ACT_PROVE);
SAME(BACKEND_METHOD_LINK, ACT_LINK);
SAME(BACKEND_METHOD_DETACH, ACT_DETACH);
SAME(BACKEND_METHOD_UNFREEZABLE, ACT_UNFREEZABLE);

static void the_defaults_are_those_of_the_policy(void)
{
    libxl_ext_policy public;
    struct lxe__policy p;

    libxl_ext_policy_init(&public);
    lxe__policy_init(&p);
    CU_ASSERT_EQUAL((int)public.memory_bump, (int)p.memory_bump);
    CU_ASSERT_EQUAL(public.memory_bump_limit, p.memory_bump_limit);
    CU_ASSERT_EQUAL((int)public.freeze, (int)p.freeze);
    CU_ASSERT_EQUAL((int)public.freeze_method, (int)p.freeze_method);
    CU_ASSERT_EQUAL(public.freeze_timeout, p.freeze_timeout);
    CU_ASSERT_EQUAL(public.link_timeout, p.link_timeout);
    CU_ASSERT_EQUAL(public.claim, p.claim);
}

/* Reads one setting from a file of its own; 0 where it is taken. */
static int load(const char *key, const char *value, struct lxe__policy *p)
{
    char path[] = "/tmp/lxe-types-XXXXXX";
    struct lxe__err err;
    int fd = mkstemp(path), r;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT(dprintf(fd, "%s = %s\n", key, value) > 0);
    close(fd);
    lxe__err_init(&err);
    r = lxe__policy_load(p, path, NULL, &err);
    unlink(path);
    return r;
}

/* -1 where the policy file does not take @text as a value of @key. */
static int number(const char *key, const char *text)
{
    char quoted[32];
    struct lxe__policy p;
    int n = -1;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    snprintf(quoted, sizeof(quoted), "\"%s\"", text);
    if (!load(key, quoted, &p))
        n = !strcmp(key, "memory_bump") ? (int)p.memory_bump :
            !strcmp(key, "freeze") ? (int)p.freeze :
            (int)p.freeze_method;
    lxe__policy_dispose(&p);
    return n;
}

static void the_words_are_those_of_the_policy_file(void)
{
    int n;

    for (n = 0; n < 3; n++) {
        CU_ASSERT_EQUAL(number("memory_bump",
                               libxl_ext_memory_bump_to_string(n)), n);
        CU_ASSERT_EQUAL(number("freeze",
                               libxl_ext_freeze_mode_to_string(n)), n);
        CU_ASSERT_EQUAL(number("freeze_method",
                               libxl_ext_freeze_method_to_string(n)), n);
    }
}

/* What the file takes, JSON takes, and nothing else. */
static void the_bounds_are_those_of_the_policy_file(void)
{
    static const struct { const char *key, *value; int taken; } all[] = {
        { "memory_bump_limit", "0", 1 },
        { "memory_bump_limit", "1099511627776", 1 },
        { "memory_bump_limit", "1099511627777", 0 },
        { "freeze_timeout", "0", 0 }, { "freeze_timeout", "1", 1 },
        { "freeze_timeout", "600000", 1 },
        { "freeze_timeout", "600001", 0 },
        { "link_timeout", "0", 1 }, { "link_timeout", "600000", 1 },
        { "link_timeout", "600001", 0 },
    };
    struct lxe__policy p;
    libxl_ext_policy q;
    char json[64];
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        snprintf(json, sizeof(json), "{\"%s\": %s}", all[i].key,
                 all[i].value);
        CU_ASSERT_EQUAL(!load(all[i].key, all[i].value, &p),
                        all[i].taken);
        CU_ASSERT_EQUAL(!libxl_ext_policy_from_json(&q, json, NULL),
                        all[i].taken);
        lxe__policy_dispose(&p);
        libxl_ext_policy_dispose(&q);
    }
}

static void the_words_are_those_of_the_freeze(void)
{
    int n;

    for (n = 0; n <= LXE_ACT_UNFREEZABLE; n++)
        CU_ASSERT_STRING_EQUAL(libxl_ext_backend_method_to_string(n),
                               lxe__act_name(n));
    /* vfb and vkbd are one kind, which has a word of its own. */
    for (n = LXE_BK_UNKNOWN; n < LXE_BK_FB; n++)
        CU_ASSERT_EQUAL(
            (int)lxe__backend_kind(libxl_ext_backend_kind_to_string(n)),
            n);
    n = LXE_BK_PCI;
    CU_ASSERT_EQUAL(
        (int)lxe__backend_kind(libxl_ext_backend_kind_to_string(n)), n);
}

/* A reader that does not know a late field takes what does not need it. */
static void a_late_field_is_there_where_it_is_needed(void)
{
    libxl_ext_migrate_offer offer;
    char *json;

    libxl_ext_migrate_offer_init(&offer);
    json = libxl_ext_migrate_offer_to_json(&offer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    CU_ASSERT_PTR_NULL(strstr(json, "paused"));
    free(json);
    offer.paused = true;
    json = libxl_ext_migrate_offer_to_json(&offer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"paused\": true"));
    free(json);
    libxl_ext_migrate_offer_dispose(&offer);
}

LXE_SUITE(types,
    { "a late field is there where it is needed",
      a_late_field_is_there_where_it_is_needed },
    { "the defaults are those of the policy",
      the_defaults_are_those_of_the_policy },
    { "the words are those of the policy file",
      the_words_are_those_of_the_policy_file },
    { "the bounds are those of the policy file",
      the_bounds_are_those_of_the_policy_file },
    { "the words are those of the freeze",
      the_words_are_those_of_the_freeze })
