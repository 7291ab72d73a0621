/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The limit that stock libxl would set when it restores a domain that
 * is saved now: libxl's arithmetic, without libxl.  Pure code.
 */
#ifndef LXE_MEMORY_STOCK_H
#define LXE_MEMORY_STOCK_H

#include <stdbool.h>
#include <stdint.h>

/* What libxl adds to a target on x86 (LIBXL_MAXMEM_CONSTANT). */
#define LXE_STOCK_MAXMEM_CONSTANT_KB 1024

/* What libxl has for a size that nobody gave (LIBXL_MEMKB_DEFAULT). */
#define LXE_STOCK_DEFAULT_KB UINT64_MAX

struct lxe__stock {
    bool hvm;               /* in libxl's sense; PVH is not */
    uint64_t target_kb;     /* xenstore memory/target */
    uint64_t video_kb;      /* xenstore memory/videoram */
    /*
     * From libxl's stored configuration of the domain, as it was
     * created; ballooning does not change these.
     */
    uint64_t created_target_kb;
    uint64_t created_max_kb;
};

uint64_t lxe__stock_max_kb(const struct lxe__stock *s);

/*
 * The number that @key has in "b_info" of libxl's JSON text @json;
 * LXE_STOCK_DEFAULT_KB where there is none, as libxl has it.
 */
uint64_t lxe__stock_json_kb(const char *json, const char *key);

#endif
