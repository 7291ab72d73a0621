/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whether a domain can be saved while it runs; see live.h.  Xen itself
 * would refuse it only after the first records of the stream, with no more
 * than an error number.
 */
#include <errno.h>
#include <string.h>

#include "memory/live.h"
#include "memory/pci.h"

/* Xen asks for that alone, whatever is done about the backends. */
static int judge_pci(const char *op, struct xs_handle *xsh, uint32_t domid,
                     struct lxe__err *err)
{
    unsigned nr;

    if (lxe__pci_devices(xsh, domid, &nr))
        return lxe__err_set(err, errno, "%s: domain %u: cannot read"
                            " whether a PCI device is passed through to"
                            " it: %s", op, domid, strerror(errno));
    if (!nr)
        return 0;
    return lxe__err_set(err, EOPNOTSUPP, "%s: domain %u: %u PCI device%s"
                        " passed through to it, and Xen cannot see what"
                        " such a device changes: it cannot be saved or"
                        " migrated while it runs, whatever freeze says:"
                        " detach first (xl pci-detach)", op, domid, nr,
                        nr == 1 ? " is" : "s are");
}

int lxe__live_judge(const char *op, struct xs_handle *xsh,
                    const struct lxe__limits *l,
                    const struct lxe__host *h, struct lxe__err *err)
{
    if (!l->hvm && !h->shadow)
        return lxe__err_set(err, EOPNOTSUPP, "%s: domain %u: a PV guest"
                            " cannot be saved or migrated while it runs"
                            " here: this Xen is built without shadow"
                            " paging (CONFIG_SHADOW_PAGING), by which it"
                            " would see what the guest changes: save it"
                            " without live, and restore that image", op,
                            l->domid);
    return judge_pci(op, xsh, l->domid, err);
}
