/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The policy's verdict, at each bound and one page above it.
 */
#include <errno.h>
#include <string.h>

#include "memory/policy.h"
#include "unit.h"

#define HOST 1000000ULL
#define STOCK_KB 164864ULL      /* 41216 pages */

static int judge(const struct lxe__policy *p, uint64_t max_pages,
                 struct lxe__err *err)
{
    lxe__err_init(err);
    return lxe__policy_judge(p, "save", "web", max_pages, 41000, STOCK_KB,
                             HOST, err);
}

static void strict_allows_what_stock_sets_and_no_more(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    lxe__policy_init(&p);
    p.memory_bump = LXE_BUMP_STRICT;
    CU_ASSERT_EQUAL(judge(&p, 41216, &err), 0);
    CU_ASSERT_EQUAL(judge(&p, 41217, &err), -1);
    CU_ASSERT_EQUAL(errno, EPERM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "strict allows 0 KiB"));
}

static void bounded_allows_up_to_its_limit(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    lxe__policy_init(&p);
    p.memory_bump_limit = 8192;
    CU_ASSERT_EQUAL(judge(&p, 41216 + 2048, &err), 0);
    CU_ASSERT_EQUAL(judge(&p, 41216 + 2049, &err), -1);
    /* Which limit, by how much, and which setting would allow it. */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "max_pages 43265"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "2049 pages (8196 KiB)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "41216"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "memory_bump_limit=8196"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "\"web\""));
    CU_ASSERT_PTR_NULL(strchr(err.msg, '\n'));
}

static void pages_above_the_limit_are_judged_like_a_limit(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    lxe__policy_init(&p);
    p.memory_bump_limit = 8192;
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_judge(&p, "save", "web", 30000, 41216 +
                                      2048, STOCK_KB, HOST, &err), 0);
    CU_ASSERT_EQUAL(lxe__policy_judge(&p, "save", "web", 30000, 41216 +
                                      2049, STOCK_KB, HOST, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "tot_pages 43265"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "wait until the guest"));
    lxe__err_init(&err);
    p.memory_bump = LXE_BUMP_TRACK;
    CU_ASSERT_EQUAL(lxe__policy_judge(&p, "save", "web", 30000, HOST + 1,
                                      STOCK_KB, HOST, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "tot_pages 1000001"));
}

/* xl mem-max: no page is in use above what stock libxl would set. */
static void a_limit_alone_can_be_put_back(void)
{
    struct lxe__policy p;
    struct lxe__err err;
    size_t len;

    lxe__policy_init(&p);
    p.memory_bump_limit = 8192;
    /* 160 MiB and libxl's constant are the 41216 pages. */
    CU_ASSERT_EQUAL(judge(&p, 41216 + 2049, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, ", or put the limit back: xl"
                                  " mem-max web 160"));
    len = strlen(err.msg);
    CU_ASSERT_STRING_EQUAL(err.msg + len - 4, " 160");
    CU_ASSERT_EQUAL(judge(&p, HOST + 1, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "in all: put the limit back: xl"
                                  " mem-max web 160"));
    /* To the KiB: less than its target libxl refuses. */
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_judge(&p, "save", "web", 60000, 41217,
                                      STOCK_KB + 4, HOST, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "xl mem-max web 163844k"));
}

static void pages_above_the_limit_cannot_be_put_back(void)
{
    static const char *const others[] = { "restore", "receive", "limit" };
    struct lxe__policy p;
    struct lxe__err err;
    size_t i;

    lxe__policy_init(&p);
    p.memory_bump_limit = 8192;
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_judge(&p, "save", "web", 60000, 41217,
                                      STOCK_KB, HOST, &err), -1);
    CU_ASSERT_PTR_NULL(strstr(err.msg, "mem-max"));
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_judge(&p, "save", "web", HOST + 1, 41217,
                                      STOCK_KB, HOST, &err), -1);
    CU_ASSERT_PTR_NULL(strstr(err.msg, "mem-max"));
    /* Nor is there a guest that has it. */
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        lxe__err_init(&err);
        CU_ASSERT_EQUAL(lxe__policy_judge(&p, others[i], "web", 60000,
                                          41000, STOCK_KB, HOST, &err),
                        -1);
        CU_ASSERT_PTR_NULL(strstr(err.msg, "mem-max"));
    }
}

static void no_mode_allows_more_than_the_host_has(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    lxe__policy_init(&p);
    p.memory_bump = LXE_BUMP_TRACK;
    CU_ASSERT_EQUAL(judge(&p, HOST, &err), 0);
    CU_ASSERT_EQUAL(judge(&p, HOST + 1, &err), -1);
    CU_ASSERT_EQUAL(errno, ERANGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "1000001"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "1000000"));
}

static void no_mode_allows_nothing_or_everything(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    lxe__policy_init(&p);
    p.memory_bump = LXE_BUMP_TRACK;
    CU_ASSERT_EQUAL(judge(&p, 0, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "max_pages is 0"));
    CU_ASSERT_EQUAL(judge(&p, UINT64_MAX, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "all ones"));
}

static void the_defaults_are_those_of_the_document(void)
{
    struct lxe__policy p;

    lxe__policy_init(&p);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_BOUNDED);
    CU_ASSERT_EQUAL(p.memory_bump_limit, 65536);
    CU_ASSERT_EQUAL(p.freeze, LXE_FREEZE_REQUIRE);
    CU_ASSERT_EQUAL(p.freeze_method, LXE_METHOD_AUTO);
    CU_ASSERT_EQUAL(p.freeze_timeout, 10000);
    CU_ASSERT_TRUE(p.claim);
}

static void one_that_was_not_read_allows_no_raise(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    lxe__policy_init(&p);
    p.memory_bump = LXE_BUMP_TRACK;
    lxe__err_set(&p.unread, EINVAL, "policy file x: line 3: unknown key");
    CU_ASSERT_EQUAL(judge(&p, 41216, &err), 0);
    CU_ASSERT_EQUAL(judge(&p, 41217, &err), -1);
    CU_ASSERT_EQUAL(errno, EPERM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "1 pages (4 KiB)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "no raise is allowed: policy"
                                  " file x: line 3: unknown key"));
    CU_ASSERT_PTR_NULL(strstr(err.msg, "memory_bump"));
}

LXE_SUITE(policy,
    { "one that was not read allows no raise",
      one_that_was_not_read_allows_no_raise },
    { "strict allows what stock sets and no more",
      strict_allows_what_stock_sets_and_no_more },
    { "bounded allows up to its limit", bounded_allows_up_to_its_limit },
    { "pages above the limit are judged like a limit",
      pages_above_the_limit_are_judged_like_a_limit },
    { "a limit alone can be put back", a_limit_alone_can_be_put_back },
    { "pages above the limit cannot be put back",
      pages_above_the_limit_cannot_be_put_back },
    { "no mode allows more than the host has",
      no_mode_allows_more_than_the_host_has },
    { "no mode allows nothing or everything",
      no_mode_allows_nothing_or_everything },
    { "the defaults are those of the document",
      the_defaults_are_those_of_the_document })
