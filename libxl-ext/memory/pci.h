/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How many PCI devices are passed through to a domain.
 */
#ifndef LXE_MEMORY_PCI_H
#define LXE_MEMORY_PCI_H

#include <stdint.h>

struct xs_handle;

/* The directory that libxl keeps for them; the last is the domain's id. */
#define LXE_PCI_BACKEND "/local/domain/0/backend/pci/%u"

/*
 * Both -1 with errno where xenstore does not say.  The second gives the
 * domain in which the guest's QEMU runs, 0 if it has none of its own;
 * its devices are the guest's, and counted.
 */
int lxe__pci_devices(struct xs_handle *xsh, uint32_t domid,
                     unsigned *nr_r);
int lxe__pci_stub_domid(struct xs_handle *xsh, uint32_t domid,
                        uint32_t *stub_r);

#endif
