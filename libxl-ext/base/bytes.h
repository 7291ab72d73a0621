/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Integers in bytes at any address: big-endian where @big, else
 * little-endian.
 */
#ifndef LXE_BASE_BYTES_H
#define LXE_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t lxe__get16(const uint8_t *at, bool big)
{
    uint16_t v;

    memcpy(&v, at, sizeof(v));
    return big ? be16toh(v) : le16toh(v);
}

static inline uint32_t lxe__get32(const uint8_t *at, bool big)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return big ? be32toh(v) : le32toh(v);
}

static inline uint64_t lxe__get64(const uint8_t *at, bool big)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return big ? be64toh(v) : le64toh(v);
}

static inline void lxe__put32(uint8_t *at, uint32_t v, bool big)
{
    v = big ? htobe32(v) : htole32(v);
    memcpy(at, &v, sizeof(v));
}

static inline void lxe__put64(uint8_t *at, uint64_t v, bool big)
{
    v = big ? htobe64(v) : htole64(v);
    memcpy(at, &v, sizeof(v));
}

static inline uint32_t lxe__get_le32(const uint8_t *at)
{
    return lxe__get32(at, false);
}

static inline uint64_t lxe__get_le64(const uint8_t *at)
{
    return lxe__get64(at, false);
}

static inline void lxe__put_le32(uint8_t *at, uint32_t v)
{
    lxe__put32(at, v, false);
}

static inline void lxe__put_le64(uint8_t *at, uint64_t v)
{
    lxe__put64(at, v, false);
}

#endif
