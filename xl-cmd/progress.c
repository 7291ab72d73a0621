/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How far an operation is: a bar on a terminal, else a line for each
 * step, so that a log stays short.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest.h"

#define BAR_MIN 8
#define BAR_MAX 24

/* One that takes the line back on which the bar stands. */
bool guest_progress_tty(void)
{
    const char *term = getenv("TERM");

    return term && *term && strcmp(term, "dumb") && isatty(STDERR_FILENO);
}

/* Of a line that leaves the cursor in it. */
static int columns(void)
{
    struct winsize w;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || !w.ws_col)
        return 79;
    return w.ws_col - 1;
}

/* " [####....]" of at most @room columns, or nothing. */
static void make_bar(const libxl_ext_progress *p, int room, char *bar)
{
    int len = room - 3 > BAR_MAX ? BAR_MAX : room - 3;

    *bar = '\0';
    if (!p->total_pages || p->done_pages > p->total_pages || len < BAR_MIN)
        return;
    strcpy(bar, " [");
    memset(bar + 2, '.', len);
    memset(bar + 2, '#', p->done_pages * len / p->total_pages);
    strcpy(bar + 2 + len, "]");
}

/*
 * One line, however narrow the terminal: of a longer one the first part
 * would stay at each step.
 */
static void show_bar(const libxl_ext_progress *p)
{
    char line[200], rest[160], bar[BAR_MAX + 4];
    int width = columns(), at = 0, n;

    rest[0] = '\0';
    if (p->total_pages && p->done_pages <= p->total_pages)
        at = snprintf(rest, sizeof(rest), " %"PRIu64"/%"PRIu64" pages",
                      p->done_pages, p->total_pages);
    if (p->round)
        at += snprintf(rest + at, sizeof(rest) - at, ", round %"PRIu32,
                       p->round);
    snprintf(rest + at, sizeof(rest) - at, ", %.1f MiB, %.1f s",
             p->bytes / 1048576.0, p->elapsed_us / 1e6);
    n = snprintf(line, sizeof(line), "%-9s",
                 libxl_ext_phase_to_string(p->phase));
    make_bar(p, width - n - (int)strlen(rest), bar);
    snprintf(line + n, sizeof(line) - n, "%s%s", bar, rest);
    fprintf(stderr, "\r\033[K%.*s", width, line);
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
