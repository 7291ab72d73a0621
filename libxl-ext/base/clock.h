/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The monotonic clock in microseconds, as the public types have it.
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

#endif
