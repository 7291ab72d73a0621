/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How far an operation is: a bar on a terminal, else a line for each
 * step, so that a log stays short.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"

#define BAR 24

static void show_bar(const libxl_ext_progress *p)
{
    char bar[BAR + 1];
    unsigned filled;

    fprintf(stderr, "\r\033[K%-9s", libxl_ext_phase_to_string(p->phase));
    if (p->total_pages && p->done_pages <= p->total_pages) {
        filled = p->done_pages * BAR / p->total_pages;
        memset(bar, '.', BAR);
        memset(bar, '#', filled);
        bar[BAR] = '\0';
        fprintf(stderr, " [%s] %"PRIu64"/%"PRIu64" pages", bar,
                p->done_pages, p->total_pages);
    }
    if (p->round)
        fprintf(stderr, ", round %"PRIu32, p->round);
    fprintf(stderr, ", %.1f MiB, %.1f s", p->bytes / 1048576.0,
            p->elapsed_us / 1e6);
    fflush(stderr);
}

void guest_progress(const libxl_ext_progress *p, void *guest)
{
    struct guest *g = guest;
    bool new_step = p->phase != g->phase;

    g->phase = p->phase;
    if (g->json)
        return;
    if (g->tty)
        show_bar(p);
    else if (new_step)
        fprintf(stderr, "%s, %.1f MiB, %.1f s\n",
                libxl_ext_phase_to_string(p->phase), p->bytes / 1048576.0,
                p->elapsed_us / 1e6);
}

void guest_progress_end(struct guest *g)
{
    if (g->tty && g->phase != LIBXL_EXT_PHASE_NONE && !g->json)
        fputs("\r\033[K", stderr);
    g->phase = LIBXL_EXT_PHASE_NONE;
}
