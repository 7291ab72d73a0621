/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Letting a suspended domain run again, and taking back one that was sent
 * away.
 */
#ifndef LXE_BASE_RESUME_H
#define LXE_BASE_RESUME_H

#include <libxl.h>

/*
 * How the sender of a migration marks its guest before it permits the peer
 * to let it run: a suffix to its name, and libxl's userdata, which says
 * who the peer is.
 */
#define LXE_AWAY      "--migratedaway"
#define LXE_AWAY_PEER "libxl-ext-peer"

/*
 * libxl does it as after a save that failed: the device model goes on (QMP
 * cont), the domain returns from its suspend as cancelled, and xenstore is
 * updated.  0, or a code of libxl.
 */
int lxe__resume(libxl_ctx *ctx, uint32_t domid);

/*
 * Takes the mark, or what there is of it, off a domain that no peer may
 * run: since it runs here again, was not given yet, or was given back.
 */
void lxe__not_away(libxl_ctx *ctx, uint32_t domid);

#endif
