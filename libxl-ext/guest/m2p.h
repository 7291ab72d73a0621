/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PV: from machine frame to the guest's own number of it.
 */
#ifndef LXE_GUEST_M2P_H
#define LXE_GUEST_M2P_H

#include <stddef.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "base/err.h"

#define LXE_NO_PFN UINT64_MAX

/*
 * Of the @nr machine frames at @mfns, which rise, what Xen's
 * machine-to-physical table says, in @pfns; LXE_NO_PFN where it has no
 * entry.  A guest writes that table itself: what it says is to be
 * checked.  0, or -1 with @err.
 */
int lxe__m2p_read(xc_interface *xch, xenforeignmemory_handle *fmem,
                  const uint64_t *mfns, size_t nr, uint64_t *pfns,
                  struct lxe__err *err);

#endif
