/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which guest can be saved while it runs, by what Xen says of itself.
 */
#include <errno.h>
#include <string.h>

#include "fake_xen.h"
#include "memory/live.h"
#include "unit.h"

/* As a host with these capabilities says it of a guest. */
static int judge(uint32_t capabilities, bool hvm, struct lxe__err *err)
{
    const struct lxe__limits l = { .domid = 5, .hvm = hvm };
    struct lxe__host h;
    xc_interface *xch;
    int r;

    fake_xen_on();
    fake_xen.host.capabilities = capabilities;
    lxe__err_init(err);
    xch = xc_interface_open(NULL, NULL, 0);
    r = lxe__host_read(xch, &h, err) ||
        lxe__live_judge("save", &l, &h, err) ? -1 : 0;
    xc_interface_close(xch);
    fake_xen_off();
    return r;
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
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "save: dom 5: a PV guest"));
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

LXE_SUITE(live,
    { "PV needs shadow paging", pv_needs_shadow_paging },
    { "others do not", others_do_not })
