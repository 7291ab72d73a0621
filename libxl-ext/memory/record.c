/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory record's body, to bytes and back; see
 * docs/memory-record.md.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/uuid.h"
#include "memory/record.h"

/* The body as it stands in a stream: little-endian, no padding. */
struct wire {
    uint32_t version;
    uint32_t flags;
    uint8_t uuid[16];
    uint64_t max_pages;
    uint64_t tot_pages;
    uint64_t outstanding_pages;
    uint64_t shr_pages;
    uint64_t paged_pages;
    uint64_t target_kb;
    uint64_t static_max_kb;
    uint64_t stock_max_kb;
};

#define AT(field, offset)                                               \
    _Static_assert(offsetof(struct wire, field) == (offset), #field)
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
_Static_assert(sizeof(struct wire) == LXE_RECORD_LEN, "length");

#define FLAGS_KNOWN (LXE_RECORD_F_HVM | LXE_RECORD_F_RAISED)

void lxe__record_encode(const struct lxe__record *r, void *buf)
{
    struct wire w = {
        .version = htole32(r->version),
        .flags = htole32(r->flags),
        .max_pages = htole64(r->max_pages),
        .tot_pages = htole64(r->tot_pages),
        .outstanding_pages = htole64(r->outstanding_pages),
        .shr_pages = htole64(r->shr_pages),
        .paged_pages = htole64(r->paged_pages),
        .target_kb = htole64(r->target_kb),
        .static_max_kb = htole64(r->static_max_kb),
        .stock_max_kb = htole64(r->stock_max_kb),
    };

    memcpy(w.uuid, r->uuid, sizeof(w.uuid));
    memcpy(buf, &w, sizeof(w));
}

static int check_limits(const struct lxe__record *r, struct lxe__err *err)
{
    const struct {
        const char *name;
        uint64_t value, bound;
    } counts[] = {
        { "tot_pages", r->tot_pages, LXE_RECORD_MAX_PAGES },
        { "outstanding_pages", r->outstanding_pages,
          LXE_RECORD_MAX_PAGES },
        { "shr_pages", r->shr_pages, LXE_RECORD_MAX_PAGES },
        { "paged_pages", r->paged_pages, LXE_RECORD_MAX_PAGES },
        { "target_kb", r->target_kb, LXE_RECORD_MAX_PAGES * 4 },
        { "static_max_kb", r->static_max_kb, LXE_RECORD_MAX_PAGES * 4 },
        { "stock_max_kb", r->stock_max_kb, LXE_RECORD_MAX_PAGES * 4 },
    };
    size_t i;

    if (!r->max_pages)
        return lxe__err_set(err, EPROTO, "memory record: max_pages is 0,"
                            " at least 1 is needed: the record is damaged");
    if (r->max_pages == UINT64_MAX)
        return lxe__err_set(err, EPROTO, "memory record: max_pages is all"
                            " ones, which would be no limit; at most %"
                            PRIu64" is taken: the record is damaged",
                            (uint64_t)LXE_RECORD_MAX_PAGES);
    if (r->max_pages > LXE_RECORD_MAX_PAGES)
        return lxe__err_set(err, EPROTO, "memory record: max_pages %"PRIu64
                            " is above the bound of %"PRIu64": the record"
                            " is damaged", r->max_pages,
                            (uint64_t)LXE_RECORD_MAX_PAGES);
    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        if (counts[i].value > counts[i].bound)
            return lxe__err_set(err, EPROTO, "memory record: %s %"PRIu64
                                " is above the bound of %"PRIu64": the"
                                " record is damaged", counts[i].name,
                                counts[i].value, counts[i].bound);
    return 0;
}

int lxe__record_decode(const void *buf, size_t len, struct lxe__record *r,
                       struct lxe__err *err)
{
    struct lxe__record got;
    struct wire w;
    uint32_t version;

    if (len < sizeof(version))
        return lxe__err_set(err, EPROTO, "memory record: length %zu is"
                            " below the %zu bytes of its version field: it"
                            " is cut short", len, sizeof(version));
    memcpy(&version, buf, sizeof(version));
    version = le32toh(version);
    if (!version)
        return lxe__err_set(err, EPROTO, "memory record: version 0; the"
                            " first is 1: the record is damaged");
    if (version > LXE_RECORD_VERSION)
        return lxe__err_set(err, EPROTO, "memory record: version %u is"
                            " newer than %u, the newest known here: update"
                            " libxl-ext on this host", version,
                            LXE_RECORD_VERSION);
    if (len != sizeof(w))
        return lxe__err_set(err, EPROTO, "memory record: length %zu is not"
                            " the %zu bytes of version %u: it is %s", len,
                            sizeof(w), version,
                            len < sizeof(w) ? "cut short" : "too long");
    memcpy(&w, buf, sizeof(w));
    memset(&got, 0, sizeof(got));
    got.version = version;
    got.flags = le32toh(w.flags);
    memcpy(got.uuid, w.uuid, sizeof(got.uuid));
    got.max_pages = le64toh(w.max_pages);
    got.tot_pages = le64toh(w.tot_pages);
    got.outstanding_pages = le64toh(w.outstanding_pages);
    got.shr_pages = le64toh(w.shr_pages);
    got.paged_pages = le64toh(w.paged_pages);
    got.target_kb = le64toh(w.target_kb);
    got.static_max_kb = le64toh(w.static_max_kb);
    got.stock_max_kb = le64toh(w.stock_max_kb);
    if (got.flags & ~FLAGS_KNOWN)
        return lxe__err_set(err, EPROTO, "memory record: flags 0x%x has"
                            " bits outside 0x%x: update libxl-ext on this"
                            " host", got.flags, FLAGS_KNOWN);
    if (check_limits(&got, err))
        return -1;
    *r = got;
    return 0;
}

int lxe__record_check_uuid(const struct lxe__record *r,
                           const uint8_t uuid[16], uint32_t domid,
                           struct lxe__err *err)
{
    char theirs[LXE_UUID_TEXT], ours[LXE_UUID_TEXT];

    if (!memcmp(r->uuid, uuid, sizeof(r->uuid)))
        return 0;
    lxe__uuid_text(r->uuid, theirs);
    lxe__uuid_text(uuid, ours);
    return lxe__err_set(err, EPROTO, "memory record: uuid %s is not that"
                        " of dom %u, %s: restore the image with the"
                        " configuration that it was saved with", theirs,
                        domid, ours);
}
