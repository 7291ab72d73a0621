/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How many PCI devices are passed through to a domain; see pci.h.
 *
 * libxl keeps them as one backend, of domain 0 and with the devid 0, which
 * only it writes.  Since 4.15 it no longer lists that below
 * /libxl/DOMID/device, and of HVM the state never says more than that it
 * was made: the number of devices is all that tells.
 *
 * Where QEMU has a domain of its own (a stub domain) libxl keeps them as
 * that domain's (pci_add_dm_done() of its libxl_pci.c), and gives the
 * device to the guest in Xen all the same.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <xen/xen.h>
#include <xenstore.h>

#include "memory/pci.h"

/* As libxl_get_stubdom_id() has it. */
int lxe__pci_stub_domid(struct xs_handle *xsh, uint32_t domid,
                        uint32_t *stub_r)
{
    char path[64], *text, *end;
    unsigned long id;

    *stub_r = 0;
    snprintf(path, sizeof(path),
             "/local/domain/%u/image/device-model-domid", domid);
    text = xs_read(xsh, XBT_NULL, path, NULL);
    if (!text)
        return errno == ENOENT ? 0 : -1;
    id = strtoul(text, &end, 10);
    if (end != text && !*end && id < DOMID_FIRST_RESERVED)
        *stub_r = id;
    free(text);
    return 0;
}

static int count(struct xs_handle *xsh, uint32_t domid, unsigned *nr_r)
{
    char path[80], *text, *end;
    unsigned long nr;

    snprintf(path, sizeof(path), LXE_PCI_BACKEND "/0/num_devs", domid);
    text = xs_read(xsh, XBT_NULL, path, NULL);
    if (!text)
        return errno == ENOENT ? 0 : -1;
    nr = strtoul(text, &end, 10);
    /* What makes no sense was written for a device all the same. */
    if (end == text || *end || nr > UINT16_MAX)
        nr = 1;
    *nr_r += nr;
    free(text);
    return 0;
}

int lxe__pci_devices(struct xs_handle *xsh, uint32_t domid,
                     unsigned *nr_r)
{
    uint32_t stub;

    *nr_r = 0;
    if (count(xsh, domid, nr_r) || lxe__pci_stub_domid(xsh, domid, &stub))
        return -1;
    return stub ? count(xsh, stub, nr_r) : 0;
}
