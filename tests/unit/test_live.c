/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which guest can be saved while it runs, by what Xen says of itself.
 */
#include <errno.h>
#include <string.h>

#include "fake_xen.h"
#include "memory/live.h"
#include "unit.h"

/*
 * As a host with these capabilities says it of a guest.  @pci: so many
 * devices are passed through; behind an s, by way of a stub domain.
 */
static int judge_with(uint32_t capabilities, bool hvm, const char *pci,
                      unsigned failing_read, struct lxe__err *err)
{
    const struct lxe__limits l = { .domid = 5, .hvm = hvm };
    struct lxe__host h;
    xc_interface *xch;
    int r;

    fake_xen_on();
    fake_xen.host.capabilities = capabilities;
    fake_xen.failing_read = failing_read;
    if (pci && *pci == 's') {
        fake_xen_node("/local/domain/5/image/device-model-domid", "7");
        fake_xen_node("/local/domain/0/backend/pci/7/0/num_devs", pci + 1);
    } else if (pci) {
        fake_xen_node("/local/domain/0/backend/pci/5/0/num_devs", pci);
    }
    lxe__err_init(err);
    xch = xc_interface_open(NULL, NULL, 0);
    r = lxe__host_read(xch, &h, err) ||
        lxe__live_judge("save", NULL, &l, &h, err) ? -1 : 0;
    xc_interface_close(xch);
    fake_xen_off();
    return r;
}

static int judge(uint32_t capabilities, bool hvm, struct lxe__err *err)
{
    return judge_with(capabilities, hvm, NULL, 0, err);
}

#define ALL_BUT_SHADOW \
    (XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_pv | \
     XEN_SYSCTL_PHYSCAP_hap)

static void pv_needs_shadow_paging(void)
{
    struct lxe__err err;

    CU_ASSERT_EQUAL(judge(XEN_SYSCTL_PHYSCAP_shadow, false, &err), 0);
    CU_ASSERT_EQUAL(judge(ALL_BUT_SHADOW, false, &err), -1);
    CU_ASSERT_EQUAL(err.code, EOPNOTSUPP);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "save: domain 5: a PV guest"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "CONFIG_SHADOW_PAGING"));
    /* Not cut short: what to do comes last. */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "restore that image"));
}

static void others_do_not(void)
{
    struct lxe__err err;

    CU_ASSERT_EQUAL(judge(XEN_SYSCTL_PHYSCAP_shadow, true, &err), 0);
    CU_ASSERT_EQUAL(judge(ALL_BUT_SHADOW, true, &err), 0);
}

static void what_is_passed_through_writes_unseen(void)
{
    struct lxe__err err;
    unsigned i;

    CU_ASSERT_EQUAL(judge_with(ALL_BUT_SHADOW, true, "2", 0, &err), -1);
    CU_ASSERT_EQUAL(err.code, EOPNOTSUPP);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "save: domain 5: 2 PCI devices"
                                  " are passed through"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "xl pci-detach"));
    CU_ASSERT_EQUAL(judge_with(XEN_SYSCTL_PHYSCAP_shadow, false, "1", 0,
                               &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "1 PCI device is passed"));
    CU_ASSERT_EQUAL(judge_with(ALL_BUT_SHADOW, true, "x", 0, &err), -1);
    /* All have been detached. */
    CU_ASSERT_EQUAL(judge_with(ALL_BUT_SHADOW, true, "0", 0, &err), 0);
    CU_ASSERT_EQUAL(judge_with(ALL_BUT_SHADOW, true, "s3", 0, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "3 PCI devices"));
    CU_ASSERT_EQUAL(judge_with(ALL_BUT_SHADOW, true, "s0", 0, &err), 0);
    for (i = 1; i < 4; i++) {
        CU_ASSERT_EQUAL(judge_with(ALL_BUT_SHADOW, true, "s0", i, &err),
                        -1);
        CU_ASSERT_EQUAL(err.code, EAGAIN);
    }
}

LXE_SUITE(live,
    { "what is passed through writes unseen",
      what_is_passed_through_writes_unseen },
    { "PV needs shadow paging", pv_needs_shadow_paging },
    { "others do not", others_do_not })
