/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Switching Xen's log-dirty mode off, as libxenguest does at the end of
 * each save, however that ends: a helper that was killed did not come to
 * it, and the guest goes on slower with it.
 */
#include <errno.h>
#include <string.h>
#include <xenctrl.h>

#include "_config.h"
#include "freeze/mark.h"

#ifdef LXE_HAVE_LOGDIRTY_CONTROL
#define shadow_off(xch, domid) \
    xc_shadow_control(xch, domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0)
#else
#define shadow_off(xch, domid) \
    xc_shadow_control(xch, domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, \
                      NULL, 0, NULL)
#endif

int lxe__logdirty_off(xc_interface *xch, uint32_t domid,
                      struct lxe__err *err)
{
    if (shadow_off(xch, domid) >= 0)
        return 0;
    return lxe__err_set(err, errno, "log-dirty mode of domain %u cannot be"
                        " switched off: %s; it runs slower until its next"
                        " save", domid, strerror(errno));
}
