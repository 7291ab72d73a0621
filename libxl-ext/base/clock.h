/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The monotonic clock in microseconds, as the public types have it, and
 * in milliseconds, as waits and reports have it; a sleep; and the host's
 * uptime in seconds.
 */
#ifndef LXE_BASE_CLOCK_H
#define LXE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t lxe__now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

static inline double lxe__now_ms(void)
{
    return lxe__now_us() / 1e3;
}

/* Shorter where a signal comes. */
static inline void lxe__sleep_ms(double ms)
{
    struct timespec t = {
        .tv_sec = ms / 1000,
        .tv_nsec = (long)(ms * 1e6) % 1000000000L,
    };

    nanosleep(&t, NULL);
}

/* Since the boot, with the time that the host slept. */
static inline long lxe__uptime_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec;
}

#endif
