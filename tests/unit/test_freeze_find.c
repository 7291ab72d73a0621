/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is read of a guest's backends in xenstore (freeze/enumerate.c).
 */
#include "fake_xen.h"
#include "freeze/backends.h"
#include "unit.h"

static const struct lxe__policy policy = {
    .freeze = LXE_FREEZE_REQUIRE, .freeze_method = LXE_METHOD_AUTO,
};

static void set_up(void)
{
    fake_xen_on();
    fake_xen_node("domid", "0");
    fake_xen_node("/libxl/5/device/vbd/51712/backend",
                  "/local/domain/0/backend/vbd/5/51712");
    fake_xen_node("/libxl/5/device/vbd/51712/frontend",
                  "/local/domain/5/device/vbd/51712");
    fake_xen_node("/local/domain/0/backend/vbd/5/51712/state", "4");
}

/*
 * The connected disk is found, or cannot be frozen; it is not taken for
 * one that nothing has to be done about.
 */
static void a_read_that_fails_hides_no_backend(void)
{
    struct lxe__backends bs;
    unsigned nth = 0, reads = 0;

    do {
        set_up();
        fake_xen.failing_read = nth;
        if (!lxe__backends_find(&bs, NULL, 5, &policy, NULL)) {
            CU_ASSERT_EQUAL_FATAL(bs.nr, 1);
            CU_ASSERT_TRUE(bs.list[0].connected);
            CU_ASSERT_NOT_EQUAL(bs.list[0].verdict.act, LXE_ACT_NOTHING);
            lxe__backends_dispose(&bs);
        }
        if (!nth)
            reads = fake_xen.reads;
        fake_xen_off();
    } while (nth++ < reads);
    CU_ASSERT_TRUE(reads > 3);
}

LXE_SUITE(freeze_find,
    { "a read that fails hides no backend",
      a_read_that_fails_hides_no_backend })
