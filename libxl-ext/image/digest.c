/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * XXH3 of 128 bits, as it comes; see digest.h.
 */
#define XXH_INLINE_ALL      /* no library at run time: dom0 may lack it */
#include <xxhash.h>

#include "image/digest.h"

struct lxe__digest *lxe__digest_new(void)
{
    XXH3_state_t *state = XXH3_createState();

    if (state)
        XXH3_128bits_reset(state);
    return (struct lxe__digest *)state;
}

void lxe__digest_free(struct lxe__digest *d)
{
    XXH3_freeState((XXH3_state_t *)d);
}

void lxe__digest_add(struct lxe__digest *d, const void *data, size_t len)
{
    XXH3_128bits_update((XXH3_state_t *)d, data, len);
}

struct lxe__sum lxe__digest_sum(const struct lxe__digest *d)
{
    XXH128_hash_t h = XXH3_128bits_digest((const XXH3_state_t *)d);

    return (struct lxe__sum){ .low = h.low64, .high = h.high64 };
}
