/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What this project must know of the libxc migration stream: its two
 * headers and the framing of its records.  Source of every fact here:
 * Xen's docs/specs/libxc-migration-stream.pandoc.  Pure code.
 *
 *   image header (24 bytes)  marker, id and version are big-endian
 *   domain header (16 bytes) in the byte order that options names
 *   records                  as in record_header.h
 */
#ifndef LXE_STREAM_LIBXC_FORMAT_H
#define LXE_STREAM_LIBXC_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/record_header.h"

#define LXE_LIBXC_IHDR_LEN   24
#define LXE_LIBXC_DHDR_LEN   16
#define LXE_LIBXC_HEADERS    (LXE_LIBXC_IHDR_LEN + LXE_LIBXC_DHDR_LEN)
#define LXE_LIBXC_PAGE_DATA_LEN 8 /* before the frames' entries */
#define LXE_LIBXC_REC_MAX    (128U << 20) /* libxc's REC_LENGTH_MAX */

#define LXE_LIBXC_ID         0x58454e46U /* "XENF" */

#define LXE_LIBXC_TYPE_PV    1U
#define LXE_LIBXC_TYPE_HVM   2U

/* Record types: number, name in the specification. */
#define LXE_LIBXC_RECS(X)                                               \
    X(0x00, END)                       X(0x01, PAGE_DATA)               \
    X(0x02, X86_PV_INFO)               X(0x03, X86_PV_P2M_FRAMES)       \
    X(0x04, X86_PV_VCPU_BASIC)         X(0x05, X86_PV_VCPU_EXTENDED)    \
    X(0x06, X86_PV_VCPU_XSAVE)         X(0x07, SHARED_INFO)             \
    X(0x08, X86_TSC_INFO)              X(0x09, HVM_CONTEXT)             \
    X(0x0a, HVM_PARAMS)                X(0x0b, TOOLSTACK)               \
    X(0x0c, X86_PV_VCPU_MSRS)          X(0x0d, VERIFY)                  \
    X(0x0e, CHECKPOINT)                                                 \
    X(0x0f, CHECKPOINT_DIRTY_PFN_LIST)                                  \
    X(0x10, STATIC_DATA_END)           X(0x11, X86_CPUID_POLICY)        \
    X(0x12, X86_MSR_POLICY)

enum lxe__libxc_rec {
#define X(number, name) LXE_LIBXC_REC_##name = (number),
    LXE_LIBXC_RECS(X)
#undef X
    LXE_LIBXC_NR_RECS
};

/* For sets of types. */
#define LXE_LIBXC_BIT(name) (1U << LXE_LIBXC_REC_##name)

struct lxe__libxc_headers {
    uint32_t version;           /* 2 or 3 */
    uint32_t type;              /* LXE_LIBXC_TYPE_* */
    uint32_t xen_major, xen_minor;
};

struct lxe__libxc_rhdr {
    uint32_t type;
    uint32_t length;            /* of the body, without its padding */
};

/*
 * Decodes the LXE_LIBXC_HEADERS bytes at @buf.  EPROTO and a line that
 * names field, value and bound where they are not headers that
 * libxenguest would take.
 */
int lxe__libxc_headers_decode(const void *buf,
                              struct lxe__libxc_headers *h,
                              struct lxe__err *err);

/* Decodes a record header; EPROTO where its length is out of bounds. */
int lxe__libxc_rhdr_decode(const void *buf, struct lxe__libxc_rhdr *rh,
                           struct lxe__err *err);

void lxe__libxc_rhdr_encode(const struct lxe__libxc_rhdr *rh, void *buf);

/* What the body of PAGE_DATA begins with, and the entry of a frame. */
void lxe__libxc_page_data_encode(uint32_t count, void *buf);
void lxe__libxc_page_encode(uint64_t pfn, unsigned int type, void *buf);

/* An entry: the frame's number, reserved bits, its type. */
#define LXE_LIBXC_PFN_MASK   ((1ULL << 52) - 1)

static inline uint64_t lxe__libxc_entry(uint64_t pfn, unsigned int type)
{
    return (uint64_t)type << 60 | pfn;
}

static inline unsigned int lxe__libxc_entry_type(uint64_t entry)
{
    return entry >> 60;
}

#endif
