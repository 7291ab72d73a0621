/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory record's body: the limits of a guest as they travel ahead
 * of its pages.  docs/memory-record.md is the specification; this
 * header and idl/libxl_ext_types_internal.idl mirror it.  Generated from
 * the latter are struct lxe__record, LXE_RECORD_F_*, and
 *
 *   lxe__record_encode()  writes LXE_RECORD_LEN bytes
 *   lxe__record_decode()  bytes in, a checked struct out: what can be
 *                         checked without a host or a domain
 *
 * whose contracts are in the generated header.
 */
#ifndef LXE_MEMORY_RECORD_H
#define LXE_MEMORY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "_libxl_ext_types_internal.h"

/* Record types of both carriers (bit 31: optional). */
#define LXE_RECORD_TYPE_MANDATORY 0x00004c58U
#define LXE_RECORD_TYPE_OPTIONAL  0x80004c58U

static inline bool lxe__is_memory_record(uint32_t type)
{
    return type == LXE_RECORD_TYPE_MANDATORY ||
           type == LXE_RECORD_TYPE_OPTIONAL;
}

#define LXE_RECORD_VERSION 1
#define LXE_RECORD_LEN     88   /* of version 1; see the specification */
#define LXE_RECORD_MAX_LEN 4096 /* a longer body is refused unread */

/* No x86 guest has more: 2^40 pages are 4 PiB. */
#define LXE_RECORD_MAX_PAGES (1ULL << 40)

/*
 * The limit that a guest needs while its pages come in.  Xen lets a
 * limit be set below what a guest has, and libxl does so when it balloons
 * one: such a guest has more than its limit until it has given pages
 * back.
 */
static inline uint64_t lxe__pages_limit(uint64_t max_pages,
                                        uint64_t tot_pages)
{
    return tot_pages > max_pages ? tot_pages : max_pages;
}

/*
 * Is the record of the domain with @uuid?  That of another is not used
 * and raises no limit: EPROTO where the guest may need more than the
 * @max_pages that libxl has set.  @domid is for the message only.
 */
int lxe__record_check_uuid(const struct lxe__record *r,
                           const uint8_t uuid[16], uint32_t domid,
                           uint64_t max_pages, bool *is_its_r,
                           struct lxe__err *err);

#endif
