/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Little-endian integers in octets at any address.
 */
#ifndef LXE_BASE_LE_H
#define LXE_BASE_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t lxe__get_le32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return le32toh(v);
}

static inline uint64_t lxe__get_le64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return le64toh(v);
}

static inline void lxe__put_le32(uint8_t *at, uint32_t v)
{
    v = htole32(v);
    memcpy(at, &v, sizeof(v));
}

static inline void lxe__put_le64(uint8_t *at, uint64_t v)
{
    v = htole64(v);
    memcpy(at, &v, sizeof(v));
}

#endif
