/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A word to stop, set by a signal handler or by another thread, and seen
 * by code that polls.
 */
#ifndef LXE_BASE_STOP_H
#define LXE_BASE_STOP_H

#include <signal.h>
#include <stdbool.h>

#define LXE_LOOK_MS 20      /* how late a word to stop is seen */

/* Is a wait to end?  @stop may be NULL. */
static inline bool
lxe__told_to_stop(const volatile sig_atomic_t *stop)
{
    return stop && *stop;
}

#endif
