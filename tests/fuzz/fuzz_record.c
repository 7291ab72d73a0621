/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What decodes bytes from a peer before the memory limit: the libxc
 * headers, a record header, the memory record's body.
 *
 * An input is a stream from its image header on, as in
 * docs/memory-record.md.  Besides what the sanitizers see, what a
 * decoder accepts must be within its documented bounds and, encoded
 * again, be the same bytes; and one that refuses must leave the
 * caller's struct alone and write one line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "memory/record.h"
#include "stream/libxc_format.h"

static void fuzz_body(const uint8_t *data, size_t size)
{
    struct lxe__record r, before;
    uint8_t again[LXE_RECORD_LEN];
    struct lxe__err err;
    void *copy = fuzz_exact(data, size);

    memset(&before, 0xa5, sizeof(before));
    r = before;
    lxe__err_init(&err);
    if (lxe__record_decode(copy, size, &r, &err)) {
        fuzz_refused(&err);
        must(!memcmp(&r, &before, sizeof(r)));
    } else {
        must(size == LXE_RECORD_LEN && r.version == LXE_RECORD_VERSION);
        must(r.max_pages && r.max_pages <= LXE_RECORD_MAX_PAGES);
        must(r.tot_pages <= LXE_RECORD_MAX_PAGES);
        lxe__record_encode(&r, again);
        must(!memcmp(copy, again, sizeof(again)));
    }
    free(copy);
}

static void fuzz_stream(const uint8_t *data, size_t size)
{
    struct lxe__libxc_headers h;
    struct lxe__libxc_rhdr rh;
    uint8_t again[LXE_RHDR_LEN];
    struct lxe__err err;
    void *copy;

    if (size < LXE_LIBXC_HEADERS + LXE_RHDR_LEN)
        return;
    copy = fuzz_exact(data, LXE_LIBXC_HEADERS);
    lxe__err_init(&err);
    if (lxe__libxc_headers_decode(copy, &h, &err))
        fuzz_refused(&err);
    else
        must((h.version == 2 || h.version == 3) &&
             (h.type == LXE_LIBXC_TYPE_PV ||
              h.type == LXE_LIBXC_TYPE_HVM));
    free(copy);
    copy = fuzz_exact(data + LXE_LIBXC_HEADERS, LXE_RHDR_LEN);
    lxe__err_init(&err);
    if (lxe__libxc_rhdr_decode(copy, &rh, &err)) {
        fuzz_refused(&err);
    } else {
        must(rh.length <= LXE_LIBXC_REC_MAX);
        lxe__libxc_rhdr_encode(&rh, again);
        must(!memcmp(copy, again, sizeof(again)));
    }
    free(copy);
    fuzz_body(data + LXE_LIBXC_HEADERS + LXE_RHDR_LEN,
              size - LXE_LIBXC_HEADERS - LXE_RHDR_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin();
    fuzz_body(data, size);
    fuzz_stream(data, size);
    fuzz_end();
    return 0;
}
