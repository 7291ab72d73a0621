/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How many PCI devices are passed through to a domain; see pci.h.
 *
 * libxl keeps them as one backend, of domain 0 and with the devid 0, which
 * only it writes.  Since 4.15 it no longer lists that below
 * /libxl/DOMID/device, and of HVM the state never says more than that it
 * was made: the number of devices is all that tells.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenstore.h>

#include "memory/pci.h"

int lxe__pci_devices(struct xs_handle *xsh, uint32_t domid,
                     unsigned *nr_r)
{
    char path[80], *text, *end;
    unsigned long nr;

    *nr_r = 0;
    snprintf(path, sizeof(path), LXE_PCI_BACKEND "/0/num_devs", domid);
    text = xs_read(xsh, XBT_NULL, path, NULL);
    if (!text)
        return errno == ENOENT ? 0 : -1;
    nr = strtoul(text, &end, 10);
    /* What makes no sense was written for a device all the same. */
    if (end == text || *end || nr > UINT16_MAX)
        nr = 1;
    *nr_r = nr;
    free(text);
    return 0;
}
