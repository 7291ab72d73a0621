/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * progress
 *
 * Shows on standard error, as on a terminal, how far a big save and one
 * of which little is known are.
 */
#include <stdio.h>

#include "guest.h"

int main(void)
{
    struct guest g = { .tty = guest_progress_tty() };
    libxl_ext_progress p;

    libxl_ext_progress_init(&p);
    p.phase = LIBXL_EXT_PHASE_LAST_PASS;
    guest_progress(&p, &g);
    p.phase = LIBXL_EXT_PHASE_ACKNOWLEDGE;
    p.round = 29;
    p.total_pages = 1ULL << 32;
    p.done_pages = p.total_pages / 2;
    p.bytes = 1ULL << 44;
    p.elapsed_us = 100000000000;
    guest_progress(&p, &g);
    return 0;
}
