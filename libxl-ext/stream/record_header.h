/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How records stand in libxl's stream and in libxc's: u32 type, u32
 * length, the body, padded with zeroes to 8.
 */
#ifndef LXE_STREAM_RECORD_HEADER_H
#define LXE_STREAM_RECORD_HEADER_H

#include <stdint.h>

#define LXE_RHDR_LEN     8
#define LXE_REC_OPTIONAL 0x80000000U    /* may be passed over */

/* The bytes that a body of @length takes in the stream. */
static inline uint64_t lxe__rec_padded(uint32_t length)
{
    return ((uint64_t)length + 7) & ~7ULL;
}

#endif
