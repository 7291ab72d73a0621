/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Kinds of backends and the table of verdicts (freeze/backends.c).
 */
#include <string.h>

#include "freeze/backends.h"
#include "unit.h"

#define AUTO   LXE_METHOD_AUTO
#define PROVE  LXE_METHOD_PROVE
#define DETACH LXE_METHOD_DETACH

static struct lxe__verdict judge(enum lxe__bk_kind kind, bool local,
                                 enum lxe__freeze_method method)
{
    struct lxe__backend b = {
        .kind = kind, .local = local, .connected = true,
    };
    struct lxe__policy p = {
        .freeze = LXE_FREEZE_REQUIRE, .freeze_method = method,
    };

    return lxe__backend_judge(&b, &p);
}

static void is(struct lxe__verdict v, enum lxe__bk_act act,
               enum lxe__bk_act fallback)
{
    CU_ASSERT_EQUAL(v.act, act);
    CU_ASSERT_EQUAL(v.fallback, fallback);
}

static void refused(struct lxe__verdict v, const char *allow)
{
    CU_ASSERT_EQUAL(v.act, LXE_ACT_UNFREEZABLE);
    CU_ASSERT_PTR_NOT_NULL(v.why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(v.allow);
    CU_ASSERT_STRING_EQUAL(v.allow, allow);
}

static void parses_a_path(void)
{
    struct lxe__backend b;

    memset(&b, 0, sizeof(b));
    CU_ASSERT_TRUE_FATAL(lxe__backend_parse(
        "/local/domain/2/backend/vbd/3/51712", &b));
    CU_ASSERT_EQUAL(b.kind, LXE_BK_VBD);
    CU_ASSERT_EQUAL(b.backend_domid, 2);
    CU_ASSERT_EQUAL(b.domid, 3);
    CU_ASSERT_EQUAL(b.devid, 51712);
    CU_ASSERT_STRING_EQUAL(b.name, "vbd-3-51712");
}

static void kinds(void)
{
    CU_ASSERT_EQUAL(lxe__backend_kind("vif"), LXE_BK_VIF);
    CU_ASSERT_EQUAL(lxe__backend_kind("qdisk"), LXE_BK_QDISK);
    CU_ASSERT_EQUAL(lxe__backend_kind("console"), LXE_BK_CONSOLE);
    CU_ASSERT_EQUAL(lxe__backend_kind("vkbd"), LXE_BK_FB);
    CU_ASSERT_EQUAL(lxe__backend_kind("vbd3"), LXE_BK_UNKNOWN);
    CU_ASSERT_EQUAL(lxe__backend_kind("9pfs"), LXE_BK_UNKNOWN);
    CU_ASSERT_EQUAL(lxe__backend_kind(""), LXE_BK_UNKNOWN);
}

static void refuses_other_paths(void)
{
    static const char *const bad[] = {
        "", "/", "/local/domain/2/backend/vbd/3",
        "/local/domain/2/backend/vbd/3/51712/state",
        "/local/domain/2/backend/../3/51712",
        "/local/domain/2/backend//3/51712",
        "/local/domain/x/backend/vbd/3/51712",
        "/local/domain/2/backend/vbd/3/-1",
        "/local/domain/2/backend/vbd/3/4294967296",
        "/local/domain/2/backend/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/3/1",
        "/vm/1/backend/vbd/3/1",
    };
    struct lxe__backend b;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(lxe__backend_parse(bad[i], &b));
}

static void not_connected_needs_nothing(void)
{
    struct lxe__policy p = { .freeze = LXE_FREEZE_REQUIRE };
    struct lxe__backend b = { .kind = LXE_BK_UNKNOWN };

    is(lxe__backend_judge(&b, &p), LXE_ACT_NOTHING, LXE_ACT_NOTHING);
}

static void off_needs_nothing(void)
{
    struct lxe__policy p = { .freeze = LXE_FREEZE_OFF };
    struct lxe__backend b = { .kind = LXE_BK_UNKNOWN, .connected = true };

    is(lxe__backend_judge(&b, &p), LXE_ACT_NOTHING, LXE_ACT_NOTHING);
}

static void disk_of_the_kernel(void)
{
    is(judge(LXE_BK_VBD, true, AUTO), LXE_ACT_PROVE, LXE_ACT_DETACH);
    is(judge(LXE_BK_VBD, true, PROVE), LXE_ACT_PROVE,
       LXE_ACT_NOTHING);
    is(judge(LXE_BK_VBD, true, DETACH), LXE_ACT_DETACH,
       LXE_ACT_NOTHING);
}

static void card_of_the_kernel(void)
{
    is(judge(LXE_BK_VIF, true, AUTO), LXE_ACT_LINK, LXE_ACT_DETACH);
    is(judge(LXE_BK_VIF, true, PROVE), LXE_ACT_LINK,
       LXE_ACT_NOTHING);
    is(judge(LXE_BK_VIF, true, DETACH), LXE_ACT_DETACH,
       LXE_ACT_NOTHING);
}

static void disk_of_qemu(void)
{
    is(judge(LXE_BK_QDISK, true, AUTO), LXE_ACT_PROVE,
       LXE_ACT_NOTHING);
    is(judge(LXE_BK_QDISK, true, PROVE), LXE_ACT_PROVE,
       LXE_ACT_NOTHING);
    refused(judge(LXE_BK_QDISK, true, DETACH),
            "freeze_method = auto");
}

static void of_a_driver_domain(void)
{
    is(judge(LXE_BK_VBD, false, AUTO), LXE_ACT_PROVE,
       LXE_ACT_NOTHING);
    is(judge(LXE_BK_VIF, false, AUTO), LXE_ACT_PROVE,
       LXE_ACT_NOTHING);
    refused(judge(LXE_BK_VBD, false, DETACH),
            "freeze_method = auto");
    refused(judge(LXE_BK_VIF, false, DETACH),
            "freeze_method = auto");
}

static void without_requests(void)
{
    int m;

    for (m = AUTO; m <= DETACH; m++) {
        is(judge(LXE_BK_CONSOLE, true, m), LXE_ACT_MARK,
           LXE_ACT_NOTHING);
        is(judge(LXE_BK_FB, true, m), LXE_ACT_MARK,
           LXE_ACT_NOTHING);
        refused(judge(LXE_BK_PCI, true, m), "freeze = try");
        refused(judge(LXE_BK_USB, true, m), "freeze = try");
        refused(judge(LXE_BK_UNKNOWN, true, m), "freeze = try");
    }
}

LXE_SUITE(freeze_backends,
    { "parses a path", parses_a_path },
    { "kinds", kinds },
    { "refuses other paths", refuses_other_paths },
    { "not connected needs nothing", not_connected_needs_nothing },
    { "off needs nothing", off_needs_nothing },
    { "disk of the kernel", disk_of_the_kernel },
    { "card of the kernel", card_of_the_kernel },
    { "disk of QEMU", disk_of_qemu },
    { "of a driver domain", of_a_driver_domain },
    { "without requests", without_requests })
