/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is read of a guest's backends in xenstore (freeze/enumerate.c).
 */
#include <string.h>

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

#define PCI_BACK  "/local/domain/0/backend/pci/5/0"
#define PCI_FRONT "/local/domain/5/device/pci/0"

/* As libxl 4.15 and newer leave it, with one more of 4.14. */
static void set_up_pci(const char *num_devs, const char *state,
                       bool listed)
{
    set_up();
    fake_xen_node(PCI_BACK "/num_devs", num_devs);
    fake_xen_node(PCI_BACK "/state", state);
    if (!listed)
        return;
    fake_xen_node("/libxl/5/device/pci/0/backend", PCI_BACK);
    fake_xen_node("/libxl/5/device/pci/0/frontend", PCI_FRONT);
}

/* Of HVM the state stays as libxl wrote it, and the device does DMA. */
static void what_is_passed_through_is_found(void)
{
    static const char *const states[] = { "1", "4", "7" };
    struct lxe__backends bs;
    const struct lxe__backend *b;
    unsigned i;

    for (i = 0; i < 6; i++) {
        set_up_pci(i % 2 ? "1" : "2", states[i / 2], i % 2);
        CU_ASSERT_EQUAL_FATAL(
            lxe__backends_find(&bs, NULL, 5, &policy, NULL), 0);
        CU_ASSERT_EQUAL_FATAL(bs.nr, 2);
        b = &bs.list[1];
        CU_ASSERT_EQUAL(b->kind, LXE_BK_PCI);
        CU_ASSERT_TRUE(b->connected && b->local);
        CU_ASSERT_STRING_EQUAL(b->name, "pci-5-0");
        CU_ASSERT_STRING_EQUAL(b->fe_path, PCI_FRONT);
        CU_ASSERT_EQUAL(b->verdict.act, LXE_ACT_UNFREEZABLE);
        CU_ASSERT_PTR_NOT_NULL_FATAL(b->verdict.why);
        CU_ASSERT_PTR_NOT_NULL(strstr(b->verdict.why, "xl pci-detach"));
        lxe__backends_dispose(&bs);
        fake_xen_off();
    }
}

/* libxl lists it for the domain of its QEMU, and no other. */
static void what_a_stub_domain_passes_through_is_found(void)
{
    struct lxe__backends bs;

    set_up();
    fake_xen_node("/local/domain/5/image/device-model-domid", "7");
    fake_xen_node("/local/domain/0/backend/pci/7/0/num_devs", "1");
    CU_ASSERT_EQUAL_FATAL(lxe__backends_find(&bs, NULL, 5, &policy, NULL),
                          0);
    CU_ASSERT_EQUAL_FATAL(bs.nr, 2);
    CU_ASSERT_STRING_EQUAL(bs.list[1].name, "pci-5-0");
    CU_ASSERT_EQUAL(bs.list[1].verdict.act, LXE_ACT_UNFREEZABLE);
    lxe__backends_dispose(&bs);
    fake_xen_off();
}

static void what_was_passed_through_is_not(void)
{
    struct lxe__backends bs;
    unsigned i;

    for (i = 0; i < 2; i++) {
        set_up_pci("0", "4", i);
        CU_ASSERT_EQUAL_FATAL(
            lxe__backends_find(&bs, NULL, 5, &policy, NULL), 0);
        CU_ASSERT_EQUAL(bs.nr, 1);
        lxe__backends_dispose(&bs);
        fake_xen_off();
    }
}

/* It has neither a backend nor a frontend, and is no riddle for that. */
static void usb_by_qemu_is_known(void)
{
    struct lxe__backends bs;
    const struct lxe__backend *b;

    set_up();
    fake_xen_node("/libxl/5/device/vusb/0/type", "devicemodel");
    fake_xen_node("/libxl/5/device/vusb/0/usb-ver", "2");
    fake_xen_node("/libxl/5/device/vusb/0/port/1", "");
    fake_xen_node("/libxl/5/device/vusb/1/type", "pv");
    CU_ASSERT_EQUAL_FATAL(lxe__backends_find(&bs, NULL, 5, &policy, NULL),
                          0);
    CU_ASSERT_EQUAL_FATAL(bs.nr, 3);
    b = &bs.list[1];
    CU_ASSERT_EQUAL(b->kind, LXE_BK_USB);
    CU_ASSERT_STRING_EQUAL(b->name, "vusb-5-0");
    CU_ASSERT_EQUAL(b->verdict.act, LXE_ACT_UNFREEZABLE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->verdict.why);
    CU_ASSERT_PTR_NOT_NULL(strstr(b->verdict.why, "xl usbctrl-detach"));
    CU_ASSERT_EQUAL(bs.list[2].kind, LXE_BK_UNKNOWN);
    lxe__backends_dispose(&bs);
    fake_xen_off();
}

LXE_SUITE(freeze_find,
    { "USB by QEMU is known", usb_by_qemu_is_known },
    { "what is passed through is found", what_is_passed_through_is_found },
    { "what a stub domain passes through is found",
      what_a_stub_domain_passes_through_is_found },
    { "what was passed through is not", what_was_passed_through_is_not },
    { "a read that fails hides no backend",
      a_read_that_fails_hides_no_backend })
