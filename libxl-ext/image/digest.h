/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A 128-bit sum of octets: was read again what was written?  It guards
 * against mistakes, not against an adversary.
 */
#ifndef LXE_IMAGE_DIGEST_H
#define LXE_IMAGE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct lxe__digest;

struct lxe__sum {
    uint64_t low, high;
};

/* NULL without memory. */
struct lxe__digest *lxe__digest_new(void);
void lxe__digest_free(struct lxe__digest *d);       /* NULL is taken */
void lxe__digest_add(struct lxe__digest *d, const void *data, size_t len);
/* Of all that was added so far. */
struct lxe__sum lxe__digest_sum(const struct lxe__digest *d);

#endif
