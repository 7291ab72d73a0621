/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What binds the memory record to its specification and to a domain.
 * Its encoder and decoder are generated from idl/; see
 * docs/memory-record.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/uuid.h"
#include "memory/record.h"

/*
 * The specification's numbers, written down a second time: an IDL that
 * moves a field of a released version does not compile.
 */
#define AT(field, offset)                                               \
    _Static_assert(LXE_RECORD_AT_##field == (offset), #field)
AT(version, 0);
AT(flags, 4);
AT(uuid, 8);
AT(max_pages, 24);
AT(tot_pages, 32);
AT(outstanding_pages, 40);
AT(shr_pages, 48);
AT(paged_pages, 56);
AT(target_kb, 64);
AT(static_max_kb, 72);
AT(stock_max_kb, 80);
_Static_assert(LXE_RECORD_WIRE_LEN == LXE_RECORD_LEN, "length");
_Static_assert(LXE_RECORD_WIRE_VERSION == LXE_RECORD_VERSION, "version");

int lxe__record_check_uuid(const struct lxe__record *r,
                           const uint8_t uuid[16], uint32_t domid,
                           uint64_t max_pages, bool *is_its_r,
                           struct lxe__err *err)
{
    uint64_t limit = lxe__pages_limit(r->max_pages, r->tot_pages);
    char theirs[LXE_UUID_TEXT], ours[LXE_UUID_TEXT];

    *is_its_r = !memcmp(r->uuid, uuid, sizeof(r->uuid));
    if (*is_its_r || limit <= max_pages)
        return 0;
    lxe__uuid_text(r->uuid, theirs);
    lxe__uuid_text(uuid, ours);
    return lxe__err_set(err, EPROTO, "memory record: uuid %s is not that"
                        " of domain %u, %s, and the guest may have %"PRIu64
                        " pages, %"PRIu64" are allowed: restore it with"
                        " uuid = \"%s\" in its configuration", theirs,
                        domid, ours, limit, max_pages, theirs);
}
